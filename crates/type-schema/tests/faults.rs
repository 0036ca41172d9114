//! All faults of a JSON value at once.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use type_schema::{
    CType, MAX_JSON_FAULTS, from_json, json_faults,
    strategy::{ctype, typed_value},
    to_json,
};

#[track_caller]
fn check(json: &Value, of: &str, expected: &[&str]) {
    let ctype = CType::parse(of).unwrap();
    let faults = json_faults(json, &ctype);
    let told: Vec<_> = faults.iter().map(|fault| format!("{} {fault}", fault.code)).collect();
    assert_eq!(told, expected);
    assert_eq!(from_json(json, &ctype).is_ok(), expected.is_empty());
}

#[test]
fn every_fault_is_told_with_a_pointer_to_it() {
    check(
        &json!({"rows": [{"name": 1}, {"id": "7", "name": "x"}, 5], "tags": {"a/b": true, "c~d": "x"}, "at": "?"}),
        "{rows: List<{id: Int, name: String}>, tags: Map<String, Int>, note: Option<String>, size: Float, at: Bytes}",
        &[
            "codec.missing_field /rows/0/id: missing, expected `Int`",
            "codec.type_mismatch /rows/0/name: expected `String`, found an integer",
            "codec.type_mismatch /rows/1/id: expected `Int`, found a string",
            "codec.type_mismatch /rows/2: expected `{id: Int, name: String}`, found an integer",
            "codec.type_mismatch /tags/a~1b: expected `Int`, found a boolean",
            "codec.type_mismatch /tags/c~0d: expected `Int`, found a string",
            "codec.missing_field /size: missing, expected `Float`",
            "codec.base64 /at: the string is no base64, expected `Bytes`",
        ],
    );
}

#[test]
fn the_whole_value_has_the_empty_pointer() {
    check(&json!(3), "{a: Int}", &["codec.type_mismatch expected `{a: Int}`, found an integer"]);
    check(&json!(1.5), "Int", &["codec.type_mismatch expected `Int`, found a number with a fraction or exponent"]);
    check(&json!(1e300), "Int", &["codec.int_range an integer outside the 64-bit signed range, expected `Int`"]);
    check(&json!({"a": null, "b": null}), "{a: Option<Int>, b: Option<Any>}", &[]);
}

#[test]
fn a_union_tells_of_the_variant_that_the_value_looks_like() {
    check(&json!({"ok": "x"}), "{ok: Int} | String", &["codec.type_mismatch /ok: expected `Int`, found a string"]);
    check(
        &json!({"n": 1}),
        "{a: Int} | {b: Int}",
        &["codec.no_variant no variant of the union fits: `{a: Int} | {b: Int}`"],
    );
    check(&json!(true), "Int | String", &["codec.no_variant no variant of the union fits: `Int | String`"]);
    check(
        &json!({"$variant": 1, "value": {"b": "x"}}),
        "{a: Int} | {b: Int}",
        &["codec.type_mismatch /value/b: expected `Int`, found a string"],
    );
    check(
        &json!({"$variant": 2, "value": {"b": 1}}),
        "{a: Int} | {b: Int}",
        &["codec.union_variant not a position of the union and its value, expected `{a: Int} | {b: Int}`"],
    );
    check(
        &json!({"a": 1, "b": 2}),
        "{a: Int} | {b: Int}",
        &["codec.ambiguous_union more than one variant of the union fits: `{a: Int} | {b: Int}`"],
    );
}

#[test]
fn pairs_of_a_map_are_looked_at_one_by_one() {
    check(
        &json!([[1, "x"], ["y", 2], [1, 3], 4, [5]]),
        "Map<Int, Int>",
        &[
            "codec.type_mismatch /0/1: expected `Int`, found a string",
            "codec.type_mismatch /1/0: expected `Int`, found a string",
            "codec.duplicate_key /2: a key or field that occurs twice: 1",
            "codec.type_mismatch /3: expected a pair of key and value, found an integer",
            "codec.type_mismatch /4: expected a pair of key and value, found an array",
        ],
    );
    check(
        &json!([[true, 1], [0, 2], [true, 3]]),
        "Map<Bool, Int>",
        &[
            "codec.type_mismatch /1/0: expected `Bool`, found an integer",
            "codec.duplicate_key /2: a key or field that occurs twice: true",
        ],
    );
}

#[test]
fn an_any_tells_of_its_marks() {
    check(
        &json!({"x": [{"$int": "y"}, {"$what": 1}, 1]}),
        "Any",
        &[
            "codec.type_mismatch /x/0: another kind of value than declared behind the mark of an Any",
            "codec.type_mismatch /x/1: another kind of value than declared behind the mark of an Any",
        ],
    );
}

#[test]
fn faults_pointers_and_depth_are_bounded() {
    let many = json_faults(&json!(vec!["x"; 1000]), &CType::parse("List<Int>").unwrap());
    assert_eq!((many.len(), many[99].pointer.as_str()), (MAX_JSON_FAULTS, "/99"));

    let long = "k".repeat(1_000_000);
    let faults = json_faults(&json!({"a": {long: {"b": "x"}}}), &CType::parse("{a: Map<String, {b: Int}>}").unwrap());
    assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/a"));

    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let faults = json_faults(&deep, &CType::Any);
    assert_eq!((faults.len(), faults[0].code.as_str()), (1, "codec.depth"));
    assert_eq!(faults[0].pointer, "/0".repeat(128));

    let wide = CType::record((0..500).map(|i| (format!("field_{i}"), CType::Int)));
    let faults = json_faults(&json!([]), &wide);
    assert!(faults[0].detail.len() < 200, "{}", faults[0].detail);
}

/// JSON that is near some type: a value's own, with a few parts changed.
fn spoiled() -> impl Strategy<Value = (CType, Value)> {
    let other = prop_oneof![
        Just(json!(null)),
        Just(json!(1)),
        Just(json!("x")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[1, 2], [1, 3]])),
        Just(json!({"$variant": 0, "value": 1})),
        Just(json!({"$int": 1})),
    ];
    (typed_value(), proptest::collection::vec((any::<prop::sample::Index>(), other), 0..4)).prop_map(
        |((ctype, value), changes)| {
            let mut json = to_json(&value, &ctype);
            for (index, other) in changes {
                let parts = count(&json);
                *part(&mut json, &mut index.index(parts)).expect("it is counted") = other;
            }
            (ctype, json)
        },
    )
}

fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The part at that place, in reading order.
fn part<'j>(json: &'j mut Value, place: &mut usize) -> Option<&'j mut Value> {
    if *place == 0 {
        return Some(json);
    }
    *place -= 1;
    match json {
        Value::Array(items) => items.iter_mut().find_map(|json| part(json, place)),
        Value::Object(members) => members.values_mut().find_map(|json| part(json, place)),
        _ => None,
    }
}

fn agrees(json: &Value, ctype: &CType) {
    let faults = json_faults(json, ctype);
    assert_eq!(faults.is_empty(), from_json(json, ctype).is_ok(), "{json} as {ctype}: {faults:?}");
    for fault in &faults {
        let above = fault.pointer.rsplit_once('/').map_or("", |(above, _)| above);
        assert!(json.pointer(above).is_some(), "{} points to nothing in {json}", fault.pointer);
    }
}

proptest! {
    #[test]
    fn there_is_a_fault_where_and_only_where_there_is_no_value((ctype, json) in spoiled()) {
        agrees(&json, &ctype);
    }

    #[test]
    fn so_it_is_for_values_of_another_type((of, value) in typed_value(), ctype in ctype()) {
        agrees(&to_json(&value, &of), &ctype);
    }
}
