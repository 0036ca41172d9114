//! `[tls]`, `[unary]`, and what an address that other machines can reach demands. Speaks no TLS; that is [`crate::tls`]'s.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::Config;
use crate::config::fault::FaultCode;
use crate::config::layers::Raw;
use crate::config::read::{Reader, Refusal, string};
use crate::tls;

/// `[tls]`: what the host shows to who connects by TCP, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate with those that vouch for it, as PEM.
    pub cert_file: PathBuf,
    /// Its private key, as PEM.
    pub key_file: PathBuf,
    /// Who vouches for clients, as PEM. Where it is set, a connection without such a certificate is refused.
    pub client_ca_file: Option<PathBuf>,
}

/// `[unary]`: where the host connects to by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unary {
    /// Networks in which a `service_url` may lie. Default loopback.
    pub allow: Vec<IpNet>,
    /// Who vouches for providers whose `service_url` is `https`, as PEM; who the system trusts where there is none.
    pub ca_file: Option<PathBuf>,
}

/// Reads `[tls]` and tries what it names, so that a fault is told before anything listens.
pub(super) fn read(r: &mut Reader<'_>) -> Option<Tls> {
    let [cert_file, key_file, client_ca_file] =
        ["tls.cert_file", "tls.key_file", "tls.client_ca_file"].map(|key| r.optional_path(key));
    let (Some(cert_file), Some(key_file)) = (cert_file, key_file) else {
        let keys = ["tls.cert_file", "tls.key_file", "tls.client_ca_file"];
        if let Some(set) = keys.into_iter().find(|key| r.has(key)) {
            for missing in ["tls.cert_file", "tls.key_file"] {
                if r.has(missing) {
                    continue;
                }
                let origin = r.origin(set);
                let message = format!("`{missing}` is missing");
                let hint = "TLS needs `tls.cert_file` and `tls.key_file`";
                r.fault(missing, origin, Refusal::new(FaultCode::KeyMissing, message, hint));
            }
        }
        return None;
    };
    let tls = Tls { cert_file, key_file, client_ca_file };
    if let Err(fault) = tls::server_config(&tls) {
        let key = format!("tls.{}", fault.key());
        let origin = r.origin(&key);
        let hint = "PEM files: a certificate chain, its unencrypted private key, and the CA's certificate";
        r.fault(&key, origin, Refusal::new(FaultCode::TlsInvalid, format!("`{key}`: {fault}"), hint));
    }
    Some(tls)
}

/// Reads `[unary]`.
pub(super) fn read_unary(r: &mut Reader<'_>) -> Unary {
    let show = |nets: &Vec<IpNet>| nets.iter().map(ToString::to_string).collect::<Vec<_>>().into();
    let allow = r.take("unary.allow", protocol::dial::loopback(), show, |raw, _| match raw {
        Raw::List(items) => items.iter().map(|item| network(string("unary.allow", item)?)).collect(),
        Raw::Text(text) => text.split(',').map(str::trim).filter(|net| !net.is_empty()).map(network).collect(),
        raw => Err(Refusal::kind("unary.allow", "an array of strings", raw)),
    });
    let ca_file = r.optional_path("unary.ca_file");
    if let Some(Err(message)) = ca_file.as_deref().map(tls::certificates) {
        let origin = r.origin("unary.ca_file");
        let hint = "a PEM file with the CA's certificate";
        let message = format!("`unary.ca_file`: {message}");
        r.fault("unary.ca_file", origin, Refusal::new(FaultCode::TlsInvalid, message, hint));
    }
    Unary { allow, ca_file }
}

/// A network, or an address as the network of one.
fn network(text: &str) -> Result<IpNet, Refusal> {
    text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into())).map_err(|_| {
        let message = format!("`unary.allow` cannot hold `{}`", text.escape_debug());
        Refusal::new(FaultCode::ValueInvalid, message, "write networks, e.g. `127.0.0.0/8`, `10.1.0.0/16`, `::1/128`")
    })
}

/// An address that other machines can reach demands TLS, and a proof from whoever comes.
pub(super) fn check_listen(r: &mut Reader<'_>, config: &Config) {
    let Some(address) = config.listen.filter(|_| !config.listens_on_loopback()) else { return };
    let mutual = config.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
    let missing: Vec<_> = [
        ("TLS (`tls.cert_file`, `tls.key_file`)", config.tls.is_none()),
        ("credentials of providers (`[[providers]]`)", config.providers.is_empty() && !mutual),
        ("tokens of clients (`[[clients]]`)", config.clients.is_empty() && !mutual),
    ]
    .into_iter()
    .filter_map(|(what, missing)| missing.then_some(what))
    .collect();
    if missing.is_empty() || config.insecure_listen {
        return;
    }
    let message = format!("`listen` is `{address}`, which other machines can reach, without {}", missing.join(", "));
    let hint = "set what is missing (`tls.client_ca_file` stands for both kinds of secrets), or listen on 127.0.0.1 or `socket`; where the network itself is trusted, say so with `insecure_listen = true` or `--insecure-listen`";
    let origin = r.origin("listen");
    r.fault("listen", origin, Refusal::new(FaultCode::ListenInsecure, message, hint));
}
