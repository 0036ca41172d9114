//! A provider that changes what it serves while it serves.

use protocol::generated::provider::v1::{DataPlane, RegisterRequest};
use serde_json::json;
use testkit::{module, registration};

use e2e::{Host, Provider};

use crate::begun::begun;

on_every_plane! {
    async fn a_new_module_appears_and_calls_that_run_go_on(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Sleep"));
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call(&module, json!({"ms": 1500})).await });
        begun(&client, &provider).await;

        let grown = client.call(&provider.module("Grow"), json!({})).await.expect("it is answered");
        assert_eq!(grown.value, json!(true));
        let extra = client.call(&provider.module("Extra"), json!({"text": "more"})).await.expect("it is there at once");
        assert_eq!(extra.value, json!("more"));
        assert!(!call.is_finished(), "the call was to run over the replacement");
        let slept = call.await.expect("a call does not panic").expect("a replacement does not touch it");
        assert_eq!(slept.value, json!(1500));
        let slept = client.call(&provider.module("Sleep"), json!({"ms": 1})).await.expect("the old names stay");
        assert_eq!(slept.value, json!(1));
    }
}

#[tokio::test]
async fn a_successor_takes_the_names_over_without_a_gap() {
    let host = Host::start();
    let client = host.client();
    let request = |output: &str| registration("shop", [module("Price", "{}", output)]);
    let old = client.register(request("Int | String")).await.expect("the namespace is free").keep_alive();
    let old_connection = old.link().await;
    tokio::spawn(old_connection.serve(|_| async { testkit::msgpack("Int | String", "1") }));
    let caller = client.clone();
    // Calls all the time; each has to be answered by one of the two.
    let calls = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.last() != Some(&json!(2)) {
            seen.push(caller.call("shop.Price", json!({})).await.expect("there is no gap").value);
        }
        seen
    });

    let successor = RegisterRequest {
        session_token: old.token().to_owned(),
        // Another plane than the one that the old session is connected by, so it is another session.
        planes: vec![DataPlane::Attach.into()],
        ..request("Int")
    };
    let new = client.register(successor).await.expect("it proves itself by the token").keep_alive();
    assert_ne!(new.response.session_id, old.response.session_id);
    let live = client.get_module("shop.Price").await.expect("it is there");
    assert_eq!(
        (live.revision, live.output_text.as_str()),
        (1, "Int | String"),
        "a successor that waits changes nothing"
    );
    let new_connection = new.attach().await;
    tokio::spawn(new_connection.serve(|_| async { testkit::msgpack("Int", "2") }));

    let seen = testkit::within("an answer of the successor", calls).await.expect("each call was answered");
    assert!(seen.iter().all(|value| *value == json!(1) || *value == json!(2)), "{seen:?}");
    let live = client.get_module("shop.Price").await.expect("it is there");
    assert_eq!((live.revision, live.output_text.as_str(), live.endpoints.len()), (2, "Int", 1));
}
