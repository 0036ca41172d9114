//! Native types against the dynamic codec: the same type gives the same bytes and the same refusals.

// Helpers of tests unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use modrack::codec::{from_bytes, to_bytes, value_from_bytes, value_to_bytes};
use modrack::{Bytes, Decode, Encode, Record, Typed, Union, Value};
use proptest::prelude::*;

/// A record with something of everything, whose fields are not in byte order.
#[derive(Record, Debug, Clone, PartialEq)]
struct Row {
    /// Docs stay in Rust.
    zebra: String,
    #[modrack(rename = "class-1")]
    class: i64,
    r#type: Option<bool>,
    score: f64,
    data: Bytes,
    tags: Vec<Option<String>>,
    counts: BTreeMap<String, i64>,
    by_id: HashMap<i64, Shape>,
    flags: BTreeMap<bool, Inner<f64>>,
    shape: Option<Shape>,
    any: Value,
    nothing: (),
}

#[derive(Record, Debug, Clone, PartialEq)]
struct Inner<T> {
    value: T,
    text: Arc<str>,
}

#[derive(Union, Debug, Clone, PartialEq)]
enum Shape {
    Round(f64),
    Named(String),
    Nested(Inner<i64>),
}

#[test]
fn derived_types_print_as_declared() {
    let expected = "{zebra: String, class-1: Int, type: Option<Bool>, score: Float, data: Bytes, tags: List<Option<String>>, \
                    counts: Map<String, Int>, by_id: Map<Int, Float | String | {value: Int, text: String}>, \
                    flags: Map<Bool, {value: Float, text: String}>, \
                    shape: Option<Float | String | {value: Int, text: String}>, any: Any, nothing: {}}";
    assert_eq!(Row::ctype().to_string(), expected);
    Row::ctype().check().unwrap();
}

fn text() -> impl Strategy<Value = String> {
    // Lengths around the limits of the short forms, and more than ASCII.
    prop_oneof![".{0,40}", "[a-zü\u{1F600}]{30,34}"]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1.0e9..1.0e9).prop_map(Value::Float),
        text().prop_map(Value::String),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|b| Value::Bytes(b.into())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map(text(), inner, 0..4).prop_map(Value::from),
        ]
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (-1.0e9..1.0e9).prop_map(Shape::Round),
        text().prop_map(Shape::Named),
        (any::<i64>(), text()).prop_map(|(value, text)| Shape::Nested(Inner { value, text: text.into() })),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let scalars = (text(), any::<i64>(), any::<Option<bool>>(), -1.0e300..1.0e300, any::<Vec<u8>>());
    let nested = (
        proptest::collection::vec(proptest::option::of(text()), 0..20),
        proptest::collection::btree_map(text(), any::<i64>(), 0..20),
        proptest::collection::hash_map(any::<i64>(), shape(), 0..20),
        proptest::option::of(shape()),
        any_value(),
    );
    (scalars, nested).prop_map(|((zebra, class, r#type, score, data), (tags, counts, by_id, shape, any))| Row {
        flags: BTreeMap::from([(class > 0, Inner { value: score, text: zebra.as_str().into() })]),
        data: data.into(),
        nothing: (),
        zebra,
        class,
        r#type,
        score,
        tags,
        counts,
        by_id,
        shape,
        any,
    })
}

/// Maps inside Any come back in canonical order of their keys.
fn canonical(value: Value) -> Value {
    from_bytes(&to_bytes(&value).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn native_values_round_trip_and_agree_with_the_dynamic_codec(row in row()) {
        let bytes = to_bytes(&row).unwrap();
        let back: Row = from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &Row { any: canonical(row.any.clone()), ..row });
        let value = value_from_bytes(&Row::ctype(), &bytes).unwrap();
        prop_assert_eq!(value_to_bytes(&Row::ctype(), &value).unwrap(), bytes);
    }

    #[test]
    fn bytes_of_no_sense_are_refused_alike(mut bytes in row().prop_map(|row| to_bytes(&row).unwrap()), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let native = from_bytes::<Row>(&bytes).map(|row| to_bytes(&row).unwrap());
        let dynamic = value_from_bytes(&Row::ctype(), &bytes).map(|value| value_to_bytes(&Row::ctype(), &value).unwrap());
        prop_assert_eq!(native, dynamic);
    }
}

fn refuses<T: Decode + std::fmt::Debug>(bytes: &[u8], code: &str, path: &str) {
    let fault = from_bytes::<T>(bytes).unwrap_err();
    assert_eq!((fault.code(), fault.path()), (code, path));
}

#[test]
fn narrow_integers_refuse_what_they_cannot_hold() {
    assert_eq!(from_bytes::<u8>(&[0xcc, 0xff]).unwrap(), 255);
    refuses::<u8>(&[0xcd, 0x01, 0x00], "codec.int_range", "");
    refuses::<u32>(&[0xff], "codec.int_range", "");
    refuses::<Vec<i8>>(&[0x92, 0x01, 0xcc, 0x80], "codec.int_range", "[1]");
    assert_eq!(to_bytes(&u64::MAX).unwrap_err().code(), "codec.int_range");
    assert_eq!(to_bytes(&BTreeMap::from([("k", u64::MAX)])).unwrap_err().path(), "{\"k\"}");
}

#[test]
fn faults_of_records_name_the_field() {
    #[derive(Record, Debug)]
    #[allow(dead_code)]
    struct Two {
        b: i64,
        a: String,
        c: Option<bool>,
    }
    assert!(from_bytes::<Two>(b"\x82\xa1b\x01\xa1a\xa0").unwrap().c.is_none());
    assert!(from_bytes::<Two>(b"\x84\xa1b\x01\xa1x\xc0\xa1c\xc0\xa1a\xa0").unwrap().c.is_none());
    // Of two missing fields the first in byte order, and only where the record ends.
    refuses::<Two>(b"\x80", "codec.missing_field", ".a");
    refuses::<Two>(b"\x82\xa1a\xa0\xa1a\xa0", "codec.duplicate_key", ".a");
    refuses::<Two>(b"\x82\xa1x\xa0\xa1x\xa0", "codec.duplicate_key", ".x");
    refuses::<Two>(b"\x81\xa1b\xc3", "codec.type_mismatch", ".b");
    refuses::<Two>(b"\x81\xa1x\xc1", "codec.unsupported", ".x");
    refuses::<()>(b"\x81\x01\x01", "codec.type_mismatch", "");
    refuses::<Shape>(b"\x92\x03\xc0", "codec.union_variant", "");
    refuses::<Shape>(b"\x92\x01\x01", "codec.type_mismatch", "|1");
}

#[test]
fn borrowed_records_can_be_sent() {
    #[derive(Record)]
    struct Borrowed<'a> {
        text: &'a str,
        more: &'a [i64],
        fixed: &'static str,
    }
    fn encodes<T: Encode>(value: &T) -> Vec<u8> {
        to_bytes(value).unwrap()
    }
    let borrowed = Borrowed { text: "a", more: &[1, 2], fixed: "b" };
    assert_eq!(encodes(&borrowed), b"\x83\xa5fixed\xa1b\xa4more\x92\x01\x02\xa4text\xa1a");
}

#[test]
fn a_list_that_promises_much_costs_nothing() {
    refuses::<Vec<Row>>(&[0xdd, 0xff, 0xff, 0xff, 0xff], "codec.truncated", "");
    // One byte an element is there, but no element is so small.
    let mut bytes = vec![0xdd, 0x00, 0x10, 0x00, 0x00];
    bytes.resize(5 + 0x10_0000, 0xc3);
    refuses::<Vec<Row>>(&bytes, "codec.type_mismatch", "[0]");
}
