//! The first failure ends a run at once, unless something catches it.

use serde_json::{Value, json};

use crate::support::{Failed, World, failure};

const TEXT: &str = "{text: String} -> String";
const OTHER: &str = "text.Bad";

#[test]
fn the_first_failure_ends_the_run_and_names_site_module_and_place() {
    let source = "in t: String\na = Up(t)\nb = Bad(t)\nc = Down(t)\nboth = concat(concat(a, b), c)\nout both\nout c";
    let world = World::new().holds("text.Up", TEXT).holds(OTHER, TEXT).holds("text.Down", TEXT);
    let mut run = world.start(source, json!({"t": "x"}));
    assert!(run.settle().is_none());
    run.answer("text.Down", Ok(json!("d")));
    assert!(run.settle().is_none());
    run.answer(OTHER, Err("text.broken"));
    let ran = run.end();
    let at = source.find("Bad(t)").unwrap() as u32;
    let expected =
        Failed { code: "text.broken".into(), site: Some(1), module: Some(OTHER.into()), span: Some((at, at + 6)) };
    assert_eq!(run.json(&ran), Err(expected));
    assert_eq!(run.dropped(), [0], "the call that was in flight is dropped");
    let outputs: Vec<_> = ran.record.outputs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(outputs, ["c"], "what was there is in the record");
    assert_eq!(run.events()[3..], ["end @2 #2 2B", "end @1 #1 text.broken", "end @0 #0 cancelled"]);
}

#[test]
fn an_operation_that_fails_names_its_place_and_no_module() {
    let source = "in n: Int\nx = 1 / n\nout x";
    let mut run = World::new().start(source, json!({"n": 0}));
    let at = source.find("1 / n").unwrap() as u32;
    let code = "pipeline.arithmetic.division_by_zero".to_owned();
    assert_eq!(run.finish(), Err(Failed { code, site: None, module: None, span: Some((at, at + 5)) }));
}

#[test]
fn a_run_that_is_stopped_drops_its_calls_and_says_why() {
    let mut run = World::new().holds("text.Up", TEXT).start("in t: String\nx = Up(t)\nout x", json!({"t": "x"}));
    assert!(run.settle().is_none());
    run.stop(failure("pipeline.deadline.exceeded"));
    let ran = run.end();
    let code = "pipeline.deadline.exceeded".to_owned();
    assert_eq!(run.json(&ran), Err(Failed { code, site: None, module: None, span: None }));
    assert_eq!(run.dropped(), [0]);
    assert_eq!(run.events(), ["start @0 #0 8B", "end @0 #0 cancelled"]);
    assert_eq!(ran.record.sites[0].calls, 1);
    assert_eq!(ran.record.sites[0].failed, 0, "a cancelled call has not failed");
}

/// The outputs of a source over `text.Bad`, which fails, and `text.Up`, and whether `text.Up` was called.
#[track_caller]
fn caught(source: &str, expected: Value, calls_up: bool) -> Vec<String> {
    let world = World::new()
        .fails(OTHER, TEXT, "text.broken")
        .fails("data.Bad", "{n: Int} -> Int", "data.broken")
        .answers("text.Up", TEXT, |input| Ok(json!(input["text"].as_str().unwrap().to_uppercase())));
    let mut run = world.start(source, json!({}));
    assert_eq!(run.finish(), Ok(expected), "{source}");
    assert_eq!(run.called().iter().any(|name| name == "text.Up"), calls_up, "{source}");
    run.lines()
}

#[test]
fn a_fallback_stands_in_for_a_failure_and_is_needed_only_then() {
    caught("x = text.Bad(\"a\") with fallback: Up(\"b\")\nout x", json!({"x": "B"}), true);
    caught("x = Up(\"a\") with fallback: \"b\"\nout x", json!({"x": "A"}), true);
    let source = "u = Up(\"b\")\nx = Up(\"a\") with fallback: u\nout x";
    let mut run = World::new().holds("text.Up", TEXT).start(source, json!({}));
    assert!(run.settle().is_none());
    assert_eq!(run.called().len(), 1);
    run.answer("text.Up", Err("text.broken"));
    assert!(run.settle().is_none());
    assert_eq!(run.held(), [("text.Up".to_owned(), json!({"text": "b"}))]);
    run.answer("text.Up", Ok(json!("B")));
    assert_eq!(run.finish(), Ok(json!({"x": "B"})));
}

#[test]
fn on_error_gives_the_zero_value_logs_it_or_wraps_the_failure() {
    assert!(caught("x = text.Bad(\"a\") with on_error: skip\nout x", json!({"x": ""}), false).is_empty());
    assert_eq!(
        caught("x = text.Bad(\"a\") with on_error: log\nout x", json!({"x": ""}), false),
        ["`text.Bad` failed and its zero value stands in: `text.broken`: the module says text.broken"]
    );
    let error = json!({
        "category": "UPSTREAM_ERROR", "code": "text.broken", "message": "the module says text.broken", "retryable": false
    });
    let source = "x = text.Bad(\"a\") with on_error: wrap\ny = Up(\"a\") with on_error: wrap\nout x\nout y";
    caught(source, json!({"x": {"error": error}, "y": {"ok": "A"}}), true);
}

#[test]
fn a_fallback_that_fails_leaves_it_to_on_error() {
    caught("x = text.Bad(\"a\") with fallback: text.Bad(\"b\"), on_error: skip\nout x", json!({"x": ""}), false);
    let world = World::new().fails(OTHER, TEXT, "text.broken").fails("text.Worse", TEXT, "text.worse");
    let source = "x = text.Bad(\"a\") with fallback: Worse(\"b\")\nout x";
    assert_eq!(world.outcome(source, json!({})), Err("text.worse".to_owned()));
}

#[test]
fn a_guard_catches_the_failure_of_its_call_and_not_of_what_the_call_needs() {
    let world = World::new().fails(OTHER, TEXT, "text.broken").holds("text.Up", TEXT);
    let source = "x = Up(text.Bad(\"a\")) with fallback: \"b\"\nout x";
    assert_eq!(world.outcome(source, json!({})), Err("text.broken".to_owned()));
}

#[test]
fn functions_of_the_standard_library_are_guarded_too() {
    let source = "in l: List<Int>\nx = list-first(l) with fallback: 7\nout x";
    assert_eq!(World::new().outcome(source, json!({"l": []})), Ok(json!({"x": 7})));
    // The same node, once guarded and once not.
    let source = "in l: List<Int>\nx = list-first(l) with fallback: 7\ny = list-first(l)\nout x\nout y";
    assert_eq!(World::new().outcome(source, json!({"l": []})), Err("pipeline.list.empty".to_owned()));
    assert_eq!(World::new().outcome(source, json!({"l": [3]})), Ok(json!({"x": 3, "y": 3})));
}

#[test]
fn a_failure_that_was_caught_once_is_one_where_nothing_catches_it() {
    let caught = "list-first(n) with fallback: 0";
    for again in ["list-first(n)", "list-first(n) + 1", "list-sum(map([1], (m) => m + list-first(n)))"] {
        let source = format!("in l: List<List<Int>>\nx = map(l, (n) => if (({caught}) == 0) {again} else 1)\nout x");
        let outcome = World::new().outcome(&source, json!({"l": [[1], []]}));
        assert_eq!(outcome, Err("pipeline.list.empty".to_owned()), "{source}");
        let source = source.replace("\nout x", " with fallback: [9]\nout x");
        assert_eq!(World::new().outcome(&source, json!({"l": [[1], []]})), Ok(json!({"x": [9]})), "{source}");
    }
}

#[test]
fn elements_of_a_map_fail_one_by_one_behind_a_guard() {
    let world = World::new().answers("data.Half", "{n: Int} -> Int", |input| {
        let n = input["n"].as_i64().unwrap();
        if n % 2 == 0 { Ok(json!(n / 2)) } else { Err("data.odd") }
    });
    let source = "in l: List<Int>\nx = map(l, (n) => Half(n) with fallback: 0 - n)\nout x";
    assert_eq!(world.outcome(source, json!({"l": [4, 3, 2, 1]})), Ok(json!({"x": [2, -3, 1, -1]})));
}

#[test]
fn an_element_that_nothing_guards_ends_the_run_with_its_own_place() {
    let world = World::new().holds("data.Half", "{n: Int} -> Int");
    let source = "x = map([1, 2, 3], (n) => Half(n))\nout x";
    let mut run = world.start(source, json!({}));
    assert!(run.settle().is_none());
    run.answer_to("data.Half", &json!({"n": 2}), Err("data.odd"));
    let failed = run.finish().unwrap_err();
    let at = source.find("Half(n)").unwrap() as u32;
    assert_eq!((failed.code.as_str(), failed.span), ("data.odd", Some((at, at + 7))));
    let mut dropped = run.dropped();
    dropped.sort_unstable();
    assert_eq!(dropped, [0, 2]);
}
