//! The cases of `tests/vectors`, which all languages read.

// Helpers of tests unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use modrack::{CType, codec, json};
use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default, deserialize_with = "present")]
    json: Option<Json>,
    msgpack: Option<String>,
    #[serde(default)]
    decodes_from: Vec<String>,
    #[serde(default)]
    json_from: Vec<Json>,
    refuse_msgpack: Option<String>,
    #[serde(default, deserialize_with = "present")]
    refuse_json: Option<Json>,
    #[serde(default)]
    refuse_type: bool,
    print: Option<String>,
    code: Option<String>,
    path: Option<String>,
}

/// A member that is there, be it null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

fn run(topic: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(topic).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    deserializer.disable_recursion_limit();
    let cases = Vec::<Case>::deserialize(&mut deserializer).unwrap();
    assert!(!cases.is_empty());
    let faults: Vec<String> =
        cases.iter().filter_map(|case| check(case).err().map(|fault| format!("{}: {fault}", case.name))).collect();
    assert!(faults.is_empty(), "{} of {} cases\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn check(case: &Case) -> Result<(), String> {
    if case.refuse_type {
        let fault = case.ty.parse::<CType>().err().ok_or("the type is accepted")?;
        return refused(case, fault.code(), fault.path());
    }
    let ty: CType = case.ty.parse().map_err(|e| format!("the type is refused: {e}"))?;
    same("printed type", ty.to_string(), case.print.clone().unwrap_or_else(|| case.ty.clone()))?;
    same("type read back", ty.to_string().parse().as_ref(), Ok(&ty))?;

    if let (Some(json), Some(msgpack)) = (&case.json, &case.msgpack) {
        let value = json::parse(&ty, &json.to_string()).map_err(|e| format!("json is refused: {e}"))?;
        same("encoded", hex(&encode(&ty, &value)?), msgpack.clone())?;
        for hex_bytes in std::iter::once(msgpack).chain(&case.decodes_from) {
            let decoded = codec::value_from_bytes(&ty, &unhex(hex_bytes)).map_err(|e| format!("{hex_bytes}: {e}"))?;
            same("encoded again", hex(&encode(&ty, &decoded)?), msgpack.clone())?;
            let printed: Json = from_text(&json::print(&ty, &decoded));
            if !alike(&printed, json) {
                return Err(format!("printed {printed}, expected {json}"));
            }
        }
        for other in &case.json_from {
            let read = json::parse(&ty, &other.to_string()).map_err(|e| format!("{other}: {e}"))?;
            same("encoded from other JSON", hex(&encode(&ty, &read)?), msgpack.clone())?;
        }
    }
    if let Some(bytes) = &case.refuse_msgpack {
        let fault = codec::value_from_bytes(&ty, &unhex(bytes)).err().ok_or("the bytes are accepted")?;
        refused(case, fault.code(), fault.path())?;
    }
    if let Some(json) = &case.refuse_json {
        let fault = json::parse(&ty, &json.to_string()).err().ok_or("the JSON is accepted")?;
        refused(case, fault.code(), fault.path())?;
    }
    Ok(())
}

fn encode(ty: &CType, value: &modrack::Value) -> Result<Vec<u8>, String> {
    codec::value_to_bytes(ty, value).map_err(|e| format!("encoding is refused: {e}"))
}

fn refused(case: &Case, code: &str, path: &str) -> Result<(), String> {
    same("code", Some(code), case.code.as_deref())?;
    match &case.path {
        Some(pinned) => same("path", path, pinned.as_str()),
        None => Ok(()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

/// Equal up to the spelling of numbers: `3` and `3.0`.
fn alike(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => x == y || x.as_f64().map(f64::to_bits) == y.as_f64().map(f64::to_bits),
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| alike(x, y)),
        (Json::Object(x), Json::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| alike(x, y)))
        }
        _ => a == b,
    }
}

fn from_text(text: &str) -> Json {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    Json::deserialize(&mut deserializer).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

macro_rules! topics {
    ($($topic:ident)*) => {
        $(
            #[test]
            fn $topic() {
                run(stringify!($topic));
            }
        )*

        #[test]
        fn every_topic_is_run() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
            let mut found: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            found.sort();
            assert_eq!(found, [$(stringify!($topic)),*]);
        }
    };
}

topics! { any bytes floats hostile ints lists maps options records scalars strings types unions }
