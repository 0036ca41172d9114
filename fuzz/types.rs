//! The types that the targets read input as. Not drawn from the input, so that every byte of it goes to the decoder.

use std::sync::LazyLock;

use type_schema::{CType, Schema};

const TEXTS: [&str; 14] = [
    "Any",
    "Int",
    "Float",
    "String",
    "Bytes",
    "List<Option<Int>>",
    "Map<String, Any>",
    "Map<Int, Float>",
    "Map<Bool, List<String>>",
    "{}",
    "{a: Int, aa: Option<String>, b: Option<Any>, c: {d: Option<Bytes>}}",
    "Int | Float | String | {a: Int} | {b: Option<Int>}",
    "Option<List<Int> | Map<String, Int> | Option<Bool>>",
    "{rows: List<{id: Int, kind: Int | String | Any}>, by: Map<Int, {x: Option<Any>}>}",
];

static SCHEMAS: LazyLock<Vec<Schema>> =
    LazyLock::new(|| TEXTS.iter().map(|text| Schema::new(CType::parse(text).expect(text)).expect(text)).collect());

/// Takes the first byte of the input as the choice of a type.
pub fn choose(input: &[u8]) -> Option<(&'static Schema, &[u8])> {
    let (&first, rest) = input.split_first()?;
    Some((&SCHEMAS[usize::from(first) % SCHEMAS.len()], rest))
}
