//! Where the host connects to by itself: addresses outside the allow-list, names that lead there, redirects.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use testkit::{Reply, ScriptedExecutor};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

use e2e::Host;

use super::callers::{Caller, code, dialled};
use super::certificates::{Authority, Identity, write};

#[tokio::test]
async fn an_address_outside_the_allow_list_is_refused_when_it_is_registered() {
    let host = Host::start();
    for url in [
        "http://10.0.0.1:50051",
        "http://169.254.169.254:80",
        "http://0.0.0.0:80",
        "http://[::]:80",
        "http://[::ffff:169.254.169.254]:80",
        "http://[fe80::1]:80",
        "https://192.0.2.1:443",
    ] {
        let error = host.client().register(dialled("text", url)).await.expect_err("it leads elsewhere");
        assert_eq!(error.code(), "registry.service_url.denied", "{url}");
    }
    // With the network in the list it is taken.
    let host = Host::start_with(&[("unary.allow", "192.0.2.0/24")]);
    host.client().register(dialled("text", "http://192.0.2.1:80")).await.expect("it is permitted");
    let error =
        host.client().register(dialled("other", "http://127.0.0.1:80")).await.expect_err("it is not in the list");
    assert_eq!(error.code(), "registry.service_url.denied");
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_allow_list_is_refused_when_it_is_called() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let executor = ScriptedExecutor::start(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Reply::output([42])
    })
    .await;
    let url = executor.url.replace("127.0.0.1", "localhost");
    // `localhost` is 127.0.0.1 and perhaps ::1, neither of which is in this list.
    let host = Host::start_with(&[("unary.allow", "127.0.0.2/32")]);
    host.client().register(dialled("text", &url)).await.expect("a name is checked when it is dialled");
    let error = testkit::coded(&Caller::plain(&host).call("text.Answer").await.expect_err("it leads elsewhere"));
    assert_eq!((error.code(), error.retryable()), ("executor.provider.address_refused", false), "{error:?}");
    assert!(["127.0.0.1", "::1"].contains(&error.details()["address"].as_str()), "{error:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 0, "nothing reached the address");
    // The same name where its address is in the list.
    let host = Host::start();
    host.client().register(dialled("text", &url)).await.expect("it is right");
    assert_eq!(Caller::plain(&host).call("text.Answer").await.expect("it is permitted"), "42");
}

/// A server that sends every request elsewhere.
#[derive(Clone)]
struct Redirect(String);

impl NamedService for Redirect {
    const NAME: &'static str = "modrack.provider.v1.ModuleExecutor";
}

impl Service<http::Request<Body>> for Redirect {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let location = format!("{}{}", self.0, request.uri().path());
        let response = http::Response::builder().status(307).header("location", location).body(Body::default());
        ready(Ok(response.expect("it is a response")))
    }
}

/// Speaks TLS before a server that does not, and gives its URL.
async fn behind_tls(executor: &ScriptedExecutor, identity: &Identity) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("it is bound").port());
    let (acceptor, behind) = (identity.acceptor(), executor.url.replace("http://", ""));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut near = acceptor.accept(stream).await?;
                let mut far = TcpStream::connect(behind).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    url
}

#[tokio::test]
async fn a_provider_behind_https_must_be_vouched_for() {
    let executor = ScriptedExecutor::start(|_| Reply::output([42])).await;
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("there is room for a directory");
    write(directory.path(), "ca.pem", &authority.pem);
    let ca_file = directory.path().join("ca.pem").display().to_string();
    let host = Host::start_with(&[("unary.ca_file", &ca_file)]);
    for (namespace, vouching, outcome) in
        [("known", authority, Ok("42")), ("stranger", Authority::new(), Err("executor.provider.unreachable"))]
    {
        let url = behind_tls(&executor, &vouching.vouch_for(&["localhost"])).await;
        host.client().register(dialled(namespace, &url)).await.expect("the form is right");
        let called = Caller::plain(&host).call(&format!("{namespace}.Answer")).await;
        let called = called.map_err(|status| testkit::coded(&status).code().to_owned());
        assert_eq!(called.as_deref().map_err(String::as_str), outcome);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let redirect = Redirect(format!("http://{}", elsewhere.local_addr().expect("it is bound")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = tonic::transport::Server::builder().add_service(redirect);
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let host = Host::start();
    host.client().register(dialled("text", &url)).await.expect("it is right");
    assert_eq!(code(Caller::plain(&host).call("text.Answer").await), "executor.provider.protocol");
    assert!(elsewhere.accept().now_or_never().is_none(), "nobody connected to where the redirect led");
    server.abort();
}
