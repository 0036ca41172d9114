//! Which host a client command talks to, and what it shows there. Connects to nothing.

use std::path::{Path, PathBuf};

use host::config::{Config, DEFAULT_LISTEN, Sources, read_secret};
use protocol::Secret;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::args::{ConnectFlags, url_of};
use crate::codes;
use crate::failure::{Failure, Failures};

/// A host and how to prove oneself to it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: String,
    /// Shown with every request.
    pub(crate) token: Option<Secret>,
    /// For `https` alone.
    pub(crate) tls: Option<ClientTlsConfig>,
}

impl Target {
    /// `http://…`, `https://…` or `unix:/…`, in the form that gRPC libraries read.
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }
}

/// `--host`, else MODRACK_HOST, else where a host with this configuration listens; with the files of the flags, else those
/// of the variables of the same names.
pub(crate) fn resolve(flags: ConnectFlags, config: Option<PathBuf>) -> Result<Target, Failures> {
    let given = flags.host.or_else(|| variable("MODRACK_HOST")).filter(|text| !text.trim().is_empty());
    let url = match given {
        Some(text) => parse(text.trim())
            .ok_or_else(|| Failure::local(codes::HOST_ADDRESS, format!("`{text}` is no address of a host")))?,
        None => configured(config)?,
    };
    let file = |flag: Option<PathBuf>, name| flag.or_else(|| variable(name).map(PathBuf::from));
    let token = match file(flags.token_file, "MODRACK_TOKEN_FILE") {
        Some(path) => Some(read_secret(&path).map_err(|error| unreadable(&error))?),
        None => None,
    };
    let tls = if url.starts_with("https://") {
        let ca = file(flags.ca_file, "MODRACK_CA_FILE");
        let cert = file(flags.cert_file, "MODRACK_CERT_FILE");
        let key = file(flags.key_file, "MODRACK_KEY_FILE");
        Some(tls(ca.as_deref(), cert.as_deref(), key.as_deref())?)
    } else {
        None
    };
    Ok(Target { url, token, tls })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where a host with this configuration listens. Its Unix socket comes first where TCP demands certificates.
fn configured(config: Option<PathBuf>) -> Result<String, Failures> {
    let config = Config::load(&Sources::of_process(config))?.config;
    let tls = config.tls.is_some();
    let listen = config.listen.filter(|address| address.port() != 0).map(|address| url_of(address, tls));
    let socket = config.socket.map(|path| format!("unix:{}", path.display()));
    let url = if tls { socket.or(listen) } else { listen.or(socket) };
    Ok(url.unwrap_or_else(|| url_of(DEFAULT_LISTEN, false)))
}

fn tls(ca: Option<&Path>, cert: Option<&Path>, key: Option<&Path>) -> Result<ClientTlsConfig, Failure> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| unreadable(&format!("`{}` cannot be read: {error}", path.display())))
    };
    let tls = match ca {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match (cert, key) {
        (None, None) => Ok(tls),
        (Some(cert), Some(key)) => Ok(tls.identity(Identity::from_pem(read(cert)?, read(key)?))),
        (Some(_), None) => Err(unreadable(&"a certificate needs its key: --key-file or MODRACK_KEY_FILE")),
        (None, Some(_)) => Err(unreadable(&"a key needs its certificate: --cert-file or MODRACK_CERT_FILE")),
    }
}

fn unreadable(why: &dyn std::fmt::Display) -> Failure {
    Failure::local(codes::CREDENTIAL_UNREADABLE, why.to_string())
}

fn parse(text: &str) -> Option<String> {
    let path = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:"));
    if let Some(path) = path {
        return path.starts_with('/').then(|| format!("unix:{path}"));
    }
    // `127.0.0.1:7420` and `localhost:7420` say all that is needed.
    let (scheme, authority) = match text.strip_prefix("https://") {
        Some(authority) => ("https", authority),
        None => ("http", text.strip_prefix("http://").unwrap_or(text)),
    };
    let authority = authority.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':')?;
    let usable =
        !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']) && port.parse::<u16>().is_ok_and(|p| p != 0);
    usable.then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_by_url_by_authority_or_by_socket() {
        for (text, expected) in [
            ("http://127.0.0.1:7420", Some("http://127.0.0.1:7420")),
            ("http://[::1]:7420/", Some("http://[::1]:7420")),
            ("localhost:7420", Some("http://localhost:7420")),
            ("unix:/run/host.sock", Some("unix:/run/host.sock")),
            ("unix:///run/host.sock", Some("unix:/run/host.sock")),
            ("unix:host.sock", None),
            ("https://example.org:1", Some("https://example.org:1")),
            ("https://example.org", None),
            ("ftp://a:1", None),
            ("127.0.0.1", None),
            ("127.0.0.1:0", None),
            (":7420", None),
            ("a b:1", None),
        ] {
            assert_eq!(parse(text).as_deref(), expected, "{text}");
        }
    }
}
