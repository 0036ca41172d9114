//! What stands behind `with`.

use std::time::Duration;

use pipeline::plan::{Backoff, Guard, OnError, Op, Policy, Rate};

use crate::{calls, codes, nodes, plan, ty};

fn policy(options: &str) -> Policy {
    let plan = plan(&format!("in t: String\nx = WordCount(t) with {options}\nout x"));
    calls(&plan)[0].policy.clone()
}

fn guard(options: &str) -> Guard {
    let plan = plan(&format!("in t: String\nx = WordCount(t) with {options}\nout x"));
    let guard = nodes(&plan).into_iter().find_map(|node| match &node.op {
        Op::Guard(guard) => Some((**guard).clone()),
        _ => None,
    });
    guard.expect("a guard")
}

fn refused(option: &str) -> Vec<String> {
    codes(&format!("in t: String\nx = WordCount(t) with {option}\nout x"))
}

#[test]
fn every_option_of_the_policy_reaches_the_plan() {
    let found = policy(
        "timeout: 500ms, retry: 3, delay: 1s, backoff: exponential, cache: 5min, cache_backend: \"disk\", throttle: 10/1s, \
         concurrency: 4, priority: high, batch: 32, batch_timeout: 5ms, lazy",
    );
    let expected = Policy {
        timeout: Some(Duration::from_millis(500)),
        retry: 3,
        delay: Some(Duration::from_secs(1)),
        backoff: Backoff::Exponential,
        cache: Some(Duration::from_secs(300)),
        cache_backend: Some("disk".into()),
        throttle: Some(Rate { count: 10, per: Duration::from_secs(1) }),
        concurrency: Some(4),
        priority: Some(80),
        batch: Some(32),
        batch_timeout: Some(Duration::from_millis(5)),
    };
    assert_eq!(found, expected);
    assert_eq!(policy("lazy: true"), Policy::default());
}

#[test]
fn priorities_are_words_or_numbers() {
    for (written, expected) in
        [("critical", 100), ("high", 80), ("normal", 50), ("low", 20), ("background", 0), ("7", 7), ("-1", -1)]
    {
        assert_eq!(policy(&format!("priority: {written}")).priority, Some(expected));
    }
}

#[test]
fn failures_are_answered_by_the_guard_outside_the_call() {
    assert!(guard("fallback: 0").fallback.is_some());
    assert_eq!(guard("fallback: 0").on_error, OnError::Propagate);
    assert_eq!(guard("on_error: skip").on_error, OnError::Skip(vec![0].into()));
    assert_eq!(guard("on_error: log").on_error, OnError::Log(vec![0].into()));
    assert_eq!(guard("on_error: wrap, fallback: 1").on_error, OnError::Wrap);
    assert_eq!(plan("x = Now() with on_error: propagate\nout x").root.nodes.len(), 2);
}

#[test]
fn a_fallback_is_any_expression_of_the_type_of_the_call() {
    assert_eq!(ty("x = Scale(1, 2) with fallback: 0\nout x"), "Float");
    assert_eq!(ty("in t: String\nx = ml.Embed(t) with fallback: []\nout x"), "List<Float>");
}

#[test]
fn wrap_gives_the_value_or_the_error() {
    assert_eq!(
        ty("x = Now() with on_error: wrap\nout x"),
        "{ok: Int} | {error: {category: String, code: String, message: String, retryable: Bool}}"
    );
}

#[test]
fn skip_gives_the_zero_value_of_every_type() {
    let zero = |module: &str| {
        let plan = plan(&format!("x = {module} with on_error: skip\nout x"));
        let found = nodes(&plan).into_iter().find_map(|node| match &node.op {
            Op::Guard(guard) => Some(guard.on_error.clone()),
            _ => None,
        });
        match found {
            Some(OnError::Skip(bytes)) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(zero("Uppercase(\"a\")"), [0xa0]);
    assert_eq!(zero("Scale(1, 1)"), [0xcb, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(zero("Find(\"a\")"), [0x90]);
    assert_eq!(zero("Lookup(\"a\")"), [0xc0]);
    assert_eq!(zero("Load(\"a\")"), [0xc0]);
    assert_eq!(zero("Save(\"a\", 1)"), [0xc2]);
    // The first variant, `{radius: Float}`.
    assert_eq!(
        zero("Shape(\"a\")"),
        [&[0x92, 0x00, 0x81, 0xa6][..], b"radius", &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
    );
    assert_eq!(
        zero("Sentiment(\"a\")"),
        [&[0x82, 0xa5][..], b"label", &[0xa0, 0xa5], b"score", &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
    );
}

#[test]
fn values_that_an_option_does_not_take_are_refused() {
    for option in [
        "retry: -1",
        "retry: \"x\"",
        "retry: 1s",
        "timeout: 5",
        "timeout: 0ms",
        "delay: x",
        "backoff: soon",
        "cache: true",
        "cache: 0s",
        "cache_backend: memory",
        "cache_backend: \"no\"",
        "throttle: 0/1s",
        "throttle: 1s",
        "concurrency: 0",
        "on_error: 1",
        "lazy: 1",
        "priority: 1.5",
        "priority: urgent",
        "batch: 0",
        "batch_timeout: 3",
        "fallback: 1s",
        "speed: 3",
    ] {
        let found = refused(option);
        assert!(found.contains(&"E016".to_owned()), "{option}: {found:?}");
        assert!(found.iter().all(|code| code == "E016" || code == "W002"), "{option}: {found:?}");
    }
}

#[test]
fn an_option_that_does_nothing_is_told_and_stops_nothing() {
    let checked = pipeline::compile("x = trim(\" a \") with retry: 3\nout x", &crate::catalog());
    assert_eq!(checked.diagnostics.len(), 1);
    assert!(checked.plan.is_some());
}

#[test]
fn a_function_that_may_fail_takes_a_fallback() {
    assert_eq!(ty("in xs: List<Int>\nx = list-first(xs) with fallback: 0\nout x"), "Int");
    assert_eq!(ty("in xs: List<Int>\nx = list-first(xs) with on_error: skip\nout x"), "Int");
}

#[test]
fn a_backoff_needs_a_delay_to_grow() {
    let told = |options: &str| crate::messages(&format!("in t: String\nx = WordCount(t) with {options}\nout x"));
    assert_eq!(told("retry: 2, backoff: linear"), ["`backoff` does nothing without `delay`"]);
    assert_eq!(told("backoff: linear"), ["`backoff` does nothing without `retry`"]);
}
