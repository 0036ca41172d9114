//! Values while a run holds them: canonical bytes, scalars unpacked. Knows no types; who reads a value knows its type from the plan.

use bytes::Bytes;
use type_schema::raw::{self, Cursor, Head};

use super::fault::{self, Fault};

/// A value of the type that its node has. One value has one form: a scalar is never in [`Value::Bytes`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A None.
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Canonical bytes of anything else: a slice of what a module gave, wherever that is possible.
    Bytes(Bytes),
}

impl Value {
    /// The value in canonical bytes.
    pub(super) fn new(bytes: Bytes) -> Result<Value, Fault> {
        match scalar(&bytes)? {
            Some(value) => Ok(value),
            None => Ok(Value::Bytes(bytes)),
        }
    }

    /// The value in `part`, which is a part of `source` and shares its memory.
    #[inline]
    pub(super) fn part(source: &Bytes, part: &[u8]) -> Result<Value, Fault> {
        match scalar(part)? {
            Some(value) => Ok(value),
            None => Ok(Value::Bytes(source.slice_ref(part))),
        }
    }

    /// A String.
    pub(super) fn text(text: &str) -> Value {
        let mut out = Vec::with_capacity(text.len() + 5);
        raw::put_str(&mut out, text);
        Value::Bytes(out.into())
    }

    /// Its canonical bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Nil => raw::put_nil(out),
            Value::Bool(v) => raw::put_bool(out, *v),
            Value::Int(v) => raw::put_int(out, *v),
            Value::Float(v) => raw::put_float(out, *v),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Its canonical bytes, without a copy where they are there.
    pub(super) fn to_bytes(&self) -> Bytes {
        match self {
            Value::Bytes(bytes) => bytes.clone(),
            scalar => {
                let mut out = Vec::with_capacity(9);
                scalar.write(&mut out);
                out.into()
            }
        }
    }

    /// Most bytes that it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Value::Nil | Value::Bool(_) => 1,
            Value::Int(_) | Value::Float(_) => 9,
            Value::Bytes(bytes) => bytes.len(),
        }
    }

    pub(super) fn bool(&self) -> Result<bool, Fault> {
        match self {
            Value::Bool(v) => Ok(*v),
            _ => Err(fault::malformed()),
        }
    }

    pub(super) fn bytes(&self) -> Result<&Bytes, Fault> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(fault::malformed()),
        }
    }

    /// The UTF-8 of a String.
    pub(super) fn utf8(&self) -> Result<&[u8], Fault> {
        match Cursor::new(self.bytes()?).head() {
            Some(Head::Str(text)) => Ok(text),
            _ => Err(fault::malformed()),
        }
    }

    /// A String as text.
    pub(super) fn str(&self) -> Result<&str, Fault> {
        std::str::from_utf8(self.utf8()?).map_err(|_| fault::malformed())
    }

    /// The number of items of a list, and the place of the first.
    pub(super) fn list(&self) -> Result<(usize, Cursor<'_>), Fault> {
        enter_list(self.bytes()?)
    }
}

/// The number of items of a list, and the place of the first.
pub(super) fn enter_list(bytes: &[u8]) -> Result<(usize, Cursor<'_>), Fault> {
    let mut cursor = Cursor::new(bytes);
    match cursor.head() {
        Some(Head::Array(len)) => Ok((len, cursor)),
        _ => Err(fault::malformed()),
    }
}

#[inline]
fn scalar(bytes: &[u8]) -> Result<Option<Value>, Fault> {
    Ok(match bytes.first() {
        // What a text, octets or a container begins with: nothing else of it is looked at.
        Some(0x80..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdf) => None,
        _ => match Cursor::new(bytes).head() {
            Some(Head::Nil) => Some(Value::Nil),
            Some(Head::Bool(v)) => Some(Value::Bool(v)),
            Some(Head::Int(v)) => Some(Value::Int(v)),
            Some(Head::Float(v)) => Some(Value::Float(v)),
            _ => return Err(fault::malformed()),
        },
    })
}

/// A list whose length is known at its end.
#[derive(Debug)]
pub(super) struct ListBuilder {
    /// Behind room for the longest head.
    out: Vec<u8>,
    len: usize,
}

const HEAD: usize = 5;

impl ListBuilder {
    pub(super) fn new() -> Self {
        Self { out: vec![0; HEAD], len: 0 }
    }

    /// Where the next item is written; whole items only.
    pub(super) fn item(&mut self) -> &mut Vec<u8> {
        self.len += 1;
        &mut self.out
    }

    /// How many bytes its items take.
    pub(super) fn size(&self) -> usize {
        self.out.len() - HEAD
    }

    pub(super) fn finish(mut self) -> Value {
        let mut head = Vec::with_capacity(HEAD);
        raw::put_array_head(&mut head, self.len);
        let start = HEAD - head.len();
        self.out[start..HEAD].copy_from_slice(&head);
        Value::Bytes(Bytes::from(self.out).slice(start..))
    }
}
