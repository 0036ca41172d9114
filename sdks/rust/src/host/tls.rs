//! The files that TLS needs: whom to trust and who we are. Opens no connection.

use std::path::PathBuf;

use tonic::transport::Endpoint;

use crate::error::Error;
use crate::provider::env;

/// The files in force for `https://` addresses; others need none.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsFiles {
    /// Certificates of the authorities to trust, in PEM; the system's where nothing is said.
    pub(crate) ca: Option<PathBuf>,
    /// Our own certificate chain, in PEM, for a host that asks for one.
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, in PEM.
    pub(crate) key: Option<PathBuf>,
}

impl TlsFiles {
    /// These, and where nothing was said those that the environment names.
    pub(crate) fn or_env(self) -> Self {
        let named = |name| env(name).map(PathBuf::from);
        let own = self.cert.is_some() || self.key.is_some();
        Self {
            ca: self.ca.or_else(|| named("MODRACK_CA_FILE")),
            // A certificate and its key come from one place.
            cert: if own { self.cert } else { named("MODRACK_CERT_FILE") },
            key: if own { self.key } else { named("MODRACK_KEY_FILE") },
        }
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) async fn apply(&self, endpoint: Endpoint) -> Result<Endpoint, Error> {
        // Addresses that would need it were refused.
        Ok(endpoint)
    }

    /// The endpoint with TLS.
    ///
    /// # Errors
    /// `client.credential.unreadable`.
    #[cfg(feature = "tls")]
    pub(crate) async fn apply(&self, endpoint: Endpoint) -> Result<Endpoint, Error> {
        use tonic::transport::{Certificate, ClientTlsConfig, Identity};

        let mut config = match &self.ca {
            Some(path) => {
                let pem = read(path, "MODRACK_CA_FILE").await?;
                // rustls takes a file without a certificate for one that trusts nobody.
                if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
                    return Err(invalid(format!("{} holds no certificate in PEM", path.display()), "MODRACK_CA_FILE"));
                }
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
            }
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let (cert, key) = (read(cert, "MODRACK_CERT_FILE").await?, read(key, "MODRACK_KEY_FILE").await?);
                config = config.identity(Identity::from_pem(cert, key));
            }
            (None, None) => {}
            _ => return Err(invalid("a certificate and its key go together".to_owned(), "MODRACK_KEY_FILE")),
        }
        endpoint.tls_config(config).map_err(|source| {
            let cause = crate::host::innermost(&source).unwrap_or_else(|| source.to_string());
            invalid(format!("the files for TLS cannot be used: {cause}"), "MODRACK_CERT_FILE")
        })
    }
}

#[cfg(feature = "tls")]
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(feature = "tls")]
async fn read(path: &std::path::Path, variable: &'static str) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path)
        .await
        .map_err(|source| invalid(format!("{} cannot be read: {source}", path.display()), variable))
}

#[cfg(feature = "tls")]
fn invalid(message: String, variable: &'static str) -> Error {
    Error::new(crate::error::Category::FailedPrecondition, "client.credential.unreadable", message).with_hint(
        match variable {
            "MODRACK_CA_FILE" => "MODRACK_CA_FILE names a PEM file with the certificate of the host's authority",
            _ => "MODRACK_CERT_FILE and MODRACK_KEY_FILE name PEM files with a certificate chain and its private key",
        },
    )
}
