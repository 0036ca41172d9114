//! What a component must not answer, and what follows: the call fails, or goes on, as the configuration says.

use serde_json::{Value, json};

use e2e::{Http, host_with_middleware};

use super::{SURFACES, Surface, call, script};

fn decision(members: Value) -> Value {
    let mut decision = json!({ "decision": "allow", "reason": "r" });
    for (name, value) in members.as_object().expect("members") {
        decision[name] = value.clone();
    }
    decision
}

/// Answers that are failures, and their codes.
fn faults() -> Vec<(Value, &'static str)> {
    let invalid = "middleware.decision.invalid";
    let no_decision = "middleware.response.invalid";
    let merge = |patch: Value| decision(json!({ "decision": "rewrite", "patch": patch, "patch_strategy": "merge" }));
    let operations =
        |patch: Value| decision(json!({ "decision": "rewrite", "patch": patch, "patch_strategy": "json_patch" }));
    let route = |module: &str| decision(json!({ "decision": "route", "route": module }));
    vec![
        (merge(json!({ "text": 1 })), invalid),
        (merge(json!({ "text": null })), invalid),
        (operations(json!([{ "op": "remove", "path": "/none" }])), invalid),
        (operations(json!([{ "op": "test", "path": "/text", "value": "else" }])), invalid),
        (operations(json!([{ "op": "spam", "path": "/text" }])), invalid),
        (operations(json!({})), invalid),
        (decision(json!({ "decision": "rewrite" })), invalid),
        (decision(json!({ "decision": "annotate" })), invalid),
        (decision(json!({ "patch": {}, "patch_strategy": "merge" })), invalid),
        (decision(json!({ "decision": "return", "patch": { "said": 1 }, "patch_strategy": "merge" })), invalid),
        (route("words.None"), invalid),
        (route("words.Count"), invalid),
        (route("words.Repeat"), invalid),
        (decision(json!({ "reason": "" })), invalid),
        (decision(json!({ "reason": "x".repeat(1025) })), invalid),
        (decision(json!({ "annotations": { "a": "x".repeat(16 * 1024) } })), invalid),
        (decision(json!({ "decision": "defer", "retry_after_ms": 0 })), invalid),
        (decision(json!({ "decision": "permit" })), no_decision),
        (decision(json!({ "note": 1 })), no_decision),
        (json!({ "raw": "not JSON" }), no_decision),
        (json!({ "raw": "" }), no_decision),
        (json!({ "raw": "[]" }), no_decision),
        (json!({ "raw": "{\"decision\": \"allow\", \"decision\": \"drop\", \"reason\": \"r\"}" }), no_decision),
        (json!({ "status": 500 }), no_decision),
        (json!({ "status": 204, "raw": "" }), no_decision),
        (json!({ "status": 302 }), no_decision),
        (json!({ "status": 401, "raw": "" }), "middleware.refused"),
        (json!({ "status": 403 }), "middleware.refused"),
        (json!({ "fill": 70_000 }), "middleware.response.too_large"),
        (json!({ "sleep_ms": 5000 }), "middleware.timeout"),
        (json!({ "break": true }), "middleware.unreachable"),
    ]
}

fn component(on_failure: &str) -> Value {
    json!({
        "hooks": ["pre_invoke"], "field_policy": { "change": [""], "answer": true, "route": ["*"] },
        "http": { "request_timeout_ms": 1000 }, "on_component_failure": { "pre_invoke": on_failure },
    })
}

#[tokio::test]
async fn what_a_component_must_not_answer_fails_the_call_with_its_code() {
    let host = host_with_middleware(&[("it", component("fail_closed"))], &[]).await;
    for (answer, code) in faults() {
        let failure = call(&host, Surface::Grpc, "words.Say", &script(&[("it@pre_invoke", answer.clone())])).await;
        let failure = failure.expect_err("the component fails closed");
        let found = [&failure["code"], &failure["component"], &failure["hook"]];
        assert_eq!(found, [code, "it", "pre_invoke"], "{answer}: {failure}");
    }
    // It goes on: what failed was each answer, not the component.
    let text = script(&[]);
    assert_eq!(call(&host, Surface::Http, "words.Say", &text).await, Ok(json!({ "said": text, "by": "Say" })));
}

#[tokio::test]
async fn what_a_component_must_not_answer_changes_nothing_where_it_fails_open() {
    let host = host_with_middleware(&[("it", component("fail_open"))], &[]).await;
    for (answer, _) in faults() {
        let text = script(&[("it@pre_invoke", answer)]);
        assert_eq!(call(&host, Surface::Grpc, "words.Say", &text).await, Ok(json!({ "said": text, "by": "Say" })));
    }
}

#[tokio::test]
async fn a_component_changes_only_what_its_field_policy_lets_it() {
    let policy = json!({ "hooks": ["post_invoke"], "field_policy": { "change": ["/by"] } });
    let host = host_with_middleware(&[("it", policy)], &[]).await;
    let merge = |patch: Value| {
        script(&[(
            "it@post_invoke",
            decision(json!({ "decision": "rewrite", "patch": patch, "patch_strategy": "merge" })),
        )])
    };
    for surface in SURFACES {
        let text = merge(json!({ "by": "it" }));
        assert_eq!(call(&host, surface, "words.Say", &text).await, Ok(json!({ "said": text, "by": "it" })));
        let failure =
            call(&host, surface, "words.Say", &merge(json!({ "said": "else" }))).await.expect_err("forbidden");
        assert_eq!(failure["code"], "middleware.decision.invalid");
        assert!(failure["message"].as_str().expect("a text").ends_with("change `/said`"), "{failure}");
    }
}

#[tokio::test]
async fn a_component_that_does_not_take_the_token_is_a_failure() {
    let forgets = json!({ "hooks": ["pre_invoke"], "config": { "forgets_the_token": true } });
    let host = host_with_middleware(&[("it", forgets)], &[]).await;
    let failure = call(&host, Surface::Grpc, "words.Say", "hi").await.expect_err("it fails closed");
    assert_eq!([&failure["code"], &failure["category"]], ["middleware.refused", "UPSTREAM_ERROR"]);
}

#[tokio::test]
async fn a_component_that_ended_is_a_failure_and_is_not_passed_over() {
    let mut ends = component("fail_closed");
    ends["restart_policy"] = json!({ "mode": "never" });
    let host = host_with_middleware(&[("it", ends)], &[]).await;
    let failure = call(&host, Surface::Grpc, "words.Say", &script(&[("it@pre_invoke", json!({ "exit": 3 }))])).await;
    assert_eq!(failure.expect_err("it ended")["code"], "middleware.unreachable");
    let http = Http::new(host.url());
    testkit::eventually("the end of the component", || {
        let http = http.clone();
        async move { (http.get("/v1/components/it").await.json()["state"] == "failed").then_some(()) }
    })
    .await;
    for surface in SURFACES {
        let failure = call(&host, surface, "words.Say", "hi").await.expect_err("it is down");
        assert_eq!([&failure["code"], &failure["component"]], ["component.not_ready", "it"]);
    }
    let started = http.post("/v1/components/it:start", &json!({})).await;
    assert_eq!(started.json()["state"], "ready");
    assert_eq!(call(&host, Surface::Http, "words.Say", "hi").await, Ok(json!({ "said": "hi", "by": "Say" })));
}

#[tokio::test]
async fn the_deadline_of_the_caller_is_sooner_than_a_slow_component() {
    let host = host_with_middleware(&[("it", component("fail_open"))], &[]).await;
    let text = script(&[("it@pre_invoke", json!({ "sleep_ms": 900 }))]);
    let time = Some(std::time::Duration::from_millis(200));
    let error = host.client().call_for("words.Say", json!({ "text": text }), time).await.expect_err("too late");
    assert_eq!(error.category(), protocol::Category::DeadlineExceeded);
}
