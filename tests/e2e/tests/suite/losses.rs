//! Providers and hosts that end without a word.

use std::time::Duration;

use protocol::Category;
use serde_json::json;

use e2e::{Host, Language, Plane, Provider};

use crate::begun::begun;
use crate::others::Others;

/// Short leases: on the unary plane nothing else tells that a provider is gone between calls.
const SHORT_LEASES: e2e::Settings<'_> = &[("timeouts.lease_ms", "3000"), ("timeouts.heartbeat_ms", "1000")];

/// Why the modules of a provider that is gone leave.
fn expected_reasons(plane: Plane) -> &'static [&'static str] {
    match plane {
        Plane::Link | Plane::Attach => &["link_lost"],
        Plane::Unary => &["link_lost", "lease_expired"],
    }
}

on_every_plane! {
    async fn a_provider_that_is_killed_fails_its_calls_at_once_and_leaves(language, plane) {
        let host = Host::start_with(SHORT_LEASES);
        let others = Others::start(&host).await;
        let mut provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Sleep"));
        let mut watch = client.watch(&provider.module("Sleep")).await.expect("the host can be watched");
        let caller = client.clone();
        let hour = Some(Duration::from_secs(3600));
        let call = tokio::spawn(async move { caller.call_for(&module, json!({"ms": 3_600_000}), hour).await });
        begun(&client, &provider).await;

        provider.kill();
        // `within` bounds the wait far below the hour that the call has.
        let error = call.await.expect("a call does not panic").expect_err("nobody can answer it any more");
        assert_eq!(
            (error.code(), error.category(), error.retryable()),
            ("executor.provider.lost", Category::Unavailable, true),
            "{error:?}"
        );
        let removed = watch.removed().await;
        assert!(expected_reasons(plane).contains(&removed.reason.as_str()), "{removed:?}");
        testkit::eventually("all its modules to leave", || async {
            client.names("fixture.*").await.is_empty().then_some(())
        })
        .await;
        let error = client.call(&provider.module("Sleep"), json!({"ms": 1})).await.expect_err("it is gone");
        assert_eq!(error.code(), "registry.module.unknown");
        others.are_unharmed().await;
    }
}

on_every_plane! {
    async fn a_provider_that_ends_itself_in_a_call_is_lost(language, plane) {
        let host = Host::start_with(SHORT_LEASES);
        let mut provider = Provider::start(&host, language, plane, "fixture").await;
        let client = host.client();
        let mut watch = client.watch(&provider.module("Crash")).await.expect("the host can be watched");
        let error = client.call(&provider.module("Crash"), json!({})).await.expect_err("nobody answers");
        assert_eq!((error.code(), error.category()), ("executor.provider.lost", Category::Unavailable), "{error:?}");
        assert!(!provider.ended().await.success());
        let removed = watch.removed().await;
        assert!(expected_reasons(plane).contains(&removed.reason.as_str()), "{removed:?}");
    }
}

on_every_plane! {
    async fn a_host_that_is_killed_finds_its_providers_again_when_it_is_back(language, plane) {
        let mut host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Sleep"));
        let caller = client.clone();
        let call = tokio::spawn(async move {
            let input = protocol::generated::host::v1::call_request::Input::InputJson(json!({"ms": 60_000}).to_string());
            let request = protocol::generated::host::v1::CallRequest {
                module,
                input: Some(input),
                ..Default::default()
            };
            caller.call_request(request, None).await
        });
        begun(&client, &provider).await;

        host.kill();
        call.await.expect("a call does not panic").expect_err("its host is gone");
        host.restart();
        provider.listed(&host, 1).await;
        let answer = host.client().call(&provider.module("Inspect"), json!({})).await.expect("it is answered");
        assert_eq!(answer.value["pid"], json!(provider.id()), "it is the same process");
        assert_eq!(answer.info.plane(), plane.to_proto());
    }
}

#[tokio::test]
async fn providers_in_all_languages_come_back_to_a_host_at_once() {
    let mut host = Host::start();
    let mut providers = Vec::new();
    for (language, plane) in
        [(Language::Python, Plane::Link), (Language::TypeScript, Plane::Attach), (Language::Rust, Plane::Unary)]
    {
        providers.push(Provider::start(&host, language, plane, language.as_str()).await);
    }
    host.kill();
    host.restart();
    for provider in &providers {
        provider.listed(&host, 1).await;
        let answer = host.client().call(&provider.module("Inspect"), json!({})).await.expect("it is answered");
        assert_eq!(answer.value["pid"], json!(provider.id()));
    }
}
