//! How long the hot path takes for a record of some 10 KiB. Run with `cargo bench -p type-schema`.

use divan::{Bencher, black_box, counter::BytesCount};
use type_schema::{CType, CValue, Schema, Transcoder, encode};

fn main() {
    divan::main();
}

/// A record of 10 KiB as modules have them: 100 texts of some 85 bytes and 50 numbers.
fn texts() -> (CType, CValue) {
    let texts = (0..100)
        .map(|i| (format!("text_{i:03}"), CType::String, CValue::String("lorem ipsum dolor ".repeat(5)[..85].into())));
    let numbers = (0..50).map(|i| (format!("number_{i:02}"), CType::Int, CValue::Int(i * 12_345)));
    let fields: Vec<_> = texts.chain(numbers).collect();
    let ctype = CType::record(fields.iter().map(|(name, ctype, _)| (name.clone(), ctype.clone())));
    (ctype, CValue::record(fields.into_iter().map(|(name, _, value)| (name, value))))
}

/// 10 KiB in one text and a few small fields.
fn document() -> (CType, CValue) {
    let ctype = CType::parse("{id: Int, lang: String, text: String}").expect("a type");
    let text = CValue::String("lorem ipsum dolor sit amet, ".repeat(370));
    (ctype, CValue::record([("id", CValue::Int(1)), ("lang", CValue::String("la".into())), ("text", text)]))
}

/// 10 KiB of small rows: the worst case, a value every few bytes.
fn rows() -> (CType, CValue) {
    let ctype = CType::parse("{rows: List<{id: Int, ok: Bool, score: Float}>}").expect("a type");
    let row = |i| CValue::record([("id", CValue::Int(i)), ("ok", CValue::Bool(true)), ("score", CValue::Float(0.5))]);
    (ctype, CValue::record([("rows", CValue::List((0..370).map(row).collect()))]))
}

fn case(name: &str) -> (Schema, Vec<u8>, CValue) {
    let (ctype, value) = match name {
        "document" => document(),
        "texts" => texts(),
        _ => rows(),
    };
    let bytes = encode(&value, &ctype).expect("a value of its type");
    (Schema::new(ctype).expect("a legal type"), bytes, value)
}

const CASES: [&str; 3] = ["document", "texts", "rows"];

#[divan::bench(args = CASES)]
fn validate(bencher: Bencher<'_, '_>, name: &str) {
    let (schema, bytes, _) = case(name);
    bencher.counter(BytesCount::from(bytes.len())).bench(|| schema.validate(black_box(&bytes)));
}

#[divan::bench(args = CASES)]
fn transcode_into_a_union(bencher: Bencher<'_, '_>, name: &str) {
    let (schema, bytes, _) = case(name);
    let to = Schema::new(CType::union([CType::Int, schema.ctype().clone()])).expect("a legal type");
    let transcoder = Transcoder::new(&schema, &to).expect("a variant is a subtype");
    bencher
        .counter(BytesCount::from(bytes.len()))
        .bench(|| transcoder.transcode(black_box(&bytes)).map(|moved| moved.len()));
}

#[divan::bench(args = CASES)]
fn decode_to_a_tree(bencher: Bencher<'_, '_>, name: &str) {
    let (schema, bytes, _) = case(name);
    bencher.counter(BytesCount::from(bytes.len())).bench(|| schema.decode(black_box(&bytes)));
}

#[divan::bench(args = CASES)]
fn encode_a_tree(bencher: Bencher<'_, '_>, name: &str) {
    let (schema, bytes, value) = case(name);
    bencher.counter(BytesCount::from(bytes.len())).bench(|| schema.encode(black_box(&value)));
}
