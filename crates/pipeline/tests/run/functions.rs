//! What each operator and function of the standard library gives, with its edges.

use serde_json::{Value, json};

use crate::support::{World, value_of};

#[track_caller]
fn gives(expression: &str, expected: Value) {
    assert_eq!(value_of(expression), Ok(expected), "{expression}");
}

#[track_caller]
fn fails(expression: &str, code: &str) {
    assert_eq!(value_of(expression), Err(code.to_owned()), "{expression}");
}

#[test]
fn int_arithmetic_truncates_and_fails_rather_than_wraps() {
    gives("1 + 2 * 3", json!(7));
    gives("-7 / 2", json!(-3));
    gives("modulo(-7, 2)", json!(-1));
    gives("modulo(7, -2)", json!(1));
    gives("9223372036854775806 + 1", json!("9223372036854775807"));
    gives("modulo(-9223372036854775807 - 1, -1)", json!(0));
    for overflow in [
        "9223372036854775807 + 1",
        "-9223372036854775807 - 2",
        "9223372036854775807 * 2",
        "(-9223372036854775807 - 1) / -1",
        "abs(-9223372036854775807 - 1)",
        "negate(-9223372036854775807 - 1)",
        "list-sum([9223372036854775807, 1])",
    ] {
        fails(overflow, "pipeline.arithmetic.overflow");
    }
    fails("1 / 0", "pipeline.arithmetic.division_by_zero");
    fails("modulo(1, 0)", "pipeline.arithmetic.division_by_zero");
}

#[test]
fn float_arithmetic_is_ieee_754() {
    gives("1.0 / 4.0", json!(0.25));
    gives("1.0 / 0.0", json!("Infinity"));
    gives("-1.0 / 0.0", json!("-Infinity"));
    gives("0.0 / 0.0", json!("NaN"));
    gives("0.0 / 0.0 == 0.0 / 0.0", json!(false));
    gives("0.0 / 0.0 != 0.0 / 0.0", json!(true));
    gives("0.0 / 0.0 < 1.0", json!(false));
    gives("0.0 == -0.0", json!(true));
    gives("modulo(-7.5, 2.0)", json!(-1.5));
    gives("max(0.0 / 0.0, 1.0)", json!(1.0));
    gives("min(1.0, 0.0 / 0.0)", json!(1.0));
    gives("to-string(max(-0.0, 0.0))", json!("0.0"));
    gives("to-string(min(0.0, -0.0))", json!("-0.0"));
    gives("abs(-1.5)", json!(1.5));
}

#[test]
fn comparisons_order_numbers_and_texts() {
    gives("2 < 10", json!(true));
    gives("\"2\" < \"10\"", json!(false));
    gives("\"Z\" < \"a\"", json!(true));
    gives("\"a\" < \"ab\"", json!(true));
    gives("\"\u{ffff}\" < \"\u{10000}\"", json!(true));
    gives("\"b\" >= \"b\"", json!(true));
    gives("max(3, 5) - min(3, 5)", json!(2));
    gives("{a: 1, b: [true]} == {b: [true], a: 1}", json!(true));
    gives("[1, 2] != [2, 1]", json!(true));
}

#[test]
fn conversions_keep_or_refuse() {
    gives("round(2.5)", json!(3));
    gives("round(-2.5)", json!(-3));
    gives("to-int(-2.9)", json!(-2));
    gives("to-int(-9223372036854775808.0)", json!("-9223372036854775808"));
    gives("to-float(9007199254740993)", json!(9_007_199_254_740_992.0));
    for refused in ["to-int(9223372036854775808.0)", "round(0.0 / 0.0)", "to-int(1.0 / 0.0)"] {
        fails(refused, "pipeline.convert.range");
    }
    gives("to-string(3.0)", json!("3.0"));
    gives("to-string(0.1)", json!("0.1"));
    gives("to-string(1.0 / 0.0)", json!("Infinity"));
    gives("to-string(0.0 / 0.0)", json!("NaN"));
    gives("to-string(-12)", json!("-12"));
    gives("to-string(true)", json!("true"));
    gives("\"${1}, ${2.5}, ${false}, ${\"é\"}\"", json!("1, 2.5, false, é"));
}

#[test]
fn strings_are_counted_cut_and_joined_by_characters() {
    gives("concat(\"é\", \"😀\")", json!("é😀"));
    gives("string-length(\"é😀\")", json!(2));
    gives("string-length(\"\")", json!(0));
    gives("join([\"a\", \"\", \"b\"], \", \")", json!("a, , b"));
    gives("join([\"a\"], \"-\")", json!("a"));
    gives("join(split(\"\", \",\"), \"-\")", json!(""));
    gives("split(\"a,b,,\", \",\")", json!(["a", "b", "", ""]));
    gives("split(\"\", \",\")", json!([""]));
    gives("split(\"aXbXc\", \"X\")", json!(["a", "b", "c"]));
    gives("split(\"é😀\", \"\")", json!(["é", "😀"]));
    gives("contains(\"haystack\", \"st\")", json!(true));
    gives("contains(\"\", \"\")", json!(true));
    gives("trim(\" \\t\u{2003}x y\\n\")", json!("x y"));
    gives("replace(\"aaa\", \"aa\", \"b\")", json!("ba"));
    gives("replace(\"ab\", \"\", \"-\")", json!("-a-b-"));
    gives("replace(\"ab\", \"c\", \"-\")", json!("ab"));
    gives(&format!("string-length(concat(\"{0}\", \"{0}\"))", "x".repeat(40_000)), json!(80_000));
}

#[test]
fn lists_are_read_and_made() {
    gives("list-length([1, 2, 3])", json!(3));
    gives("list-first([1, 2])", json!(1));
    gives("list-last([\"a\", \"b\"])", json!("b"));
    gives("list-is-empty([1])", json!(false));
    gives("list-sum([1, 2, 3])", json!(6));
    gives("list-sum([0.5, 0.25])", json!(0.75));
    gives("list-concat([1], [2, 3])", json!([1, 2, 3]));
    gives("list-contains([{a: 1}, {a: 2}], {a: 2})", json!(true));
    gives("list-contains([1, 2], 3)", json!(false));
    gives("list-contains([0.0 / 0.0], 0.0 / 0.0)", json!(false));
    gives("list-contains([0.0], -0.0)", json!(true));
    gives("list-reverse([1, 2, 3])", json!([3, 2, 1]));
    let empty =
        |function: &str| World::new().outcome(&format!("in l: List<Int>\nx = {function}(l)\nout x"), json!({"l": []}));
    assert_eq!(empty("list-first"), Err("pipeline.list.empty".to_owned()));
    assert_eq!(empty("list-last"), Err("pipeline.list.empty".to_owned()));
    assert_eq!(empty("list-sum"), Ok(json!({"x": 0})));
    assert_eq!(empty("list-is-empty"), Ok(json!({"x": true})));
    assert_eq!(empty("list-reverse"), Ok(json!({"x": []})));
}

#[test]
fn lambdas_work_on_pure_bodies() {
    gives("map([1, 2, 3], (x) => x * x)", json!([1, 4, 9]));
    gives("filter([1, 2, 3, 4], (x) => modulo(x, 2) == 0)", json!([2, 4]));
    gives("all([1, 2], (x) => x > 0)", json!(true));
    gives("any([1, 2], (x) => x > 2)", json!(false));
    gives("sort-by([3, 1, 2], (x) => x)", json!([1, 2, 3]));
    gives("sort-by([{k: \"b\", i: 1}, {k: \"a\", i: 2}, {k: \"b\", i: 3}], (r) => r.k).i", json!([2, 1, 3]));
    gives("sort-by([2.0, 0.0 / 0.0, -1.0], (x) => x)", json!([-1.0, 2.0, "NaN"]));
    gives("fold([1, 2, 3], 10, (sum, x) => sum + x)", json!(16));
    gives("map([[1, 2], [3]], (l) => map(l, (x) => x + list-length(l)))", json!([[3, 4], [4]]));
    fails("map([1, 0], (x) => 1 / x)", "pipeline.arithmetic.division_by_zero");
    gives("any([1, 0], (x) => 1 / x == 1)", json!(true));
}

#[test]
fn records_are_merged_projected_and_read() {
    gives("{a: 1, b: 2} + {b: \"x\", c: true}", json!({"a": 1, "b": "x", "c": true}));
    gives("({a: 1, b: 2, c: 3})[c, a]", json!({"a": 1, "c": 3}));
    gives("{a: {b: 5}}.a.b", json!(5));
    gives("[{a: 1, b: 2}, {a: 3, b: 4}][b]", json!([{"b": 2}, {"b": 4}]));
    gives("[{a: 1}, {a: 3}].a", json!([1, 3]));
    gives("[{a: 1}, {a: 3}] + {b: true}", json!([{"a": 1, "b": true}, {"a": 3, "b": true}]));
}

#[test]
fn an_absent_field_on_the_right_hides_the_one_on_the_left() {
    let source = "in l: {a: Option<Int>, z: Int}\nin r: {a: Option<Int>}\nboth = l + r\nlists = [l] + r\nfield = r.a ?? 7\nout both\nout lists\nout field";
    let inputs = json!({"l": {"a": 1, "z": 2}, "r": {}});
    let expected = json!({"both": {"z": 2}, "lists": [{"z": 2}], "field": 7});
    assert_eq!(World::new().outcome(source, inputs), Ok(expected));
}

#[test]
fn choices_take_one_arm() {
    gives("if (1 < 2) \"a\" else \"b\"", json!("a"));
    gives("branch { false -> 1, 2 > 1 -> 2, otherwise -> 3 }", json!(2));
    gives("(1 when false) ?? (2 when true) ?? 3", json!(2));
    gives("true and not false or 1 / 0 == 1", json!(true));
    gives("false and 1 / 0 == 1", json!(false));
    gives("if (true) 1 else 1 / 0", json!(1));
}

#[test]
fn a_match_narrows_unions_options_and_any() {
    let source = "type Shape = {r: Float} | {w: Float, h: Float} | String
        in s: Shape
        x = match s { {r} -> r * 2.0, {w, h} -> w * h, is String -> 0.0 }
        out x";
    for (shape, area) in [(json!({"r": 2.0}), 4.0), (json!({"w": 2.0, "h": 4.0}), 8.0), (json!("dot"), 0.0)] {
        assert_eq!(World::new().outcome(source, json!({"s": shape})), Ok(json!({"x": area})));
    }
    let source = "in a: Any\nx = match a { is Int -> a + 1, is String -> 2, _ -> 3 }\nout x";
    for (any, expected) in [(json!(41), 42), (json!("s"), 2), (json!(null), 3), (json!([1]), 3)] {
        assert_eq!(World::new().outcome(source, json!({"a": any})), Ok(json!({"x": expected})));
    }
}
