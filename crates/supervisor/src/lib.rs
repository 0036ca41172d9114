//! Starts, probes, initialises, restarts, drains and stops local processes: the only crate that creates one. Routes no call and
//! applies no decision.
//!
//! [`config`] reads what operators want of a component. [`Service`] owns one task per component; the task tells a state machine
//! without clock or I/O what happens, and carries out what follows. [`process`] starts and ends processes through [`shim`]s, which
//! live no longer than the host and let nothing of a component's tree live longer than themselves. [`Handle`] is what everybody else
//! uses: it shows snapshots without waiting, takes orders, and asks components.
//!
//! Invariants:
//! * Nothing is callable before its report was accepted (`grpc_local`: before it has a session).
//! * There is one process tree per component at most, and after a stop, a failure or the end of the host there is none.
//! * By policy nothing is started more often than `restart_policy` allows; then it is failed and quiet until an operator starts it.
//! * Every wait ends: starts, drains and stops by the component's configuration, invocations by the caller's deadline as well.
//! * A token belongs to one start: it stands in a file for the host's user alone, and is revoked with the start.

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
