//! Lets a connection in: its token names a session, the executor takes the connection, the registry makes the session
//! callable, in this order, so that no call meets a session without a connection.

use executor::End;
use protocol::{DataPlane, Error, SessionId, SessionToken, codes};

use crate::components::Facts;

/// What a handshake needs.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) registry: registry::Handle,
    pub(crate) executor: executor::Handle,
    /// Where it is told that calls reach the session of a component.
    pub(crate) facts: Facts,
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

    /// Tells the registry that calls reach the session. When it does not take that, the executor forgets the connection,
    /// and the provider has to be told.
    ///
    /// # Errors
    /// `registry.session.unknown` when the session ended meanwhile, `registry.plane.unsupported`, `registry.session.attached`.
    pub(crate) async fn make_callable(&self, session: Proven, plane: DataPlane) -> Result<(), Error> {
        match self.registry.connect(session.token, plane).await {
            Ok(connected) => {
                let (session, namespace) = (connected.session, connected.namespace);
                tracing::info!(%session, %namespace, plane = plane.as_str(), "session connected");
                self.facts.callable(session).await;
                Ok(())
            }
            Err(error) => {
                self.executor.end(session.id, End::Fail(error.clone())).await;
                Err(error)
            }
        }
    }
}
