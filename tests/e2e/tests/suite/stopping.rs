//! SIGTERM: what runs is answered, what is new is refused, and nothing stays behind.

use protocol::generated::host::v1::watch_response::Event;
use serde_json::json;

use e2e::{Host, Provider};

use crate::begun::begun;

on_every_plane! {
    async fn a_provider_that_is_asked_to_stop_leaves_and_answers_what_runs(language, plane) {
        let host = Host::start();
        let mut provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Sleep"));
        let mut watch = client.watch(&provider.module("Sleep")).await.expect("the host can be watched");
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call(&module, json!({"ms": 2000})).await });
        begun(&client, &provider).await;

        provider.signal_term();
        assert_eq!(watch.removed().await.reason, "unregistered");
        assert!(!call.is_finished(), "the names go before the last answer");
        let error = client.call(&provider.module("Inspect"), json!({})).await.expect_err("its names are gone");
        assert_eq!(error.code(), "registry.module.unknown");
        let slept = call.await.expect("a call does not panic").expect("what runs is answered");
        assert_eq!(slept.value, json!(2000));
        assert_eq!(provider.ended().await.code(), Some(0));
    }
}

on_every_plane! {
    async fn a_host_that_is_asked_to_stop_answers_what_runs(language, plane) {
        let mut host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Sleep"));
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call(&module, json!({"ms": 1500})).await });
        begun(&client, &provider).await;
        let mut watch = client.watch("*").await.expect("the host can be watched");
        assert!(host.socket().exists() && host.link_socket().exists());

        let status = host.terminate().await;
        let slept = call.await.expect("a call does not panic").expect("what runs is answered");
        assert_eq!(slept.value, json!(1500));
        assert_eq!(status.code(), Some(0));
        assert!(!host.socket().exists() && !host.link_socket().exists(), "the sockets are removed");
        while let Ok(Some(event)) = watch.next().await {
            assert!(!matches!(event, Event::Removed(_)) , "a host that stops does not unregister anybody: {event:?}");
        }
    }
}

#[tokio::test]
async fn a_host_without_providers_stops_at_once_and_closes_its_sockets() {
    let mut host = Host::start();
    assert_eq!(host.terminate().await.code(), Some(0));
    assert!(!host.socket().exists() && !host.link_socket().exists());
    assert!(std::net::TcpStream::connect(host.address()).is_err());
}

#[tokio::test]
async fn a_host_with_a_call_that_never_ends_stops_when_its_grace_is_over() {
    let mut host = Host::start_with(&[("timeouts.drain_ms", "500")]);
    let session = host.client().register(testkit::registration("slow", [testkit::module("Never", "{}", "Int")])).await;
    let session = session.expect("nobody else is there").keep_alive();
    let mut connection = session.link().await;
    let client = host.client();
    let call = tokio::spawn(async move { client.call("slow.Never", json!({})).await });
    connection.call().await;

    assert_eq!(host.terminate().await.code(), Some(0));
    let error = call.await.expect("a call does not panic").expect_err("nobody answered it");
    assert_eq!(error.category(), protocol::Category::Unavailable, "{error:?}");
}
