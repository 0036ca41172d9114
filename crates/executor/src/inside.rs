//! Modules that the process of the host serves itself, e.g. stored pipelines: calls of them travel no wire. Serves none.

use std::fmt;

use futures::future::BoxFuture;
use protocol::frame::{Answer, Execute};
use tokio::time::Instant;

/// Serves the modules of one session of the host's own.
pub trait Inside: fmt::Debug + Send + Sync + 'static {
    /// Carries a call out, by the deadline at the latest. Dropping the future cancels the call. The input is canonical bytes of
    /// the declared type; the output is checked like everybody's.
    fn call(&self, execute: Execute, deadline: Instant) -> BoxFuture<'static, Answer>;
}
