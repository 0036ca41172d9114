//! Filters and the faults of settings.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

#[path = "support/course.rs"]
mod course;

use course::envelope;
use middleware::{Filter, Hook, Settings};
use serde_json::{Value, json};

fn matches(filter: Value) -> bool {
    let payload = json!({ "text": "hi", "n": 1, "rows": [{ "id": 7 }], "a/b": null });
    let filter: Filter = serde_json::from_value(filter).unwrap();
    filter.matches(&envelope(Hook::PreInvoke, payload))
}

#[test]
fn a_filter_compares_fields_of_the_envelope() {
    for (filter, expected) in [
        (json!({ "module": "text.Upper" }), true),
        (json!({ "module": "text.*" }), true),
        (json!({ "module": "text" }), false),
        (json!({ "module": "*.Lower" }), false),
        (json!({ "namespace": "text" }), true),
        (json!({ "namespace": "t*" }), false),
        (json!({ "caller": "ada" }), true),
        (json!({ "caller": "*" }), false),
        (json!({ "hook": "pre_invoke" }), true),
        (json!({ "hook": "post_invoke" }), false),
        (json!({ "/text": "hi" }), true),
        (json!({ "/text": "h*" }), false),
        (json!({ "/n": 1.0 }), true),
        (json!({ "/n": "1" }), false),
        (json!({ "/rows/0/id": 7 }), true),
        (json!({ "/rows": [{ "id": 7 }] }), true),
        (json!({ "/rows/1": null }), false),
        (json!({ "/a~1b": null }), true),
        (json!({ "/none": null }), false),
        (json!({ "module": "text.*", "/text": "hi", "caller": "ada" }), true),
        (json!({ "module": "text.*", "/text": "ho", "caller": "ada" }), false),
        (json!({ "unheard": "of" }), false),
    ] {
        assert_eq!(matches(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn filters_are_joined() {
    let [yes, no] = [json!({ "caller": "ada" }), json!({ "caller": "bob" })];
    for (filter, expected) in [
        (json!({ "AND": [yes, yes] }), true),
        (json!({ "AND": [yes, no] }), false),
        (json!({ "OR": [no, yes] }), true),
        (json!({ "OR": [no, no] }), false),
        (json!({ "NOT": no }), true),
        (json!({ "NOT": yes }), false),
        (json!({ "NOT": { "AND": [yes, { "OR": [no, { "NOT": yes }] }] } }), true),
        (json!({ "AND": [] }), true),
        (json!({ "OR": [] }), false),
        // All members of one object must hold.
        (json!({ "caller": "ada", "NOT": no }), true),
        (json!({ "caller": "ada", "NOT": yes }), false),
        (json!({ "caller": "bob", "OR": [yes], "AND": [yes] }), false),
        (json!({ "AND": [yes], "OR": [no] }), false),
    ] {
        assert_eq!(matches(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn a_filter_is_written_as_it_is_read() {
    for filter in [
        json!({ "module": "text.*", "/n": 1 }),
        json!({ "AND": [{ "caller": "ada" }, { "NOT": { "OR": [{ "hook": "audit" }] } }] }),
    ] {
        let read: Filter = serde_json::from_value(filter.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), filter);
    }
}

#[test]
fn a_filter_of_another_shape_is_refused() {
    for filter in [json!([]), json!("text.*"), json!({ "AND": {} }), json!({ "OR": [1] }), json!({ "NOT": [{}] })] {
        assert!(serde_json::from_value::<Filter>(filter.clone()).is_err(), "{filter}");
    }
}

/// Pointer and message of each fault.
#[track_caller]
fn check(settings: Value, expected: &[(&str, &str)]) {
    let faults = serde_json::from_value::<Settings>(settings).unwrap().check();
    let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.message.as_str())).collect();
    assert_eq!(found, expected);
    assert!(faults.iter().all(|fault| !fault.hint.is_empty()));
}

#[test]
fn good_settings_have_no_faults() {
    check(json!({}), &[]);
    check(
        json!({
            "hooks": ["pre_invoke", "audit"],
            "filter": { "AND": [{ "module": "text.*", "/a~1b/0": [1] }, { "NOT": { "caller": "ada", "hook": "audit", "namespace": "" } }] },
            "field_policy": { "change": ["", "/a/*", "/~0"], "answer": true, "route": ["text.*", "*", "a_b.C-d"] },
            "on_component_failure": { "pre_invoke": "fail_open" },
        }),
        &[],
    );
}

#[test]
fn all_faults_are_told_at_once() {
    check(
        json!({
            "hooks": ["audit", "pre_run", "audit"],
            "filter": {
                "AND": [
                    { "modul": "text.*", "module": 1, "caller": null, "hook": "pre", "/~": 1 },
                    { "OR": [] },
                    { "NOT": { "module": "text Upper" } },
                    {},
                ],
            },
            "field_policy": { "change": ["a", "/a", "/~2"], "route": ["", "text.*"] },
            "on_component_failure": { "audit": "fail_open" },
        }),
        &[
            ("/hooks/2", "`audit` is listed twice"),
            ("/filter/AND/0/~1~0", "`/~` is no JSON pointer"),
            ("/filter/AND/0/caller", "null is no text"),
            ("/filter/AND/0/hook", "\"pre\" is no hook"),
            ("/filter/AND/0/modul", "`modul` is no field of a filter"),
            ("/filter/AND/0/module", "1 is no text"),
            ("/filter/AND/1/OR", "nothing is listed"),
            ("/filter/AND/2/NOT/module", "`text Upper` matches no name"),
            ("/filter/AND/3", "the filter is empty"),
            ("/field_policy/change/0", "`a` is no JSON pointer"),
            ("/field_policy/change/2", "`/~2` is no JSON pointer"),
            ("/field_policy/route/0", "`` matches no name"),
            ("/on_component_failure/audit", "`audit` cannot fail a call"),
        ],
    );
}

#[test]
fn a_filter_is_bounded() {
    let nested = |n: usize| (1..n).fold(json!({ "caller": "ada" }), |inner, _| json!({ "NOT": inner }));
    check(json!({ "filter": nested(16) }), &[]);
    let deep = format!("/filter{}", "/NOT".repeat(16));
    check(json!({ "filter": nested(17) }), &[(&deep, "the filter is deeper than 16")]);
    let wide = |n: usize| json!({ "OR": vec![json!({ "caller": "ada" }); n] });
    check(json!({ "filter": wide(255) }), &[]);
    check(json!({ "filter": wide(256) }), &[("/filter", "the filter has more than 256 objects")]);
}
