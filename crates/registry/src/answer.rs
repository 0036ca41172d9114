//! What the registry answers and tells, as plain data. Not the wire's form of it; that is the host's.

use std::fmt;
use std::time::Duration;

use protocol::{Error, Namespace, ServiceId, SessionId, SessionToken};

/// A registration that was stored, in full or (when it allowed that) in part.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The session; the one of before when the registration updated it in place.
    pub session: SessionId,
    /// The secret that proves the session.
    pub token: SessionToken,
    /// One per module of the request, in its order.
    pub results: Vec<ModuleOutcome>,
    /// Whether calls can reach it now; otherwise it has [`Registered::attach_timeout`] to attach or link.
    pub ready: bool,
    /// Time until the lease ends.
    pub lease: Duration,
    /// How often to send a heartbeat.
    pub heartbeat_interval: Duration,
    /// How long a session that is not ready may take to attach or link.
    pub attach_timeout: Duration,
}

/// A registration of which nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why; the first fault where there are several.
    pub error: Error,
    /// One per module of the request, in its order, when modules are at fault; empty when the request as a whole is.
    pub results: Vec<ModuleOutcome>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, results: Vec::new() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// What became of one module of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleOutcome {
    /// The name as the request has it; not checked when the module was refused.
    pub name: String,
    /// The revision that it has or, for a replacement that has yet to connect, will take over with; or why it was refused.
    pub outcome: Result<u64, Error>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Time until the lease ends; `None` when there is no such session.
    pub lease: Option<Duration>,
    /// What the host wants of the provider, if anything.
    pub command: Option<Command>,
}

/// What the host wants of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Take no new calls, finish what runs, leave.
    Drain,
    /// The session is unknown or over: register again.
    Reregister,
}

/// A session that has its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The session.
    pub session: SessionId,
    /// Who the provider is.
    pub service_id: ServiceId,
    /// What it serves.
    pub namespace: Namespace,
}

/// Why a session ended, or a name went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The provider said so. Calls that it has may still be answered.
    Unregistered,
    /// No heartbeat came in time.
    LeaseExpired,
    /// Its attach or link connection closed.
    LinkLost,
    /// It never attached or linked.
    AttachTimeout,
    /// Another session, or another registration of the same one, took its place.
    Replaced,
}

impl EndReason {
    /// The name on every surface, e.g. `lease_expired`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::LeaseExpired => "lease_expired",
            Self::LinkLost => "link_lost",
            Self::AttachTimeout => "attach_timeout",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// News of a session for whoever holds its connection and its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent {
    /// The session takes no new calls; its connection is to say so to the provider. Once, and again on a connection that opens after that.
    Drain {
        /// The session.
        session: SessionId,
        /// How long the calls that run may take from now.
        grace: Duration,
    },
    /// The session is over. No route leads to it any more. Exactly once for each session, and the last event of it.
    Ended {
        /// The session.
        session: SessionId,
        /// Why. After [`EndReason::Unregistered`] running calls may finish; otherwise they fail at once.
        reason: EndReason,
    },
}
