//! Whatever components answer, honest or hostile: no payload of another type, no forbidden change, no route of another type.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

#[path = "support/course.rs"]
mod course;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use middleware::{
    Chain, DecisionKind, End, FieldPolicy, Hook, Link, OnFailure, RouteTypes, Settings, Types, Verdict,
    WorkflowEnvelope,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use type_schema::strategy::{ctype, supertype, typed_value, value};
use type_schema::{CType, Schema, from_json, is_subtype, to_json};

use course::{TOOK, envelope};

/// Names of fields that drawn types have, and indexes.
const STEPS: [&str; 8] = ["a", "b", "aa", "B", "_", "0", "1", "*"];
const HOOKS: [Hook; 4] = [Hook::PreRun, Hook::PreInvoke, Hook::PostInvoke, Hook::PostRun];

/// One play: types, a payload, components with what they answer, and modules to route to.
#[derive(Debug, Clone)]
struct Play {
    hook: Hook,
    input: CType,
    output: CType,
    payload: Value,
    links: Vec<(Settings, Vec<u8>)>,
    modules: BTreeMap<&'static str, (CType, CType)>,
}

fn pointer() -> impl Strategy<Value = String> {
    vec(select(STEPS.to_vec()), 0..4).prop_map(|steps| steps.iter().map(|step| format!("/{step}")).collect())
}

fn settings(hook: Hook) -> impl Strategy<Value = Settings> {
    let patterns = select(vec![vec![], vec!["m.*".to_owned()], vec!["m.A".to_owned()], vec!["*".to_owned()]]);
    let failure = select(vec![OnFailure::FailClosed, OnFailure::FailOpen, OnFailure::FailOpen]);
    (vec(pointer(), 0..4), any::<bool>(), patterns, failure).prop_map(move |(change, answer, route, failure)| {
        Settings {
            hooks: vec![hook],
            filter: None,
            field_policy: FieldPolicy { change, answer, route },
            on_component_failure: BTreeMap::from([(hook, failure)]),
        }
    })
}

/// JSON of any shape, with the names that drawn types have.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |part| {
        let member = (select(STEPS.to_vec()), part.clone()).prop_map(|(name, value)| (name.to_owned(), value));
        prop_oneof![vec(part, 0..4).prop_map(Value::from), vec(member, 0..4).prop_map(Value::from_iter)]
    })
}

/// JSON of a type, or any.
fn shown(ctype: &CType) -> impl Strategy<Value = Value> + use<> {
    let of = ctype.clone();
    prop_oneof![3 => value(ctype).prop_map(move |value| to_json(&value, &of)), 1 => json()]
}

fn operation(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let op = select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    (op, pointer(), pointer(), value)
        .prop_map(|(op, path, from, value)| json!({ "op": op, "path": path, "from": from, "value": value }))
}

/// An answer: a decision that may be valid, one that is a heap of members, or no decision at all.
fn answer(input: &CType, output: &CType) -> BoxedStrategy<Vec<u8>> {
    let whole = |value: Value| json!([{ "op": "replace", "path": "", "value": value }]);
    let patch = prop_oneof![
        shown(input).prop_map(|patch| (patch, "merge")),
        json().prop_map(|patch| (patch, "merge")),
        shown(input).prop_map(move |value| (whole(value), "json_patch")),
        shown(output).prop_map(move |value| (whole(value), "json_patch")),
        vec(operation(shown(input)), 1..4).prop_map(|patch| (Value::from(patch), "json_patch")),
        vec(operation(json()), 1..4).prop_map(|patch| (Value::from(patch), "json_patch")),
    ];
    let kind = select(vec!["rewrite", "rewrite", "rewrite", "return", "return"]);
    let patched = (kind, patch).prop_map(|(kind, (patch, strategy))| {
        json!({ "decision": kind, "reason": "r", "patch": patch, "patch_strategy": strategy })
    });
    let route = select(vec!["m.A", "m.B", "m.C", "other.A", "m.None"])
        .prop_map(|module| json!({ "decision": "route", "reason": "r", "route": module }));
    let plain = select(vec!["allow", "return", "drop", "defer", "reject"])
        .prop_map(|kind| json!({ "decision": kind, "reason": "r" }));
    let annotate =
        json().prop_map(|value| json!({ "decision": "annotate", "reason": "r", "annotations": { "a": value } }));
    let names =
        vec!["decision", "reason", "patch", "patch_strategy", "route", "retry_after_ms", "annotations", "extra"];
    let words =
        select(vec!["allow", "rewrite", "return", "route", "merge", "json_patch", "m.A", ""]).prop_map(Value::from);
    let heap = vec((select(names), prop_oneof![words, json()]), 0..8)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>());
    prop_oneof![
        8 => patched.prop_map(|body| body.to_string().into_bytes()),
        3 => route.prop_map(|body| body.to_string().into_bytes()),
        2 => annotate.prop_map(|body| body.to_string().into_bytes()),
        1 => plain.prop_map(|body| body.to_string().into_bytes()),
        1 => heap.prop_map(|body| Value::from(body).to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..20),
    ]
    .boxed()
}

fn play() -> impl Strategy<Value = Play> {
    let typed = prop_oneof![
        2 => typed_value().boxed(),
        // Records, in which there is more to change than the whole.
        3 => typed_value().prop_filter("a record", |(ctype, _)| matches!(ctype, CType::Record(_))).boxed(),
    ];
    (typed, ctype(), any::<bool>(), select(HOOKS.to_vec()))
        .prop_flat_map(|((input, value), other, same, hook)| {
            let output = if same { input.clone() } else { other };
            let links = vec((settings(hook), answer(&input, &output)), 1..5);
            let modules = (supertype(&input), ctype(), ctype(), supertype(&output));
            (Just((input, output, value, hook)), links, modules)
        })
        .prop_map(|((input, output, value, hook), links, (wide, any, narrow, wider))| Play {
            hook,
            payload: to_json(&value, &input),
            modules: BTreeMap::from([
                ("m.A", (wide.clone(), output.clone())),
                ("m.B", (any, output.clone())),
                ("m.C", (wide, wider)),
                ("other.A", (input.clone(), narrow)),
            ]),
            input,
            output,
            links,
        })
}

/// Every scalar and every empty array or object of a value, by its pointer.
fn leaves(value: &Value, at: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| leaves(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(i, value)| leaves(value, &format!("{at}/{i}"), found));
        }
        _ => {
            found.insert(at.to_owned(), value.to_string());
        }
    }
}

/// Whether a policy covers every leaf that differs. Written apart from the product: pointers as texts, no walk over both.
fn is_covered(policy: &FieldPolicy, before: &Value, after: &Value) -> bool {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    leaves(before, "", &mut old);
    leaves(after, "", &mut new);
    let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    all.into_iter().filter(|at| old.get(*at) != new.get(*at)).all(|at| {
        let steps: Vec<_> = at.split('/').collect();
        policy.change.iter().any(|pattern| {
            let pattern: Vec<_> = pattern.split('/').collect();
            pattern.len() <= steps.len() && pattern.iter().zip(&steps).all(|(p, step)| *p == "*" || p == step)
        })
    })
}

/// Whether a value is what its type shows and nothing besides.
fn is_typed(value: &Value, ctype: &CType) -> bool {
    from_json(value, ctype).is_ok_and(|read| to_json(&read, ctype) == *value)
}

/// Plays it; gives the verdict and what each component was told, in the order of the links that were asked.
fn run(play: &Play) -> (Verdict, Vec<(usize, WorkflowEnvelope)>) {
    let schema = |ctype: &CType| Arc::new(Schema::new(ctype.clone()).unwrap());
    let link = |(i, (settings, _)): (usize, &(Settings, Vec<u8>))| Link {
        id: i.to_string().into(),
        settings: settings.clone(),
    };
    let chain = Chain::new(play.links.iter().enumerate().map(link).collect());
    let before = matches!(play.hook, Hook::PreRun | Hook::PreInvoke);
    let types = Types { payload: schema(&play.input), answer: before.then(|| schema(&play.output)) };
    let seen = RefCell::new(Vec::new());
    let mut course = chain.begin(envelope(play.hook, play.payload.clone()), types, None);
    while let Some(ask) = course.next() {
        let i: usize = ask.id.parse().unwrap();
        seen.borrow_mut().push((i, serde_json::from_slice(&ask.body).unwrap()));
        course.answer(Ok(&play.links[i].1), TOOK, |name| {
            let (input, output) = play.modules.get(name)?.clone();
            Some(RouteTypes { input, output, revision: 1 })
        });
    }
    (course.finish(), seen.into_inner())
}

fn check(play: &Play) -> Result<(), TestCaseError> {
    let (verdict, seen) = run(play);
    prop_assert_eq!(verdict.trace.len(), seen.len());
    // The payload after each component is what the next is told, and at last what the verdict holds.
    let last = match &verdict.end {
        End::Continue { payload: Some(payload) } | End::Route { payload: Some(payload), .. } => payload,
        _ => &seen.last().unwrap().1.payload,
    };
    let after = seen.iter().skip(1).map(|(_, envelope)| &envelope.payload).chain([last]);
    for (((i, envelope), after), traced) in seen.iter().zip(after).zip(&verdict.trace) {
        let settings = &play.links[*i].0;
        let before = &envelope.payload;
        prop_assert!(is_typed(after, &play.input), "{after} is no {}", play.input);
        prop_assert!(is_covered(&settings.field_policy, before, after), "{before} became {after} at {i}");
        if let Some(failed) = &traced.failure {
            prop_assert_eq!(before, after);
            prop_assert!(["middleware.decision.invalid", "middleware.response.invalid"].contains(&failed.code));
            let goes_on = settings.on_component_failure[&play.hook] == OnFailure::FailOpen;
            let ended = matches!(&verdict.end, End::Failed { component, .. } if **component == i.to_string());
            prop_assert_eq!(ended, !goes_on);
        }
    }
    for pair in seen.windows(2).zip(&verdict.trace).filter(|(_, traced)| traced.failure.is_some()) {
        let mut follower = pair.0[1].1.clone();
        follower.remaining_ms = pair.0[0].1.remaining_ms;
        prop_assert_eq!(&follower, &pair.0[0].1);
    }
    let before = matches!(play.hook, Hook::PreRun | Hook::PreInvoke);
    let decider = &play.links[seen.last().unwrap().0].0.field_policy;
    match &verdict.end {
        End::Route { module, .. } => {
            prop_assert_eq!(play.hook, Hook::PreInvoke);
            let (input, output) = &play.modules[module.as_str()];
            prop_assert!(is_subtype(&play.input, input).is_ok() && is_subtype(output, &play.output).is_ok());
            let patterns = seen.iter().flat_map(|(i, _)| &play.links[*i].0.field_policy.route);
            let covers = |pattern: &String| match pattern.strip_suffix('*') {
                Some(prefix) => module.starts_with(prefix),
                None => pattern == module,
            };
            prop_assert!(patterns.into_iter().any(covers));
        }
        End::Answer { payload } => {
            prop_assert!(before && decider.answer && is_typed(payload, &play.output));
        }
        End::Deferred { .. } => prop_assert!(before),
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 400, max_shrink_iters: 2000, ..Config::default() })]

    #[test]
    fn no_sequence_of_answers_breaks_a_type_or_a_policy(play in play()) {
        check(&play)?;
    }

    #[test]
    fn no_body_is_read_without_being_what_it_says(body in vec(any::<u8>(), 0..64)) {
        prop_assert!(middleware::MiddlewareDecision::read(&body).is_err());
    }
}

/// The property above would hold of a chain that refuses everything.
#[test]
fn drawn_answers_have_every_effect() {
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let strategy = play();
    for _ in 0..500 {
        let play = strategy.new_tree(&mut runner).unwrap().current();
        let (verdict, seen) = run(&play);
        let end = match &verdict.end {
            End::Continue { payload: Some(payload) } if *payload != play.payload => "changed",
            End::Continue { .. } => "continued",
            End::Route { .. } => "routed",
            End::Answer { .. } => "answered",
            End::Dropped { .. } => "dropped",
            End::Rejected { .. } => "rejected",
            End::Deferred { .. } => "deferred",
            End::Failed { .. } => "failed",
        };
        *counts.entry(end).or_default() += 1;
        for (traced, (_, envelope)) in verdict.trace.iter().zip(&seen) {
            let partly = traced.decision == Some(DecisionKind::Rewrite) && envelope.payload.is_object();
            let refused = traced.failure.as_ref().is_some_and(|failed| failed.message.contains("field policy"));
            *counts.entry("rewrote an object").or_default() += usize::from(partly);
            *counts.entry("broke the policy").or_default() += usize::from(refused);
        }
    }
    for effect in [
        "changed",
        "continued",
        "routed",
        "answered",
        "dropped",
        "rejected",
        "deferred",
        "failed",
        "rewrote an object",
        "broke the policy",
    ] {
        assert!(counts.get(effect).is_some_and(|&count| count >= 3), "{effect}: {counts:?}");
    }
}
