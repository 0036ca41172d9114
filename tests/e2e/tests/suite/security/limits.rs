//! Bounds on what one peer can take: connections, sessions, modules, messages.

use protocol::generated::host::v1::{CallRequest, call_request::Input};
use testkit::{Reply, ScriptedExecutor, module, registration};
use tokio::net::TcpStream;

use e2e::Host;

use super::callers::{Caller, dialled};
use super::certificates::write;

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_on_every_surface_and_let_in_when_there_is_room() {
    let host = Host::start_with(&[("limits.connections", "2"), ("timeouts.hello_ms", "60000")]);
    let silent = [(); 2].map(|()| TcpStream::connect(host.address()));
    let silent = futures::future::join_all(silent).await;
    // The host takes connections in order, so both have their places when this one comes.
    for late in [Caller::plain(&host), Caller::unix(&host)] {
        let error = testkit::coded(&late.list().await.expect_err("there is no room"));
        assert_eq!((error.code(), error.retryable()), ("host.connection.limit", true), "{error:?}");
        assert!(error.retry_after_ms() > 0);
        let error = testkit::coded(&late.empty("/grpc.health.v1.Health/Check").await.expect_err("there is no room"));
        assert_eq!(error.code(), "host.connection.limit");
    }
    drop(silent);
    testkit::eventually("room for a connection", || async { Caller::plain(&host).list().await.ok() }).await;
}

#[tokio::test]
async fn a_provider_has_as_many_modules_as_the_host_takes() {
    let host = Host::start_with(&[("limits.modules_per_provider", "2")]);
    let modules =
        |count: usize| ["A", "B", "C"][..count].iter().map(|name| module(name, "{}", "Int")).collect::<Vec<_>>();
    let error = host.client().register(registration("text", modules(3))).await.expect_err("they are too many");
    assert_eq!(error.code(), "registry.registration.too_large");
    host.client().register(registration("text", modules(2))).await.expect("there is room");
}

#[tokio::test]
async fn a_credential_has_as_many_sessions_as_the_host_takes_of_it() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let mut file = "limits.sessions_per_subject = 2\n".to_owned();
    for team in ["red", "blue"] {
        write(directory.path(), &format!("{team}.credential"), &format!("credential-of-{team}-0123456789"));
        file += &format!(
            "[[providers]]\nsubject = \"{team}\"\ncredential_file = \"{team}.credential\"\nnamespaces = [\"*\"]\n"
        );
    }
    write(directory.path(), "modrack.toml", &file);
    let host = Host::start_in(directory, &[]);
    let register = async |team: &str, namespace: &str| {
        let mut request = registration(namespace, [module("A", "{}", "Int")]);
        request.credential = format!("credential-of-{team}-0123456789");
        host.client().register(request).await
    };
    let first = register("red", "a").await.expect("there is room");
    register("red", "b").await.expect("there is room");
    let error = register("red", "c").await.expect_err("there is none left");
    assert_eq!((error.code(), error.retryable()), ("registry.session.subject_limit", true), "{error:?}");
    register("red", "b").await.expect("a replacement has room");
    register("blue", "d").await.expect("another subject has its own room");
    first.unregister().await.expect("it is there");
    register("red", "c").await.expect("there is room again");
}

#[tokio::test]
async fn a_message_may_have_what_the_configuration_says_up_to_64_mib() {
    let host = Host::start_with(&[("limits.message_bytes", &(64 << 20).to_string())]);
    let executor = ScriptedExecutor::start(|_| Reply::output([42])).await;
    let mut request = dialled("text", &executor.url);
    request.modules = vec![module("Answer", "{data: Bytes}", "Int")];
    let _session = host.client().register(request).await.expect("it is right").keep_alive();
    let mut client = Caller::plain(&host).client().max_encoding_message_size(usize::MAX);
    let mut call = async |bytes: usize| {
        // {"data": bin32 of this length}
        let mut input = b"\x81\xa4data\xc6".to_vec();
        input.extend(u32::try_from(bytes).expect("it fits").to_be_bytes());
        input.resize(input.len() + bytes, 7);
        let input = Some(Input::InputData(input.into()));
        let request = CallRequest { module: "text.Answer".to_owned(), input, ..CallRequest::default() };
        testkit::within("the answer to a call", client.call(request)).await
    };
    // The rest of the message takes less than a KiB.
    call((64 << 20) - 1024).await.expect("it fits");
    let error = testkit::coded(&call(64 << 20).await.expect_err("it is too large"));
    assert_eq!(error.code(), "protocol.message.too_large");
}
