//! The composition root: configuration, surfaces, wiring, shutdown order. Holds almost no logic of its own.
//!
//! Invariants:
//! * A session is made callable only after the executor has its connection, so no call meets a session without one.
//! * What the registry decides reaches the executor and what the executor sees reaches the registry through two tasks that
//!   never wait for each other.
//! * Every failure that leaves a surface carries an envelope, also those that the gRPC library makes itself.
//! * Shutdown is a fixed order of bounded steps; see [`serve`].

mod access;
mod admission;
mod browser;
mod coded;
mod components;
pub mod config;
mod credentials;
mod http;
mod link;
mod listen;
mod middleware;
mod pipelines;
mod refusal;
mod runtime;
mod serve;
mod surface;
mod telemetry;
mod tls;
mod watch;

pub use components::shim;
pub use config::Config;
pub use runtime::runtime;
pub use serve::{Addresses, Running, ServeError, serve};
