//! JSON text, which a `serde_json::Value` no longer is: repeated names and depth are seen here.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{
    code::Code,
    ctype::CType,
    error::{DecodeError, JsonError},
    json::{from_json, to_json},
    reader::MAX_VALUE_DEPTH,
    schema::Schema,
    value::CValue,
};

/// Most arrays and objects inside each other in a text: at worst a level of the value is `{"$map": [[key, …]]}`, and
/// one mark can stand around the innermost.
const MAX_TEXT_DEPTH: usize = 3 * MAX_VALUE_DEPTH + 1;

/// Reads a JSON text as a value of `ctype`.
///
/// # Errors
/// `codec.json_syntax`, `codec.duplicate_key` (a name that an object has twice), `codec.depth`, and those of [`from_json`].
pub fn parse_json(text: &str, ctype: &CType) -> Result<CValue, JsonError> {
    from_json(&parse_json_text(text)?, ctype)
}

/// Reads a JSON text, and refuses what `serde_json::from_str` lets pass or cannot hold: repeated names and great depth.
///
/// # Errors
/// `codec.json_syntax`, `codec.duplicate_key`, `codec.depth`, without a path.
pub fn parse_json_text(text: &str) -> Result<Value, JsonError> {
    let found = Cell::new(Code::JsonSyntax);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let value = Seed { depth: 0, found: &found }.deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|source| JsonError {
        code: found.get(),
        path: String::new(),
        detail: Some(source.to_string()),
    })
}

/// Canonical bytes of the value that a JSON text shows. Goes through a tree.
///
/// # Errors
/// Those of [`parse_json`].
pub fn json_to_msgpack(text: &str, schema: &Schema) -> Result<Vec<u8>, JsonError> {
    let value = parse_json(text, schema.ctype())?;
    schema.encode(&value).map_err(|error| JsonError { code: error.code, path: error.path, detail: None })
}

/// The JSON of the value that `bytes` hold. Goes through a tree.
///
/// # Errors
/// Those of [`Schema::decode`].
pub fn msgpack_to_json(bytes: &[u8], schema: &Schema) -> Result<Value, DecodeError> {
    Ok(to_json(&schema.decode(bytes)?, schema.ctype()))
}

/// Builds a `Value` at a known depth. `found` tells why, where it is not the syntax that is refused.
#[derive(Clone, Copy)]
struct Seed<'a> {
    depth: usize,
    found: &'a Cell<Code>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_TEXT_DEPTH {
            self.found.set(Code::Depth);
            return Err(E::custom(Code::Depth.describe()));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(seed)?;
            if members.contains_key(&name) {
                self.found.set(Code::DuplicateKey);
                return Err(A::Error::custom(format!("the name {} occurs twice", Value::String(name))));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}
