//! Only what is needed runs, once, and as early as it is certain.

use serde_json::{Value, json};

use crate::support::World;

const TEXT: &str = "{text: String} -> String";

/// The modules that a run of `source` calls, in order, where `text.Up`, `text.Down` and `text.Yes` are there to be called.
#[track_caller]
fn calls(source: &str, inputs: Value, expected: &[&str]) {
    let world = World::new()
        .answers("text.Up", TEXT, |input| Ok(json!(input["text"].as_str().unwrap().to_uppercase())))
        .answers("text.Down", TEXT, |input| Ok(json!(input["text"].as_str().unwrap().to_lowercase())))
        .answers("text.Yes", "{text: String} -> Bool", |input| Ok(json!(input["text"] == "yes")));
    let mut run = world.start(source, inputs);
    assert!(run.finish().is_ok(), "{source}");
    assert_eq!(run.called(), expected, "{source}");
}

#[test]
fn an_arm_that_is_not_taken_is_never_called() {
    let yes = json!({"t": "yes"});
    let no = json!({"t": "No"});
    let cases = [
        "x = if (t == \"yes\") Up(t) else Down(t)",
        "x = branch { t == \"yes\" -> Up(t), otherwise -> Down(t) }",
        "x = (Up(t) when t == \"yes\") ?? Down(t)",
    ];
    for case in cases {
        let source = format!("in t: String\n{case}\nout x");
        calls(&source, yes.clone(), &["text.Up"]);
        calls(&source, no.clone(), &["text.Down"]);
    }
    let source = "in u: Int | String\nx = match u { is Int -> Up(\"n\"), is String -> Down(u) }\nout x";
    calls(source, json!({"u": 1}), &["text.Up"]);
    calls(source, json!({"u": "A"}), &["text.Down"]);
}

#[test]
fn and_and_or_call_their_right_side_only_when_it_decides() {
    for (op, left, called) in [("and", "true", 1), ("and", "false", 0), ("or", "true", 0), ("or", "false", 1)] {
        let source = format!("in t: String\nx = {left} {op} Yes(t)\nout x");
        calls(&source, json!({"t": "yes"}), &["text.Yes"][..called]);
    }
}

#[test]
fn a_value_behind_a_false_condition_and_a_default_that_is_not_needed_do_not_run() {
    calls("in t: String\nx = Up(t) when t == \"\"\nout x", json!({"t": "a"}), &[]);
    calls("in t: Option<String>\nx = t ?? Up(\"a\")\nout x", json!({"t": "a"}), &[]);
    calls("in t: Option<String>\nx = t ?? Up(\"a\")\nout x", json!({}), &["text.Up"]);
}

#[test]
fn a_binding_that_no_output_needs_does_not_run() {
    calls("in t: String\nunused = Up(t)\nx = Down(t)\nout x", json!({"t": "a"}), &["text.Down"]);
}

#[test]
fn a_node_that_several_need_runs_once() {
    let source = "in t: String\nu = Up(t)\na = concat(u, u)\nb = Down(u)\nout a\nout b\nout u";
    calls(source, json!({"t": "a"}), &["text.Up", "text.Down"]);
}

#[test]
fn two_equal_calls_are_two_calls() {
    calls("in t: String\na = Up(t)\nb = Up(t)\nout a\nout b", json!({"t": "a"}), &["text.Up", "text.Up"]);
}

#[test]
fn independent_calls_are_in_flight_before_either_answers() {
    let source = "in t: String\na = Up(t)\nb = Down(t)\nboth = concat(a, b)\nout both";
    let mut run = World::new().holds("text.Up", TEXT).holds("text.Down", TEXT).start(source, json!({"t": "x"}));
    assert!(run.settle().is_none());
    assert_eq!(run.called(), ["text.Up", "text.Down"]);
    run.answer("text.Down", Ok(json!("d")));
    assert!(run.settle().is_none());
    run.answer("text.Up", Ok(json!("u")));
    assert_eq!(run.finish(), Ok(json!({"both": "ud"})));
}

#[test]
fn what_both_arms_need_begins_before_the_condition_is_known() {
    let world =
        World::new().holds("text.Yes", "{text: String} -> Bool").holds("text.Up", TEXT).holds("text.Down", TEXT);
    let source = "in t: String
        both = Up(t)
        x = if (Yes(t)) concat(both, \"!\") else concat(Down(t), both)
        out x";
    let mut run = world.start(source, json!({"t": "x"}));
    assert!(run.settle().is_none());
    assert_eq!(run.called(), ["text.Yes", "text.Up"]);
    run.answer("text.Yes", Ok(json!(false)));
    assert!(run.settle().is_none());
    assert_eq!(run.called(), ["text.Yes", "text.Up", "text.Down"]);
    run.answer("text.Up", Ok(json!("B")));
    run.answer("text.Down", Ok(json!("a")));
    assert_eq!(run.finish(), Ok(json!({"x": "aB"})));
}

#[test]
fn what_all_arms_of_a_match_need_begins_at_once() {
    let world =
        World::new().holds("data.Load", "{} -> Int | String | Bool").holds("text.Up", TEXT).holds("text.Down", TEXT);
    let source = "up = Up(\"a\")
        down = Down(\"b\")
        x = match Load() { is Int -> up, is String -> concat(up, down), _ -> concat(\"!\", up) }
        out x";
    let mut run = world.start(source, json!({}));
    assert!(run.settle().is_none());
    assert_eq!(run.called(), ["data.Load", "text.Up"]);
    run.answer("text.Up", Ok(json!("A")));
    run.answer("data.Load", Ok(json!(true)));
    assert_eq!(run.finish(), Ok(json!({"x": "!A"})));
}

#[test]
fn a_capture_is_called_only_when_an_element_needs_it() {
    let source = "in l: List<String>
        u = Up(\"!\")
        x = map(l, (t) => if (t == \"a\") concat(t, u) else t)
        out x";
    calls(source, json!({"l": []}), &[]);
    calls(source, json!({"l": ["b", "c"]}), &[]);
    calls(source, json!({"l": ["a", "b", "a"]}), &["text.Up"]);
}

#[test]
fn elements_wait_for_a_capture_and_go_on() {
    let source = "in l: List<String>
        u = Up(\"!\")
        x = map(l, (t) => map(l, (s) => concat(concat(t, s), u)))
        out x";
    let mut run = World::new().holds("text.Up", TEXT).start(source, json!({"l": ["a", "b"]}));
    assert!(run.settle().is_none());
    assert_eq!(run.called(), ["text.Up"]);
    run.answer("text.Up", Ok(json!("!")));
    assert_eq!(run.finish(), Ok(json!({"x": [["aa!", "ab!"], ["ba!", "bb!"]]})));
}

#[test]
fn a_chain_of_ten_thousand_bindings_runs_without_a_deep_stack() {
    let steps: String = (1..10_000).map(|i| format!("x{i} = x{} + 1\n", i - 1)).collect();
    let source = format!("in x0: Int\n{steps}out x9999");
    assert_eq!(World::new().outcome(&source, json!({"x0": 1})), Ok(json!({"x9999": 10_000})));
}
