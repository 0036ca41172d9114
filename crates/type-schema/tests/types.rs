//! Rules of types: what `check` refuses, subtyping with its reasons, replacement, fingerprints.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;
use type_schema::{
    CType, Effect, Field, KeyType, Record, Schema, Signature, TypeCode, compatibility, fingerprint, is_subtype,
};

fn ctype(text: &str) -> CType {
    CType::parse(text).unwrap()
}

#[track_caller]
fn refuses(ctype: &CType, code: TypeCode, path: &str) {
    let error = ctype.check().unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (code, path));
    assert_eq!(Schema::new(ctype.clone()).unwrap_err(), error);
}

fn nested(levels: usize) -> CType {
    (0..levels).fold(CType::Int, |inner, _| CType::list(inner))
}

fn wide(fields: usize) -> CType {
    CType::record((0..fields).map(|i| (format!("f{i}"), CType::Int)))
}

#[test]
fn a_union_of_fewer_than_two_is_refused() {
    refuses(&CType::Union(vec![]), TypeCode::UnionEmpty, "");
    refuses(&CType::list(CType::Union(vec![CType::Int])), TypeCode::UnionEmpty, "[]");
}

#[test]
fn a_union_in_a_union_is_refused() {
    let inner = CType::union([CType::Int, CType::Bool]);
    refuses(&CType::union([CType::String, inner]), TypeCode::UnionNested, "|1");
}

#[test]
fn names_that_are_no_identifiers_are_refused() {
    for name in ["", "1a", "-a", "a b", "é", "$a", "a.b"] {
        refuses(&CType::record([(name, CType::Int)]), TypeCode::FieldName, &format!(".{name}"));
    }
    assert_eq!(CType::record([("_a-1", CType::Int)]).check(), Ok(()));
}

#[test]
fn the_limit_of_depth_is_exact() {
    assert_eq!(nested(64).check(), Ok(()));
    refuses(&nested(65), TypeCode::Depth, &"[]".repeat(65));
    assert_eq!(nested(63).check().and(CType::map(KeyType::Int, nested(63)).check()), Ok(()));
}

#[test]
fn the_limit_of_size_is_exact() {
    assert_eq!(wide(9_999).check(), Ok(()));
    refuses(&wide(10_000), TypeCode::Size, ".f9999");
    let text = wide(10_000).to_string();
    assert_eq!(CType::parse(&text).unwrap_err().code, TypeCode::Size);
    assert_eq!(CType::parse(&wide(9_999).to_string()), Ok(wide(9_999)));
}

#[test]
fn keys_count_as_nodes() {
    let map = CType::map(KeyType::String, CType::Int);
    assert_eq!(CType::record((0..3_333).map(|i| (format!("f{i}"), map.clone()))).check(), Ok(()));
    refuses(&CType::record((0..3_334).map(|i| (format!("f{i}"), map.clone()))), TypeCode::Size, ".f3333");
}

#[test]
fn hostile_text_neither_overflows_nor_lingers() {
    for open in ["List<", "Option<", "(", "{a:", "Map<Int,", "Map<", "Int|(", "{a:Int|"] {
        assert_eq!(CType::parse(&open.repeat(1_000_000)).unwrap_err().code, TypeCode::Depth, "{open}");
    }
    assert_eq!(CType::parse(&"Int|".repeat(1_000_000)).unwrap_err().code, TypeCode::Size);
}

#[test]
fn a_syntax_error_says_where_and_what() {
    assert_snapshot!(CType::parse("{a: Int, b: Strin}").unwrap_err(), @"`.b`: expected a type at byte 12, found `Strin`");
    assert_snapshot!(CType::parse("List<Int").unwrap_err(), @"expected `>` at byte 8, found the end");
    assert_snapshot!(CType::parse("{a?: Int}").unwrap_err(), @"expected `:` at byte 2, found `?`");
    assert_snapshot!(CType::parse("Int | Int").unwrap_err(), @"`|1`: the variant occurs twice");
}

#[test]
fn a_record_is_built_field_by_field_or_at_once() {
    let fields = vec![Field { name: "text".into(), ctype: CType::String }];
    assert_eq!(CType::Record(Record { fields }), CType::record([("text", CType::String)]));
    assert_eq!("{text: String}".parse(), Ok(CType::record([("text", CType::String)])));
}

#[test]
fn a_fingerprint_is_the_digest_of_the_text() {
    // printf '{text: String} -> Int' | sha256sum
    let found = fingerprint(&ctype("{text:String}"), &CType::Int);
    assert_eq!(found, "b3f06a82a5cb859ea6cccc69d206b6ca78cf802ceeb2b4f891f1048b017a202d");
    assert_ne!(found, fingerprint(&CType::Int, &ctype("{text: String}")));
}

#[track_caller]
fn below(sub: &str, sup: &str) {
    assert_eq!(is_subtype(&ctype(sub), &ctype(sup)), Ok(()));
}

fn reason(sub: &str, sup: &str) -> String {
    is_subtype(&ctype(sub), &ctype(sup)).unwrap_err().to_string()
}

#[test]
fn records_are_subtypes_by_width_and_depth() {
    below("{a: Int, b: String}", "{a: Int}");
    below("{a: {b: Int, c: Int}}", "{a: {b: Int}}");
    below("{a: Int}", "{a: Int, b: Option<String>}");
    below("{b: Int, a: Int}", "{a: Int, b: Int}");
    below("{a: Int}", "{}");
    assert_snapshot!(reason("{a: Int}", "{a: Int, b: Int}"), @"`.b`: expected Int, found no field");
    assert_snapshot!(reason("{rows: List<{id: String}>}", "{rows: List<{id: Int}>}"), @"`.rows[].id`: expected Int, found String");
}

#[test]
fn an_optional_field_fits_only_an_optional_one() {
    below("{a: Option<Int>}", "{a: Option<Any>}");
    below("{a: Int}", "{a: Any}");
    assert_snapshot!(reason("{a: Option<Int>}", "{a: Int}"), @"`.a`: expected Int, found Option<Int>");
    assert_snapshot!(reason("{a: Option<Int>}", "{a: Any}"), @"`.a`: expected Any, found Option<Int>");
    assert_snapshot!(reason("{a: Option<Int>}", "{a: Option<Int> | String}"), @"`.a`: expected Option<Int> | String, found Option<Int>");
}

#[test]
fn lists_options_and_map_values_are_covariant() {
    below("List<Int>", "List<Int | String>");
    below("Option<Int>", "Option<Any>");
    below("Map<Int, Int>", "Map<Int, Option<Int>>");
    assert_snapshot!(reason("Map<String, List<Int>>", "Map<String, List<Bool>>"), @"`{}[]`: expected Bool, found Int");
    assert_snapshot!(reason("Option<Int>", "Option<String>"), @"`?`: expected String, found Int");
}

#[test]
fn map_keys_are_invariant() {
    assert_snapshot!(reason("Map<Int, Int>", "Map<String, Int>"), @"`{key}`: expected String, found Int");
}

#[test]
fn a_value_is_an_option_a_variant_and_an_any() {
    below("Int", "Option<Int>");
    below("Int", "String | Int");
    below("Int", "Option<String | Int>");
    below("Int | String", "Any");
    below("Option<Int>", "Any");
    below("Int | String", "String | Float | Int");
    below("Int | Option<String>", "Option<Int | String>");
    assert_snapshot!(reason("Any", "Int"), @"expected Int, found Any");
    assert_snapshot!(reason("Option<Int>", "Int"), @"expected Int, found Option<Int>");
    assert_snapshot!(reason("Int", "Float"), @"expected Float, found Int");
    assert_snapshot!(reason("Int | Bool", "Int | String"), @"`|1`: expected Int | String, found Bool");
    assert_snapshot!(reason("{a: Bool}", "Int | {a: Int}"), @"`.a`: expected Int, found Bool");
}

#[test]
fn a_long_type_is_shortened_in_a_reason() {
    let reason = is_subtype(&wide(100), &CType::Int).unwrap_err().to_string();
    assert!(reason.chars().count() < 160 && reason.ends_with('…'), "{reason}");
}

fn signature(input: &str, output: &str) -> Signature {
    Signature { input: ctype(input), output: ctype(output) }
}

/// Each change on a line.
fn changes(old: (&str, &str), new: (&str, &str)) -> String {
    let found = compatibility(&signature(old.0, old.1), &signature(new.0, new.1));
    assert_eq!(found.is_breaking(), found.breaking().next().is_some());
    found.changes.iter().map(|change| format!("{change}\n")).collect()
}

#[test]
fn equal_signatures_have_no_changes() {
    assert_eq!(changes(("{a: Int}", "Int"), ("{a: Int}", "Int")), "");
}

#[test]
fn widening_an_optional_field_is_compatible() {
    assert_snapshot!(changes(("{a: Option<Int>}", "Int"), ("{a: Option<Int>, b: Option<Int>}", "Int")), @"input `.b`: field of type Option<Int> added (compatible)");
}

#[test]
fn an_input_may_only_widen() {
    assert_snapshot!(
        changes(("{a: Int, b: Int, c: Option<Int>}", "Int"), ("{c: Int, a: Int | String, d: Bool}", "Int")),
        @"
    input `.c`: changed from Option<Int> to Int (breaking)
    input `.a`: changed from Int to Int | String (compatible, transcoded)
    input `.d`: field of type Bool added (breaking)
    input `.b`: field of type Int removed (compatible, transcoded)
    input fields reordered (compatible)
    "
    );
}

#[test]
fn an_output_may_only_narrow() {
    assert_snapshot!(
        changes(("Int", "{a: Int, b: Option<Int>, c: Any}"), ("Int", "{a: Option<Int>, c: String, d: Int}")),
        @"
    output `.a`: changed from Int to Option<Int> (breaking)
    output `.c`: changed from Any to String (compatible)
    output `.d`: field of type Int added (compatible, transcoded)
    output `.b`: field of type Option<Int> removed (compatible)
    "
    );
}

#[test]
fn moving_a_variant_is_compatible_but_changes_the_bytes() {
    assert_snapshot!(
        changes(("List<Int | String>", "Int | String"), ("List<String | Int | Bool>", "String | Int")),
        @"
    input `[]|0`: variant String moved from position 1 to 0 (compatible, transcoded)
    input `[]|1`: variant Int moved from position 0 to 1 (compatible, transcoded)
    input `[]|2`: variant Bool added (compatible)
    output `|0`: variant String moved from position 1 to 0 (compatible, transcoded)
    output `|1`: variant Int moved from position 0 to 1 (compatible, transcoded)
    "
    );
}

#[test]
fn variants_come_and_go_with_the_side() {
    assert_snapshot!(
        changes(("Int | String", "Int | String"), ("Int | Bool", "Int | Bool")),
        @"
    input `|1`: variant Bool added (compatible)
    input `|1`: variant String removed (breaking)
    output `|1`: variant Bool added (breaking)
    output `|1`: variant String removed (compatible)
    "
    );
}

#[test]
fn a_variant_that_widens_in_place_keeps_its_bytes() {
    let found = compatibility(&signature("Int | {a: Int}", "Int"), &signature("Int | {a: Int, b: Option<Int>}", "Int"));
    assert_eq!(found.changes.iter().map(|change| change.effect).collect::<Vec<_>>(), [Effect::None, Effect::None]);
}

#[test]
fn a_map_key_may_not_change() {
    assert_snapshot!(changes(("Map<Int, Int>", "Int"), ("Map<String, Int>", "Int")), @"input changed from Map<Int, Int> to Map<String, Int> (breaking)");
}
