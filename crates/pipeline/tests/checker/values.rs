//! Types of values: literals, operators, choices, and how the context flows in.

use pipeline::plan::{Arithmetic, Op};

use crate::{codes, messages, nodes, of, plan, ty, with_inputs};

#[test]
fn literals_have_their_types() {
    assert_eq!(of("1"), "Int");
    assert_eq!(of("-1.5"), "Float");
    assert_eq!(of("[1, 2]"), "List<Int>");
    assert_eq!(of("\"${n} of ${f}, ${b}: ${t}\""), "String");
    assert_eq!(of("[true, 1, \"a\"]"), "List<Bool | Int | String>");
}

#[test]
fn an_int_literal_fits_a_float_wherever_the_context_wants_one() {
    assert_eq!(of("f + 1"), "Float");
    assert_eq!(of("1 - f"), "Float");
    assert_eq!(of("2 * (1 + f)"), "Float");
    assert_eq!(of("(1 + 2) * f"), "Float");
    assert_eq!(of("[1, f, 2]"), "List<Float>");
    assert_eq!(of("if (b) 1 else f"), "Float");
    assert_eq!(of("list-concat([1], fs)"), "List<Float>");
    assert_eq!(of("f > 0"), "Bool");
    assert_eq!(of("0 == f"), "Bool");
    assert_eq!(of("max(0, f)"), "Float");
    assert_eq!(of("list-contains(fs, 1)"), "Bool");
    assert_eq!(of("(f when b) ?? 0"), "Float");
    assert_eq!(ty("x = Scale(2, -3)\nout x"), "Float");
}

#[test]
fn an_int_literal_that_no_float_holds_exactly_is_refused() {
    assert_eq!(messages(&with_inputs("f + 9007199254740993")), ["no Float is exactly 9007199254740993"]);
}

#[test]
fn an_int_value_never_becomes_a_float_by_itself() {
    for expr in ["n + f", "Scale(n, f)", "n > f", "max(n, f)"] {
        assert!(!codes(&with_inputs(expr)).is_empty(), "{expr}");
    }
    assert_eq!(of("if (b) n else f"), "Int | Float");
}

#[test]
fn an_empty_list_takes_its_type_from_the_context() {
    assert_eq!(of("if (b) [] else xs"), "List<Int>");
    assert_eq!(of("list-concat([], ts)"), "List<String>");
    assert_eq!(of("(ts when b) ?? []"), "List<String>");
    assert_eq!(of("fold(ts, [], (all: List<String>, t) => list-concat(all, [t]))"), "List<String>");
    assert_eq!(of("list-length([])"), "Int");
    assert_eq!(of("Save(\"k\", [])"), "Bool");
}

#[test]
fn arms_become_the_wider_type_else_a_union_and_options_are_lifted() {
    assert_eq!(of("if (b) n else t"), "Int | String");
    assert_eq!(of("if (b) o else 1"), "Option<Int>");
    assert_eq!(of("if (b) n else (t when b)"), "Option<Int | String>");
    assert_eq!(of("if (b) r else { a: 1, b: \"x\", c: 2 }"), "{a: Int, b: String}");
    assert_eq!(of("branch { b -> 1, n > 1 -> \"x\", otherwise -> 2 }"), "Int | String");
    assert_eq!(of("if (b) any else 1"), "Any");
}

#[test]
fn every_arm_has_the_type_of_the_choice() {
    let plan = plan(&with_inputs("if (b) n else t"));
    for node in nodes(&plan) {
        if let Op::If { then, otherwise, .. } = node.op {
            assert_eq!(plan.root.nodes[then.0 as usize].ty, node.ty);
            assert_eq!(plan.root.nodes[otherwise.0 as usize].ty, node.ty);
        }
    }
}

#[test]
fn when_gives_an_option_and_keeps_one() {
    assert_eq!(of("n when b"), "Option<Int>");
    assert_eq!(of("o when b"), "Option<Int>");
    assert_eq!(of("1 when n > 0 and b"), "Option<Int>");
}

#[test]
fn coalesce_unwraps_and_chains() {
    assert_eq!(of("o ?? 1"), "Int");
    assert_eq!(of("o ?? o"), "Option<Int>");
    assert_eq!(of("o ?? o ?? 1"), "Int");
    assert_eq!(of("o ?? t"), "Int | String");
    assert_eq!(of("(f when b) ?? (1 when b)"), "Option<Float>");
}

#[test]
fn equality_is_of_two_values_of_one_type_and_drops_nothing() {
    assert_eq!(of("n == o"), "Bool");
    assert_eq!(of("r == { a: 1, b: \"x\" }"), "Bool");
    assert_eq!(of("[] == xs"), "Bool");
    assert_eq!(of("any == n"), "Bool");
    assert_eq!(codes(&with_inputs("r == { a: 1, b: \"x\", c: 1 }")), ["E013"]);
    assert_eq!(codes(&with_inputs("b < b")), ["E013"]);
    assert_eq!(codes(&with_inputs("o < 1")), ["E013"]);
}

#[test]
fn equal_expressions_of_pure_operations_are_computed_once_but_calls_are_not() {
    let sums = plan(&with_inputs("[n * 2 + 1, n * 2 + 1]"));
    let is_product = |op: &Op| matches!(op, Op::Arithmetic(Arithmetic::Multiply, ..));
    assert_eq!(nodes(&sums).iter().filter(|node| is_product(&node.op)).count(), 1);
    assert_eq!(plan(&with_inputs("[Uppercase(t), Uppercase(t)]")).sites, 2);
}

#[test]
fn a_text_alone_is_a_literal_and_values_become_text() {
    assert!(matches!(nodes(&plan("x = \"a\"\nout x"))[0].op, Op::Literal(_)));
    assert_eq!(codes(&with_inputs("\"${xs}\"")), ["E010"]);
    assert_eq!(codes(&with_inputs("\"${o}\"")), ["E010"]);
}

#[test]
fn conditions_are_bools() {
    assert_eq!(codes(&with_inputs("if (n) 1 else 2")), ["E010"]);
    assert_eq!(codes(&with_inputs("branch { t -> 1, otherwise -> 2 }")), ["E010"]);
    assert_eq!(codes(&with_inputs("1 when o")), ["E011"]);
}

#[test]
fn a_lambda_stands_only_where_a_function_takes_one() {
    assert_eq!(codes("f = (x) => x\nout f"), ["E010"]);
    assert_eq!(codes(&with_inputs("list-length((x) => x)")), ["E010"]);
}

#[test]
fn a_wide_choice_in_an_argument_is_told_at_the_arm_that_does_not_fit() {
    assert_eq!(
        messages(&with_inputs("Uppercase(if (b) t else n)")),
        ["argument `text` of `text.Uppercase` must be String, not Int"]
    );
}

#[test]
fn the_input_of_a_module_is_of_its_very_type() {
    let plan = plan("in q: String\na = Find(q)\nb = Price({ id: 1, tags: [], more: 2 })\nout a\nout b");
    for call in crate::calls(&plan) {
        let module = &plan.modules[call.module.0 as usize];
        assert_eq!(plan.root.nodes[call.input.0 as usize].ty, module.input, "{}", module.name);
    }
}
