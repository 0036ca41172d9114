//! Canonical MessagePack: what values of the type system are on the wire. `encoder` and `decoder` hold the rules of the bytes,
//! `typed` the native types of Rust, `dynamic` values whose type is known only at run time. Sends nothing anywhere.

pub(crate) mod decoder;
pub(crate) mod dynamic;
pub(crate) mod encoder;
mod typed;

use std::fmt;

pub use decoder::{Decoder, Fields};
pub use encoder::Encoder;
pub use typed::{Decode, Encode, MapKey, Typed, finish_field, read_field};

use crate::types::{CType, is_identifier};
use crate::value::Value;

/// Most arrays and maps inside each other, in MessagePack and in JSON.
pub(crate) const MAX_DEPTH: usize = 128;

/// Longest part of a key in a path, in characters: keys come from the input and may be megabytes long.
const MAX_KEY_SHOWN: usize = 64;

/// Why bytes, JSON or a native value are refused: a stable code (`codec.missing_field`) and the path to the fault
/// (`.rows[3]{"key"}|1`, empty for the root).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at `{path}` ({code})")]
pub struct CodecError {
    code: &'static str,
    path: String,
    message: &'static str,
}

impl CodecError {
    pub(crate) fn new(code: &'static str, message: &'static str) -> Self {
        Self { code, path: String::new(), message }
    }

    /// A value of another kind than declared.
    pub(crate) fn mismatch(message: &'static str) -> Self {
        Self::new("codec.type_mismatch", message)
    }

    /// The stable code: one of those that the codec's documentation lists.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Where the fault is: `.field`, `[3]`, `{"key"}`, `|1`, joined.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, without the code and the path.
    pub fn message(&self) -> &'static str {
        self.message
    }

    /// The same fault, seen from the record that holds the field.
    pub(crate) fn in_field(self, name: &str) -> Self {
        if is_identifier(name) {
            self.under(format_args!(".{name}"))
        } else {
            // Only what the input calls so, and nobody declared.
            self.in_key(&Value::from(name))
        }
    }

    /// The same fault, seen from the list that holds the item.
    pub(crate) fn in_item(self, index: usize) -> Self {
        self.under(format_args!("[{index}]"))
    }

    /// The same fault, seen from the union.
    #[doc(hidden)]
    pub fn in_variant(self, position: u32) -> Self {
        self.under(format_args!("|{position}"))
    }

    /// The same fault, seen from the map that holds the entry.
    pub(crate) fn in_key(self, key: &Value) -> Self {
        match key {
            Value::String(s) => {
                let shown: String = match s.char_indices().nth(MAX_KEY_SHOWN) {
                    Some((end, _)) => format!("{}…", &s[..end]),
                    None => s.clone(),
                };
                self.under(format_args!("{{{}}}", serde_json::Value::from(shown)))
            }
            Value::Int(i) => self.under(format_args!("{{{i}}}")),
            Value::Bool(b) => self.under(format_args!("{{{b}}}")),
            _ => self,
        }
    }

    fn under(mut self, segment: fmt::Arguments<'_>) -> Self {
        self.path.insert_str(0, &segment.to_string());
        self
    }
}

/// The canonical bytes of a native value. Cost: one pass; maps are sorted.
///
/// # Errors
/// `codec.int_range` for an unsigned integer beyond `i64`, and what a [`Value`] inside can do wrong.
pub fn to_bytes<T: Encode + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut encoder = Encoder::new();
    value.encode(&mut encoder)?;
    Ok(encoder.into_bytes())
}

/// The native value that the bytes hold; they need not be canonical.
///
/// # Errors
/// The first fault in reading order; bytes after the value last.
pub fn from_bytes<T: Decode>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut decoder = Decoder::new(bytes);
    let value = T::decode(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

/// The canonical bytes of a value of a type that is known only at run time.
///
/// # Errors
/// `codec.no_variant` and `codec.ambiguous_union` among those that the codec's documentation lists.
pub fn value_to_bytes(ty: &CType, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut encoder = Encoder::new();
    dynamic::encode(ty, value, &mut encoder)?;
    Ok(encoder.into_bytes())
}

/// The value of a type that is known only at run time.
///
/// # Errors
/// The first fault in reading order; bytes after the value last.
pub fn value_from_bytes(ty: &CType, bytes: &[u8]) -> Result<Value, CodecError> {
    let mut decoder = Decoder::new(bytes);
    let value = dynamic::decode(ty, &mut decoder)?;
    decoder.finish()?;
    Ok(value)
}
