//! Where the host is and how to reach it. Knows nothing of what is said there.

use std::fmt;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::error::{Category, Error};

/// How long to try for a connection to the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// `http://127.0.0.1:7420` or `unix:/path/to.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostAddress(String);

impl HostAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim().trim_end_matches('/');
        let path = text.strip_prefix("unix:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
        let right = match path {
            Some(path) => path.starts_with('/'),
            None => {
                let authority = text.strip_prefix("http://");
                authority.is_some_and(|a| !a.is_empty()) && Endpoint::from_shared(text.to_owned()).is_ok()
            }
        };
        if !right {
            let message = format!("`{text}` is no address of a host");
            let hint = "write `http://127.0.0.1:7420` or `unix:/path/to.sock`";
            return Err(Error::new(Category::InvalidArgument, "client.host.invalid", message).with_hint(hint));
        }
        Ok(Self(path.map_or_else(|| text.to_owned(), |path| format!("unix:{path}"))))
    }

    /// A channel that is connected, and connects again when the connection is lost.
    pub(crate) async fn connect(&self) -> Result<Channel, Error> {
        self.endpoint()?.connect().await.map_err(|source| {
            let mut message = format!("the host at {self} cannot be reached");
            if let Some(cause) = innermost(&source) {
                message.push_str(&format!(": {cause}"));
            }
            Error::new(Category::Unavailable, "client.host.unreachable", message)
                .with_hint("is `modrack serve` running, and is MODRACK_HOST its address?")
        })
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let endpoint = Endpoint::from_shared(self.0.clone())
            .map_err(|source| Error::new(Category::InvalidArgument, "client.host.invalid", source.to_string()))?;
        Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true))
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> Option<String> {
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
