//! The public cases of RFC 6902 and RFC 7396, and the bounds of a patch.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use middleware::PatchStrategy;
use middleware::patch::{MAX_OPERATIONS, PatchFault, apply};
use serde_json::{Value, json};

fn cases(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// Runs all cases that have a patch, and gives their number.
fn check(text: &str) -> usize {
    let mut count = 0;
    // A map has lost the second `op` of this one; what an answer repeats is refused before it is a map.
    for case in cases(text).iter().filter(|case| case["comment"] != "duplicate ops" && !case["patch"].is_null()) {
        let before = case["doc"].clone();
        let result = apply(&case["doc"], &case["patch"], PatchStrategy::JsonPatch);
        assert_eq!(case["doc"], before);
        match (case.get("error"), case.get("expected")) {
            (Some(_), _) => assert!(result.is_err(), "{case}"),
            (None, Some(expected)) => assert_eq!(result.as_ref(), Ok(expected), "{case}"),
            (None, None) => assert_eq!(result, Ok(before), "{case}"),
        }
        count += 1;
    }
    count
}

#[test]
fn the_public_suite_of_json_patch_holds() {
    assert_eq!(check(include_str!("vectors/json_patch_tests.json")), 77);
    assert_eq!(check(include_str!("vectors/json_patch_spec_tests.json")), 17);
}

#[test]
fn what_the_public_suite_leaves_out_holds_too() {
    assert_eq!(check(include_str!("vectors/json_patch_more.json")), 35);
}

#[test]
fn the_table_of_merge_patch_holds() {
    let cases = cases(include_str!("vectors/merge_patch.json"));
    assert_eq!(cases.len(), 15);
    for case in cases {
        assert_eq!(
            apply(&case["original"], &case["patch"], PatchStrategy::Merge),
            Ok(case["result"].clone()),
            "{case}"
        );
    }
}

#[test]
fn a_patch_with_too_many_operations_is_refused() {
    let patch = |n: usize| Value::from(vec![json!({ "op": "add", "path": "/a", "value": 1 }); n]);
    assert_eq!(apply(&json!({}), &patch(MAX_OPERATIONS), PatchStrategy::JsonPatch), Ok(json!({ "a": 1 })));
    assert_eq!(apply(&json!({}), &patch(MAX_OPERATIONS + 1), PatchStrategy::JsonPatch), Err(PatchFault::TooMany));
}

#[test]
fn a_patch_that_doubles_again_and_again_is_refused() {
    let double = |i: usize| json!({ "op": "copy", "from": "", "path": format!("/{i}") });
    let patch: Value = (0..60).map(double).collect();
    let fault = apply(&json!({ "a": "x" }), &patch, PatchStrategy::JsonPatch).unwrap_err();
    assert!(matches!(fault, PatchFault::TooCostly { operation } if operation > 10), "{fault:?}");
}

#[test]
fn a_patch_that_copies_a_long_text_again_and_again_is_refused() {
    let copy = json!({ "op": "copy", "from": "/0", "path": "/-" });
    let fault = apply(&json!(["x".repeat(1 << 20)]), &Value::from(vec![copy; 1000]), PatchStrategy::JsonPatch);
    assert_eq!(fault, Err(PatchFault::TooCostly { operation: 15 }));
}

#[test]
fn a_patch_that_shifts_a_long_list_again_and_again_is_refused() {
    let shift = json!({ "op": "add", "path": "/0", "value": 1 });
    let fault = apply(&Value::from(vec![1; 100_000]), &Value::from(vec![shift; 1000]), PatchStrategy::JsonPatch);
    assert_eq!(fault, Err(PatchFault::TooCostly { operation: 167 }));
    let shift = json!({ "op": "move", "from": "/0", "path": "/-" });
    let fault = apply(&Value::from(vec![1; 100_000]), &Value::from(vec![shift; 1000]), PatchStrategy::JsonPatch);
    assert_eq!(fault, Err(PatchFault::TooCostly { operation: 83 }));
}

#[test]
fn a_patch_that_nests_ever_deeper_is_refused() {
    let nest = json!({ "op": "move", "from": "/a", "path": "/b/a" });
    let shell = json!({ "op": "add", "path": "/b", "value": {} });
    let back = json!({ "op": "move", "from": "/b", "path": "/a" });
    let patch: Value = (0..333).flat_map(|_| [shell.clone(), nest.clone(), back.clone()]).collect();
    apply(&json!({ "a": 1 }), &patch, PatchStrategy::JsonPatch).unwrap();
    let deep = (0..400).fold(json!(1), |inner, _| json!([inner]));
    let patch: Value =
        [json!({ "op": "add", "path": "/c", "value": deep }), json!({ "op": "move", "from": "/c", "path": "/a" })]
            .into_iter()
            .chain((0..300).flat_map(|_| [shell.clone(), nest.clone(), back.clone()]))
            .collect();
    let fault = apply(&json!({ "a": 1 }), &patch, PatchStrategy::JsonPatch).unwrap_err();
    assert!(matches!(fault, PatchFault::TooDeep { .. }), "{fault:?}");
}
