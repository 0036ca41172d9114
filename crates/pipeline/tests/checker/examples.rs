//! `@example`.

use type_schema::{CValue, encode};

use crate::{codes, plan};

fn example(ty: &str, written: &str) -> Vec<u8> {
    let plan = plan(&format!("@example({written})\nin x: {ty}\nout x"));
    plan.inputs[0].examples[0].to_vec()
}

fn encoded(ty: &str, value: CValue) -> Vec<u8> {
    encode(&value, &ty.parse().expect("a type")).expect("a value of the type")
}

#[test]
fn an_example_is_the_canonical_bytes_of_the_type_of_its_input() {
    let text = |text: &str| CValue::String(text.into());
    assert_eq!(example("String", "\"a\""), encoded("String", text("a")));
    assert_eq!(example("Float", "1"), encoded("Float", CValue::Float(1.0)));
    assert_eq!(example("Int", "-5"), encoded("Int", CValue::Int(-5)));
    assert_eq!(example("List<Int>", "[]"), encoded("List<Int>", CValue::List(vec![])));
    let record = "{b: Int, a: Option<String>, c: Int | String}";
    let value = CValue::record([("b", CValue::Int(1)), ("c", CValue::variant(1, text("x")))]);
    assert_eq!(example(record, "{ c: \"x\", b: 1 }"), encoded(record, value));
    assert_eq!(example("Any", "[1, \"a\"]"), encoded("Any", CValue::List(vec![CValue::Int(1), text("a")])));
    let long: Vec<String> = (0..70_000).map(|i| (i % 9).to_string()).collect();
    let items = (0..70_000).map(|i| CValue::Int(i % 9)).collect();
    assert_eq!(example("List<Int>", &format!("[{}]", long.join(", "))), encoded("List<Int>", CValue::List(items)));
}

#[test]
fn an_input_has_its_examples_in_their_order() {
    let plan = plan("in a: Int\n@example(1)\n@example(2)\nin b: Int\nout a\nout b");
    let counts: Vec<usize> = plan.inputs.iter().map(|input| input.examples.len()).collect();
    assert_eq!(counts, [0, 2]);
    assert_eq!(plan.inputs[1].examples[1][..], [2]);
}

#[test]
fn an_example_of_another_type_or_that_must_be_computed_is_refused() {
    assert_eq!(codes("@example(\"x\")\nin a: Int\nout a"), ["E010"]);
    assert_eq!(codes("@example({ a: 1 })\nin a: { a: Int, b: Int }\nout a"), ["E010"]);
    assert_eq!(codes("@example(1 + 1)\nin a: Int\nout a"), ["E010"]);
    assert_eq!(codes("@example(b)\nin a: Int\nin b: Int\nout a"), ["E010"]);
    assert_eq!(codes("@example(Uppercase(\"a\"))\nin a: String\nout a"), ["E010"]);
}
