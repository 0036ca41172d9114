//! Each of the eight decisions at each hook, for calls and runs, over gRPC and HTTP.

use serde_json::{Value, json};

use e2e::host_with_middleware;

use super::{SURFACES, call, everything, run, script};

/// What follows from a decision at a hook. `Err` holds the code of the failure.
struct Case {
    hook: &'static str,
    decision: Value,
    expected: Result<Value, &'static str>,
}

fn patch(value: Value) -> Value {
    json!([{ "op": "replace", "path": "", "value": value }])
}

/// All decisions at one hook: before the call or run, where the payload has `text`, or after it, where it is `{said, by}`.
fn cases(hook: &'static str, output: impl Fn(Value) -> Value) -> Vec<Case> {
    let before = hook.starts_with("pre");
    let unchanged = || json!({ "said": "SCRIPT", "by": "Say" });
    let decided = |kind: &str, members: Value| {
        let mut decision = json!({ "decision": kind, "reason": "because" });
        for (name, value) in members.as_object().expect("members") {
            decision[name] = value.clone();
        }
        decision
    };
    let case = |decision, expected| Case { hook, decision, expected };
    let invalid = Err("middleware.decision.invalid");
    let changed = if before { json!({ "text": "changed" }) } else { output(json!({ "said": "changed" })) };
    let rewritten = json!({ "said": "changed", "by": "Say" });
    let merge = json!({ "patch": changed, "patch_strategy": "merge" });
    let answer = || output(json!({ "said": "answered", "by": "it" }));
    vec![
        case(decided("allow", json!({})), Ok(unchanged())),
        case(decided("annotate", json!({ "annotations": { "a": 1 } })), Ok(unchanged())),
        case(decided("rewrite", merge), Ok(rewritten)),
        case(
            decided("route", json!({ "route": "words.Shout" })),
            if hook == "pre_invoke" { Ok(json!({ "said": "SCRIPT", "by": "Shout" })) } else { invalid.clone() },
        ),
        case(
            decided("return", json!({ "patch": patch(answer()), "patch_strategy": "json_patch" })),
            Ok(json!({ "said": "answered", "by": "it" })),
        ),
        case(decided("drop", json!({})), Err("middleware.dropped")),
        case(
            decided("defer", json!({ "retry_after_ms": 70 })),
            if before { Err("middleware.deferred") } else { invalid },
        ),
        case(decided("reject", json!({})), Err("middleware.rejected")),
    ]
}

fn check(case: &Case, text: &str, answer: Result<Value, Value>) {
    let decision = &case.decision;
    match (&case.expected, answer) {
        (Ok(expected), Ok(output)) => {
            let expected = expected.to_string().replace("\"SCRIPT\"", &Value::from(text).to_string());
            assert_eq!(output, serde_json::from_str::<Value>(&expected).expect("JSON"), "{} {decision}", case.hook);
        }
        (Err(code), Err(failure)) => {
            assert_eq!(
                (&failure["code"], &failure["hook"]),
                (&json!(code), &json!(case.hook)),
                "{decision}: {failure}"
            );
            assert_eq!(failure["component"], "it", "{failure}");
            let (category, reason, after) = match *code {
                "middleware.dropped" => ("CANCELLED", "because", 0),
                "middleware.rejected" => ("PERMISSION_DENIED", "because", 0),
                "middleware.deferred" => ("UNAVAILABLE", "because", 70),
                _ => ("UPSTREAM_ERROR", "", 0),
            };
            assert_eq!(
                (&failure["category"], &failure["retry_after_ms"]),
                (&json!(category), &json!(after)),
                "{failure}"
            );
            let message = failure["message"].as_str().expect("a text");
            assert!(
                if reason.is_empty() { message.contains("is not allowed at") } else { message == reason },
                "{failure}"
            );
        }
        (_, answer) => panic!("{} {decision}: {answer:?}", case.hook),
    }
}

#[tokio::test]
async fn each_decision_does_the_same_to_calls_over_grpc_and_http() {
    let host = host_with_middleware(&[("it", everything())], &[]).await;
    for case in ["pre_invoke", "post_invoke"].into_iter().flat_map(|hook| cases(hook, |output| output)) {
        let text = script(&[(&format!("it@{}", case.hook), case.decision.clone())]);
        for surface in SURFACES {
            check(&case, &text, call(&host, surface, "words.Say", &text).await);
        }
    }
}

#[tokio::test]
async fn each_decision_does_the_same_to_runs_over_grpc_and_http() {
    let host = host_with_middleware(&[("it", everything())], &[]).await;
    let outputs = |output: Value| json!({ "result": output });
    let of_runs = ["pre_run", "post_run"].into_iter().flat_map(|hook| cases(hook, outputs));
    let of_nodes = ["pre_invoke", "post_invoke"].into_iter().flat_map(|hook| cases(hook, |output| output));
    for case in of_runs.chain(of_nodes) {
        let text = script(&[(&format!("it@{}", case.hook), case.decision.clone())]);
        for surface in SURFACES {
            check(&case, &text, run(&host, surface, &text).await);
        }
    }
}

#[tokio::test]
async fn a_process_per_message_decides_too() {
    let mut stdio = everything();
    stdio["kind"] = json!("command_stdio");
    stdio["hooks"] = json!(["pre_invoke"]);
    let host = host_with_middleware(&[("it", stdio)], &[]).await;
    for case in cases("pre_invoke", |output| output) {
        let text = script(&[("it@pre_invoke", case.decision.clone())]);
        check(&case, &text, call(&host, super::Surface::Grpc, "words.Say", &text).await);
    }
}
