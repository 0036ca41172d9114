//! The JSON of values, by their type, both ways. What is read is also what fits a variant: there is no second rule.
//! Knows no MessagePack.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize as _;
use serde_json::{Map, Number, Value as Json, json};

use crate::codec::dynamic::Entries;
use crate::codec::{CodecError, MAX_DEPTH};
use crate::types::{CType, Field};
use crate::value::Value;

/// Largest magnitude that every double holds together with its neighbours: 2^53 - 1.
const MAX_SAFE: i64 = 9_007_199_254_740_991;

/// Most arrays and objects inside each other in a text: at worst a level of the value is `{"$map": [[key, …]]}`, with one more mark inside.
const MAX_TEXT_DEPTH: usize = 3 * MAX_DEPTH + 1;

const VARIANT: &str = "$variant";
const VALUE: &str = "value";
const INT: &str = "$int";
const FLOAT: &str = "$float";
const BYTES: &str = "$bytes";
const MAP: &str = "$map";

/// The value that a JSON text shows as the type.
///
/// ```
/// use modrack::{CType, Value, json};
///
/// let ty: CType = "{text: String, limit: Option<Int>}".parse()?;
/// let value = json::parse(&ty, r#"{"text": "a,b"}"#)?;
/// assert_eq!(value, Value::record([("text", Value::from("a,b"))]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `codec.json_syntax`, `codec.depth`, and the first fault in reading order. Of a name that an object has twice, the last member counts.
pub fn parse(ty: &CType, text: &str) -> Result<Value, CodecError> {
    check_depth(text)?;
    let syntax = |_| CodecError::new("codec.json_syntax", "no JSON text");
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Its own limit is below what the type system allows.
    deserializer.disable_recursion_limit();
    let json = Json::deserialize(&mut deserializer).map_err(syntax)?;
    deserializer.end().map_err(syntax)?;
    read(ty, &json, 0)
}

/// Refuses a text that is nested deeper than any value, before the parser follows it down.
fn check_depth(text: &str) -> Result<(), CodecError> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_TEXT_DEPTH {
            return Err(too_deep());
        }
    }
    Ok(())
}

/// The JSON text of a value of the type, on one line. It reads back as the same value.
pub fn print(ty: &CType, value: &Value) -> String {
    to_json(ty, value).to_string()
}

/// `depth` counts the arrays and maps around this value in MessagePack; the marks of JSON add none.
fn read(ty: &CType, json: &Json, depth: usize) -> Result<Value, CodecError> {
    match (ty, json) {
        (CType::Any, _) => read_any(json, depth),
        (CType::String, Json::String(s)) => Ok(Value::String(s.clone())),
        (CType::Bool, Json::Bool(b)) => Ok(Value::Bool(*b)),
        (CType::Int, _) => read_int(json).map(Value::Int),
        (CType::Float, _) => read_float(json).map(Value::Float),
        (CType::Bytes, Json::String(text)) => read_bytes(text),
        (CType::List(item), Json::Array(items)) => {
            let depth = deeper(depth)?;
            read_list(items, |json| read(item, json, depth))
        }
        (CType::Map(key, item), Json::Object(members)) if **key == CType::String => {
            let depth = deeper(depth)?;
            read_object(members, |json| read(item, json, depth))
        }
        (CType::Map(key, item), Json::Array(pairs)) if **key != CType::String => {
            let depth = deeper(depth)?;
            read_pairs(pairs, |json| read(key, json, depth), |json| read(item, json, depth))
        }
        (CType::Record(declared), Json::Object(members)) => read_record(declared, members, deeper(depth)?),
        (CType::Union(variants), _) => read_union(variants, json, deeper(depth)?),
        (CType::Option(_), Json::Null) => Ok(Value::Null),
        (CType::Option(inner), _) => read(inner, json, depth),
        _ => Err(mismatch()),
    }
}

fn read_int(json: &Json) -> Result<i64, CodecError> {
    match json {
        Json::Number(number) => number_as_int(number),
        Json::String(text) if is_decimal(text) => match text.parse::<i64>() {
            Ok(i) if is_safe(i) => Err(mismatch()),
            Ok(i) => Ok(i),
            Err(_) => Err(int_range()),
        },
        _ => Err(mismatch()),
    }
}

fn number_as_int(number: &Number) -> Result<i64, CodecError> {
    if let Some(i) = number.as_i64() {
        return Ok(i);
    }
    match number.as_f64() {
        Some(f) if f.fract() != 0.0 => Err(mismatch()),
        // Beyond the safe range a double does not say which integer was meant.
        Some(f) if f.abs() <= MAX_SAFE as f64 => Ok(f as i64),
        _ => Err(int_range()),
    }
}

/// As an integer prints: `0`, or digits that do not begin with one, after a minus where there is one.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text == "0" || (!digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn read_float(json: &Json) -> Result<f64, CodecError> {
    match json {
        Json::Number(number) => number.as_f64().ok_or_else(mismatch),
        Json::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(mismatch()),
        },
        _ => Err(mismatch()),
    }
}

fn read_bytes(text: &str) -> Result<Value, CodecError> {
    let bytes = STANDARD.decode(text).map_err(|_| CodecError::new("codec.base64", "a string that is no base64"))?;
    Ok(Value::Bytes(bytes.into()))
}

fn read_list(items: &[Json], item: impl Fn(&Json) -> Result<Value, CodecError>) -> Result<Value, CodecError> {
    let items = items.iter().enumerate();
    items.map(|(i, json)| item(json).map_err(|e| e.in_item(i))).collect::<Result<_, _>>().map(Value::List)
}

fn read_object(
    members: &Map<String, Json>,
    value: impl Fn(&Json) -> Result<Value, CodecError>,
) -> Result<Value, CodecError> {
    let mut entries = Entries::default();
    for (name, json) in members {
        let key = Value::from(name.as_str());
        let value = value(json).map_err(|e| e.in_key(&key))?;
        entries.push(key, value)?;
    }
    Ok(entries.into_value())
}

fn read_pairs(
    pairs: &[Json],
    key: impl Fn(&Json) -> Result<Value, CodecError>,
    value: impl Fn(&Json) -> Result<Value, CodecError>,
) -> Result<Value, CodecError> {
    let mut entries = Entries::default();
    for (i, pair) in pairs.iter().enumerate() {
        let Some([key_json, value_json]) = pair.as_array().map(Vec::as_slice) else {
            return Err(mismatch().in_item(i));
        };
        let key = key(key_json).map_err(|e| e.in_item(i))?;
        entries.check(&key)?;
        let value = value(value_json).map_err(|e| e.in_key(&key))?;
        entries.push(key, value)?;
    }
    Ok(entries.into_value())
}

fn read_record(declared: &[Field], members: &Map<String, Json>, depth: usize) -> Result<Value, CodecError> {
    let mut fields = Vec::with_capacity(declared.len());
    for Field { name, ty } in declared {
        match members.get(name) {
            Some(json) => match read(ty, json, depth).map_err(|e| e.in_field(name))? {
                Value::Null if ty.is_option() => {}
                value => fields.push((name.clone(), value)),
            },
            None if ty.is_option() => {}
            None => return Err(CodecError::new("codec.missing_field", "a field is missing").in_field(name)),
        }
    }
    Ok(Value::Record(fields))
}

fn read_union(variants: &[CType], json: &Json, depth: usize) -> Result<Value, CodecError> {
    if let Some(mark) = json.get(VARIANT) {
        let wrong =
            || CodecError::new("codec.union_variant", "not `$variant` and `value`, or a position that is no variant");
        let position = mark.as_number().and_then(|n| number_as_int(n).ok()).and_then(|i| u32::try_from(i).ok());
        let position = position.ok_or_else(wrong)?;
        let variant = variants.get(position as usize).ok_or_else(wrong)?;
        let value = json.get(VALUE).ok_or_else(wrong)?;
        if json.as_object().is_some_and(|members| members.len() != 2) {
            return Err(wrong());
        }
        let value = read(variant, value, depth).map_err(|e| e.in_variant(position))?;
        return Ok(Value::Variant(position, Box::new(value)));
    }
    let mut fit = None;
    for (position, variant) in (0..).zip(variants) {
        if let Ok(value) = read(variant, json, depth) {
            if fit.is_some() {
                return Err(CodecError::new("codec.ambiguous_union", "more than one variant of the union fits"));
            }
            fit = Some(Value::Variant(position, Box::new(value)));
        }
    }
    fit.ok_or_else(|| CodecError::new("codec.no_variant", "no variant of the union fits"))
}

fn read_any(json: &Json, depth: usize) -> Result<Value, CodecError> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(b) => Ok(Value::Bool(*b)),
        Json::String(s) => Ok(Value::String(s.clone())),
        Json::Number(number) => match number_as_int(number) {
            Ok(i) if is_safe(i) => Ok(Value::Int(i)),
            _ => number.as_f64().map(Value::Float).ok_or_else(mismatch),
        },
        Json::Array(items) => {
            let depth = deeper(depth)?;
            read_list(items, |json| read_any(json, depth))
        }
        Json::Object(members) if members.keys().any(|name| name.starts_with('$')) => read_marked(members, depth),
        Json::Object(members) => {
            let depth = deeper(depth)?;
            read_object(members, |json| read_any(json, depth))
        }
    }
}

/// An object with a name that begins with `$` is one of the four marks of Any, or nothing.
fn read_marked(members: &Map<String, Json>, depth: usize) -> Result<Value, CodecError> {
    let mut members = members.iter();
    let (Some((name, json)), None) = (members.next(), members.next()) else {
        return Err(mismatch());
    };
    match (name.as_str(), json) {
        (INT, _) => read_int(json).map(Value::Int),
        (FLOAT, _) => read_float(json).map(Value::Float),
        (BYTES, Json::String(text)) => read_bytes(text),
        (MAP, Json::Array(pairs)) => {
            let depth = deeper(depth)?;
            let map = read_pairs(pairs, read_any_key, |json| read_any(json, depth))?;
            match &map {
                Value::Map(entries) if entries.windows(2).any(|pair| !same_kind(&pair[0].0, &pair[1].0)) => {
                    Err(mismatch())
                }
                _ => Ok(map),
            }
        }
        _ => Err(mismatch()),
    }
}

fn read_any_key(json: &Json) -> Result<Value, CodecError> {
    match read_any(json, 0)? {
        key @ (Value::String(_) | Value::Int(_) | Value::Bool(_)) => Ok(key),
        _ => Err(mismatch()),
    }
}

fn same_kind(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn deeper(depth: usize) -> Result<usize, CodecError> {
    if depth == MAX_DEPTH { Err(too_deep()) } else { Ok(depth + 1) }
}

fn too_deep() -> CodecError {
    CodecError::new("codec.depth", "more than 128 arrays and maps inside each other")
}

fn mismatch() -> CodecError {
    CodecError::mismatch("another kind of JSON value than declared")
}

fn int_range() -> CodecError {
    crate::codec::decoder::out_of_range()
}

fn is_safe(i: i64) -> bool {
    (-MAX_SAFE..=MAX_SAFE).contains(&i)
}

fn to_json(ty: &CType, value: &Value) -> Json {
    match (ty, value) {
        (CType::Int, Value::Int(i)) if !is_safe(*i) => Json::String(i.to_string()),
        (CType::Int, Value::Int(i)) => Json::from(*i),
        (CType::Float, Value::Float(f)) => write_float(*f),
        (CType::Bytes, Value::Bytes(bytes)) => Json::String(STANDARD.encode(bytes)),
        (CType::List(item), Value::List(items)) => items.iter().map(|v| to_json(item, v)).collect(),
        (CType::Map(key, item), Value::Map(entries)) if **key == CType::String => {
            Json::Object(entries.iter().map(|(k, v)| (key_text(k), to_json(item, v))).collect())
        }
        (CType::Map(key, item), Value::Map(entries)) => {
            entries.iter().map(|(k, v)| json!([to_json(key, k), to_json(item, v)])).collect()
        }
        (CType::Record(declared), Value::Record(_) | Value::Map(_)) => {
            let member = |Field { name, ty }: &Field| {
                let json = to_json(ty, value.get(name)?);
                // A null in a field of type Option is None, which is left out.
                (!json.is_null() || !ty.is_option()).then(|| (name.clone(), json))
            };
            Json::Object(declared.iter().filter_map(member).collect())
        }
        (CType::Union(variants), Value::Variant(position, inner)) => match variants.get(*position as usize) {
            Some(variant) => write_variant(variants, *position, to_json(variant, inner)),
            None => write_any(inner),
        },
        (CType::Option(_), Value::Null) => Json::Null,
        (CType::Option(inner), value) => to_json(inner, value),
        _ => write_any(value),
    }
}

/// The bare value where it alone tells the variant. A null never does: an option around the union would take it.
fn write_variant(variants: &[CType], position: u32, bare: Json) -> Json {
    let marked = bare.get(VARIANT).is_some();
    let tells = !marked
        && !bare.is_null()
        && matches!(read_union(variants, &bare, 0), Ok(Value::Variant(found, _)) if found == position);
    if tells { bare } else { json!({ VARIANT: position, VALUE: bare }) }
}

fn write_float(f: f64) -> Json {
    match Number::from_f64(f) {
        Some(number) => Json::Number(number),
        None if f.is_nan() => Json::from("NaN"),
        None if f > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

fn write_any(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) if is_safe(*i) => Json::from(*i),
        Value::Int(i) => json!({ INT: i.to_string() }),
        // An integral number within the safe range would read as an Int.
        Value::Float(f) if f.is_finite() && (f.fract() != 0.0 || f.abs() > MAX_SAFE as f64) => write_float(*f),
        Value::Float(f) => json!({ FLOAT: write_float(*f) }),
        Value::String(s) => Json::from(s.as_str()),
        Value::Bytes(bytes) => json!({ BYTES: STANDARD.encode(bytes) }),
        Value::List(items) => items.iter().map(write_any).collect(),
        Value::Record(fields) => Json::Object(fields.iter().map(|(name, v)| (name.clone(), write_any(v))).collect()),
        Value::Map(entries) => {
            if entries.iter().all(|(k, _)| matches!(k, Value::String(k) if !k.starts_with('$'))) {
                return Json::Object(entries.iter().map(|(k, v)| (key_text(k), write_any(v))).collect());
            }
            let pairs: Vec<Json> = entries.iter().map(|(k, v)| json!([write_any(k), write_any(v)])).collect();
            json!({ MAP: pairs })
        }
        Value::Variant(_, inner) => write_any(inner),
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(s) => s.clone(),
        Value::Int(i) => i.to_string(),
        Value::Bool(b) => b.to_string(),
        _ => String::new(),
    }
}
