//! What names mean: levels of resolution, order of declarations, scopes.

use pipeline::plan::Op;

use crate::{calls, codes, messages, nodes, plan, ty};

fn called(source: &str) -> Vec<String> {
    let plan = plan(source);
    calls(&plan).iter().map(|call| plan.modules[call.module.0 as usize].name.to_string()).collect()
}

#[test]
fn a_module_is_found_by_its_qualified_name() {
    assert_eq!(called("v = ml.Embed(\"a\")\nout v"), ["ml.Embed"]);
}

#[test]
fn a_module_is_found_through_use_and_alias() {
    assert_eq!(called("use ml\nv = Embed(\"a\")\nout v"), ["ml.Embed"]);
    assert_eq!(called("use legacy as old\nv = old.Embed(\"a\")\nout v"), ["legacy.Embed"]);
}

#[test]
fn a_module_is_found_in_any_namespace_when_one_has_it() {
    assert_eq!(called("v = Uppercase(\"a\")\nout v"), ["text.Uppercase"]);
}

#[test]
fn a_nearer_level_hides_a_farther_one_and_one_level_never_chooses() {
    assert_eq!(called("use legacy\nv = Embed(\"a\")\nout v"), ["legacy.Embed"]);
    assert_eq!(
        messages("use ml\nuse legacy\nv = Embed(\"a\")\nout v"),
        ["`Embed` may mean `legacy.Embed` or `ml.Embed`"]
    );
}

#[test]
fn an_alias_does_not_bring_in_the_plain_names() {
    assert_eq!(codes("use ml as m\nv = Embed(\"a\")\nout v"), ["E005"]);
}

#[test]
fn using_a_namespace_twice_is_no_ambiguity() {
    assert_eq!(called("use ml\nuse ml\nv = Embed(\"a\")\nout v"), ["ml.Embed"]);
}

#[test]
fn functions_of_the_standard_library_are_found_at_every_level() {
    for source in [
        "n = list-length([1])\nout n",
        "n = stdlib.list.list-length([1])\nout n",
        "use stdlib.list\nn = list-length([1])\nout n",
        "use stdlib.list as l\nn = l.list-length([1])\nout n",
        "use stdlib\nn = list.list-length([1])\nout n",
        "use stdlib.bool\nn = 1\nout n",
    ] {
        assert_eq!(ty(source), "Int", "{source}");
    }
}

#[test]
fn what_a_missing_namespace_may_have_held_is_not_told_again() {
    assert_eq!(codes("use txt\nv = Shout(\"a\")\nout v"), ["E004"]);
    assert_eq!(codes("use txt as t\nv = t.Shout(\"a\")\nout v"), ["E004"]);
}

#[test]
fn declarations_have_no_order() {
    assert_eq!(ty("out c\nc = b + 1\nb = a.n\nin a: Rec\ntype Rec = { n: Num }\ntype Num = Int"), "Int");
}

#[test]
fn a_parameter_hides_a_binding_and_ends_with_its_lambda() {
    assert_eq!(ty("x = 1\nin ts: List<String>\na = map(ts, (x) => \"${x}\")\nb = x + 1\nout a\nout b"), "Int");
    assert_eq!(codes("in ts: List<String>\na = map(ts, (t) => t)\nb = t\nout a\nout b"), ["E001"]);
}

#[test]
fn a_hidden_name_makes_no_cycle() {
    assert_eq!(ty("in xs: List<Int>\nx = map(xs, (x) => x + 1)\nout x"), "List<Int>");
}

#[test]
fn a_name_in_a_fallback_is_needed() {
    assert_eq!(ty("a = Uppercase(\"x\") with fallback: b\nb = \"none\"\nout a"), "String");
    assert_eq!(codes("a = Uppercase(\"x\") with fallback: a\nout a"), ["E031"]);
}

#[test]
fn a_lambda_captures_outer_values_through_each_lambda_between() {
    let plan = plan("in xs: List<Int>\nin n: Int\ny = map(xs, (x) => map(xs, (z) => x + z + n))\nout y");
    let captures = nodes(&plan).iter().filter(|node| matches!(node.op, Op::Capture(_))).count();
    // `n` and `xs` in the outer lambda, `n` and `x` in the inner one.
    assert_eq!(captures, 4);
}

#[test]
fn what_no_output_needs_is_no_part_of_the_plan() {
    let checked = pipeline::compile("a = Uppercase(\"x\")\nin t: String\nout t", &crate::catalog());
    let plan = checked.plan.expect("warnings stop nothing");
    assert!(calls(&plan).is_empty());
    assert_eq!(plan.modules.len(), 0);
}

#[test]
fn one_fault_is_told_once_however_often_its_value_is_used() {
    assert_eq!(
        codes(
            "a = Nope(1)\nb = a + 1\nc = map(a, (x) => x.y)\nd = match c { is Int -> 1 }\ne = { k: d }\nf = [b, e.k]\nout f"
        ),
        ["E002"]
    );
}

#[test]
fn all_faults_of_a_source_are_told_in_the_order_of_their_places() {
    let found = codes("a = nope\nb = Uppercase(1)\nc = [1][x]\nin d: Nope\nout e");
    assert_eq!(found, ["W001", "E001", "W001", "E010", "W001", "E006", "E003", "E001"]);
}

#[test]
fn the_arguments_of_an_unknown_function_are_checked_and_its_lambdas_are_no_fault() {
    assert_eq!(codes("in xs: List<Int>\na = nope(xs, (x) => x.y + zz)\nout a"), ["E002", "E001"]);
    assert_eq!(codes("in xs: List<Int>\na = map((x) => x.y + zz)\nout a"), ["E019", "E001"]);
}

#[test]
fn the_options_of_an_unknown_function_are_checked() {
    let source = "in x: Int\na = nope(x) with retri: 3, timeout: 5, fallback: zz\nout a";
    assert_eq!(codes(source), ["E002", "E016", "E016", "E001"]);
}
