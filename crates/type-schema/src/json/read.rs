//! JSON to values. What is read is also what fits a variant: there is no second rule.

use std::collections::{BTreeMap, btree_map::Entry};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value};

use crate::{
    code::Code,
    ctype::{CType, KeyType, Record},
    error::{JsonError, Refusal},
    json::{BYTES, FLOAT, INT, MAP, MAX_SAFE, VALUE, VARIANT, is_safe},
    path,
    reader::MAX_VALUE_DEPTH,
    value::{CValue, Key},
};

/// The value that `json` shows as a `ctype`. Undeclared members of records are skipped; None fields are left out.
///
/// `ctype` must keep the rules of [`CType::check`]. Time is linear in `json` times the variants that compete for a part of it.
///
/// # Errors
/// The first fault in reading order; for a union that no variant fits, that alone.
pub fn from_json(json: &Value, ctype: &CType) -> Result<CValue, JsonError> {
    Ok(read(json, ctype, 0)?)
}

type Read = Result<CValue, Box<Refusal>>;

/// `depth` counts the arrays and maps that enclose this value in MessagePack; the marks of JSON add none.
pub(super) fn read(json: &Value, ctype: &CType, depth: usize) -> Read {
    match (ctype, json) {
        (CType::Any, _) => any(json, depth),
        (CType::String, Value::String(v)) => Ok(CValue::String(v.clone())),
        (CType::Bool, Value::Bool(v)) => Ok(CValue::Bool(*v)),
        (CType::Int, _) => int(json).map(CValue::Int),
        (CType::Float, _) => float(json).map(CValue::Float),
        (CType::Bytes, Value::String(v)) => bytes(v),
        (CType::List(item), Value::Array(items)) => {
            let depth = deeper(depth)?;
            list(items, |json| read(json, item, depth))
        }
        (CType::Map(KeyType::String, value), Value::Object(members)) => {
            let depth = deeper(depth)?;
            let mut entries = BTreeMap::new();
            for (name, json) in members {
                let value = read(json, value, depth).map_err(|r| r.inside(path::text_key(name)))?;
                entries.insert(Key::String(name.clone()), value);
            }
            Ok(CValue::Map(entries))
        }
        (CType::Map(KeyType::Int, value), Value::Array(pairs)) => {
            let depth = deeper(depth)?;
            entries(pairs, |json| int(json).map(Key::Int), |json| read(json, value, depth))
        }
        (CType::Map(KeyType::Bool, value), Value::Array(pairs)) => {
            let depth = deeper(depth)?;
            let key = |json: &Value| json.as_bool().map(Key::Bool).ok_or_else(mismatch);
            entries(pairs, key, |json| read(json, value, depth))
        }
        (CType::Record(of), Value::Object(members)) => record(members, of, deeper(depth)?),
        (CType::Union(variants), _) => union(json, variants, deeper(depth)?),
        (CType::Option(_), Value::Null) => Ok(CValue::NONE),
        (CType::Option(some), _) => match read(json, some, depth)? {
            // A nil in the Any of an `Option<Any>` is None, as in the bytes.
            CValue::Option(None) if **some == CType::Any => Ok(CValue::NONE),
            value => Ok(CValue::some(value)),
        },
        _ => Err(mismatch()),
    }
}

fn mismatch() -> Box<Refusal> {
    Refusal::new(Code::TypeMismatch)
}

fn deeper(depth: usize) -> Result<usize, Box<Refusal>> {
    if depth == MAX_VALUE_DEPTH { Err(Refusal::new(Code::Depth)) } else { Ok(depth + 1) }
}

pub(super) fn int(json: &Value) -> Result<i64, Box<Refusal>> {
    match json {
        Value::Number(number) => int_number(number),
        Value::String(text) if is_decimal(text) => match text.parse::<i64>() {
            Ok(v) if is_safe(v) => Err(mismatch()),
            Ok(v) => Ok(v),
            Err(_) => Err(Refusal::new(Code::IntRange)),
        },
        _ => Err(mismatch()),
    }
}

pub(super) fn int_number(number: &Number) -> Result<i64, Box<Refusal>> {
    if let Some(v) = number.as_i64() {
        return Ok(v);
    }
    match number.as_f64() {
        Some(v) if v.fract() != 0.0 => Err(mismatch()),
        // Beyond the safe range a double does not say which integer was meant.
        Some(v) if v.abs() <= MAX_SAFE as f64 => Ok(v as i64),
        _ => Err(Refusal::new(Code::IntRange)),
    }
}

/// `-?[1-9][0-9]*` or `0`
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text == "0" || (!digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn float(json: &Value) -> Result<f64, Box<Refusal>> {
    match json {
        Value::Number(number) => number.as_f64().ok_or_else(mismatch),
        Value::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(mismatch()),
        },
        _ => Err(mismatch()),
    }
}

fn bytes(text: &str) -> Read {
    STANDARD.decode(text).map(CValue::Bytes).map_err(|_| Refusal::new(Code::Base64))
}

fn list(items: &[Value], item: impl Fn(&Value) -> Read) -> Read {
    let items = items.iter().enumerate();
    let items = items.map(|(i, json)| item(json).map_err(|r| r.inside(path::index(i)))).collect::<Result<_, _>>()?;
    Ok(CValue::List(items))
}

fn entries(pairs: &[Value], key: impl Fn(&Value) -> Result<Key, Box<Refusal>>, value: impl Fn(&Value) -> Read) -> Read {
    let mut entries = BTreeMap::new();
    for (i, pair) in pairs.iter().enumerate() {
        let at_pair = |r: Box<Refusal>| r.inside(path::index(i));
        let Value::Array(pair) = pair else { return Err(at_pair(mismatch())) };
        let [key_json, value_json] = pair.as_slice() else { return Err(at_pair(mismatch())) };
        let key = key(key_json).map_err(at_pair)?;
        let step = key.step();
        match entries.entry(key) {
            Entry::Occupied(_) => return Err(Refusal::new(Code::DuplicateKey).inside(step)),
            Entry::Vacant(entry) => {
                entry.insert(value(value_json).map_err(|r| r.inside(step))?);
            }
        }
    }
    Ok(CValue::Map(entries))
}

fn record(members: &Map<String, Value>, record: &Record, depth: usize) -> Read {
    let mut fields = BTreeMap::new();
    for field in &record.fields {
        let step = |r: Box<Refusal>| r.inside(path::field(&field.name));
        match members.get(&field.name) {
            None if field.ctype.is_option() => {}
            None => return Err(step(Refusal::new(Code::MissingField))),
            Some(json) => {
                let value = read(json, &field.ctype, depth).map_err(step)?;
                if value != CValue::NONE || !field.ctype.is_option() {
                    fields.insert(field.name.clone(), value);
                }
            }
        }
    }
    Ok(CValue::Record(fields))
}

fn union(json: &Value, variants: &[CType], depth: usize) -> Read {
    if let Some(position) = json.as_object().and_then(|members| members.get(VARIANT)) {
        let refuse = || Refusal::new(Code::UnionVariant);
        let position = position.as_number().and_then(|number| int_number(number).ok()).ok_or_else(refuse)?;
        let position = usize::try_from(position).map_err(|_| refuse())?;
        let variant = variants.get(position).ok_or_else(refuse)?;
        let value = json.get(VALUE).ok_or_else(refuse)?;
        if json.as_object().is_some_and(|members| members.len() != 2) {
            return Err(refuse());
        }
        let value = read(value, variant, depth).map_err(|r| r.inside(path::variant(position)))?;
        return Ok(CValue::variant(position, value));
    }
    let mut fitting = None;
    for (i, variant) in variants.iter().enumerate() {
        if let Ok(value) = read(json, variant, depth) {
            if fitting.is_some() {
                return Err(Refusal::new(Code::AmbiguousUnion));
            }
            fitting = Some(CValue::variant(i, value));
        }
    }
    fitting.ok_or_else(|| Refusal::new(Code::NoVariant))
}

fn any(json: &Value, depth: usize) -> Read {
    match json {
        Value::Null => Ok(CValue::NONE),
        Value::Bool(v) => Ok(CValue::Bool(*v)),
        Value::String(v) => Ok(CValue::String(v.clone())),
        Value::Number(number) => match int_number(number) {
            Ok(v) if is_safe(v) => Ok(CValue::Int(v)),
            _ => number.as_f64().map(CValue::Float).ok_or_else(mismatch),
        },
        Value::Array(items) => {
            let depth = deeper(depth)?;
            list(items, |json| any(json, depth))
        }
        Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => marked(members, depth),
        Value::Object(members) => {
            let depth = deeper(depth)?;
            let mut entries = BTreeMap::new();
            for (name, json) in members {
                let value = any(json, depth).map_err(|r| r.inside(path::text_key(name)))?;
                entries.insert(Key::String(name.clone()), value);
            }
            Ok(CValue::Map(entries))
        }
    }
}

/// An object with a name that begins with `$` is one of the four marks, or nothing.
pub(super) fn marked(members: &Map<String, Value>, depth: usize) -> Read {
    let (name, json) = match members.iter().next() {
        Some(member) if members.len() == 1 => member,
        _ => return Err(mismatch()),
    };
    match (name.as_str(), json) {
        (INT, _) => int(json).map(CValue::Int),
        (FLOAT, _) => float(json).map(CValue::Float),
        (BYTES, Value::String(text)) => bytes(text),
        (MAP, Value::Array(pairs)) => {
            let depth = deeper(depth)?;
            let map = entries(pairs, any_key, |json| any(json, depth))?;
            match &map {
                CValue::Map(entries) if entries.keys().any(|key| Some(key.kind()) != first_kind(entries)) => {
                    Err(mismatch())
                }
                _ => Ok(map),
            }
        }
        _ => Err(mismatch()),
    }
}

fn first_kind(entries: &BTreeMap<Key, CValue>) -> Option<KeyType> {
    entries.keys().next().map(Key::kind)
}

fn any_key(json: &Value) -> Result<Key, Box<Refusal>> {
    match any(json, 0)? {
        CValue::String(key) => Ok(Key::String(key)),
        CValue::Int(key) => Ok(Key::Int(key)),
        CValue::Bool(key) => Ok(Key::Bool(key)),
        _ => Err(mismatch()),
    }
}
