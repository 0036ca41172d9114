//! Lets a connection in: its token names a session, the executor takes the connection, the registry makes the session
//! callable, in this order, so that no call meets a session without a connection.

use executor::End;
use protocol::{DataPlane, Error, SessionId, SessionToken, codes};

/// What a handshake needs.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) registry: registry::Handle,
    pub(crate) executor: executor::Handle,
}

/// A session that a token proved.
pub(crate) struct Proven {
    pub(crate) id: SessionId,
    token: SessionToken,
}

impl Admission {
    /// The session that the token proves.
    ///
    /// # Errors
    /// `registry.session.unknown`.
    pub(crate) async fn find(&self, token: Option<SessionToken>) -> Result<Proven, Error> {
        let unknown = || Error::of(codes::SESSION_UNKNOWN, "the token is not that of a session");
        let token = token.ok_or_else(unknown)?;
        let id = self.registry.find(token.clone()).await?;
        Ok(Proven { id, token })
    }

    /// Tells the registry that calls reach the session; when it does not take it, the connection is closed with its reason.
    pub(crate) async fn make_callable(&self, session: Proven, plane: DataPlane) {
        if let Err(error) = self.registry.connect(session.token, plane).await {
            tracing::info!(session = %session.id, %error, "a connection came too late for its session");
            self.executor.end(session.id, End::Fail(error)).await;
        }
    }
}
