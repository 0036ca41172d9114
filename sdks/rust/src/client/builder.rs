//! How a client finds its host and proves itself. Makes no calls.

use std::path::PathBuf;

use crate::bearer::Bearer;
use crate::client::Client;
use crate::error::Error;
use crate::host::{HostAddress, TlsFiles};
use crate::provider::env;

/// Where a host is that nobody has named.
const DEFAULT_HOST: &str = "http://127.0.0.1:7420";

/// What a [`Client`] is to connect with. What is not set comes from the environment.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is connected until `connect`"]
pub struct ClientBuilder {
    host: Option<String>,
    token_file: Option<PathBuf>,
    tls: TlsFiles,
}

impl ClientBuilder {
    /// Where the host is, whatever `MODRACK_HOST` says: `http://host:port`, `https://host:port` or `unix:/path/to.sock`.
    pub fn host(mut self, address: impl Into<String>) -> Self {
        self.host = Some(address.into());
        self
    }

    /// The file with the caller's token, whatever `MODRACK_TOKEN_FILE` says. It is read anew when the host refuses the token.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// The certificates of the authorities that may vouch for the host, in PEM, whatever `MODRACK_CA_FILE` says; else the system's.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.ca = Some(path.into());
        self
    }

    /// The caller's own certificate chain and key, in PEM, for a host that asks for one, whatever `MODRACK_CERT_FILE` and
    /// `MODRACK_KEY_FILE` say.
    pub fn identity_files(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.cert = Some(cert.into());
        self.tls.key = Some(key.into());
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// `client.host.invalid`; `client.host.unreachable`; `client.credential.unreadable` for files of the token or of TLS that cannot be used.
    pub async fn connect(self) -> Result<Client, Error> {
        let host = self.host.or_else(|| env("MODRACK_HOST"));
        let host = HostAddress::parse(host.as_deref().unwrap_or(DEFAULT_HOST))?;
        let bearer = match self.token_file.or_else(|| env("MODRACK_TOKEN_FILE").map(PathBuf::from)) {
            Some(path) => Bearer::from_file(path).await?,
            None => Bearer::none(),
        };
        Ok(Client::over(host.connect(&self.tls.or_env()).await?, bearer))
    }
}
