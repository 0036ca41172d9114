//! A provider that changes what it serves while it serves.

use serde_json::json;

use e2e::{Host, Provider};

on_every_plane! {
    async fn a_new_module_appears_and_calls_that_run_go_on(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Sleep"));
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call(&module, json!({"ms": 1500})).await });
        client.call(&provider.module("Inspect"), json!({})).await.expect("it is answered");

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
