//! From the bytes of one type to those of a supertype.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use type_schema::{CType, Code, Layout, Schema, Transcoder, json_to_msgpack, msgpack_to_json};

fn schema(text: &str) -> Schema {
    Schema::new(CType::parse(text).unwrap()).unwrap()
}

/// Carries JSON from one type to another by way of the bytes, and gives JSON and whether bytes are forwarded as they are.
#[track_caller]
fn carry(from: &str, to: &str, json: &str) -> (String, bool) {
    let (from, to) = (schema(from), schema(to));
    let transcoder = Transcoder::new(&from, &to).unwrap();
    let bytes = json_to_msgpack(json, &from).unwrap();
    let moved = transcoder.transcode(&bytes).unwrap();
    assert_eq!(to.validate(&moved), Ok(Layout::Canonical), "{moved:02x?}");
    let forwarded = matches!(moved, Cow::Borrowed(_));
    assert_eq!(forwarded, transcoder.keeps_layout());
    (msgpack_to_json(&moved, &to).unwrap().to_string(), forwarded)
}

#[track_caller]
fn forwards(from: &str, to: &str, json: &str) {
    assert_eq!(carry(from, to, json), (json.to_owned(), true));
}

#[track_caller]
fn rewrites(from: &str, to: &str, json: &str, wanted: &str) {
    assert_eq!(carry(from, to, json), (wanted.to_owned(), false));
}

#[test]
fn the_same_layout_is_forwarded() {
    forwards("Int", "Int", "1");
    forwards("Int", "Option<Int>", "1");
    forwards("List<Int>", "Any", "[1]");
    forwards("Map<String, Int>", "Any", r#"{"a":1}"#);
    forwards("{a: Int}", "{a: Int, b: Option<String>}", r#"{"a":1}"#);
    forwards("{a: Int, b: Int}", "Any", r#"{"a":1,"b":2}"#);
    forwards("Int | String", "Int | String | Bool", r#""x""#);
    forwards("Option<Int>", "Any", "null");
}

#[test]
fn positions_of_variants_are_rewritten() {
    rewrites("Int | String", "String | Int", "1", "1");
    rewrites("Int | String", "Bool | String | Int", r#""x""#, r#""x""#);
    rewrites("Int", "String | Int", "1", "1");
    rewrites("Option<Int>", "String | Option<Int>", "null", r#"{"$variant":1,"value":null}"#);
    rewrites("Int | Option<String>", "Option<Int | String>", r#"{"$variant":1,"value":null}"#, "null");
    rewrites("List<Int | String>", "List<String | Int>", r#"[1,"a"]"#, r#"[1,"a"]"#);
}

#[test]
fn an_equal_variant_is_chosen_before_an_earlier_one() {
    rewrites(
        "{a: Int, b: Int}",
        "{a: Int} | {a: Int, b: Int}",
        r#"{"a":1,"b":2}"#,
        r#"{"$variant":1,"value":{"a":1,"b":2}}"#,
    );
    rewrites("{a: Int, b: Int}", "Int | {a: Int}", r#"{"a":1,"b":2}"#, r#"{"a":1}"#);
}

#[test]
fn fields_that_the_target_does_not_declare_are_gone() {
    rewrites("{a: Int, b: List<Int>, c: Int}", "{c: Int, a: Int}", r#"{"a":1,"b":[1,2],"c":3}"#, r#"{"a":1,"c":3}"#);
    rewrites("{a: {b: Int, c: Int}}", "{a: {c: Int}}", r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"c":2}}"#);
}

#[test]
fn a_record_becomes_a_map_in_the_order_of_maps() {
    rewrites("{aa: Int, b: Int}", "Any", r#"{"aa":1,"b":2}"#, r#"{"aa":1,"b":2}"#);
    rewrites("{u: Int | String, o: Option<Int>}", "Any", r#"{"u":"x"}"#, r#"{"u":"x"}"#);
    let (from, to) = (schema("{aa: Int, b: Int}"), schema("Any"));
    let moved = Transcoder::new(&from, &to).unwrap().transcode(b"\x82\xa2aa\x01\xa1b\x02").unwrap().into_owned();
    assert_eq!(moved, b"\x82\xa1b\x02\xa2aa\x01");
}

#[test]
fn a_nil_any_becomes_an_absent_option() {
    rewrites("{a: Any, b: Int}", "{a: Option<Any>, b: Int}", r#"{"a":null,"b":1}"#, r#"{"b":1}"#);
    rewrites("{a: Any, b: Int}", "{a: Option<Any>, b: Int}", r#"{"a":1,"b":1}"#, r#"{"a":1,"b":1}"#);
}

#[test]
fn bytes_that_are_not_canonical_become_so_on_the_way() {
    let (from, to) = (schema("{a: Int, b: Int}"), schema("{a: Int, b: Option<Int>}"));
    let transcoder = Transcoder::new(&from, &to).unwrap();
    assert!(transcoder.keeps_layout());
    let moved = transcoder.transcode(b"\x83\xa1b\xcc\x02\xa1x\x90\xa1a\x01").unwrap();
    assert_eq!(&*moved, b"\x82\xa1a\x01\xa1b\x02");
}

#[test]
fn what_the_source_refuses_is_refused() {
    let wide = schema("{a: Int} | String");
    let transcoder = Transcoder::new(&schema("{a: Int, b: Int}"), &wide).unwrap();
    let refuse = |bytes: &[u8]| transcoder.transcode(bytes).map_err(|error| (error.code, error.path)).unwrap_err();
    assert_eq!(refuse(b"\x81\xa1a\x01"), (Code::MissingField, ".b".to_owned()));
    assert_eq!(refuse(b"\x82\xa1a\x01\xa1b\xc3"), (Code::TypeMismatch, ".b".to_owned()));
    assert_eq!(refuse(b"\x83\xa1b\x01\xa1a\x01\xa1b\x01"), (Code::DuplicateKey, ".b".to_owned()));
    assert_eq!(refuse(b"\x82\xa1a\x01\xa1b\x01\x00"), (Code::TrailingBytes, String::new()));
}

#[test]
fn no_way_leads_down() {
    let error = Transcoder::new(&schema("Any"), &schema("Int")).unwrap_err();
    assert_eq!(error.to_string(), "expected Int, found Any");
}

#[test]
fn records_with_more_fields_than_a_short_header_holds_keep_their_count() {
    let fields: Vec<String> = (0..20).map(|i| format!("f{i:02}: Option<Int>")).collect();
    let (from, to) =
        (schema(&format!("{{{}, z: Int}}", fields.join(", "))), schema(&format!("{{{}}}", fields.join(", "))));
    let transcoder = Transcoder::new(&from, &to).unwrap();
    for present in [0, 1, 14, 15, 16, 20] {
        let mut members: Vec<String> = (0..present).map(|i| format!("\"f{i:02}\":{i}")).collect();
        let wanted = format!("{{{}}}", members.join(","));
        members.push("\"z\":1".to_owned());
        let bytes = json_to_msgpack(&format!("{{{}}}", members.join(",")), &from).unwrap();
        let moved = transcoder.transcode(&bytes).unwrap();
        assert_eq!(to.validate(&moved), Ok(Layout::Canonical));
        assert_eq!(msgpack_to_json(&moved, &to).unwrap().to_string(), wanted);
    }
}
