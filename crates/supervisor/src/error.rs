//! What can go wrong with a component, each with its stable code. A fault of the configuration is
//! [`ConfigFault`](crate::config::ConfigFault).

use std::sync::Arc;
use std::time::Duration;

use protocol::Origin;
use protocol::codes::{self, Code};
use protocol::component::{ComponentFault, ComponentState};

/// Why a component does not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing of this id is configured.
    #[error("component `{id}` is not configured")]
    Unknown {
        /// As it was asked for.
        id: String,
    },
    /// It takes no calls now.
    #[error("component `{id}` takes no calls: it is {}", state.as_str())]
    NotReady {
        /// Which component.
        id: Arc<str>,
        /// Where it is in its life.
        state: ComponentState,
    },
    /// Its kind takes no such request.
    #[error("component `{id}` is a provider: it is called by the names of its modules")]
    NotCallable {
        /// Which component.
        id: Arc<str>,
    },
    /// It failed; the fault is in its view as well.
    #[error("component `{id}` failed: {message}")]
    Failed {
        /// Which component.
        id: Arc<str>,
        /// Code of the fault.
        code: Code,
        /// The fault in a line.
        message: String,
    },
    /// It was stopped while its start was awaited.
    #[error("component `{id}` was stopped")]
    Stopped {
        /// Which component.
        id: Arc<str>,
    },
    /// What was asked takes longer than it may.
    #[error("component `{id}` is still {} after {} s", state.as_str(), after.as_secs())]
    Slow {
        /// Which component.
        id: Arc<str>,
        /// Where it is in its life.
        state: ComponentState,
        /// How long it was awaited.
        after: Duration,
    },
    /// No answer in time.
    #[error("component `{id}` did not answer within {} ms", within.as_micros().div_ceil(1000))]
    Timeout {
        /// Which component.
        id: Arc<str>,
        /// How long it was given.
        within: Duration,
    },
    /// The answer is longer than it may be.
    #[error("the answer of component `{id}` is longer than {limit} bytes")]
    TooLarge {
        /// Which component.
        id: Arc<str>,
        /// `max_response_bytes`.
        limit: usize,
    },
    /// The answer is none that the contract knows.
    #[error("component `{id}` answered {what}")]
    Invalid {
        /// Which component.
        id: Arc<str>,
        /// What it answered, e.g. `with status 500`.
        what: String,
    },
    /// No connection, or it broke.
    #[error("component `{id}` cannot be reached: {reason}")]
    Unreachable {
        /// Which component.
        id: Arc<str>,
        /// Why, in a line.
        reason: String,
    },
    /// It does not take the host's token.
    #[error("component `{id}` refused the host with status {status}")]
    Refused {
        /// Which component.
        id: Arc<str>,
        /// 401 or 403.
        status: u16,
    },
    /// The host shuts down.
    #[error("the host is shutting down")]
    Stopping,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unknown { .. } => codes::COMPONENT_UNKNOWN,
            Self::NotReady { .. } | Self::NotCallable { .. } => codes::COMPONENT_NOT_READY,
            Self::Failed { code, .. } => *code,
            Self::Stopped { .. } => codes::COMPONENT_STOPPED,
            Self::Slow { .. } => codes::COMPONENT_READINESS_TIMEOUT,
            Self::Timeout { .. } => codes::MIDDLEWARE_TIMEOUT,
            Self::TooLarge { .. } => codes::MIDDLEWARE_RESPONSE_TOO_LARGE,
            Self::Invalid { .. } => codes::MIDDLEWARE_RESPONSE_INVALID,
            Self::Unreachable { .. } => codes::MIDDLEWARE_UNREACHABLE,
            Self::Refused { .. } => codes::MIDDLEWARE_REFUSED,
            Self::Stopping => codes::HOST_STOPPING,
        }
    }

    /// The failure that a fault stands for.
    pub(crate) fn failed(id: &Arc<str>, fault: &ComponentFault) -> Self {
        let code = codes::find(fault.code).copied().unwrap_or(codes::INTERNAL);
        Self::Failed { id: Arc::clone(id), code, message: fault.message.clone() }
    }
}

impl From<Error> for protocol::Error {
    fn from(error: Error) -> Self {
        let origin = match error {
            Error::Timeout { .. }
            | Error::TooLarge { .. }
            | Error::Invalid { .. }
            | Error::Unreachable { .. }
            | Error::Refused { .. } => Origin::Middleware,
            _ => Origin::Core,
        };
        Self::of(error.code(), error.to_string()).origin_is(origin)
    }
}
