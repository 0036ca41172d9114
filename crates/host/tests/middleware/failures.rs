//! Components that fail: closed, open, late, absent; and callers that leave.

use std::time::Duration;

use protocol::{Category, Origin};
use serde_json::{Value, json};

use crate::component::{Component, Reply, allow, chain, configured};
use crate::world::{Modules, Provider, World};

async fn text(world: &World) -> Provider {
    Modules::of("text")
        .with("Upper", "{text: String}", "String", |input| json!(input["text"].as_str().unwrap().to_uppercase()))
        .serve(world)
        .await
}

fn fails(envelope: &Value) -> Reply {
    match envelope["payload"]["text"].as_str().unwrap() {
        "status" => Reply::Fails(500),
        "words" => Reply::Says("certainly"),
        "decision" => json!({"decision": "reject"}).into(),
        "forbidden" => {
            json!({"decision": "rewrite", "reason": "x", "patch": {"text": "y"}, "patch_strategy": "merge"}).into()
        }
        "hangs" => Reply::Hangs,
        _ => allow().into(),
    }
}

/// What each of `fails` is by its code.
const FAILURES: [(&str, &str); 5] = [
    ("status", "middleware.response.invalid"),
    ("words", "middleware.response.invalid"),
    ("decision", "middleware.response.invalid"),
    ("forbidden", "middleware.decision.invalid"),
    ("hangs", "middleware.timeout"),
];

#[tokio::test]
async fn a_component_that_fails_fails_the_call_unless_its_settings_say_otherwise() {
    let component = Component::start("flaky", fails).await;
    let http = json!({"request_timeout_ms": 200});
    let world = chain([(&component, json!({"hooks": ["pre_invoke"], "http": http}))]).await;
    let _provider = text(&world).await;
    for (text, code) in FAILURES {
        let error = world.client.call("text.Upper", json!({"text": text})).await.unwrap_err();
        assert_eq!((error.code(), error.origin()), (code, Origin::Middleware), "{text}: {error}");
        let details = error.details();
        assert_eq!((details["component"].as_str(), details["hook"].as_str()), ("flaky", "pre_invoke"));
    }
    assert_eq!(world.client.call("text.Upper", json!({"text": "a"})).await.unwrap().value, json!("A"));

    let open = json!({"hooks": ["pre_invoke"], "http": http, "on_component_failure": {"pre_invoke": "fail_open"}});
    let world = chain([(&component, open)]).await;
    let _provider = self::text(&world).await;
    for (text, _) in FAILURES {
        let output = world.client.call("text.Upper", json!({"text": text})).await.unwrap();
        assert_eq!(output.value, json!(text.to_uppercase()));
    }
}

#[tokio::test]
async fn a_component_that_is_late_does_not_keep_the_caller_beyond_its_deadline() {
    let component = Component::start("late", |_| Reply::Hangs).await;
    let open = json!({"hooks": ["pre_invoke"], "on_component_failure": {"pre_invoke": "fail_open"}});
    let world = chain([(&component, open)]).await;
    let _provider = text(&world).await;
    let began = std::time::Instant::now();
    let allowed = Duration::from_millis(400);
    let error = world.client.call_for("text.Upper", json!({"text": "a"}), Some(allowed)).await.unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.deadline.exceeded", Category::DeadlineExceeded));
    assert_eq!((error.details()["component"].as_str(), error.details()["hook"].as_str()), ("late", "pre_invoke"));
    assert!(began.elapsed() < Duration::from_secs(4), "its own time is 5 s: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_caller_that_leaves_takes_the_question_along() {
    let component = Component::start("late", |_| Reply::Hangs).await;
    let world = chain([(&component, json!({"hooks": ["pre_invoke"]}))]).await;
    let _provider = text(&world).await;
    let asking = world.client.call("text.Upper", json!({"text": "a"}));
    tokio::select! {
        _ = asking => panic!("nobody answers"),
        () = component.heard("the question", |heard| (!heard.envelopes.is_empty()).then_some(())) => {}
    }
    component.heard("that nobody waits", |heard| (heard.given_up == 1).then_some(())).await;
}

#[tokio::test]
async fn a_component_that_is_configured_but_not_there_fails_the_call() {
    // A port that was free just now, and that nobody else is given while this holds it without listening.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", held.local_addr().unwrap());
    let start = async |members: Value| {
        World::start_with(|config| config.components.all = vec![configured("absent", &endpoint, members)]).await
    };
    let world = start(json!({"hooks": ["pre_invoke"]})).await;
    let _provider = text(&world).await;
    let error = world.client.call("text.Upper", json!({"text": "a"})).await.unwrap_err();
    assert_eq!((error.code(), error.category()), ("component.not_ready", Category::Unavailable));
    assert_eq!((error.origin(), error.retryable()), (Origin::Middleware, true));
    // It is asked about nothing else.
    let world = start(json!({"hooks": ["pre_invoke"], "filter": {"module": "other.*"}})).await;
    let _provider = text(&world).await;
    assert_eq!(world.client.call("text.Upper", json!({"text": "a"})).await.unwrap().value, json!("A"));
    let world = start(json!({"hooks": ["pre_invoke"], "enabled": false})).await;
    let _provider = text(&world).await;
    assert_eq!(world.client.call("text.Upper", json!({"text": "a"})).await.unwrap().value, json!("A"));
}
