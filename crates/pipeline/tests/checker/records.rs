//! Records and lists of records: literals, fields, projections, merges.

use pipeline::plan::Op;

use crate::{codes, nodes, of, plan, ty, with_inputs};

#[test]
fn a_record_literal_has_its_fields_in_their_order() {
    assert_eq!(of("{ b: 1, a: \"x\" }"), "{b: Int, a: String}");
    assert_eq!(of("{}"), "{}");
}

#[test]
fn fields_are_read_from_a_record_and_from_each_of_a_list() {
    assert_eq!(of("r.a"), "Int");
    assert_eq!(of("rs.b"), "List<String>");
    assert_eq!(of("{ r: r }.r.b"), "String");
}

#[test]
fn projections_keep_the_order_that_they_name() {
    assert_eq!(of("r[b, a]"), "{b: String, a: Int}");
    assert_eq!(of("rs{b}"), "List<{b: String}>");
}

#[test]
fn in_a_merge_the_right_side_wins_where_the_left_side_stood() {
    assert_eq!(of("r + { a: \"x\", c: true }"), "{a: String, b: String, c: Bool}");
    assert_eq!(of("rs + { c: n }"), "List<{a: Int, b: String, c: Int}>");
}

#[test]
fn a_record_takes_the_types_of_the_fields_that_are_wanted() {
    assert_eq!(ty("x = Scale(value: 1, factor: 2)\nout x"), "Float");
    assert_eq!(ty("x = Price({ tags: [], id: 1 })\nout x"), "Float");
}

#[test]
fn an_argument_of_the_very_type_is_not_coerced() {
    let plan = plan("x = Price({ tags: [], id: 1 })\nout x");
    assert!(!nodes(&plan).iter().any(|node| matches!(node.op, Op::Coerce(_))));
}

#[test]
fn a_wider_record_loses_its_further_fields_on_the_way() {
    let plan = plan("in order: { id: Int, tags: List<String>, note: String }\nx = Price(order)\nout x");
    assert!(nodes(&plan).iter().any(|node| matches!(node.op, Op::Coerce(_))));
}

#[test]
fn an_optional_argument_may_be_left_out_and_a_bare_value_fits_it() {
    assert_eq!(ty("x = Find(\"q\")\nout x"), "List<{id: Int, title: String, note: Option<String>}>");
    assert_eq!(ty("x = Find(\"q\", 3)\ny = x.note\nout y"), "List<Option<String>>");
    assert_eq!(ty("x = Maybe()\nout x"), "Int");
    assert_eq!(ty("x = Now()\nout x"), "Int");
    assert_eq!(ty("x = Echo(input: \"a\")\nout x"), "String");
}

#[test]
fn arguments_are_positional_then_named() {
    assert_eq!(ty("x = Replace(\"a\", replace: \"b\", find: \"c\")\nout x"), "String");
    assert_eq!(ty("x = replace(\"a\", replacement: \"b\", target: \"c\")\nout x"), "String");
}

#[test]
fn a_merge_of_an_option_asks_for_its_default() {
    assert_eq!(codes(&with_inputs("o + 1")), ["E014"]);
    assert_eq!(codes("f = Lookup(\"k\")\nx = f + { a: 1 }\nout x"), ["E012"]);
}
