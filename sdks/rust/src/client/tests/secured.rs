//! Tokens, and TLS with certificates that the test makes, for a client and for a provider.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Status};

use super::{Fake, FakeHost, State, answers};
use crate::client::Client;
use crate::error::{Category, Error, ModuleError};
use crate::generated::host::v1::host_server::HostServer;
use crate::provider::{Provider, Task};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("modrack-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// An authority, and a certificate for `localhost` that it signed.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn identity(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

struct Secured {
    address: String,
    token: Arc<Mutex<&'static str>>,
    _server: Task<()>,
}

/// A host that wants a token, and TLS where it is told an authority; with `clients`, certificates of that authority.
async fn secured(tls: Option<&Authority>, clients: Option<&Authority>) -> Secured {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let token = Arc::new(Mutex::new("first"));
    let wanted = Arc::clone(&token);
    let check = move |request: Request<()>| {
        let given = request.metadata().get("authorization").map_or("", |value| value.to_str().unwrap());
        if given == format!("Bearer {}", wanted.lock().unwrap()) {
            return Ok(request);
        }
        let refused = ModuleError::core(Category::Unauthenticated, "host.token.refused", "no such token");
        Err(refused.into_status()) as Result<_, Status>
    };
    let fake = Fake { input: "Int", output: "Int", fingerprint: "one", answer: Arc::new(answers(7i64)) };
    let state = State { module: Some(fake), ..State::default() };
    let service = HostServer::new(FakeHost(Arc::new(Mutex::new(state))));
    let mut server = Server::builder();
    if let Some(authority) = tls {
        let (cert, key) = authority.identity();
        let mut config = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
        if let Some(clients) = clients {
            config = config.client_ca_root(Certificate::from_pem(&clients.pem));
        }
        server = server.tls_config(config).unwrap();
    }
    let router = server.add_service(InterceptedService::new(service, check));
    let task = tokio::spawn(async move { router.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap() });
    let scheme = if tls.is_some() { "https" } else { "http" };
    Secured { address: format!("{scheme}://localhost:{port}"), token, _server: Task(task) }
}

async fn call(client: &Client) -> Result<i64, Error> {
    client.call("test.Module", &1i64).await
}

#[tokio::test]
async fn a_token_comes_from_its_file_and_is_read_anew_when_it_was_refused() {
    let folder = Folder::new();
    let host = secured(None, None).await;
    let file = folder.file("token", "first\n");
    let client = Client::builder().host(&host.address).token_file(&file).connect().await.unwrap();
    assert_eq!(call(&client).await.unwrap(), 7);
    *host.token.lock().unwrap() = "second";
    let error = call(&client).await.unwrap_err();
    assert_eq!((error.category(), error.code()), (Category::Unauthenticated, "host.token.refused"));
    folder.file("token", "second\n");
    assert_eq!(call(&client).await.unwrap(), 7);
    assert!(!format!("{client:?}").contains("second"));

    let missing = Client::builder().host(&host.address).token_file(folder.0.join("none")).connect().await;
    assert_eq!(missing.unwrap_err().code(), "client.credential.unreadable");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_host_with_a_certificate_of_the_named_authority_is_trusted_and_no_other() {
    let folder = Folder::new();
    let authority = Authority::new();
    let host = secured(Some(&authority), None).await;
    let token = folder.file("token", "first");
    let builder = || Client::builder().host(&host.address).token_file(&token);

    let ca = folder.file("ca.pem", &authority.pem);
    assert_eq!(call(&builder().ca_file(&ca).connect().await.unwrap()).await.unwrap(), 7);

    let other = folder.file("other.pem", &Authority::new().pem);
    let error = builder().ca_file(&other).connect().await.unwrap_err();
    assert_eq!(error.code(), "client.host.unreachable");
    assert!(error.message().contains("certificate"), "{error}");
    assert!(error.hint().unwrap().contains("MODRACK_CA_FILE"));
    // Authorities of the system vouch for the hosts of nobody's test.
    let error = builder().connect().await.unwrap_err();
    assert_eq!(error.code(), "client.host.unreachable");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_host_that_asks_for_a_certificate_gets_ours() {
    let folder = Folder::new();
    let authority = Authority::new();
    let host = secured(Some(&authority), Some(&authority)).await;
    let (cert, key) = authority.identity();
    let (cert, key) = (folder.file("cert.pem", &cert), folder.file("key.pem", &key));
    let (ca, token) = (folder.file("ca.pem", &authority.pem), folder.file("token", "first"));
    let builder = || Client::builder().host(&host.address).ca_file(&ca).token_file(&token);
    assert_eq!(call(&builder().identity_files(&cert, &key).connect().await.unwrap()).await.unwrap(), 7);
    // Without one the handshake fails: at once or with the first call, as TLS 1.3 has it.
    let refused = match builder().connect().await {
        Ok(client) => call(&client).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!((refused.code(), refused.category()), ("client.host.unreachable", Category::Unavailable));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn files_of_tls_that_cannot_be_used_are_told_by_their_name() {
    let folder = Folder::new();
    let (cert, key) = Authority::new().identity();
    let (cert, key) = (folder.file("cert.pem", &cert), folder.file("key.pem", &key));
    let builder = || Client::builder().host("https://localhost:1");
    let noise = folder.file("noise.pem", "no certificate");
    let cases = [
        builder().ca_file(folder.0.join("none.pem")),
        builder().ca_file(&noise),
        builder().identity_files(&cert, folder.0.join("none.pem")),
        builder().identity_files(&cert, &noise),
        builder().identity_files(&noise, &key),
    ];
    for builder in cases {
        let error = builder.connect().await.unwrap_err();
        assert_eq!((error.code(), error.category()), ("client.credential.unreadable", Category::FailedPrecondition));
        assert!(error.hint().unwrap().contains("MODRACK_"));
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_provider_trusts_the_named_authority_as_well() {
    let folder = Folder::new();
    let authority = Authority::new();
    let host = secured(Some(&authority), None).await;
    let ca = folder.file("ca.pem", &authority.pem);
    let provider = Provider::new("text").module("Same", |n: i64| async move { Ok(n) }).host(&host.address).ca_file(ca);
    // This host has no registry, which only who got through to it can hear.
    let error = provider.run_until(std::future::pending()).await.unwrap_err();
    assert_eq!(error.code(), "client.method.unsupported");
}
