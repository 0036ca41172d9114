//! Chains of several components: who is asked, in which order, with what, and what follows when one fails.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

#[path = "support/course.rs"]
mod course;

use std::cell::RefCell;
use std::time::Duration;

use course::{TOOK, envelope, link, play, resolve, types};
use middleware::{About, Chain, End, Failed, Hook, Types, Verdict, WorkflowEnvelope};
use serde_json::{Value, json};

fn text() -> Types {
    types("{text: String}", Some("String"))
}

fn about(name: &str) -> About<'_> {
    About { name, namespace: name.rsplit_once('.').map_or("", |(namespace, _)| namespace), caller: "ada", skip: None }
}

/// Plays `{text: "hi"}` at `pre_invoke`. The script gives each component's answer; what each saw comes back.
fn scripted(chain: &Chain, script: &[(&str, Value)]) -> (Verdict, Vec<(String, WorkflowEnvelope)>) {
    let seen = RefCell::new(Vec::new());
    let verdict = play(chain, envelope(Hook::PreInvoke, json!({ "text": "hi" })), text(), |id, envelope| {
        seen.borrow_mut().push((id.to_owned(), envelope));
        match script.iter().find(|(of, _)| *of == id) {
            Some((_, body)) => Ok(body.to_string().into_bytes()),
            None => Ok(br#"{ "decision": "allow", "reason": "fine" }"#.to_vec()),
        }
    });
    (verdict, seen.into_inner())
}

fn ids(seen: &[(String, WorkflowEnvelope)]) -> Vec<&str> {
    seen.iter().map(|(id, _)| id.as_str()).collect()
}

fn open(id: &str) -> middleware::Link {
    link(id, json!({ "hooks": ["pre_invoke"], "field_policy": { "change": [""], "answer": true, "route": ["*"] } }))
}

fn rewrite(text: &str) -> Value {
    json!({ "decision": "rewrite", "reason": "r", "patch": { "text": text }, "patch_strategy": "merge" })
}

#[test]
fn components_are_asked_in_the_order_of_the_links_at_their_hooks() {
    let other = link("post", json!({ "hooks": ["post_invoke"] }));
    let chain = Chain::new(vec![open("z"), other, open("a"), open("m")]);
    let (verdict, seen) = scripted(&chain, &[]);
    assert_eq!(ids(&seen), ["z", "a", "m"]);
    assert_eq!(verdict.trace.iter().map(|traced| &*traced.component).collect::<Vec<_>>(), ["z", "a", "m"]);
    assert!(!chain.is_empty(Hook::PreInvoke) && !chain.is_empty(Hook::PostInvoke) && chain.is_empty(Hook::Audit));
    assert!(Chain::default().is_empty(Hook::PreInvoke));
}

#[test]
fn those_who_follow_see_what_came_before() {
    let chain = Chain::new(vec![open("a"), open("b"), open("c")]);
    let noted = json!({ "decision": "annotate", "reason": "r", "annotations": { "who": "b", "b": true } });
    let mut changed = rewrite("ho");
    changed["annotations"] = json!({ "who": "a", "a": [1] });
    let (verdict, seen) = scripted(&chain, &[("a", changed), ("b", noted)]);
    let [(_, a), (_, b), (_, c)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((&a.payload, Value::from(a.annotations.clone())), (&json!({ "text": "hi" }), json!({})));
    assert_eq!(
        (&b.payload, Value::from(b.annotations.clone())),
        (&json!({ "text": "ho" }), json!({ "who": "a", "a": [1] }))
    );
    assert_eq!(Value::from(c.annotations.clone()), json!({ "who": "b", "a": [1], "b": true }));
    assert_eq!([a, b, c].map(|envelope| envelope.remaining_ms), [1000, 997, 994]);
    assert_eq!(verdict.end, End::Continue { payload: Some(json!({ "text": "ho" })) });
    assert_eq!(verdict.annotations, c.annotations);
}

#[test]
fn those_who_follow_a_route_see_the_module_that_will_be_called() {
    let upper = link("upper", json!({ "hooks": ["pre_invoke"], "filter": { "module": "text.Upper" } }));
    let lower =
        link("lower", json!({ "hooks": ["pre_invoke"], "filter": { "module": "other.*", "namespace": "other" } }));
    let chain = Chain::new(vec![open("router"), upper, lower]);
    let route = json!({ "decision": "route", "reason": "r", "route": "other.Lower" });
    let (verdict, seen) = scripted(&chain, &[("router", route)]);
    assert_eq!(ids(&seen), ["router", "lower"]);
    let subject = &seen[1].1.subject;
    assert_eq!((subject.name.as_str(), subject.namespace.as_str(), subject.revision), ("other.Lower", "other", 7));
    assert_eq!(verdict.end, End::Route { module: "other.Lower".into(), payload: None });
}

#[test]
fn a_route_is_measured_by_the_types_of_the_call_also_after_another_route() {
    let chain = Chain::new(vec![open("a"), open("b")]);
    let route = |module: &str| json!({ "decision": "route", "reason": "r", "route": module });
    let (verdict, _) = scripted(&chain, &[("a", route("text.Wide")), ("b", route("text.Lower"))]);
    assert_eq!(verdict.end, End::Route { module: "text.Lower".into(), payload: None });
    let (verdict, _) = scripted(&chain, &[("a", route("text.Wide")), ("b", rewrite("ho"))]);
    assert_eq!(verdict.end, End::Route { module: "text.Wide".into(), payload: Some(json!({ "text": "ho" })) });
}

#[test]
fn the_first_end_is_the_end() {
    let chain = Chain::new(vec![open("a"), open("b")]);
    let answer = json!([{ "op": "replace", "path": "", "value": "done" }]);
    for decision in [
        json!({ "decision": "return", "reason": "r", "patch": answer, "patch_strategy": "json_patch" }),
        json!({ "decision": "drop", "reason": "r" }),
        json!({ "decision": "defer", "reason": "r" }),
        json!({ "decision": "reject", "reason": "r" }),
        json!({ "decision": "nonsense" }),
    ] {
        let (_, seen) = scripted(&chain, &[("a", decision.clone())]);
        assert_eq!(ids(&seen), ["a"], "{decision}");
    }
}

#[test]
fn a_return_after_the_call_ends_the_chain_with_what_was_rewritten_before() {
    let at = json!({ "hooks": ["post_invoke"], "field_policy": { "change": ["/text"] } });
    let chain = Chain::new(vec![link("a", at.clone()), link("b", at.clone()), link("c", at)]);
    let mut asked = Vec::new();
    let types = types("{text: String}", None);
    let verdict = play(&chain, envelope(Hook::PostInvoke, json!({ "text": "hi" })), types, |id, _| {
        asked.push(id.to_owned());
        let body = if id == "a" { rewrite("ho") } else { json!({ "decision": "return", "reason": "r" }) };
        Ok(body.to_string().into_bytes())
    });
    assert_eq!(asked, ["a", "b"]);
    assert_eq!(verdict.end, End::Continue { payload: Some(json!({ "text": "ho" })) });
}

#[test]
fn annotations_are_bounded_over_the_whole_chain() {
    let chain = Chain::new(vec![open("a"), open("b")]);
    let annotate =
        |name: &str| json!({ "decision": "annotate", "reason": "r", "annotations": { name: "x".repeat(9000) } });
    let (verdict, _) = scripted(&chain, &[("a", annotate("a")), ("b", annotate("b"))]);
    let End::Failed { component, failed } = verdict.end else { panic!() };
    assert_eq!((&*component, failed.code), ("b", "middleware.decision.invalid"));
    let (verdict, _) = scripted(&chain, &[("a", annotate("same")), ("b", annotate("same"))]);
    assert_eq!(verdict.end, End::Continue { payload: None });
}

#[test]
fn an_effect_whose_annotations_are_refused_does_not_happen() {
    let settings = json!({ "hooks": ["pre_invoke"], "field_policy": { "change": [""] }, "on_component_failure": { "pre_invoke": "fail_open" } });
    let chain = Chain::new(vec![open("a"), link("b", settings)]);
    let first = json!({ "decision": "annotate", "reason": "r", "annotations": { "a": "x".repeat(9000) } });
    let mut second = rewrite("ho");
    second["annotations"] = json!({ "b": "x".repeat(9000) });
    let (verdict, _) = scripted(&chain, &[("a", first), ("b", second)]);
    assert_eq!(verdict.end, End::Continue { payload: None });
    assert_eq!(verdict.annotations.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_failure_ends_the_call_unless_the_hook_fails_open() {
    let failed = || Failed { code: "middleware.timeout", message: "no answer within 5 s".to_owned() };
    for (policy, goes_on) in [
        (json!({}), false),
        (json!({ "pre_invoke": "fail_closed" }), false),
        (json!({ "post_invoke": "fail_open" }), false),
        (json!({ "pre_invoke": "fail_open" }), true),
    ] {
        let first = link("a", json!({ "hooks": ["pre_invoke"], "on_component_failure": policy }));
        let chain = Chain::new(vec![first, open("b")]);
        let verdict = play(&chain, envelope(Hook::PreInvoke, json!({ "text": "hi" })), text(), |id, _| match id {
            "a" => Err(failed()),
            _ => Ok(rewrite("ho").to_string().into_bytes()),
        });
        let expected = match goes_on {
            true => End::Continue { payload: Some(json!({ "text": "ho" })) },
            false => End::Failed { component: "a".into(), failed: failed() },
        };
        assert_eq!(verdict.end, expected, "{policy}");
        assert_eq!(verdict.trace[0].failure, Some(failed()));
        assert_eq!((verdict.trace[0].decision, verdict.trace[0].duration), (None, TOOK));
    }
}

#[test]
fn a_failure_at_audit_fails_nothing() {
    let chain = Chain::new(vec![link("a", json!({ "hooks": ["audit"] }))]);
    let failed = Failed { code: "middleware.unreachable", message: "gone".to_owned() };
    let verdict = play(&chain, envelope(Hook::Audit, Value::Null), types("Any", None), |_, _| Err(failed.clone()));
    assert_eq!(verdict.end, End::Continue { payload: None });
    assert_eq!(verdict.trace[0].failure, Some(failed));
}

#[test]
fn a_component_never_meets_what_it_began_itself() {
    let chain = Chain::new(vec![open("a"), open("b")]);
    let mut course = chain.begin(envelope(Hook::PreInvoke, json!({ "text": "hi" })), text(), Some("a"));
    assert_eq!(course.next().unwrap().id, "b");
    let alone = Chain::new(vec![open("a")]);
    assert!(!alone.wants(Hook::PreInvoke, &About { skip: Some("a"), ..about("text.Upper") }));
    assert!(alone.wants(Hook::PreInvoke, &About { skip: Some("b"), ..about("text.Upper") }));
    assert!(alone.begin(envelope(Hook::PreInvoke, json!({})), text(), Some("a")).next().is_none());
}

#[test]
fn filters_decide_before_an_envelope_is_made() {
    let chain = |filter: Value| Chain::new(vec![link("a", json!({ "hooks": ["pre_invoke"], "filter": filter }))]);
    for (filter, expected) in [
        (json!({ "module": "text.*" }), true),
        (json!({ "module": "other.*" }), false),
        (json!({ "module": "text.*", "caller": "bob" }), false),
        (json!({ "module": "text.*", "/text": "ho" }), true),
        (json!({ "module": "other.*", "/text": "ho" }), false),
        (json!({ "NOT": { "/text": "ho" } }), true),
        (json!({ "OR": [{ "module": "other.*" }, { "/text": "ho" }] }), true),
    ] {
        assert_eq!(chain(filter.clone()).wants(Hook::PreInvoke, &about("text.Upper")), expected, "{filter}");
        assert!(!chain(filter).wants(Hook::PostInvoke, &about("text.Upper")));
    }
}

#[test]
fn filters_on_the_payload_see_what_was_rewritten_before() {
    let only = |text: &str| link(text, json!({ "hooks": ["pre_invoke"], "filter": { "/text": text } }));
    let chain = Chain::new(vec![only("hi"), open("changes"), only("ho"), only("hi")]);
    let (_, seen) = scripted(&chain, &[("changes", rewrite("ho"))]);
    assert_eq!(ids(&seen), ["hi", "changes", "ho"]);
}

#[test]
fn leaving_the_chain_early_skips_nobody() {
    let chain = Chain::new(vec![open("a"), open("b")]);
    let begin = || chain.begin(envelope(Hook::PreInvoke, json!({ "text": "hi" })), text(), None);
    let mut asked = begin();
    assert_eq!(asked.next().unwrap().id, "a");
    assert_eq!(asked.next().unwrap().id, "a");
    for course in [begin(), asked] {
        let verdict = course.finish();
        let End::Failed { component, failed } = verdict.end else { panic!() };
        assert_eq!((&*component, failed.code), ("a", "middleware.timeout"));
    }
}

#[test]
fn an_answer_that_nobody_was_asked_for_does_nothing() {
    let chain = Chain::new(vec![open("a")]);
    let mut course = chain.begin(envelope(Hook::PreInvoke, json!({ "text": "hi" })), text(), None);
    course.answer(Ok(br#"{ "decision": "drop", "reason": "r" }"#), Duration::ZERO, resolve);
    assert_eq!(course.next().unwrap().id, "a");
    course.answer(Ok(br#"{ "decision": "allow", "reason": "r" }"#), Duration::ZERO, resolve);
    course.answer(Ok(br#"{ "decision": "drop", "reason": "r" }"#), Duration::ZERO, resolve);
    assert!(course.next().is_none());
    assert_eq!(course.finish().end, End::Continue { payload: None });
}
