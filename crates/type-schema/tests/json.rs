//! JSON as text and as a schema.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use type_schema::{CType, CValue, Code, json_schema, parse_json, parse_json_text, strategy::typed_value, to_json};

fn ctype(text: &str) -> CType {
    CType::parse(text).unwrap()
}

#[track_caller]
fn refuses(text: &str, of: &str, code: Code) {
    assert_eq!(parse_json(text, &ctype(of)).unwrap_err().code, code, "{text}");
}

#[test]
fn what_is_no_json_says_where() {
    let error = parse_json("{\"a\": 1,}", &ctype("{a: Int}")).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (Code::JsonSyntax, ""));
    assert_eq!(error.to_string(), "trailing comma at line 1 column 9");
    for text in ["", "nul", "1 2", "[1", "\"\\ud800\"", "'a'", "NaN", "01", "1e999"] {
        refuses(text, "Any", Code::JsonSyntax);
    }
}

#[test]
fn a_name_that_an_object_has_twice_is_refused() {
    refuses(r#"{"a": 1, "b": {"x": 1, "x": 2}}"#, "Any", Code::DuplicateKey);
    refuses(r#"{"a": 1, "\u0061": 2}"#, "{a: Int}", Code::DuplicateKey);
    refuses(r#"{"a": 1, "a": "#, "Any", Code::JsonSyntax);
}

#[test]
fn integers_are_exact_beyond_what_doubles_hold() {
    for v in [i64::MIN, -9_007_199_254_740_993, 9_007_199_254_740_993, i64::MAX] {
        assert_eq!(parse_json(&v.to_string(), &CType::Int), Ok(CValue::Int(v)));
        assert_eq!(parse_json(&format!("\"{v}\""), &CType::Int), Ok(CValue::Int(v)));
        assert_eq!(to_json(&CValue::Int(v), &CType::Int), json!(v.to_string()));
    }
    refuses("9223372036854775808", "Int", Code::IntRange);
    refuses("18446744073709551616", "Int", Code::IntRange);
    // Written as a double: which integer was meant is lost.
    refuses("9007199254740993.0", "Int", Code::IntRange);
    assert_eq!(parse_json("9007199254740993", &CType::Any), Ok(CValue::Float(9_007_199_254_740_992.0)));
}

#[test]
fn great_depth_is_refused_and_does_not_overflow() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(parse_json(&deep(128), &CType::Any).is_ok());
    refuses(&deep(129), "Any", Code::Depth);
    refuses(&deep(100_000), "Any", Code::Depth);
    refuses(&"[".repeat(1_000_000), "Any", Code::Depth);
    refuses(&"{\"a\":".repeat(1_000_000), "Any", Code::Depth);
}

#[test]
fn the_deepest_value_comes_back_however_it_is_marked() {
    let mut value = CValue::Float(1.0);
    for _ in 0..128 {
        value = CValue::Map([(type_schema::Key::Int(1), value)].into());
    }
    let text = to_json(&value, &CType::Any).to_string();
    assert_eq!(parse_json(&text, &CType::Any), Ok(value));
}

#[test]
fn numbers_keep_their_bits() {
    for text in ["-0.0", "-0", "0.1", "5e-324", "1.7976931348623157e308", "123456789.123456789"] {
        let wanted: f64 = text.parse().unwrap();
        let Ok(CValue::Float(found)) = parse_json(text, &CType::Float) else { panic!("{text}") };
        assert_eq!(found.to_bits(), wanted.to_bits(), "{text}");
    }
    assert_eq!(parse_json_text("-0.0").unwrap().to_string(), "-0.0");
}

fn validator(schema: &Value) -> jsonschema::Validator {
    assert!(jsonschema::meta::is_valid(schema), "{schema}");
    jsonschema::draft202012::new(schema).unwrap()
}

#[test]
fn drawn_json_satisfies_the_exported_schema() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRunner::deterministic().new_rng());
    for _ in 0..400 {
        let (ctype, value) = typed_value().new_tree(&mut runner).unwrap().current();
        let schema = json_schema(&ctype);
        let json = to_json(&value, &ctype);
        if let Err(error) = validator(&schema).validate(&json) {
            panic!("{ctype}: {json}: {error}");
        }
    }
}

#[test]
fn the_schema_refuses_what_the_codec_refuses() {
    for (of, refused) in [
        ("Int", json!(1.5)),
        ("Int", json!("3")),
        ("Bool", json!(0)),
        ("Bytes", json!("AA")),
        ("Float", json!("inf")),
        ("List<Int>", json!([1, "a"])),
        ("Map<String, Int>", json!({ "a": "x" })),
        ("Map<Int, Int>", json!([[1, 2, 3]])),
        ("{a: Int}", json!({})),
        ("{a: Option<Int>}", json!({ "a": "x" })),
        ("Int | String", json!(true)),
        ("Int | String", json!({ "$variant": 0, "value": "x" })),
        ("Option<Int>", json!("x")),
    ] {
        let ctype = ctype(of);
        assert!(type_schema::from_json(&refused, &ctype).is_err(), "{of}: {refused}");
        assert!(!validator(&json_schema(&ctype)).is_valid(&refused), "{of}: {refused}");
    }
}

#[test]
fn the_schema_of_nested_unions_stays_small() {
    let mut ctype = CType::Int;
    for i in 0..31 {
        ctype = CType::union([CType::list(ctype), CType::record([(format!("f{i}"), CType::Int)])]);
    }
    ctype.check().unwrap();
    let size = json_schema(&ctype).to_string().len();
    assert!(size < 40_000, "{size}");
}

#[test]
fn each_constructor_has_its_schema() {
    let bare = |text: &str| {
        let mut schema = json_schema(&ctype(text));
        assert_eq!(schema["$schema"].take(), "https://json-schema.org/draft/2020-12/schema");
        schema.as_object_mut().unwrap().remove("$schema");
        schema
    };
    assert_eq!(bare("String"), json!({ "type": "string" }));
    assert_eq!(bare("Any"), json!({}));
    assert_eq!(bare("List<Bool>"), json!({ "type": "array", "items": { "type": "boolean" } }));
    assert_eq!(bare("Map<String, Bool>"), json!({ "type": "object", "additionalProperties": { "type": "boolean" } }));
    assert_eq!(
        bare("Map<Bool, String>"),
        json!({ "type": "array", "items": {
            "type": "array",
            "prefixItems": [{ "type": "boolean" }, { "type": "string" }],
            "minItems": 2,
            "maxItems": 2,
        } })
    );
    assert_eq!(
        bare("{text: String, on: Option<Bool>}"),
        json!({
            "type": "object",
            "properties": { "text": { "type": "string" }, "on": { "anyOf": [{ "type": "null" }, { "type": "boolean" }] } },
            "required": ["text"],
        })
    );
    let marked = |i: usize| {
        json!({
            "type": "object",
            "properties": { "$variant": { "const": i }, "value": { "$ref": format!("#/$defs/variant{i}") } },
            "required": ["$variant", "value"],
            "additionalProperties": false,
        })
    };
    assert_eq!(
        bare("Bool | String"),
        json!({
            "anyOf": [{ "$ref": "#/$defs/variant0" }, { "$ref": "#/$defs/variant1" }, marked(0), marked(1)],
            "$defs": { "variant0": { "type": "boolean" }, "variant1": { "type": "string" } },
        })
    );
}
