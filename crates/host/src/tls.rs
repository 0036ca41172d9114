//! TLS as the host speaks it: rustls, from the files that the configuration names. Decides not whether it is spoken.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::config::Tls;

/// Why the files of `[tls]` cannot be used. Says nothing of what a private key holds.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The certificate.
    #[error("{0}")]
    Certificate(String),
    /// The key, or that it is not the certificate's.
    #[error("{0}")]
    Key(String),
    /// The CA of clients.
    #[error("{0}")]
    ClientCa(String),
}

impl TlsFault {
    /// The key below `tls` at which the fault lies.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "cert_file",
            Self::Key(_) => "key_file",
            Self::ClientCa(_) => "client_ca_file",
        }
    }
}

/// The server's side: TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, and a certificate of the client where a CA for them is named.
/// Reads the files anew.
///
/// # Errors
/// The first file that cannot be used, and why.
pub(crate) fn server_config(tls: &Tls) -> Result<Arc<ServerConfig>, TlsFault> {
    let chain = certificates(&tls.cert_file).map_err(TlsFault::Certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key_file)
        .map_err(|error| TlsFault::Key(format!("`{}` gives no private key: {error}", tls.key_file.display())))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of both versions");
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path).map_err(TlsFault::ClientCa)? {
                let refused = |error| TlsFault::ClientCa(format!("`{}` holds no CA: {error}", path.display()));
                roots.add(certificate).map_err(refused)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| TlsFault::ClientCa(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        TlsFault::Key(format!("`{}` does not go with the certificate: {error}", tls.key_file.display()))
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates in a PEM file, at least one.
///
/// # Errors
/// For people.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("`{}` gives no certificate: {error}", path.display());
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&error))?;
    if certificates.is_empty() { Err(unusable(&"it holds none")) } else { Ok(certificates) }
}
