//! Which host a client command talks to. Connects to nothing.

use std::path::PathBuf;

use host::config::{Config, DEFAULT_LISTEN, Sources};

use crate::args::url_of;
use crate::codes;
use crate::failure::{Failure, Failures};

/// The address of a host in the form that gRPC libraries read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(String);

impl Target {
    /// `http://…` or `unix:/…`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// `--host`, else MODRACK_HOST, else where a host with this configuration listens.
pub(crate) fn resolve(host: Option<String>, config: Option<PathBuf>) -> Result<Target, Failures> {
    let from_env = || std::env::var("MODRACK_HOST").ok();
    if let Some(text) = host.or_else(from_env).filter(|text| !text.trim().is_empty()) {
        return parse(text.trim())
            .ok_or_else(|| Failure::local(codes::HOST_ADDRESS, format!("`{text}` is no address of a host")).into());
    }
    let config = Config::load(&Sources::of_process(config))?.config;
    let listen = config.listen.filter(|address| address.port() != 0).map(url_of);
    let url = listen.or_else(|| config.socket.map(|path| format!("unix:{}", path.display())));
    Ok(Target(url.unwrap_or_else(|| url_of(DEFAULT_LISTEN))))
}

fn parse(text: &str) -> Option<Target> {
    let path = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:"));
    if let Some(path) = path {
        return path.starts_with('/').then(|| Target(format!("unix:{path}")));
    }
    // `127.0.0.1:7420` and `localhost:7420` say all that is needed.
    let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':')?;
    let usable =
        !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']) && port.parse::<u16>().is_ok_and(|p| p != 0);
    usable.then(|| Target(format!("http://{authority}")))
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
            ("https://example.org:1", None),
            ("ftp://a:1", None),
            ("127.0.0.1", None),
            ("127.0.0.1:0", None),
            (":7420", None),
            ("a b:1", None),
        ] {
            assert_eq!(parse(text).as_ref().map(Target::as_str), expected, "{text}");
        }
    }
}
