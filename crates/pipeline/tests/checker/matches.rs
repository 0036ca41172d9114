//! `match`: narrowing, patterns, and which cases are left.

use pipeline::plan::{Op, Test};

use crate::{codes, messages, nodes, plan, ty, with_inputs};

/// The type of a match of `s`, which is `{radius: Float} | {width: Float, height: Float} | String`.
fn shape(arms: &str) -> String {
    ty(&format!("s = Shape(\"x\")\nx = match s {{ {arms} }}\nout x\n"))
}

fn shape_told(arms: &str) -> Vec<String> {
    messages(&format!("s = Shape(\"x\")\nx = match s {{ {arms} }}\nout x\n"))
}

#[test]
fn patterns_of_fields_select_the_variants_that_have_them_and_bind_them() {
    assert_eq!(shape("{ radius } -> radius * 2, { width, height } -> width * height, is String -> 0"), "Float");
}

#[test]
fn the_matched_variable_is_narrowed_inside_the_arm() {
    assert_eq!(shape("is String -> Uppercase(s), { radius } -> \"${s.radius}\", _ -> \"${s.width}\""), "String");
    assert_eq!(shape("is { radius: Float } | String -> s, _ -> \"\""), "{radius: Float} | String");
}

#[test]
fn what_earlier_arms_took_is_gone() {
    let plan = plan("s = Shape(\"x\")\nx = match s { is String -> s, _ -> \"\" }\nout x");
    let tests: Vec<Vec<Test>> = nodes(&plan)
        .iter()
        .filter_map(|node| match &node.op {
            Op::Match { arms, .. } => Some(arms.iter().map(|(test, _)| test.clone()).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(tests, [[Test::Variants(vec![2]), Test::Variants(vec![0, 1])]]);
}

#[test]
fn a_field_that_several_variants_have_is_read_from_each() {
    let source = "in s: { n: Int, a: Int } | { n: Float, b: Int } | String\nx = match s { { n } -> n, _ -> 0 }\nout x";
    assert_eq!(ty(source), "Int | Float");
}

#[test]
fn an_option_is_matched_by_what_is_in_it() {
    assert_eq!(ty(&with_inputs("match o { is Int -> o + 1, _ -> 0 }")), "Int");
    assert_eq!(ty("f = Lookup(\"k\")\nx = match f { { title } -> title, _ -> \"none\" }\nout x"), "String");
    assert_eq!(ty(&with_inputs("match o { is Option<Int> -> o }")), "Option<Int>");
    assert_eq!(codes(&with_inputs("match o { is Int -> 1 }")), ["E018"]);
}

#[test]
fn an_option_of_a_union_is_matched_by_the_variants_inside() {
    let source = |arms: &str| format!("in s: Option<Int | String | Bool>\nx = match s {{ {arms} }}\nout x");
    assert_eq!(ty(&source("is Int -> s + 1, is String -> 0, _ -> 2")), "Int");
    assert_eq!(ty(&source("is Int | String | Bool -> 1, _ -> 2")), "Int");
    assert_eq!(
        messages(&source("is Int -> 1, is String -> 2")),
        ["the match of Option<Int | String | Bool> leaves out `Bool`, `None`"]
    );
    assert_eq!(
        messages(&source("is Int -> 1, is Bool -> 1, is String -> 2")),
        ["the match of Option<Int | String | Bool> leaves out `None`"]
    );
}

#[test]
fn an_any_is_looked_into_by_checked_casts_and_needs_a_rest() {
    assert_eq!(ty(&with_inputs("match any { is Int -> any + 1, is { id: Int } -> any.id, _ -> 0 }")), "Int");
    assert_eq!(codes(&with_inputs("match any { is Int -> 1 }")), ["E018"]);
    assert_eq!(codes(&with_inputs("match any { { id } -> 1, _ -> 0 }")), ["E007"]);
}

#[test]
fn a_plain_record_is_matched_by_its_fields() {
    assert_eq!(ty(&with_inputs("match r { { a } -> a }")), "Int");
    assert_eq!(ty(&with_inputs("match n { _ -> n }")), "Int");
    assert_eq!(ty(&with_inputs("match n { is Int -> n }")), "Int");
}

#[test]
fn a_type_that_the_subject_never_is_is_told() {
    assert_eq!(
        shape_told("is Bool -> 1, _ -> 2"),
        ["{radius: Float} | {width: Float, height: Float} | String is never Bool"]
    );
}

#[test]
fn missing_variants_are_named_as_the_source_names_them() {
    assert_eq!(
        messages("type Circle = { radius: Float }\ns = Shape(\"x\")\nx = match s { is String -> 1 }\nout x"),
        [
            "the match of {radius: Float} | {width: Float, height: Float} | String leaves out `Circle`, `{width: Float, height: Float}`"
        ]
    );
}

#[test]
fn an_arm_may_call_modules_and_use_what_stands_around() {
    assert_eq!(shape("is String -> Uppercase(s), _ -> Uppercase(\"shape\")"), "String");
}

#[test]
fn an_error_is_wrapped_and_matched() {
    let source = "a = WordCount(\"x\") with on_error: wrap\nx = match a { { ok } -> ok, { error } -> string-length(error.message) }\nout x";
    assert_eq!(ty(source), "Int");
}

#[test]
fn a_narrowed_variable_is_captured_by_a_lambda() {
    assert_eq!(ty(&with_inputs("match o { is Int -> map(xs, (x) => x + o), _ -> [] }")), "List<Int>");
}
