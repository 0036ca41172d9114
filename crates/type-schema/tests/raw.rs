//! Parts of canonical bytes, against the encoder and the decoder.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use type_schema::{
    CType, CValue, Key, encode,
    raw::{self, Cursor, Head},
    strategy,
};

/// The bytes of a value that was read head by head and written again.
fn rewritten(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(bytes);
    let mut out = Vec::new();
    let mut open = 1;
    while open > 0 {
        open -= 1;
        match cursor.head()? {
            Head::Nil => raw::put_nil(&mut out),
            Head::Bool(v) => raw::put_bool(&mut out, v),
            Head::Int(v) => raw::put_int(&mut out, v),
            Head::Float(v) => raw::put_float(&mut out, v),
            Head::Str(v) => raw::put_str(&mut out, std::str::from_utf8(v).unwrap()),
            Head::Bin(v) => out.extend(encode(&CValue::Bytes(v.to_vec()), &CType::Bytes).unwrap()),
            Head::Array(len) => {
                raw::put_array_head(&mut out, len);
                open += len;
            }
            Head::Map(len) => {
                raw::put_map_head(&mut out, len);
                open += 2 * len;
            }
        }
    }
    (cursor.offset() == bytes.len()).then_some(out)
}

proptest! {
    #[test]
    fn what_is_read_head_by_head_and_written_again_is_the_same((ctype, value) in strategy::typed_value()) {
        let bytes = encode(&value, &ctype).unwrap();
        prop_assert_eq!(rewritten(&bytes), Some(bytes));
    }

    #[test]
    fn the_items_of_a_list_and_the_entries_of_a_record_are_its_bytes(values in proptest::collection::vec(strategy::typed_value(), 0..20)) {
        let record = CType::record(values.iter().enumerate().map(|(i, (ctype, _))| (format!("f{i:02}"), ctype.clone())));
        let value = CValue::record(values.iter().enumerate().map(|(i, (_, value))| (format!("f{i:02}"), value.clone())));
        let bytes = encode(&value, &record).unwrap();
        let mut cursor = Cursor::new(&bytes);
        let Some(Head::Map(len)) = cursor.head() else { panic!("no record") };
        for _ in 0..len {
            let i: usize = std::str::from_utf8(&cursor.key().unwrap()[1..]).unwrap().parse().unwrap();
            let (ctype, value) = &values[i];
            prop_assert_eq!(cursor.value().unwrap(), encode(value, ctype).unwrap());
        }
        prop_assert_eq!(cursor.offset(), bytes.len());
        prop_assert!(cursor.head().is_none());
    }

    #[test]
    fn bytes_that_nobody_validated_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut cursor = Cursor::new(&bytes);
        if let Some(value) = cursor.value() {
            prop_assert_eq!(value, &bytes[..cursor.offset()]);
        }
        let mut cursor = Cursor::new(&bytes);
        while cursor.head().is_some() {}
        prop_assert!(cursor.offset() <= bytes.len());
    }
}

#[test]
fn a_length_that_nothing_stands_behind_is_no_value_and_costs_nothing() {
    assert_eq!(Cursor::new(&[0xdd, 0xff, 0xff, 0xff, 0xff]).value(), None);
    assert_eq!(Cursor::new(&[0xdf, 0xff, 0xff, 0xff, 0xff, 0x01]).value(), None);
    assert_eq!(Cursor::new(&[0xdb, 0xff, 0xff, 0xff, 0xff, b'a']).head(), None);
    assert_eq!(Cursor::new(&[]).head(), None);
    assert_eq!(Cursor::resume(&[0x01], 9).head(), None);
}

#[test]
fn long_forms_and_keys_of_other_kinds_are_read() {
    let text = CValue::String("x".repeat(70_000));
    let bytes = encode(&text, &CType::String).unwrap();
    assert_eq!(Cursor::new(&bytes).head(), Some(Head::Str("x".repeat(70_000).as_bytes())));
    let list = CValue::List(vec![CValue::Int(-129); 70_000]);
    let bytes = encode(&list, &CType::list(CType::Int)).unwrap();
    assert_eq!(Cursor::new(&bytes).head(), Some(Head::Array(70_000)));
    assert_eq!(Cursor::new(&bytes).value(), Some(&bytes[..]));
    let map = CValue::Map([(Key::Int(7), CValue::NONE)].into());
    let bytes = encode(&map, &CType::Any).unwrap();
    let mut cursor = Cursor::new(&bytes);
    assert_eq!(cursor.head(), Some(Head::Map(1)));
    assert_eq!(cursor.key(), None, "an Int is no key of a record");
}
