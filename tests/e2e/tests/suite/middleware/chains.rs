//! Several components: their order, what each sees, filters, and whom nobody asks.

use serde_json::{Value, json};

use e2e::{Http, host_with_middleware};

use super::{Surface, call, everything, script, seen};

fn with(members: Value) -> Value {
    let mut component = everything();
    for (name, value) in members.as_object().expect("members") {
        component[name] = value.clone();
    }
    component
}

#[tokio::test]
async fn components_are_asked_in_the_configured_order_and_see_what_came_before() {
    let at = || with(json!({ "hooks": ["pre_invoke"] }));
    let host = host_with_middleware(&[("a", at()), ("b", at()), ("c", at())], &["c"]).await;
    let annotate =
        |value: &str| json!({ "decision": "annotate", "reason": "r", "annotations": { "last": value, value: true } });
    let route = json!({ "decision": "route", "reason": "r", "route": "words.Shout" });
    let text = script(&[("a@pre_invoke", annotate("a")), ("b@pre_invoke", route), ("c@pre_invoke", annotate("c"))]);
    let output = call(&host, Surface::Grpc, "words.Say", &text).await;
    assert_eq!(output, Ok(json!({ "said": text, "by": "Shout" })));
    let mut envelopes = Vec::new();
    for id in ["a", "b", "c"] {
        envelopes.extend(seen(&host, id).await);
    }
    let [a, b, c] = &envelopes[..] else { panic!("{envelopes:?}") };
    assert_eq!(c["annotations"], json!({}));
    assert_eq!(a["annotations"], json!({ "last": "c", "c": true }));
    assert_eq!(b["annotations"], json!({ "last": "a", "a": true, "c": true }));
    assert_eq!((&a["subject"]["name"], &a["subject"]["namespace"]), (&json!("words.Say"), &json!("words")));
    for name in ["schema_version", "envelope_id", "hook", "correlation", "caller", "payload", "deadline"] {
        assert_eq!(a[name], b[name], "{name}");
    }
    assert_eq!((&a["schema_version"], &a["caller"]["subject"]), (&json!("1"), &json!("anybody")));
    assert!(a["remaining_ms"].as_u64() >= b["remaining_ms"].as_u64(), "{a} {b}");
}

#[tokio::test]
async fn a_filter_spares_the_round_trip() {
    let filter = json!({ "OR": [{ "module": "*.Count" }, { "/text": "hi" }] });
    let host = host_with_middleware(&[("it", with(json!({ "hooks": ["pre_invoke"], "filter": filter })))], &[]).await;
    for (module, text) in [("words.Say", "ho"), ("words.Say", "hi"), ("words.Count", "ho"), ("words.Shout", "ho")] {
        call(&host, Surface::Http, module, text).await.expect("it is allowed");
    }
    let asked: Vec<_> = seen(&host, "it").await;
    let asked: Vec<_> = asked.iter().map(|e| (e["subject"]["name"].as_str(), e["payload"]["text"].as_str())).collect();
    assert_eq!(asked, [(Some("words.Say"), Some("hi")), (Some("words.Count"), Some("ho"))]);
}

#[tokio::test]
async fn an_audit_tells_what_came_of_a_call_and_nobody_waits_for_it() {
    let audit = json!({ "hooks": ["audit"] });
    let host = host_with_middleware(&[("it", audit)], &[]).await;
    call(&host, Surface::Grpc, "words.Say", "hi").await.expect("nobody objects");
    let refused = Http::new(host.url()).post("/v1/modules/words.Say:call", &json!({ "text": 1 })).await;
    assert_eq!(refused.failure(), (400, "executor.input.invalid".to_owned()));
    testkit::eventually("the audit", || async { (!seen(&host, "it").await.is_empty()).then_some(()) }).await;
    let told = seen(&host, "it").await;
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&told["hook"], &told["payload"]), (&json!("audit"), &Value::Null));
    assert_eq!((&told["outcome"]["ok"], &told["outcome"]["code"]), (&json!(true), &json!("")));
    assert!(told["outcome"]["duration_us"].as_u64() > Some(0), "{told}");
}
