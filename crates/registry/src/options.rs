//! What an operator can choose about the registry. Reads no file and no environment.

use std::time::Duration;

/// Times and bounds of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A session without a heartbeat and without activity for so long ends.
    pub lease: Duration,
    /// How long a session that must attach or link may take to do so.
    pub attach_timeout: Duration,
    /// How long a session that was replaced may go on with the calls that it has.
    pub drain_grace: Duration,
    /// How long a request may wait for its answer before it is told `registry.busy`.
    pub request_timeout: Duration,
    /// Most requests that wait for the owner of the state.
    pub queue: usize,
    /// Most steps that a watcher may be behind before it has to begin anew.
    pub watch_backlog: usize,
    /// Most names that are gone whose last revision is remembered. Beyond that, names that come back skip revisions.
    pub remembered_names: usize,
    /// Bounds on what providers may bring.
    pub limits: Limits,
}

/// Bounds on what providers may bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Live sessions. A replacement always has room.
    pub sessions: usize,
    /// Live sessions of one subject, that is of one credential. A replacement always has room.
    pub sessions_per_subject: usize,
    /// Modules of one provider.
    pub modules_per_provider: usize,
    /// Names over all namespaces.
    pub modules: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            attach_timeout: Duration::from_secs(10),
            drain_grace: Duration::from_secs(30),
            request_timeout: Duration::from_secs(5),
            queue: 1024,
            watch_backlog: 256,
            remembered_names: 100_000,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 4096, sessions_per_subject: 1024, modules_per_provider: 10_000, modules: 100_000 }
    }
}

impl Options {
    /// How often a provider is asked to send a heartbeat: three times a lease, so that two may get lost.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        self.lease / 3
    }
}
