//! Type declarations and what may be written as a type.

use crate::{codes, messages, plan};

fn input(declarations: &str, written: &str) -> String {
    let plan = plan(&format!("{declarations}\nin x: {written}\nout x\n"));
    plan.ctype(plan.inputs[0].ty).to_string()
}

fn refused(declarations: &str, written: &str) -> Vec<String> {
    codes(&format!("{declarations}\nin x: {written}\nout x\n"))
}

#[test]
fn other_spellings_mean_the_same_type() {
    assert_eq!(input("", "Boolean"), "Bool");
    assert_eq!(input("", "Optional<Int>"), "Option<Int>");
    assert_eq!(input("", "Seq<Int>"), "List<Int>");
    assert_eq!(input("", "Candidates<{ id: Int }>"), "List<{id: Int}>");
    assert_eq!(input("", "Map<String, List<Bytes>>"), "Map<String, List<Bytes>>");
}

#[test]
fn declared_types_stand_for_their_meaning_in_any_order() {
    assert_eq!(input("type A = { b: B }\ntype B = C | Int\ntype C = String", "List<A>"), "List<{b: String | Int}>");
}

#[test]
fn record_types_merge_and_the_right_side_wins() {
    assert_eq!(input("type A = { a: Int, b: Int }", "A + { b: String, c: Bool }"), "{a: Int, b: String, c: Bool}");
    assert_eq!(input("", "{ a: Int } + { b: Int } | String"), "{a: Int, b: Int} | String");
}

#[test]
fn unions_of_declared_unions_are_flat_and_hold_each_variant_once() {
    assert_eq!(input("type AB = Int | String\ntype BC = String | Bool", "AB | BC"), "Int | String | Bool");
}

#[test]
fn what_no_schema_may_be_is_refused() {
    assert_eq!(refused("", "Option<Option<Int>>"), ["E010"]);
    assert_eq!(refused("type O = Option<Int>", "Option<O>"), ["E010"]);
    assert_eq!(refused("", "Map<Float, Int>"), ["E010"]);
    assert_eq!(refused("", "Int | Int"), ["E030"]);
    assert_eq!(refused("", "List<Int, Int>"), ["E019"]);
    assert_eq!(refused("", "List"), ["E019"]);
    assert_eq!(refused("", &format!("{{ {}: Int }}", "a".repeat(129))), ["E007"]);
}

#[test]
fn types_that_grow_beyond_the_limits_are_refused_without_being_built() {
    let doubled: String = (1..40).map(|i| format!("type T{i} = {{ a: T{}, b: T{} }}\n", i - 1, i - 1)).collect();
    let source = format!("type T0 = Int\n{doubled}in x: T39\nout x\n");
    assert_eq!(codes(&source), ["E010"]);
    let bindings: String = (1..40).map(|i| format!("a{i} = {{ l: a{}, r: a{} }}\n", i - 1, i - 1)).collect();
    let source = format!("in a0: Int\n{bindings}out a39\n");
    assert_eq!(messages(&source), ["a type has at most 10000 parts"]);
    let deep: String = (1..70).map(|i| format!("type T{i} = List<T{}>\n", i - 1)).collect();
    assert_eq!(messages(&format!("type T0 = Int\n{deep}in x: T69\nout x\n")), ["a type nests at most 64 levels"]);
}

#[test]
fn the_inputs_together_are_a_type_too() {
    let wide: String = (0..999).map(|i| format!("f{i}: Int, ")).collect();
    let inputs: String = (0..11).map(|i| format!("in i{i}: Wide\n")).collect();
    assert_eq!(messages(&format!("type Wide = {{ {wide} }}\n{inputs}out i0\n")), ["a type has at most 10000 parts"]);
}

#[test]
fn a_cycle_through_a_list_is_a_cycle() {
    assert_eq!(refused("type Tree = { children: List<Tree> }", "Tree"), ["E031"]);
}

#[test]
fn a_cycle_hides_no_other_cycle_and_no_other_fault() {
    assert_eq!(codes("type A = B\ntype B = A\ntype C = D\ntype D = C\nin x: Nope\nout x\n"), ["E031", "E031", "E003"]);
}
