//! Reads every case of `tests/vectors` and asserts every member of it.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;
use type_schema::{CType, Layout, Schema, decode, encode, from_json, msgpack_to_json, parse_json_text, to_json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "type")]
    ctype: String,
    #[serde(default, deserialize_with = "present")]
    json: Option<Value>,
    msgpack: Option<String>,
    #[serde(default)]
    decodes_from: Vec<String>,
    #[serde(default)]
    json_from: Vec<Value>,
    refuse_msgpack: Option<String>,
    #[serde(default, deserialize_with = "present")]
    refuse_json: Option<Value>,
    #[serde(default)]
    refuse_type: bool,
    print: Option<String>,
    code: Option<String>,
    path: Option<String>,
}

/// Tells a null from an absent member.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn files() -> Vec<(String, Vec<Case>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let json = parse_json_text(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let cases: Vec<Value> = serde_json::from_value(json).unwrap();
        let cases = cases
            .into_iter()
            .map(|case| serde_json::from_value(case.clone()).unwrap_or_else(|e| panic!("{name}: {e}: {case}")));
        let cases = cases.collect();
        (name, cases)
    };
    paths.into_iter().map(read).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && !hex.contains(|c: char| c.is_ascii_uppercase()), "{hex}");
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Equal as JSON: the numbers `3` and `3.0` are one.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.as_f64().unwrap().to_bits() == b.as_f64().unwrap().to_bits()
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[derive(Default)]
struct Checks {
    failures: Vec<String>,
}

impl Checks {
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, wanted: T) {
        if found != wanted {
            self.failures.push(format!("{what}: found {found:?}, wanted {wanted:?}"));
        }
    }

    fn refusal(&mut self, what: &str, case: &Case, found: Result<String, (String, String)>) {
        let code = case.code.clone().unwrap_or_else(|| panic!("{what}: a refusal needs a code"));
        match found {
            Ok(value) => self.failures.push(format!("{what}: accepted as {value}")),
            Err((found_code, found_path)) => {
                self.equal(what, found_code, code);
                if let Some(path) = &case.path {
                    self.equal(&format!("{what} path"), &found_path, path);
                }
            }
        }
    }

    fn case(&mut self, file: &str, case: &Case) {
        let what = format!("{file}/{}", case.name);
        let parsed = CType::parse(&case.ctype);
        if case.refuse_type {
            let found = parsed.map(|t| t.to_string()).map_err(|e| (e.code.to_string(), e.path));
            return self.refusal(&what, case, found);
        }
        let ctype = match parsed {
            Ok(ctype) => ctype,
            Err(error) => return self.failures.push(format!("{what}: type refused: {error}")),
        };
        self.equal(&format!("{what} print"), &ctype.to_string(), case.print.as_ref().unwrap_or(&case.ctype));
        if let Some(json) = &case.json {
            self.value(&what, case, &ctype, json);
        } else {
            assert!(
                case.msgpack.is_none() && case.decodes_from.is_empty() && case.json_from.is_empty(),
                "{what}: needs `json`"
            );
        }
        if let Some(refused) = &case.refuse_msgpack {
            let found = decode(&bytes(refused), &ctype).map(|v| format!("{v:?}"));
            let schema = Schema::new(ctype.clone()).unwrap();
            let validated = schema.validate(&bytes(refused));
            self.equal(&format!("{what} validated"), validated.err(), found.as_ref().err().cloned());
            let canonicalized = schema.canonicalize(&bytes(refused)).err();
            self.equal(&format!("{what} canonicalized"), canonicalized, found.as_ref().err().cloned());
            self.refusal(&what, case, found.map_err(|e| (e.code.to_string(), e.path)));
        }
        if let Some(refused) = &case.refuse_json {
            let found = from_json(refused, &ctype).map(|v| format!("{v:?}"));
            self.refusal(&what, case, found.map_err(|e| (e.code.to_string(), e.path)));
        }
        let refuses = case.refuse_msgpack.is_some() || case.refuse_json.is_some();
        assert_eq!(case.code.is_some(), refuses, "{what}: `code` goes with a refusal");
        assert!(case.path.is_none() || refuses, "{what}: `path` goes with a refusal");
    }

    fn value(&mut self, what: &str, case: &Case, ctype: &CType, json: &Value) {
        let canonical = case.msgpack.as_deref().unwrap_or_else(|| panic!("{what}: `json` needs `msgpack`"));
        for json in std::iter::once(json).chain(&case.json_from) {
            let found = from_json(json, ctype).map_err(|e| e.to_string());
            let found = found.and_then(|value| encode(&value, ctype).map_err(|e| e.to_string()));
            self.equal(&format!("{what} from {json}"), found.map(|bytes| hex(&bytes)), Ok(canonical.to_owned()));
        }
        let schema = Schema::new(ctype.clone()).unwrap();
        let others = case.decodes_from.iter().map(String::as_str);
        for other in std::iter::once(canonical).chain(others) {
            let layout = if other == canonical { Layout::Canonical } else { Layout::Equivalent };
            self.equal(&format!("{what} validated {other}"), schema.validate(&bytes(other)), Ok(layout));
            let made = schema.canonicalize(&bytes(other)).map(|made| hex(&made));
            self.equal(&format!("{what} canonicalized {other}"), made, Ok(canonical.to_owned()));
            match decode(&bytes(other), ctype) {
                Err(error) => self.failures.push(format!("{what} from {other}: {error}")),
                Ok(value) => {
                    let again = encode(&value, ctype).map(|bytes| hex(&bytes)).map_err(|e| e.to_string());
                    self.equal(&format!("{what} from {other}"), again, Ok(canonical.to_owned()));
                    let shown = to_json(&value, ctype);
                    if !same(&shown, json) {
                        self.failures.push(format!("{what} from {other}: shown as {shown}, wanted {json}"));
                    }
                    assert_eq!(msgpack_to_json(&bytes(other), &schema).unwrap(), shown, "{what}");
                }
            }
        }
    }
}

#[test]
fn every_vector_holds() {
    let mut checks = Checks::default();
    let mut count = 0;
    for (file, cases) in files() {
        let mut names = HashSet::new();
        for case in &cases {
            assert!(names.insert(case.name.clone()), "{file}: the name {} occurs twice", case.name);
            checks.case(&file, case);
            count += 1;
        }
    }
    assert!(checks.failures.is_empty(), "{} failures:\n{}", checks.failures.len(), checks.failures.join("\n"));
    assert!(count >= 500, "only {count} cases");
}
