//! Where the host may connect to by itself: the allow-list for `service_url`, checked on the addresses that a name has at
//! the moment of each connection. Sends nothing; the calls are `unary`'s.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Uri};

use crate::codes;
use crate::error::Error;
use crate::registration::ServiceUrl;

/// What a `service_url` may lead to, and whom it must prove to be. Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    allow: Arc<[IpNet]>,
    /// Who vouches for `https` providers, as PEM; those that the system trusts where there is none.
    ca: Option<Arc<[u8]>>,
}

impl Default for Dialer {
    /// Loopback alone.
    fn default() -> Self {
        Self::new(loopback())
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("allow", &self.allow).field("own_ca", &self.ca.is_some()).finish()
    }
}

/// `127.0.0.0/8` and `::1/128`.
#[must_use]
pub fn loopback() -> Vec<IpNet> {
    let net = |address: IpAddr, length| IpNet::new(address, length).expect("the length fits the address");
    vec![net([127, 0, 0, 0].into(), 8), net(std::net::Ipv6Addr::LOCALHOST.into(), 128)]
}

impl Dialer {
    /// Permits the addresses in these networks.
    #[must_use]
    pub fn new(allow: impl Into<Arc<[IpNet]>>) -> Self {
        Self { allow: allow.into(), ca: None }
    }

    /// Trusts these certificates (PEM) instead of the system's when a provider's URL is `https`.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Arc<[u8]>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Whether an address may be connected to. An IPv4 address in IPv6 clothes counts as the IPv4 address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow.iter().any(|net| net.contains(&address))
    }

    /// Checks an address that stands in the URL as such. A name passes: what it leads to is checked whenever it is dialled.
    ///
    /// # Errors
    /// `registry.service_url.denied`.
    pub fn check(&self, url: &ServiceUrl) -> Result<(), Error> {
        match host_of(&url.uri()).parse() {
            Ok(address) if !self.permits(address) => {
                let message = format!("the service_url is refused: `{address}` is not in `unary.allow`");
                Err(Error::of(codes::SERVICE_URL_DENIED, message).detail("address", address.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// A channel that connects when it is first used, and again after its connection broke; each time the name is looked up
    /// anew and every address that it has is checked.
    pub(crate) fn connect_lazy(&self, url: &ServiceUrl, endpoint: Endpoint) -> Result<Channel, Error> {
        let endpoint = if url.is_tls() {
            let tls = match &self.ca {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            endpoint.tls_config(tls).map_err(|error| Error::of(codes::SERVICE_URL_INVALID, error.to_string()))?
        } else {
            endpoint
        };
        let dialer = self.clone();
        Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |uri: Uri| {
            let dialer = dialer.clone();
            async move { dialer.dial(&uri, look_up).await.map(TokioIo::new) }
        })))
    }

    /// Connects to the first address that answers, if all of them may be dialled.
    async fn dial<F>(&self, uri: &Uri, look_up: impl FnOnce(String, u16) -> F) -> io::Result<TcpStream>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let host = host_of(uri);
        let addresses = look_up(host.to_owned(), uri.port_u16().unwrap_or_default()).await?;
        // One address outside is enough to refuse: whoever answers for the name must not choose which of them is tried.
        if let Some(outside) = addresses.iter().find(|address| !self.permits(address.ip())) {
            let refused = AddressRefused { host: host.to_owned(), address: outside.ip() };
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

fn host_of(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// A name that leads out of the allow-list.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` leads to `{address}`, which is not in `unary.allow`")]
pub(crate) struct AddressRefused {
    host: String,
    address: IpAddr,
}

impl AddressRefused {
    /// The coded error, when this is what lies at the bottom of a failure of the transport.
    pub(crate) fn in_cause(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
        let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
        let refused = inner.downcast_ref::<Self>()?;
        Some(
            Error::of(codes::PROVIDER_ADDRESS_REFUSED, refused.to_string())
                .detail("address", refused.address.to_string()),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    fn dialer(nets: &[&str]) -> Dialer {
        Dialer::new(nets.iter().map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>())
    }

    #[test]
    fn an_address_is_permitted_by_the_network_that_holds_it_and_by_no_disguise() {
        for (nets, address, permitted) in [
            (&["127.0.0.0/8", "::1/128"][..], "127.9.9.9", true),
            (&["127.0.0.0/8", "::1/128"], "::1", true),
            (&["127.0.0.0/8", "::1/128"], "::ffff:127.0.0.1", true),
            (&["127.0.0.0/8", "::1/128"], "::ffff:169.254.169.254", false),
            (&["127.0.0.0/8", "::1/128"], "0.0.0.0", false),
            (&["127.0.0.0/8", "::1/128"], "::", false),
            (&["10.0.0.0/8"], "10.1.2.3", true),
            (&["10.0.0.0/8"], "127.0.0.1", false),
            (&[], "127.0.0.1", false),
        ] {
            assert_eq!(dialer(nets).permits(address.parse().unwrap()), permitted, "{nets:?} {address}");
        }
    }

    #[test]
    fn a_literal_address_is_checked_when_it_is_registered_and_a_name_when_it_is_dialled() {
        for (url, code) in [
            ("http://127.0.0.1:9", None),
            ("http://[::1]:9", None),
            ("http://provider.example:9", None),
            ("http://10.0.0.1:9", Some("registry.service_url.denied")),
            ("http://169.254.169.254:80", Some("registry.service_url.denied")),
            ("https://[2001:db8::1]:9", Some("registry.service_url.denied")),
            ("http://0.0.0.0:9", Some("registry.service_url.denied")),
        ] {
            let checked = Dialer::default().check(&ServiceUrl::parse(url).unwrap());
            assert_eq!(checked.err().as_ref().map(Error::code), code, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_later_leads_elsewhere_is_refused_then() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let elsewhere = SocketAddr::from(([169, 254, 169, 254], 80));
        let answers = Mutex::new(vec![vec![here], vec![here, elsewhere], vec![elsewhere]].into_iter());
        let dialer = Dialer::default();
        let uri: Uri = format!("http://rebound.example:{}", here.port()).parse().unwrap();
        let dial = || dialer.dial(&uri, |_, _| std::future::ready(Ok(answers.lock().unwrap().next().unwrap())));
        assert_eq!(dial().await.unwrap().peer_addr().unwrap(), here);
        for _ in 0..2 {
            let error = AddressRefused::in_cause(&dial().await.unwrap_err()).unwrap();
            assert_eq!(error.code(), "executor.provider.address_refused");
            assert_eq!(error.details()["address"], "169.254.169.254");
        }
    }
}
