//! The standard library: generic signatures, lambdas, and what they become.

use pipeline::plan::{EachKind, Op};

use crate::{codes, nodes, of, plan, ty, with_inputs};

#[test]
fn every_function_has_a_call_that_checks() {
    let examples = [
        ("add(n, 1)", "Int"),
        ("subtract(f, 1)", "Float"),
        ("multiply(n, n)", "Int"),
        ("divide(f, f)", "Float"),
        ("modulo(n, 2)", "Int"),
        ("max(n, 0)", "Int"),
        ("min(f, 0)", "Float"),
        ("abs(n)", "Int"),
        ("negate(f)", "Float"),
        ("round(f)", "Int"),
        ("concat(t, \"x\")", "String"),
        ("string-length(t)", "Int"),
        ("join(ts, \",\")", "String"),
        ("split(t, \",\")", "List<String>"),
        ("contains(t, \"x\")", "Bool"),
        ("trim(t)", "String"),
        ("replace(t, \"a\", \"b\")", "String"),
        ("list-length(rs)", "Int"),
        ("list-first(rs)", "{a: Int, b: String}"),
        ("list-last(ts)", "String"),
        ("list-is-empty(xs)", "Bool"),
        ("list-sum(fs)", "Float"),
        ("list-concat(xs, [1])", "List<Int>"),
        ("list-contains(ts, t)", "Bool"),
        ("list-reverse(rs)", "List<{a: Int, b: String}>"),
        ("eq-int(n, 1)", "Bool"),
        ("eq-string(t, t)", "Bool"),
        ("gt(n, 1)", "Bool"),
        ("lt(f, 1)", "Bool"),
        ("gte(t, t)", "Bool"),
        ("lte(n, n)", "Bool"),
        ("to-string(b)", "String"),
        ("to-int(f)", "Int"),
        ("to-float(n)", "Float"),
        ("log(t)", "String"),
        ("identity(rs)", "List<{a: Int, b: String}>"),
        ("filter(rs, (x) => x.a > 1)", "List<{a: Int, b: String}>"),
        ("map(rs, (x) => x.b)", "List<String>"),
        ("all(xs, (x) => x > 0)", "Bool"),
        ("any(xs, (x) => x > 0)", "Bool"),
        ("sort-by(rs, (x) => x.b)", "List<{a: Int, b: String}>"),
        ("fold(xs, 0, (sum, x) => sum + x)", "Int"),
    ];
    for (expr, expected) in examples {
        assert_eq!(of(expr), expected, "{expr}");
    }
    for function in pipeline::stdlib::FUNCTIONS {
        assert!(examples.iter().any(|(expr, _)| expr.starts_with(&format!("{}(", function.name))), "{}", function.name);
    }
}

#[test]
fn a_fold_takes_its_type_from_the_start_the_context_or_the_lambda() {
    assert_eq!(of("fold(fs, 0, (sum, x) => sum + x)"), "Float");
    assert_eq!(of("Scale(fold(xs, 1, (all, x) => all * 2), 1)"), "Float");
    assert_eq!(of("fold(xs, 0, (sum: Float, x) => sum + to-float(x))"), "Float");
    assert_eq!(codes(&with_inputs("fold(xs, 0, (sum, x) => t)")), ["E010"]);
}

#[test]
fn the_parameter_of_a_lambda_may_say_a_wider_type() {
    assert_eq!(of("map(xs, (x: Option<Int>) => x ?? 0)"), "List<Int>");
    assert_eq!(codes(&with_inputs("map(xs, (x: String) => x)")), ["E010"]);
}

#[test]
fn what_a_lambda_gives_takes_its_type_from_the_context() {
    assert_eq!(ty("in ts: List<String>\nx = Price({ id: 1, tags: map(ts, (t) => t) })\nout x"), "Float");
    assert_eq!(codes(&with_inputs("filter(xs, (x) => x)")), ["E010"]);
    assert_eq!(codes(&with_inputs("sort-by(rs, (x) => x)")), ["E013"]);
}

#[test]
fn a_lambda_calls_modules_and_its_least_concurrency_bounds_the_elements() {
    let plan = plan(
        "in ts: List<String>\nx = map(ts, (t) => WordCount(Uppercase(t) with concurrency: 32) with concurrency: 8) with concurrency: 16\nout x",
    );
    let each: Vec<_> = nodes(&plan)
        .into_iter()
        .filter_map(|node| match &node.op {
            Op::Each(each) => Some((each.kind, each.concurrency)),
            _ => None,
        })
        .collect();
    assert_eq!(each, [(EachKind::Map, Some(8))]);
}

#[test]
fn a_function_that_is_given_something_else_says_so_once() {
    for expr in [
        "list-length(t)",
        "join(xs, \",\")",
        "abs(t)",
        "list-sum(ts)",
        "list-first(o)",
        "round(n)",
        "to-string(xs)",
        "map(t, (x) => x)",
        "map(xs, n)",
    ] {
        assert_eq!(codes(&with_inputs(expr)).len(), 1, "{expr}");
    }
}
