//! Starts, probes, initialises, restarts, drains and stops local processes: the only crate that creates one. Routes no call and
//! applies no decision.

mod command;
pub mod config;
mod error;
mod handle;
mod host;
mod http;
mod line;
mod logs;
mod options;
pub mod output;
pub mod process;
mod report;
pub mod sandbox;
mod service;
pub mod shim;
mod state;
pub mod usage;

pub use error::Error;
pub use handle::Handle;
pub use host::{HostRequest, Part, SessionChange};
pub use logs::LogReader;
pub use options::{Options, ShimCommand};
pub use service::Service;
