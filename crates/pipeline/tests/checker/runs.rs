//! What the checker composes of several operations means, when run, what the page says.

use serde_json::{Value, json};

use crate::support::World;

/// What a source puts out as `x`.
#[track_caller]
fn gives(source: &str, inputs: Value, expected: Value) {
    let world = World::new()
        .answers("shop.Find", "{query: String, limit: Option<Int>} -> List<Int>", |input| {
            Ok(json!([input.get("limit").cloned().unwrap_or(json!(-1))]))
        })
        .answers("raw.Maybe", "Option<Int> -> Int", |input| Ok(if input.is_null() { json!(-1) } else { input.clone() }))
        .fails("bad.Int", "{n: Int} -> Int", "bad.always")
        .answers("text.Up", "{text: String} -> String", |input| {
            Ok(json!(input["text"].as_str().unwrap_or_default().to_uppercase()))
        });
    let shown = inputs.to_string();
    let outputs = world.outcome(source, inputs).map(|outputs| outputs["x"].clone());
    assert_eq!(outputs, Ok(expected), "{source} with {shown}");
}

#[test]
fn an_option_of_a_union_takes_the_arm_of_what_is_in_it() {
    let source = "in s: Option<Int | String | Bool>\n\
                  x = match s { is Int -> s + 1, is String | Bool -> match s { is Bool -> 10, _ -> string-length(s) }, _ -> 0 }\nout x";
    gives(source, json!({ "s": 4 }), json!(5));
    gives(source, json!({ "s": "abc" }), json!(3));
    gives(source, json!({ "s": true }), json!(10));
    gives(source, json!({}), json!(0));
}

#[test]
fn an_option_matched_by_its_own_type_is_always_taken() {
    gives("in o: Option<Int>\nx = match o { is Option<Int> -> o ?? 7 }\nout x", json!({}), json!(7));
    gives("in o: Option<Int>\nx = match o { _ -> o ?? 7 }\nout x", json!({ "o": 1 }), json!(1));
    gives(
        "in o: Option<{ id: Int }>\nx = match o { { id } -> id, _ -> -1 }\nout x",
        json!({ "o": { "id": 3 } }),
        json!(3),
    );
}

#[test]
fn a_field_of_several_variants_is_read_from_the_one_that_is_there() {
    let source = "in s: { n: Int, a: Int } | { n: Float, b: Int } | String\n\
                  x = match s { { n } -> match n { is Int -> \"int ${n}\", is Float -> \"float ${n}\" }, _ -> \"none\" }\nout x";
    gives(source, json!({ "s": { "n": 1, "a": 2 } }), json!("int 1"));
    gives(source, json!({ "s": { "n": 1.5, "b": 2 } }), json!("float 1.5"));
    gives(source, json!({ "s": "" }), json!("none"));
}

#[test]
fn what_is_left_for_the_rest_is_narrowed() {
    let source = "in s: Int | String | Bool\nx = match s { is Bool -> s, _ -> match s { is Int -> s > 0, _ -> s == \"yes\" } }\nout x";
    gives(source, json!({ "s": "yes" }), json!(true));
    gives(source, json!({ "s": 0 }), json!(false));
    gives(source, json!({ "s": true }), json!(true));
}

#[test]
fn a_narrowed_variable_is_seen_inside_a_lambda() {
    let source = "in o: Option<Int>\nin xs: List<Int>\nx = match o { is Int -> map(xs, (x) => x + o), _ -> [] }\nout x";
    gives(source, json!({ "o": 10, "xs": [1, 2] }), json!([11, 12]));
    gives(source, json!({ "xs": [1, 2] }), json!([]));
}

#[test]
fn a_condition_on_an_option_keeps_it_an_option() {
    let source = "in o: Option<Int>\nin b: Bool\nx = (o when b) ?? -1\nout x";
    gives(source, json!({ "o": 1, "b": true }), json!(1));
    gives(source, json!({ "o": 1, "b": false }), json!(-1));
    gives(source, json!({ "b": true }), json!(-1));
}

#[test]
fn what_is_left_out_of_a_call_is_none() {
    gives("x = Find(\"q\")\nout x", json!({}), json!([-1]));
    gives("x = Find(\"q\", 3)\nout x", json!({}), json!([3]));
    gives("x = Maybe()\nout x", json!({}), json!(-1));
    gives("x = Maybe(5)\nout x", json!({}), json!(5));
}

#[test]
fn chained_defaults_take_the_first_that_is_there() {
    let source = "in a: Option<Int>\nin b: Option<Int>\nx = a ?? b ?? 9\nout x";
    gives(source, json!({ "b": 2 }), json!(2));
    gives(source, json!({}), json!(9));
    gives(
        "in a: Option<Int>\nin b: Option<Float>\ny = a ?? b\nx = match y { is Int -> 1, is Float -> 2, _ -> 3 }\nout x",
        json!({ "b": 0.5 }),
        json!(2),
    );
}

#[test]
fn arms_of_different_types_keep_what_they_are() {
    let source =
        "in b: Bool\ny = if (b) 1 else \"one\"\nx = match y { is Int -> y + 1, is String -> string-length(y) }\nout x";
    gives(source, json!({ "b": true }), json!(2));
    gives(source, json!({ "b": false }), json!(3));
    gives("in b: Bool\nx = [1, 2.5, if (b) 3 else 4.5]\nout x", json!({ "b": true }), json!([1.0, 2.5, 3.0]));
}

#[test]
fn literals_of_ints_are_floats_where_floats_are_wanted() {
    gives("in f: Float\nx = (1 + 2) / 2 * f\nout x", json!({ "f": 1.0 }), json!(1.5));
    gives("in fs: List<Float>\nx = fold(fs, 0, (sum, f) => sum + f)\nout x", json!({ "fs": [0.5, 1] }), json!(1.5));
}

#[test]
fn a_failure_is_a_value_where_it_is_wrapped() {
    let source = |options: &str| {
        format!(
            "y = bad.Int(1) with {options}\nx = match y {{ {{ ok }} -> \"ok ${{ok}}\", {{ error }} -> error.code }}\nout x"
        )
    };
    gives(&source("on_error: wrap"), json!({}), json!("bad.always"));
    gives(&source("on_error: wrap, fallback: 4"), json!({}), json!("ok 4"));
    gives("x = bad.Int(1) with on_error: skip\nout x", json!({}), json!(0));
    gives(
        "in ts: List<String>\nx = map(ts, (t) => Up(t)) with concurrency: 1\nout x",
        json!({ "ts": ["a", "b"] }),
        json!(["A", "B"]),
    );
    gives(
        "in xs: List<Int>\nx = map(xs, (n) => bad.Int(n)) with fallback: [7]\nout x",
        json!({ "xs": [1] }),
        json!([7]),
    );
    gives("in xs: List<Int>\nx = list-first(xs) with fallback: 7\nout x", json!({ "xs": [] }), json!(7));
}

#[test]
fn an_any_is_what_it_holds() {
    let source = "in a: Any\nx = match a { is Int -> a + 1, is { id: Int } -> a.id, is List<String> -> list-length(a), _ -> -1 }\nout x";
    gives(source, json!({ "a": 1 }), json!(2));
    gives(source, json!({ "a": { "id": 5, "more": true } }), json!(5));
    gives(source, json!({ "a": ["x"] }), json!(1));
    gives(source, json!({ "a": 1.5 }), json!(-1));
}

#[test]
fn values_of_a_narrower_type_equal_those_of_the_wider() {
    gives("in o: Option<Int>\nx = o == 1\nout x", json!({ "o": 1 }), json!(true));
    gives("in u: Int | String\nx = u == \"a\"\nout x", json!({ "u": "a" }), json!(true));
}
