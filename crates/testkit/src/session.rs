//! A registration that was accepted, and what its provider can do with it. Sends no heartbeat that the test did not ask for.

use std::path::PathBuf;

use tokio::task::AbortHandle;

use protocol::Error;
use protocol::generated::provider::v1::{self as pb, link_endpoint::Address};

use crate::client::Client;
use crate::connection::Connection;

/// A session. Dropping it ends its heartbeats and nothing else.
#[derive(Debug)]
pub struct Session {
    client: Client,
    /// What the host answered.
    pub response: pb::RegisterResponse,
    heart: Option<AbortHandle>,
}

impl Session {
    pub(crate) fn new(client: Client, response: pb::RegisterResponse) -> Self {
        Self { client, response, heart: None }
    }

    /// The secret of the session.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.response.session_token
    }

    /// Sends heartbeats from now on, as often as the host asked for.
    #[must_use]
    pub fn keep_alive(mut self) -> Self {
        let (client, token) = (self.client.clone(), self.token().to_owned());
        let interval = std::time::Duration::from_millis(self.response.heartbeat_interval_ms.into());
        let beat = async move {
            while client.heartbeat(&token).await.is_ok_and(|answer| answer.commands.is_empty()) {
                tokio::time::sleep(interval).await;
            }
        };
        self.heart = Some(tokio::spawn(beat).abort_handle());
        self
    }

    /// Leaves.
    ///
    /// # Errors
    /// The coded error.
    pub async fn unregister(&self) -> Result<pb::UnregisterResponse, Error> {
        self.client.unregister(self.token()).await
    }

    /// The path of the link's socket.
    #[must_use]
    pub fn link_path(&self) -> PathBuf {
        match self.response.link.as_ref().and_then(|link| link.address.as_ref()) {
            Some(Address::UnixPath(path)) => path.into(),
            other => panic!("the host offers no Unix socket as link: {other:?}"),
        }
    }

    /// Connects to the link and says nothing yet.
    pub async fn dial_link(&self) -> Connection {
        Connection::link(&self.link_path()).await
    }

    /// Opens the attach stream and says nothing yet.
    #[must_use]
    pub fn dial_attach(&self) -> Connection {
        Connection::attach(&self.client)
    }

    /// Connects to the link and gets ready for calls.
    pub async fn link(&self) -> Connection {
        let mut connection = self.dial_link().await;
        connection.open(self.token()).await;
        connection
    }

    /// Opens the attach stream and gets ready for calls.
    pub async fn attach(&self) -> Connection {
        let mut connection = self.dial_attach();
        connection.open(self.token()).await;
        connection
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(heart) = &self.heart {
            heart.abort();
        }
    }
}
