//! A connection by which calls come, whichever plane it is, and what it tells the session. Chooses none: see `session`.

use std::time::Duration;

use crate::error::Error;
use crate::provider::frames::Framed;
use crate::provider::settings::Plane;
use crate::provider::unary::UnaryServer;

/// What a session hears of its connection and its lease.
#[derive(Debug)]
pub(crate) enum Event {
    /// The connection is gone, or the lease with it.
    Lost(Error),
    /// No new calls come; finish what runs and come back.
    HostDrains(Duration),
    /// The host asks the provider to leave.
    DrainCommand,
    /// The host does not know the session.
    Reregister,
}

/// An open way for calls.
pub(crate) enum Connection {
    Framed(Plane, Framed),
    Unary(UnaryServer),
}

impl Connection {
    pub(crate) fn plane(&self) -> Plane {
        match self {
            Self::Framed(plane, _) => *plane,
            Self::Unary(_) => Plane::Unary,
        }
    }

    /// Takes no new calls; what runs is still answered.
    pub(crate) async fn drain(&self) {
        match self {
            Self::Framed(_, framed) => framed.drain().await,
            Self::Unary(server) => server.drain().await,
        }
    }

    /// Sends what is answered, cancels the rest, and closes.
    pub(crate) async fn close(self) {
        match self {
            Self::Framed(_, framed) => framed.close().await,
            Self::Unary(server) => server.close().await,
        }
    }
}
