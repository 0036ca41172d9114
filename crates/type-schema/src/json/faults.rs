//! All faults of a JSON value at once, for people who mend an input. Decides nothing: whether there is one is what
//! [`from_json`](crate::from_json) says.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::{
    code::Code,
    ctype::{CType, KeyType, Record},
    error::Refusal,
    json::{
        VALUE, VARIANT,
        read::{int, int_number, marked, read},
    },
    reader::MAX_VALUE_DEPTH,
};

/// Most faults that are told of one value.
pub const MAX_JSON_FAULTS: usize = 100;

/// Longest pointer, in bytes. One that were longer points to the innermost enclosing value that it reaches.
const MAX_POINTER: usize = 4096;
/// Longest type that a text shows, in characters.
const SHOWN: usize = 120;

/// One fault of a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault {
    /// RFC 6901 pointer to the value at fault, or to where a missing one belongs; empty for the whole.
    pub pointer: String,
    /// The stable code.
    pub code: Code,
    /// The fault as a clause, with the declared type.
    pub detail: String,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.detail),
            pointer => write!(f, "{pointer}: {}", self.detail),
        }
    }
}

/// Why `json` shows no `ctype`: its faults in reading order, of each record by declared field; at most [`MAX_JSON_FAULTS`].
/// None where, and only where, [`from_json`](crate::from_json) gives a value. Of a union that no variant fits, the faults in the
/// one variant that the value looks like, else that none fits.
///
/// `ctype` must keep the rules of [`CType::check`]. Time is that of `from_json`, times the unions inside each other at most.
#[must_use]
pub fn json_faults(json: &Value, ctype: &CType) -> Vec<JsonFault> {
    let mut walk = Walk { pointer: String::new(), cut: 0, faults: Vec::new() };
    walk.value(json, ctype, 0);
    walk.faults
}

struct Walk {
    pointer: String,
    /// Steps that the pointer has no room for.
    cut: usize,
    faults: Vec<JsonFault>,
}

impl Walk {
    fn value(&mut self, json: &Value, ctype: &CType, depth: usize) {
        if self.is_full() {
            return;
        }
        match (ctype, json) {
            (CType::Any, _) => self.any(json, depth),
            (CType::Option(_), Value::Null) => {}
            (CType::Option(some), _) => self.value(json, some, depth),
            (CType::Union(variants), _) => self.union(json, variants, ctype, depth),
            (CType::List(item), Value::Array(items)) => {
                let Some(depth) = self.deeper(depth) else { return };
                for (i, json) in items.iter().enumerate() {
                    self.inside(&i.to_string(), |walk| walk.value(json, item, depth));
                }
            }
            (CType::Map(KeyType::String, value), Value::Object(members)) => {
                let Some(depth) = self.deeper(depth) else { return };
                for (name, json) in members {
                    self.inside(name, |walk| walk.value(json, value, depth));
                }
            }
            (CType::Map(key @ (KeyType::Int | KeyType::Bool), value), Value::Array(pairs)) => {
                let Some(depth) = self.deeper(depth) else { return };
                self.pairs(pairs, *key, value, depth);
            }
            (CType::Record(record), Value::Object(members)) => {
                let Some(depth) = self.deeper(depth) else { return };
                self.record(members, record, depth);
            }
            _ => self.as_read(json, ctype, depth),
        }
    }

    /// A value whose parts have no faults of their own.
    fn as_read(&mut self, json: &Value, ctype: &CType, depth: usize) {
        if let Err(refusal) = read(json, ctype, depth) {
            self.refused(&refusal, json, ctype);
        }
    }

    fn refused(&mut self, refusal: &Refusal, json: &Value, ctype: &CType) {
        let detail = match refusal.code {
            Code::TypeMismatch => format!("expected {}, found {}", shown(ctype), kind(json)),
            code @ (Code::NoVariant | Code::AmbiguousUnion) => format!("{}: {}", code.describe(), shown(ctype)),
            code => format!("{}, expected {}", code.describe(), shown(ctype)),
        };
        self.tell(refusal.code, detail);
    }

    fn record(&mut self, members: &Map<String, Value>, record: &Record, depth: usize) {
        for field in &record.fields {
            self.inside(&field.name, |walk| match members.get(&field.name) {
                Some(json) => walk.value(json, &field.ctype, depth),
                None if field.ctype.is_option() => {}
                None => walk.tell(Code::MissingField, format!("missing, expected {}", shown(&field.ctype))),
            });
        }
    }

    fn pairs(&mut self, pairs: &[Value], key: KeyType, value: &CType, depth: usize) {
        let mut seen = BTreeSet::new();
        for (i, pair) in pairs.iter().enumerate() {
            self.inside(&i.to_string(), |walk| {
                let Some([of, json]) = pair.as_array().map(Vec::as_slice) else {
                    return walk
                        .tell(Code::TypeMismatch, format!("expected a pair of key and value, found {}", kind(pair)));
                };
                let read_key = match key {
                    KeyType::Bool => of.as_bool().map(i64::from).ok_or_else(|| Refusal::new(Code::TypeMismatch)),
                    KeyType::Int | KeyType::String => int(of),
                };
                match read_key {
                    Ok(read_key) if !seen.insert(read_key) => {
                        walk.tell(Code::DuplicateKey, format!("{}: {of}", Code::DuplicateKey.describe()));
                    }
                    Ok(_) => {}
                    Err(refusal) => walk.inside("0", |walk| {
                        walk.refused(&refusal, of, if key == KeyType::Bool { &CType::Bool } else { &CType::Int });
                    }),
                }
                walk.inside("1", |walk| walk.value(json, value, depth));
            });
        }
    }

    fn union(&mut self, json: &Value, variants: &[CType], ctype: &CType, depth: usize) {
        let Err(refusal) = read(json, ctype, depth) else { return };
        let Some(deeper) = self.deeper(depth) else { return };
        if let Some((value, variant)) = chosen(json, variants) {
            return self.inside(VALUE, |walk| walk.value(value, variant, deeper));
        }
        let mut alike = variants.iter().filter(|variant| is_alike(json, variant));
        match (refusal.code, alike.next(), alike.next()) {
            (Code::NoVariant, Some(variant), None) => self.value(json, variant, deeper),
            _ => self.refused(&refusal, json, ctype),
        }
    }

    fn any(&mut self, json: &Value, depth: usize) {
        if self.is_full() {
            return;
        }
        match json {
            Value::Array(items) => {
                let Some(depth) = self.deeper(depth) else { return };
                for (i, json) in items.iter().enumerate() {
                    self.inside(&i.to_string(), |walk| walk.any(json, depth));
                }
            }
            Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
                if let Err(refusal) = marked(members, depth) {
                    self.tell(refusal.code, format!("{} behind the mark of an Any", refusal.code.describe()));
                }
            }
            Value::Object(members) => {
                let Some(depth) = self.deeper(depth) else { return };
                for (name, json) in members {
                    self.inside(name, |walk| walk.any(json, depth));
                }
            }
            _ => self.as_read(json, &CType::Any, depth),
        }
    }

    fn deeper(&mut self, depth: usize) -> Option<usize> {
        if depth == MAX_VALUE_DEPTH {
            self.tell(Code::Depth, Code::Depth.describe().to_owned());
            return None;
        }
        Some(depth + 1)
    }

    fn inside(&mut self, step: &str, walk: impl FnOnce(&mut Self)) {
        if self.is_full() {
            return;
        }
        let before = self.pointer.len();
        // A step is at most twice as long as its name; once one is cut, those inside it are too.
        let fits = self.cut == 0 && before + 1 + 2 * step.len() <= MAX_POINTER;
        if fits {
            self.pointer.push('/');
            self.pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        self.cut += usize::from(!fits);
        walk(self);
        self.cut -= usize::from(!fits);
        self.pointer.truncate(before);
    }

    fn tell(&mut self, code: Code, detail: String) {
        if !self.is_full() {
            self.faults.push(JsonFault { pointer: self.pointer.clone(), code, detail });
        }
    }

    fn is_full(&self) -> bool {
        self.faults.len() == MAX_JSON_FAULTS
    }
}

/// The value and the variant of `{"$variant": i, "value": …}`.
fn chosen<'j, 't>(json: &'j Value, variants: &'t [CType]) -> Option<(&'j Value, &'t CType)> {
    let members = json.as_object().filter(|members| members.len() == 2)?;
    let position = int_number(members.get(VARIANT)?.as_number()?).ok()?;
    Some((members.get(VALUE)?, variants.get(usize::try_from(position).ok()?)?))
}

/// Whether JSON of this kind may show that type, and nothing plainer does: then its parts tell more than the whole.
fn is_alike(json: &Value, ctype: &CType) -> bool {
    match json {
        Value::Object(members) => {
            matches!(ctype, CType::Record(_) | CType::Map(KeyType::String, _)) && !members.contains_key(VARIANT)
        }
        Value::Array(_) => matches!(ctype, CType::List(_) | CType::Map(KeyType::Int | KeyType::Bool, _)),
        _ => false,
    }
}

fn kind(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction or exponent",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A type for a text, shortened where it is long.
fn shown(ctype: &CType) -> String {
    let text = ctype.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
