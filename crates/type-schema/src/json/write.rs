//! Values to JSON that reads back as the same value.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value, json};

use crate::{
    ctype::{CType, KeyType},
    json::{BYTES, FLOAT, INT, MAP, MAX_SAFE, VALUE, VARIANT, is_safe, read},
    value::{CValue, Key},
};

/// The JSON of `value` as a `ctype`. It reads back, by the same type, as the same value.
///
/// `value` must be a value of `ctype`, as every decoder gives it; parts that are not are shown as an Any would be.
pub fn to_json(value: &CValue, ctype: &CType) -> Value {
    match (ctype, value) {
        (CType::Int, CValue::Int(v)) if !is_safe(*v) => Value::String(v.to_string()),
        (CType::Int, CValue::Int(v)) => Value::from(*v),
        (CType::Float, CValue::Float(v)) => float(*v),
        (CType::Bytes, CValue::Bytes(v)) => Value::String(STANDARD.encode(v)),
        (CType::List(item), CValue::List(items)) => items.iter().map(|v| to_json(v, item)).collect(),
        (CType::Map(KeyType::String, of), CValue::Map(entries)) => {
            let members = entries.iter().map(|(key, v)| (text(key), to_json(v, of)));
            Value::Object(members.collect())
        }
        (CType::Map(kind, of), CValue::Map(entries)) => {
            let kind = kind.ctype();
            entries.iter().map(|(key, v)| json!([to_json(&key.value(), &kind), to_json(v, of)])).collect()
        }
        (CType::Record(record), CValue::Record(fields)) => {
            let mut members = Map::new();
            for field in &record.fields {
                let member = fields.get(&field.name).map(|v| to_json(v, &field.ctype));
                // A null in a field of type Option is None, which is left out.
                if let Some(member) = member.filter(|json| !json.is_null() || !field.ctype.is_option()) {
                    members.insert(field.name.clone(), member);
                }
            }
            Value::Object(members)
        }
        (CType::Union(variants), CValue::Variant(i, v)) => match variants.get(*i) {
            Some(variant) => union(*i, to_json(v, variant), ctype),
            None => any(v),
        },
        (CType::Option(_), CValue::Option(None)) => Value::Null,
        (CType::Option(some), CValue::Option(Some(v))) => to_json(v, some),
        (CType::Option(some), v) => to_json(v, some),
        _ => any(value),
    }
}

/// The bare value where it alone tells the variant. A null never does: an option around the union would take it.
fn union(i: usize, bare: Value, ctype: &CType) -> Value {
    let tells = !bare.is_null() && matches!(read::read(&bare, ctype, 0), Ok(CValue::Variant(found, _)) if found == i);
    let marked = bare.get(VARIANT).is_some();
    if tells && !marked {
        return bare;
    }
    json!({ VARIANT: i, VALUE: bare })
}

fn float(v: f64) -> Value {
    match Number::from_f64(v) {
        Some(number) => Value::Number(number),
        None if v.is_nan() => Value::from("NaN"),
        None if v > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}

fn text(key: &Key) -> String {
    match key {
        Key::String(key) => key.clone(),
        Key::Int(key) => key.to_string(),
        Key::Bool(key) => key.to_string(),
    }
}

fn any(value: &CValue) -> Value {
    match value {
        CValue::String(v) => Value::from(v.as_str()),
        CValue::Bool(v) => Value::from(*v),
        CValue::Int(v) if is_safe(*v) => Value::from(*v),
        CValue::Int(v) => json!({ INT: v.to_string() }),
        // An integral number within the safe range would read as an Int.
        CValue::Float(v) if v.is_finite() && (v.fract() != 0.0 || v.abs() > MAX_SAFE as f64) => float(*v),
        CValue::Float(v) => json!({ FLOAT: float(*v) }),
        CValue::Bytes(v) => json!({ BYTES: STANDARD.encode(v) }),
        CValue::List(items) => items.iter().map(any).collect(),
        CValue::Map(entries) => map(entries.iter().map(|(key, v)| (key.clone(), v)).collect()),
        CValue::Record(fields) => map(fields.iter().map(|(name, v)| (Key::String(name.clone()), v)).collect()),
        CValue::Variant(_, v) => any(v),
        CValue::Option(None) => Value::Null,
        CValue::Option(Some(v)) => any(v),
    }
}

fn map(entries: Vec<(Key, &CValue)>) -> Value {
    let plain = entries.iter().all(|(key, _)| matches!(key, Key::String(key) if !key.starts_with('$')));
    if plain {
        return Value::Object(entries.into_iter().map(|(key, v)| (text(&key), any(v))).collect());
    }
    let pairs: Vec<Value> = entries.into_iter().map(|(key, v)| json!([any(&key.value()), any(v)])).collect();
    json!({ MAP: pairs })
}
