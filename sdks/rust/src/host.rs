//! Where the host is and how to reach it, with TLS or without. Knows nothing of what is said there.

mod tls;

use std::fmt;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

pub(crate) use tls::TlsFiles;

use crate::error::{Category, Error};

/// How long to try for a connection to the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// `http://127.0.0.1:7420`, `https://modrack.example:7420` or `unix:/path/to.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostAddress(String);

impl HostAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim().trim_end_matches('/');
        let invalid = |hint: &'static str| {
            let message = format!("`{text}` is no address of a host");
            Error::new(Category::InvalidArgument, "client.host.invalid", message).with_hint(hint)
        };
        let path = text.strip_prefix("unix:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
        let right = match path {
            Some(path) => path.starts_with('/'),
            None => {
                let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
                authority.is_some_and(|a| !a.is_empty()) && Endpoint::from_shared(text.to_owned()).is_ok()
            }
        };
        if !right {
            return Err(invalid("write `http://127.0.0.1:7420`, `https://host:7420` or `unix:/path/to.sock`"));
        }
        if cfg!(not(feature = "tls")) && text.starts_with("https://") {
            return Err(invalid("this program was built without the feature `tls` of the crate `modrack`"));
        }
        Ok(Self(path.map_or_else(|| text.to_owned(), |path| format!("unix:{path}"))))
    }

    /// A channel that is connected, and connects again when the connection is lost. Reads the files of TLS anew.
    ///
    /// # Errors
    /// `client.credential.unreadable`; `client.host.unreachable`.
    pub(crate) async fn connect(&self, tls: &TlsFiles) -> Result<Channel, Error> {
        let mut endpoint = Endpoint::from_shared(self.0.clone())
            .map_err(|source| Error::new(Category::InvalidArgument, "client.host.invalid", source.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        let is_tls = self.0.starts_with("https://");
        if is_tls {
            endpoint = tls.apply(endpoint).await?;
        }
        endpoint.connect().await.map_err(|source| {
            let mut message = format!("the host at {self} cannot be reached");
            if let Some(cause) = innermost(&source) {
                message.push_str(&format!(": {cause}"));
            }
            Error::new(Category::Unavailable, "client.host.unreachable", message).with_hint(if is_tls {
                "is `modrack serve` running, is MODRACK_HOST its address, and does MODRACK_CA_FILE name the authority of its certificate?"
            } else {
                "is `modrack serve` running, and is MODRACK_HOST its address?"
            })
        })
    }
}

pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Some(cause.to_string())
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
