//! Calls of clients: each decision, by gRPC and by HTTP.

use protocol::generated::host::v1 as pb;
use protocol::{Category, Error, Origin};
use serde_json::json;

use crate::component::{Component, allow, chain};
use crate::http;
use crate::world::{Modules, Provider, World};

async fn text(world: &World) -> Provider {
    Modules::of("text")
        .with("Upper", "{text: String}", "String", |input| json!(input["text"].as_str().unwrap().to_uppercase()))
        .with("Lower", "{text: Any}", "String", |input| json!(input["text"].as_str().unwrap().to_lowercase()))
        .with("Length", "{text: String}", "Int", |input| json!(input["text"].as_str().unwrap().len()))
        .serve(world)
        .await
}

fn place(error: &Error) -> (&str, &str) {
    (&error.details()["component"], &error.details()["hook"])
}

#[tokio::test]
async fn a_rewrite_changes_what_the_module_gets_and_what_the_caller_gets() {
    let component = Component::start("shaper", |envelope| match envelope["hook"].as_str().unwrap() {
        "pre_invoke" => json!({
            "decision": "rewrite", "reason": "more", "patch": {"text": "rewritten"}, "patch_strategy": "merge",
        }),
        _ => json!({
            "decision": "rewrite", "reason": "less", "patch_strategy": "json_patch",
            "patch": [{"op": "replace", "path": "", "value": "withheld"}],
        }),
    })
    .await;
    let change = json!({"hooks": ["pre_invoke", "post_invoke"], "field_policy": {"change": [""]}});
    let world = chain([(&component, change)]).await;
    let _provider = text(&world).await;
    let output = world.client.call("text.Upper", json!({"text": "as it was"})).await.unwrap();
    assert_eq!((output.value, output.info.attempts), (json!("withheld"), 1));
    let behind = &component.asked("post_invoke")[0];
    // The module had the rewritten input.
    assert_eq!((&behind["payload"], &behind["subject"]["name"]), (&json!("REWRITTEN"), &json!("text.Upper")));
    let (status, body) = http::post(&world, "/v1/modules/text.Upper:call", &json!({"text": "x"})).await;
    assert_eq!((status, &body["output"]), (200, &json!("withheld")));
    // MessagePack comes back as such.
    let bytes = testkit::msgpack("{text: String}", r#"{"text": "x"}"#);
    let output = world.client.call_bytes("text.Upper", bytes).await.unwrap();
    assert_eq!(output, testkit::msgpack("String", r#""withheld""#));
}

#[tokio::test]
async fn the_envelope_says_what_is_called_by_whom_and_until_when() {
    let component = Component::start("shaper", |_| allow()).await;
    let world = chain([(&component, json!({"hooks": ["pre_invoke", "post_invoke"]}))]).await;
    let _provider = text(&world).await;
    let input = Some(pb::call_request::Input::InputJson(r#"{"text": "a"}"#.into()));
    let request =
        pb::CallRequest { module: "text.Upper".into(), input, idempotency_key: "once".into(), ..Default::default() };
    let info = world.client.call_request(request, None).await.unwrap().info.unwrap();
    let [before, behind] = [&component.asked("pre_invoke")[0], &component.asked("post_invoke")[0]];
    assert_eq!(before["payload"], json!({"text": "a"}));
    assert_eq!(before["caller"], json!({"subject": "anybody"}));
    let subject = json!({"kind": "module", "name": "text.Upper", "namespace": "text", "revision": 1});
    assert_eq!((&before["subject"], &behind["subject"]), (&subject, &subject));
    let correlation = &before["correlation"];
    assert_eq!(
        (&correlation["execution_id"], &correlation["idempotency_key"]),
        (&json!(info.execution_id), &json!("once"))
    );
    assert_eq!((&correlation["run_id"], &behind["correlation"]), (&json!(""), correlation));
    assert_ne!(before["envelope_id"], behind["envelope_id"]);
    let left = before["remaining_ms"].as_u64().unwrap();
    assert!(left > 1000 && behind["remaining_ms"].as_u64().unwrap() <= left, "{before} {behind}");
    let deadline = before["deadline"].as_str().unwrap();
    assert!(deadline.len() == "2024-01-01T00:00:00.000Z".len() && deadline.ends_with('Z'), "{deadline}");
}

#[tokio::test]
async fn a_route_goes_to_another_module_and_comes_back_as_the_one_that_was_asked_for() {
    let component = Component::start(
        "router",
        |_| json!({"decision": "route", "reason": "lower is better", "route": "text.Lower"}),
    )
    .await;
    let may =
        json!({"hooks": ["pre_invoke"], "filter": {"module": "text.Upper"}, "field_policy": {"route": ["text.*"]}});
    let world = chain([(&component, may)]).await;
    let _provider = text(&world).await;
    // `text` is a String here and an Any there: other bytes, the same value.
    let output = world.client.call("text.Upper", json!({"text": "ABC"})).await.unwrap();
    assert_eq!((output.value, output.info.attempts), (json!("abc"), 1));
}

#[tokio::test]
async fn a_route_to_a_module_of_another_type_is_a_failure_of_the_component() {
    let component =
        Component::start("router", |_| json!({"decision": "route", "reason": "wrong", "route": "text.Length"})).await;
    let may = json!({"hooks": ["pre_invoke"], "field_policy": {"route": ["text.*"]}});
    let world = chain([(&component, may)]).await;
    let _provider = text(&world).await;
    let error = world.client.call("text.Upper", json!({"text": "ABC"})).await.unwrap_err();
    assert_eq!((error.code(), error.origin()), ("middleware.decision.invalid", Origin::Middleware));
    assert_eq!(place(&error), ("router", "pre_invoke"));
}

#[tokio::test]
async fn a_return_answers_in_the_place_of_the_module() {
    let component = Component::start("cache", |_| {
        json!({
            "decision": "return", "reason": "known", "patch_strategy": "json_patch",
            "patch": [{"op": "replace", "path": "", "value": 42}],
        })
    })
    .await;
    let may = json!({"hooks": ["pre_invoke", "post_invoke"], "field_policy": {"answer": true}});
    let world = chain([(&component, may)]).await;
    let _provider = text(&world).await;
    let output = world.client.call("text.Length", json!({"text": "a"})).await.unwrap();
    let info = output.info;
    assert_eq!((output.value, info.attempts, info.session_id.as_str(), info.revision), (json!(42), 0, "", 0));
    assert!(component.asked("post_invoke").is_empty());
}

#[tokio::test]
async fn reject_drop_and_defer_end_the_call_with_their_reasons() {
    let component = Component::start("guard", |envelope| match envelope["payload"]["text"].as_str().unwrap() {
        "reject" => json!({"decision": "reject", "reason": "not for you"}),
        "drop" => json!({"decision": "drop", "reason": "never mind"}),
        _ => json!({"decision": "defer", "reason": "full", "retry_after_ms": 2500}),
    })
    .await;
    let world = chain([(&component, json!({"hooks": ["pre_invoke"]}))]).await;
    let _provider = text(&world).await;
    for (text, code, category, status, reason, wait) in [
        ("reject", "middleware.rejected", Category::PermissionDenied, 403, "not for you", 0),
        ("drop", "middleware.dropped", Category::Cancelled, 499, "never mind", 0),
        ("defer", "middleware.deferred", Category::Unavailable, 503, "full", 2500),
    ] {
        let error = world.client.call("text.Upper", json!({"text": text})).await.unwrap_err();
        assert_eq!((error.code(), error.category(), error.message()), (code, category, reason));
        assert_eq!((error.origin(), place(&error)), (Origin::Middleware, ("guard", "pre_invoke")));
        assert_eq!((error.retryable(), error.retry_after_ms()), (wait > 0, wait));
        assert!(!error.trace_id().is_empty());
        let (told, body) = http::post(&world, "/v1/modules/text.Upper:call", &json!({"text": text})).await;
        assert_eq!((told, body["error"]["code"].as_str().unwrap()), (status, code));
    }
}

#[tokio::test]
async fn annotations_reach_those_who_follow_in_the_configured_order() {
    let first = Component::start(
        "z-first",
        |_| json!({"decision": "annotate", "reason": "seen", "annotations": {"by": "first", "tier": "gold"}}),
    )
    .await;
    let second = Component::start("a-second", |envelope| match envelope["hook"].as_str().unwrap() {
        "pre_invoke" => json!({"decision": "annotate", "reason": "seen", "annotations": {"by": "second"}}),
        _ => allow(),
    })
    .await;
    let world =
        chain([(&first, json!({"hooks": ["pre_invoke"]})), (&second, json!({"hooks": ["pre_invoke", "post_invoke"]}))])
            .await;
    let _provider = text(&world).await;
    world.client.call("text.Upper", json!({"text": "a"})).await.unwrap();
    assert_eq!(first.asked("pre_invoke")[0]["annotations"], json!({}));
    assert_eq!(second.asked("pre_invoke")[0]["annotations"], json!({"by": "first", "tier": "gold"}));
    assert_eq!(second.asked("post_invoke")[0]["annotations"], json!({"by": "second", "tier": "gold"}));
}

#[tokio::test]
async fn components_see_neither_inputs_of_a_wrong_type_nor_what_their_filter_excludes() {
    let component = Component::start("shaper", |_| json!({"decision": "reject", "reason": "no"})).await;
    let wants = json!({"hooks": ["pre_invoke"], "filter": {"OR": [{"module": "text.Length"}, {"/text": "asked"}]}});
    let world = chain([(&component, wants)]).await;
    let _provider = text(&world).await;
    let error = world.client.call("text.Length", json!({"text": 7})).await.unwrap_err();
    assert_eq!(error.code(), "executor.input.invalid");
    let error = world.client.call_bytes("text.Length", testkit::msgpack("Int", "7")).await.unwrap_err();
    assert_eq!(error.code(), "executor.input.invalid");
    assert_eq!(world.client.call("text.Upper", json!({"text": "a"})).await.unwrap().value, json!("A"));
    assert!(component.asked("pre_invoke").is_empty());
    let error = world.client.call("text.Upper", json!({"text": "asked"})).await.unwrap_err();
    assert_eq!((error.code(), component.asked("pre_invoke").len()), ("middleware.rejected", 1));
}

#[tokio::test]
async fn an_element_of_a_batch_that_is_refused_leaves_the_others_as_they_are() {
    let component = Component::start("guard", |envelope| match envelope["payload"]["text"].as_str() {
        Some("bad") => json!({"decision": "reject", "reason": "bad"}),
        Some("known") => json!({
            "decision": "return", "reason": "known", "patch_strategy": "json_patch",
            "patch": [{"op": "replace", "path": "", "value": "KEPT"}],
        }),
        Some("other") => json!({"decision": "route", "reason": "there", "route": "text.Lower"}),
        Some(_) => {
            json!({"decision": "rewrite", "reason": "louder", "patch": {"text": "x!"}, "patch_strategy": "merge"})
        }
        // Behind the module.
        None if envelope["payload"] == "OTHER" || envelope["payload"] == "other" => {
            json!({"decision": "reject", "reason": "late"})
        }
        None => allow(),
    })
    .await;
    let may = json!({
        "hooks": ["pre_invoke", "post_invoke"],
        "field_policy": {"change": ["/text"], "answer": true, "route": ["text.Lower"]},
    });
    let world = chain([(&component, may)]).await;
    let _provider = text(&world).await;
    let texts = ["bad", "a", "known", "other", "b"];
    let inputs = texts.map(|text| json!({"text": text}));
    let (outputs, info) = world.client.call_batch("text.Upper", inputs.clone()).await.unwrap();
    let shown: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            Ok(value) => value.as_str().unwrap(),
            Err(error) => error.code(),
        })
        .collect();
    assert_eq!(shown, ["middleware.rejected", "X!", "KEPT", "middleware.rejected", "X!"]);
    assert_eq!((outputs[3].as_ref().unwrap_err().details()["hook"].as_str(), info.attempts), ("post_invoke", 1));
    let (status, body) = http::post(&world, "/v1/modules/text.Upper:batch", &json!({"inputs": inputs})).await;
    assert_eq!((status, &body["results"][1]["output"]), (200, &json!("X!")));
    assert_eq!(body["results"][0]["error"]["code"], "middleware.rejected");
}
