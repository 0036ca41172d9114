//! What the supervisor and its host tell each other besides what [`Handle`](crate::Handle) offers. Knows no registry and no surface.

use std::sync::Arc;
use std::time::Duration;

use middleware::HostCapability;
use protocol::Secret;
use tokio::sync::oneshot;

use crate::config::Grant;
use crate::error::Error;

/// What the supervisor needs from its host. Whoever receives these must keep up: a start waits for `Admit`, a stop for `Drain`,
/// both for a bounded time.
#[derive(Debug)]
pub enum HostRequest {
    /// A component is about to start: from now on `token` is a credential of a provider for `namespaces`, and the token of a
    /// client with what `grants` say.
    Admit {
        /// Which component.
        id: Arc<str>,
        /// Which start of it; rises.
        start: u64,
        /// Made for this start alone.
        token: Secret,
        /// What it may ask of the host.
        grants: Vec<Grant>,
        /// Namespaces that it may serve, as a pattern like `text` or `text.*`; none of a component that is no provider.
        namespaces: Option<String>,
        /// The grants as the component is told of them, with any `token_file`: the supervisor puts its own there.
        reply: oneshot::Sender<Result<Vec<HostCapability>, Error>>,
    },
    /// That start is over; its token is good for nothing any more.
    Revoke {
        /// Which component.
        id: Arc<str>,
        /// Which start.
        start: u64,
    },
    /// A `grpc_local` component is about to end: its sessions take no new calls, those that run may end.
    Drain {
        /// Which component.
        id: Arc<str>,
        /// How long calls may run on.
        within: Duration,
        /// Told when none runs any more.
        done: oneshot::Sender<()>,
    },
}

/// A session that a `grpc_local` component serves, as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChange {
    /// It can be called.
    Up(String),
    /// It cannot be called any more.
    Down(String),
}

/// One component's part in the chain of middleware.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which component.
    pub id: Arc<str>,
    /// Where and about what it is asked, what it may change.
    pub settings: middleware::Settings,
}
