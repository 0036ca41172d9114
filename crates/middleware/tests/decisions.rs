//! What each decision does at each hook, and which answers are failures of their component.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

#[path = "support/course.rs"]
mod course;

use std::time::Duration;

use course::{TOOK, decide};
use middleware::{DecisionKind, End, Hook, Verdict};
use serde_json::{Value, json};

const BEFORE: [Hook; 2] = [Hook::PreRun, Hook::PreInvoke];
const AFTER: [Hook; 2] = [Hook::PostInvoke, Hook::PostRun];

fn all() -> Value {
    json!({ "field_policy": { "change": [""], "answer": true, "route": ["*"] } })
}

fn end(settings: Value, hook: Hook, body: Value) -> End {
    decide(settings, hook, &body.to_string()).end
}

/// Code and message of the failure that ends the course.
#[track_caller]
fn failure(verdict: Verdict) -> (&'static str, String) {
    match verdict.end {
        End::Failed { component, failed } => {
            assert_eq!(&*component, "it");
            assert_eq!(verdict.trace[0].failure.as_ref(), Some(&failed));
            (failed.code, failed.message)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_refused(hook: Hook, body: Value, message: &str) {
    check_refused_by(all(), hook, body, message);
}

#[track_caller]
fn check_refused_by(settings: Value, hook: Hook, body: Value, message: &str) {
    let verdict = decide(settings, hook, &body.to_string());
    assert_eq!(failure(verdict), ("middleware.decision.invalid", message.to_owned()), "{body}");
}

fn four() -> impl Iterator<Item = Hook> {
    BEFORE.into_iter().chain(AFTER)
}

const GO_ON: End = End::Continue { payload: None };

#[test]
fn allow_goes_on_at_every_hook() {
    for hook in four() {
        let verdict = decide(all(), hook, r#"{ "decision": "allow", "reason": "fine" }"#);
        assert_eq!(verdict.end, GO_ON);
        let [traced] = verdict.trace.as_slice() else { panic!() };
        assert_eq!((traced.decision, traced.reason.as_str()), (Some(DecisionKind::Allow), "fine"));
        assert_eq!((traced.hook, &*traced.component, traced.duration), (hook, "it", TOOK));
        assert_eq!(traced.failure, None);
    }
}

#[test]
fn annotate_adds_to_the_annotations_at_every_hook() {
    for hook in four() {
        let verdict = decide(all(), hook, r#"{ "decision": "annotate", "reason": "r", "annotations": { "cost": 3 } }"#);
        assert_eq!(verdict.end, GO_ON);
        assert_eq!(Value::from(verdict.annotations), json!({ "cost": 3 }));
    }
}

#[test]
fn rewrite_changes_the_payload_at_every_hook() {
    for hook in four() {
        let merge =
            json!({ "decision": "rewrite", "reason": "r", "patch": { "text": "ho" }, "patch_strategy": "merge" });
        assert_eq!(end(all(), hook, merge), End::Continue { payload: Some(json!({ "text": "ho", "limit": 5 })) });
        let patch = json!([{ "op": "remove", "path": "/limit" }]);
        let patch = json!({ "decision": "rewrite", "reason": "r", "patch": patch, "patch_strategy": "json_patch" });
        assert_eq!(end(all(), hook, patch), End::Continue { payload: Some(json!({ "text": "hi" })) });
    }
}

#[test]
fn route_goes_on_with_another_module_before_a_call_alone() {
    let route = |module: &str| json!({ "decision": "route", "reason": "r", "route": module });
    for module in ["text.Lower", "text.Wide"] {
        assert_eq!(end(all(), Hook::PreInvoke, route(module)), End::Route { module: module.into(), payload: None });
    }
    for hook in [Hook::PreRun, Hook::PostInvoke, Hook::PostRun] {
        check_refused(hook, route("text.Lower"), &format!("`route` is not allowed at `{hook}`"));
    }
}

#[test]
fn return_answers_before_the_call_and_ends_the_chain_after_it() {
    let patch = json!([{ "op": "replace", "path": "", "value": "done" }]);
    let body = json!({ "decision": "return", "reason": "r", "patch": patch, "patch_strategy": "json_patch" });
    for hook in BEFORE {
        assert_eq!(end(all(), hook, body.clone()), End::Answer { payload: json!("done") });
    }
    let body = json!({ "decision": "return", "reason": "r", "patch": { "limit": 1 }, "patch_strategy": "merge" });
    for hook in AFTER {
        assert_eq!(
            end(all(), hook, body.clone()),
            End::Continue { payload: Some(json!({ "text": "hi", "limit": 1 })) }
        );
        assert_eq!(end(all(), hook, json!({ "decision": "return", "reason": "r" })), GO_ON);
    }
}

#[test]
fn drop_and_reject_end_it_at_every_hook() {
    for hook in four() {
        let drop = End::Dropped { component: "it".into(), reason: "no need".into() };
        assert_eq!(end(json!({}), hook, json!({ "decision": "drop", "reason": "no need" })), drop);
        let reject = End::Rejected { component: "it".into(), reason: "no right".into() };
        assert_eq!(end(json!({}), hook, json!({ "decision": "reject", "reason": "no right" })), reject);
    }
}

#[test]
fn defer_asks_to_come_back_before_the_call_alone() {
    for hook in BEFORE {
        let after = |after| End::Deferred { component: "it".into(), reason: "busy".into(), after };
        let deferred = end(json!({}), hook, json!({ "decision": "defer", "reason": "busy", "retry_after_ms": 70 }));
        assert_eq!(deferred, after(Duration::from_millis(70)));
        assert_eq!(
            end(json!({}), hook, json!({ "decision": "defer", "reason": "busy" })),
            after(Duration::from_secs(1))
        );
    }
    for hook in AFTER {
        let body = json!({ "decision": "defer", "reason": "busy" });
        check_refused(hook, body, &format!("`defer` is not allowed at `{hook}`"));
    }
}

#[test]
fn at_audit_nothing_that_is_said_is_heard() {
    for body in [r#"{ "decision": "reject", "reason": "no" }"#, "", "not JSON", "{}"] {
        let verdict = decide(all(), Hook::Audit, body);
        assert_eq!(verdict.end, GO_ON, "{body}");
        assert_eq!(verdict.trace.len(), 1);
        assert_eq!((verdict.trace[0].decision, verdict.trace[0].failure.as_ref()), (None, None));
    }
}

#[test]
fn what_is_no_decision_is_an_invalid_response() {
    for (body, message) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("nope", "expected ident at line 1 column 2"),
        ("null", "it is no object"),
        (r#"["allow", "r"]"#, "it is no object"),
        ("{}", "missing field `decision`"),
        (r#"{ "decision": "allow" }"#, "missing field `reason`"),
        (r#"{ "decision": "allow", "reason": 1 }"#, "invalid type: integer `1`, expected a string"),
        (
            r#"{ "decision": "Allow", "reason": "r" }"#,
            "unknown variant `Allow`, expected one of `allow`, `annotate`, `rewrite`, `route`, `return`, `drop`, `defer`, `reject`",
        ),
        (
            r#"{ "decision": "allow", "reason": "r", "note": 1 }"#,
            "unknown field `note`, expected one of `decision`, `reason`, `annotations`, `patch`, `patch_strategy`, `route`, `retry_after_ms`, `next_step`, `diagnostics`",
        ),
        (
            r#"{ "decision": "allow", "decision": "drop", "reason": "r" }"#,
            "the name \"decision\" occurs twice at line 1 column 41",
        ),
        (
            r#"{ "decision": "annotate", "reason": "r", "annotations": { "a": 1, "a": 2 } }"#,
            "the name \"a\" occurs twice at line 1 column 74",
        ),
        (r#"{ "decision": "allow", "reason": "r" } {}"#, "trailing characters at line 1 column 40"),
        (r#"{ "decision": "annotate", "reason": "r", "annotations": [] }"#, "invalid type: sequence, expected a map"),
        (
            r#"{ "decision": "defer", "reason": "r", "retry_after_ms": -1 }"#,
            "invalid value: integer `-1`, expected u64",
        ),
        (
            r#"{ "decision": "defer", "reason": "r", "retry_after_ms": 1.5 }"#,
            "invalid type: floating point `1.5`, expected u64",
        ),
    ] {
        let expected = format!("the answer is no decision: {message}");
        assert_eq!(failure(decide(all(), Hook::PreInvoke, body)), ("middleware.response.invalid", expected), "{body}");
    }
}

#[test]
fn a_body_that_nests_too_deeply_or_is_no_utf8_is_an_invalid_response() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{ "decision": "annotate", "reason": "r", "annotations": {{ "a": {deep} }} }}"#);
    assert_eq!(failure(decide(all(), Hook::PreInvoke, &body)).0, "middleware.response.invalid");
    let fault = middleware::MiddlewareDecision::read(b"{\"decision\":\"allow\",\"reason\":\"\xff\"}").unwrap_err();
    assert_eq!(fault.code(), "middleware.response.invalid");
}

#[test]
fn a_member_that_is_null_is_left_out() {
    let body = json!({
        "decision": "allow", "reason": "r", "annotations": null, "patch": null, "patch_strategy": null, "route": null,
        "retry_after_ms": null, "next_step": null, "diagnostics": null,
    });
    assert_eq!(end(all(), Hook::PreInvoke, body), GO_ON);
}

#[test]
fn members_belong_to_their_decisions() {
    let hook = Hook::PreInvoke;
    let merge = |decision: &str| json!({ "decision": decision, "reason": "r", "patch": {}, "patch_strategy": "merge" });
    for decision in ["allow", "annotate", "route", "drop", "defer", "reject"] {
        check_refused(hook, merge(decision), &format!("`patch` does not belong to `{decision}`"));
    }
    for decision in ["allow", "annotate", "rewrite", "return", "drop", "defer", "reject"] {
        let mut body = json!({ "decision": decision, "reason": "r", "route": "text.Lower" });
        if decision == "rewrite" {
            body = merge(decision);
            body["route"] = json!("text.Lower");
        }
        check_refused(hook, body, &format!("`route` does not belong to `{decision}`"));
    }
    check_refused(
        hook,
        json!({ "decision": "allow", "reason": "r", "retry_after_ms": 1 }),
        "`retry_after_ms` does not belong to `allow`",
    );
    check_refused(hook, json!({ "decision": "rewrite", "reason": "r" }), "`rewrite` needs `patch`");
    check_refused(
        hook,
        json!({ "decision": "rewrite", "reason": "r", "patch": {} }),
        "`rewrite` needs `patch_strategy`",
    );
    check_refused(
        hook,
        json!({ "decision": "rewrite", "reason": "r", "patch": null, "patch_strategy": "merge" }),
        "`rewrite` needs `patch`",
    );
    check_refused(
        hook,
        json!({ "decision": "return", "reason": "r", "patch_strategy": "merge" }),
        "`patch_strategy` needs `patch`",
    );
    check_refused(hook, json!({ "decision": "route", "reason": "r" }), "`route` needs `route`");
    check_refused(hook, json!({ "decision": "annotate", "reason": "r" }), "`annotate` needs `annotations`");
    check_refused(
        hook,
        json!({ "decision": "annotate", "reason": "r", "annotations": {} }),
        "`annotate` needs `annotations`",
    );
}

#[test]
fn what_is_said_is_bounded() {
    let hook = Hook::PreInvoke;
    let said = |member: &str, value: Value| {
        let mut body = json!({ "decision": "allow", "reason": "r" });
        body[member] = value;
        body
    };
    let text = |n: usize| Value::from("x".repeat(n));
    for reason in ["", " \n", &"x".repeat(1025), &"ü".repeat(513)] {
        check_refused(
            hook,
            json!({ "decision": "allow", "reason": reason }),
            "`reason` is empty or longer than 1024 bytes",
        );
    }
    assert_eq!(end(all(), hook, json!({ "decision": "allow", "reason": "ü".repeat(512) })), GO_ON);
    check_refused(hook, said("next_step", text(1025)), "`next_step` is longer than 1024 bytes");
    assert_eq!(end(all(), hook, said("next_step", text(1024))), GO_ON);
    check_refused(hook, said("diagnostics", text(16 * 1024 - 1)), "`diagnostics` are longer than 16384 bytes");
    assert_eq!(end(all(), hook, said("diagnostics", text(16 * 1024 - 2))), GO_ON);
    check_refused(
        hook,
        said("annotations", json!({ "a": text(16 * 1024 - 7) })),
        "the annotations take more than 16384 bytes",
    );
    assert_eq!(end(all(), hook, said("annotations", json!({ "a": text(16 * 1024 - 8) }))), GO_ON);
    let many = |n: usize| Value::Object((0..n).map(|i| (i.to_string(), json!(1))).collect());
    check_refused(hook, said("annotations", many(65)), "there are more than 64 annotations");
    assert_eq!(end(all(), hook, said("annotations", many(64))), GO_ON);
    let nested = |n: usize| (0..n).fold(json!(1), |inner, _| json!([inner]));
    check_refused(hook, said("annotations", json!({ "a": nested(33) })), "an annotation is nested deeper than 32");
    assert_eq!(end(all(), hook, said("annotations", json!({ "a": nested(32) }))), GO_ON);
    check_refused(hook, said("diagnostics", nested(33)), "`diagnostics` are nested deeper than 32");
    let route = json!({ "decision": "route", "reason": "r", "route": text(513) });
    check_refused(hook, route, "`route` is empty or longer than 512 bytes");
    for ms in [0, 3_600_001] {
        let body = json!({ "decision": "defer", "reason": "r", "retry_after_ms": ms });
        check_refused(hook, body, "`retry_after_ms` is not within 1 and 3600000");
    }
}

#[test]
fn a_rewritten_payload_keeps_its_type() {
    let rewrite =
        |patch: Value| json!({ "decision": "rewrite", "reason": "r", "patch": patch, "patch_strategy": "merge" });
    for hook in four() {
        let why = |what: &str| format!("the patched payload is not of the declared type: {what}");
        check_refused(hook, rewrite(json!({ "text": 1 })), &why("`.text`: another kind of value than declared"));
        check_refused(hook, rewrite(json!({ "text": null })), &why("`.text`: a declared field is absent"));
        check_refused(hook, rewrite(json!([])), &why("another kind of value than declared"));
    }
}

#[test]
fn what_the_type_does_not_declare_does_not_slip_in() {
    let patch = json!({ "text": "ho", "extra": 1, "limit": null });
    let body = json!({ "decision": "rewrite", "reason": "r", "patch": patch, "patch_strategy": "merge" });
    assert_eq!(end(all(), Hook::PreInvoke, body), End::Continue { payload: Some(json!({ "text": "ho" })) });
}

#[test]
fn a_component_changes_what_its_field_policy_lets_it() {
    let rewrite =
        |patch: Value| json!({ "decision": "rewrite", "reason": "r", "patch": patch, "patch_strategy": "merge" });
    let limit = || json!({ "field_policy": { "change": ["/limit"] } });
    for hook in four() {
        let kept = End::Continue { payload: Some(json!({ "text": "hi", "limit": 6 })) };
        assert_eq!(end(limit(), hook, rewrite(json!({ "limit": 6 }))), kept);
        let why = "the field policy does not let it change `/text`";
        check_refused_by(limit(), hook, rewrite(json!({ "text": "ho", "limit": 6 })), why);
        check_refused_by(json!({}), hook, rewrite(json!({ "text": "ho" })), why);
        // Nothing that differs is nothing that is changed.
        let same = End::Continue { payload: Some(json!({ "text": "hi", "limit": 5 })) };
        assert_eq!(end(json!({}), hook, rewrite(json!({ "text": "hi", "limit": 5.0 }))), same);
    }
    let back = json!({ "decision": "return", "reason": "r", "patch": { "text": "ho" }, "patch_strategy": "merge" });
    for hook in AFTER {
        check_refused_by(limit(), hook, back.clone(), "the field policy does not let it change `/text`");
    }
}

#[test]
fn an_answer_needs_the_policy_and_the_type_of_the_output() {
    let patch = |value: Value| json!([{ "op": "replace", "path": "", "value": value }]);
    let back = |value: Value| json!({ "decision": "return", "reason": "r", "patch": patch(value), "patch_strategy": "json_patch" });
    for hook in BEFORE {
        let change = json!({ "field_policy": { "change": [""] } });
        check_refused_by(
            change,
            hook,
            back(json!("x")),
            &format!("the field policy does not let it `return` at `{hook}`"),
        );
        let answer = || json!({ "field_policy": { "answer": true } });
        let why = "the patched answer is not of the declared type: another kind of value than declared";
        check_refused_by(answer(), hook, back(json!(1)), why);
        check_refused_by(answer(), hook, json!({ "decision": "return", "reason": "r" }), why);
        assert_eq!(end(answer(), hook, back(json!("x"))), End::Answer { payload: json!("x") });
    }
}

#[test]
fn a_route_needs_the_policy_a_module_and_its_types() {
    let route = |module: &str| json!({ "decision": "route", "reason": "r", "route": module });
    let text = || json!({ "field_policy": { "route": ["text.*"] } });
    let hook = Hook::PreInvoke;
    check_refused_by(json!({}), hook, route("text.Lower"), "the field policy does not let it route to `text.Lower`");
    check_refused_by(text(), hook, route("other.Lower"), "the field policy does not let it route to `other.Lower`");
    check_refused_by(text(), hook, route("text.None"), "there is no module `text.None`");
    let why = "`text.Narrow` does not take this input: ";
    assert!(failure(decide(text(), hook, &route("text.Narrow").to_string())).1.starts_with(why));
    let why = "`text.Count` does not give this output: ";
    assert!(failure(decide(text(), hook, &route("text.Count").to_string())).1.starts_with(why));
    assert_eq!(end(text(), hook, route("text.Lower")), End::Route { module: "text.Lower".into(), payload: None });
}

#[test]
fn a_patch_that_cannot_be_applied_changes_nothing() {
    let body =
        |patch: Value| json!({ "decision": "rewrite", "reason": "r", "patch": patch, "patch_strategy": "json_patch" });
    let first = json!({ "op": "replace", "path": "/text", "value": "ho" });
    for (second, why) in [
        (
            json!({ "op": "test", "path": "/limit", "value": 6 }),
            "operation 1 of the patch: the value to test is another",
        ),
        (json!({ "op": "test", "path": "/none", "value": 6 }), "operation 1 of the patch: nothing is at its `path`"),
        (json!({ "op": "remove", "path": "/none" }), "operation 1 of the patch: its `path` cannot be reached"),
        (json!({ "op": "copy", "from": "/none", "path": "/a" }), "operation 1 of the patch: nothing is at its `from`"),
        (
            json!({ "op": "move", "from": "", "path": "/a" }),
            "operation 1 of the patch: a value cannot be moved into itself",
        ),
    ] {
        check_refused(Hook::PreInvoke, body(json!([first, second])), why);
        let open = json!({ "field_policy": { "change": [""] }, "on_component_failure": { "pre_invoke": "fail_open" } });
        assert_eq!(end(open, Hook::PreInvoke, body(json!([first, second]))), GO_ON);
    }
}

#[test]
fn what_is_only_for_the_trace_is_in_the_trace() {
    let body = r#"{ "decision": "allow", "reason": "r", "next_step": "bill it", "diagnostics": { "queue": 3 } }"#;
    let verdict = decide(all(), Hook::PreInvoke, body);
    assert_eq!(verdict.trace[0].next_step.as_deref(), Some("bill it"));
    assert_eq!(verdict.trace[0].diagnostics, Some(json!({ "queue": 3 })));
    assert_eq!((verdict.end, verdict.annotations.len()), (GO_ON, 0));
}
