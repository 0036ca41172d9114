//! Reads MessagePack that nobody has vouched for. Knows the rules of the bytes, not the types: `typed` and `dynamic` ask for
//! what they expect. Allocates nothing from a length that it has not checked against what is left.

use std::collections::HashSet;

use rmp::Marker;

use crate::codec::{CodecError, MAX_DEPTH};
use crate::value::Value;

/// A place in an encoding.
///
/// Authors meet it only when they implement [`Decode`](crate::Decode) by hand.
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    depth: usize,
}

/// What comes next, its head read. Strings are checked; arrays and maps are entered by the caller.
#[derive(Debug)]
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'a str),
    Bin(&'a [u8]),
    Array(usize),
    Map(usize),
}

/// A key of a map, comparable by what it means rather than by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key<'a> {
    Bool(bool),
    Int(i64),
    Str(&'a str),
}

/// The fields of a record that are still to be read; see [`Decoder::record`].
#[derive(Debug)]
pub struct Fields<'a> {
    left: usize,
    undeclared: HashSet<&'a str>,
}

impl<'a> Decoder<'a> {
    /// At the beginning of an encoding.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// `codec.trailing_bytes`.
    pub fn finish(&self) -> Result<(), CodecError> {
        match self.rest {
            [] => Ok(()),
            _ => Err(CodecError::new("codec.trailing_bytes", "bytes after the value")),
        }
    }

    /// Takes a nil if one comes next.
    pub fn take_nil(&mut self) -> bool {
        let nil = self.rest.first() == Some(&Marker::Null.to_u8());
        if nil {
            self.rest = &self.rest[1..];
        }
        nil
    }

    /// A `Bool`.
    ///
    /// # Errors
    /// `codec.type_mismatch` and those of malformed bytes, as for all that follow.
    pub fn bool(&mut self) -> Result<bool, CodecError> {
        let start = self.rest;
        match self.token() {
            Ok(Token::Bool(value)) => Ok(value),
            other => Err(refusal(start, other, &[Kind::Bool], CodecError::mismatch("expected a Bool"))),
        }
    }

    /// An `Int` of any width.
    ///
    /// # Errors
    /// `codec.int_range` beyond `i64`.
    pub fn int(&mut self) -> Result<i64, CodecError> {
        let start = self.rest;
        match self.token() {
            Ok(Token::Int(value)) => Ok(value),
            other => Err(refusal(start, other, &[Kind::Int], CodecError::mismatch("expected an Int"))),
        }
    }

    /// A `Float` of either width, or an integer that it holds exactly.
    ///
    /// # Errors
    /// `codec.float_inexact`.
    pub fn float(&mut self) -> Result<f64, CodecError> {
        let start = self.rest;
        match self.token() {
            Ok(Token::Float(value)) => Ok(value),
            Ok(Token::Int(value)) => int_as_float(value).ok_or_else(inexact),
            other => Err(refusal(start, other, &[Kind::Float, Kind::Int], CodecError::mismatch("expected a Float"))),
        }
    }

    /// A `String`, borrowed from the input.
    ///
    /// # Errors
    /// `codec.utf8`.
    pub fn str(&mut self) -> Result<&'a str, CodecError> {
        let start = self.rest;
        match self.token() {
            Ok(Token::Str(value)) => Ok(value),
            other => Err(refusal(start, other, &[Kind::Str], CodecError::mismatch("expected a String"))),
        }
    }

    /// `Bytes`, borrowed from the input.
    ///
    /// # Errors
    /// `codec.type_mismatch`.
    pub fn bin(&mut self) -> Result<&'a [u8], CodecError> {
        let start = self.rest;
        match self.token() {
            Ok(Token::Bin(value)) => Ok(value),
            other => Err(refusal(start, other, &[Kind::Bin], CodecError::mismatch("expected Bytes"))),
        }
    }

    /// The beginning of a list, which the caller ends with `leave`: how many items follow.
    ///
    /// # Errors
    /// `codec.type_mismatch`, `codec.depth`.
    pub(crate) fn enter_list(&mut self) -> Result<usize, CodecError> {
        let start = self.rest;
        match self.token() {
            Ok(Token::Array(len)) => self.enter().map(|()| len),
            other => Err(refusal(start, other, &[Kind::Array], CodecError::mismatch("expected a List"))),
        }
    }

    fn enter_map(&mut self, wrong: &'static str) -> Result<usize, CodecError> {
        let start = self.rest;
        match self.token() {
            Ok(Token::Map(len)) => self.enter().map(|()| len),
            other => Err(refusal(start, other, &[Kind::Map], CodecError::mismatch(wrong))),
        }
    }

    /// A map: calls `entry` once for each, before its key.
    ///
    /// # Errors
    /// Those of `entry`.
    pub(crate) fn map(&mut self, mut entry: impl FnMut(&mut Self) -> Result<(), CodecError>) -> Result<(), CodecError> {
        for _ in 0..self.enter_map("expected a Map")? {
            entry(self)?;
        }
        self.leave();
        Ok(())
    }

    /// A union: `read` gets the position of the variant and reads its value.
    ///
    /// # Errors
    /// `codec.union_variant` for another shape or a position that is no variant, and those of `read`, with the variant in the path.
    pub fn variant<T>(
        &mut self,
        variants: u32,
        read: impl FnOnce(u32, &mut Self) -> Result<T, CodecError>,
    ) -> Result<T, CodecError> {
        let wrong = || CodecError::new("codec.union_variant", "not an array of two, or a position that is no variant");
        let start = self.rest;
        match self.token() {
            Ok(Token::Array(2)) => self.enter()?,
            other => return Err(refusal(start, other, &[Kind::Array], wrong())),
        }
        let start = self.rest;
        let position = match self.token() {
            Ok(Token::Int(i)) => u32::try_from(i).ok().filter(|i| *i < variants).ok_or_else(wrong)?,
            Err(fault) if fault.code() == out_of_range().code() => return Err(wrong()),
            other => return Err(refusal(start, other, &[Kind::Int], wrong())),
        };
        let value = read(position, self).map_err(|e| e.in_variant(position))?;
        self.leave();
        Ok(value)
    }

    /// The beginning of a record, whose fields [`Decoder::next_field`] gives.
    ///
    /// # Errors
    /// `codec.type_mismatch`, `codec.depth`.
    pub fn record(&mut self) -> Result<Fields<'a>, CodecError> {
        Ok(Fields { left: self.enter_map("expected a record")?, undeclared: HashSet::new() })
    }

    /// The name of the next field of the record, whose value is then to be read or skipped; `None` where the record ends.
    ///
    /// # Errors
    /// `codec.type_mismatch` for a key that is no str.
    pub fn next_field(&mut self, fields: &mut Fields<'a>) -> Result<Option<&'a str>, CodecError> {
        if fields.left == 0 {
            self.leave();
            return Ok(None);
        }
        fields.left -= 1;
        let start = self.rest;
        match self.token() {
            Ok(Token::Str(name)) => Ok(Some(name)),
            other => Err(refusal(start, other, &[Kind::Str], CodecError::mismatch("the key of a field is a str"))),
        }
    }

    /// Skips the value of a field that is not declared. It must be well-formed and not occur twice.
    ///
    /// # Errors
    /// `codec.duplicate_key`, and those of malformed bytes, with the field in the path.
    pub fn skip_field(&mut self, fields: &mut Fields<'a>, name: &'a str) -> Result<(), CodecError> {
        if !fields.undeclared.insert(name) {
            return Err(CodecError::new("codec.duplicate_key", "a field occurs twice").in_field(name));
        }
        self.skip().map_err(|e| e.in_field(name))
    }

    /// Reads past a value of type Any.
    pub(crate) fn skip(&mut self) -> Result<(), CodecError> {
        match self.token()? {
            Token::Array(len) => {
                self.enter()?;
                for index in 0..len {
                    self.skip().map_err(|e| e.in_item(index))?;
                }
                self.leave();
            }
            Token::Map(len) => {
                self.enter()?;
                let mut seen = HashSet::new();
                let mut kind = None;
                for _ in 0..len {
                    let key = self.any_key(&mut kind)?;
                    if !seen.insert(key) {
                        return Err(duplicate_key(&key.to_value()));
                    }
                    self.skip().map_err(|e| e.in_key(&key.to_value()))?;
                }
                self.leave();
            }
            _ => {}
        }
        Ok(())
    }

    /// A key of a map inside Any. The first key decides the kind of all.
    pub(crate) fn any_key(
        &mut self,
        kind: &mut Option<std::mem::Discriminant<Key<'static>>>,
    ) -> Result<Key<'a>, CodecError> {
        let start = self.rest;
        let (key, its_kind) = match self.token() {
            Ok(Token::Str(s)) => (Key::Str(s), std::mem::discriminant(&Key::Str(""))),
            Ok(Token::Int(i)) => (Key::Int(i), std::mem::discriminant(&Key::Int(0))),
            Ok(Token::Bool(b)) => (Key::Bool(b), std::mem::discriminant(&Key::Bool(false))),
            other => {
                let wrong = CodecError::mismatch("a map key is a str, an int or a bool");
                return Err(refusal(start, other, &[Kind::Str, Kind::Int, Kind::Bool], wrong));
            }
        };
        if *kind.get_or_insert(its_kind) == its_kind {
            Ok(key)
        } else {
            Err(CodecError::mismatch("the keys of a map are of one kind"))
        }
    }

    /// The head of what comes next.
    pub(crate) fn token(&mut self) -> Result<Token<'a>, CodecError> {
        let (first, rest) = self.rest.split_first().ok_or_else(truncated)?;
        self.rest = rest;
        Ok(match Marker::from_u8(*first) {
            Marker::Null => Token::Nil,
            Marker::False => Token::Bool(false),
            Marker::True => Token::Bool(true),
            Marker::FixPos(value) => Token::Int(value.into()),
            Marker::FixNeg(value) => Token::Int(value.into()),
            Marker::U8 => Token::Int(u8::from_be_bytes(self.take_array()?).into()),
            Marker::U16 => Token::Int(u16::from_be_bytes(self.take_array()?).into()),
            Marker::U32 => Token::Int(u32::from_be_bytes(self.take_array()?).into()),
            Marker::U64 => {
                let value = u64::from_be_bytes(self.take_array()?);
                Token::Int(i64::try_from(value).map_err(|_| out_of_range())?)
            }
            Marker::I8 => Token::Int(i8::from_be_bytes(self.take_array()?).into()),
            Marker::I16 => Token::Int(i16::from_be_bytes(self.take_array()?).into()),
            Marker::I32 => Token::Int(i32::from_be_bytes(self.take_array()?).into()),
            Marker::I64 => Token::Int(i64::from_be_bytes(self.take_array()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.take_array()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.take_array()?)),
            Marker::FixStr(len) => Token::Str(self.take_str(len.into())?),
            Marker::Str8 => self.len8().and_then(|len| self.take_str(len)).map(Token::Str)?,
            Marker::Str16 => self.len16().and_then(|len| self.take_str(len)).map(Token::Str)?,
            Marker::Str32 => self.len32().and_then(|len| self.take_str(len)).map(Token::Str)?,
            Marker::Bin8 => self.len8().and_then(|len| self.take(len)).map(Token::Bin)?,
            Marker::Bin16 => self.len16().and_then(|len| self.take(len)).map(Token::Bin)?,
            Marker::Bin32 => self.len32().and_then(|len| self.take(len)).map(Token::Bin)?,
            Marker::FixArray(len) => self.array_of(len.into())?,
            Marker::Array16 => self.len16().and_then(|len| self.array_of(len))?,
            Marker::Array32 => self.len32().and_then(|len| self.array_of(len))?,
            Marker::FixMap(len) => self.map_of(len.into())?,
            Marker::Map16 => self.len16().and_then(|len| self.map_of(len))?,
            Marker::Map32 => self.len32().and_then(|len| self.map_of(len))?,
            Marker::Reserved
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32
            | Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16 => {
                return Err(CodecError::new("codec.unsupported", "an extension type or the byte c1"));
            }
        })
    }

    pub(crate) fn enter(&mut self) -> Result<(), CodecError> {
        if self.depth == MAX_DEPTH {
            return Err(CodecError::new("codec.depth", "more than 128 arrays and maps inside each other"));
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// An array has at least one byte an element.
    fn array_of(&self, len: usize) -> Result<Token<'a>, CodecError> {
        if len > self.rest.len() { Err(truncated()) } else { Ok(Token::Array(len)) }
    }

    /// A map has at least two bytes an entry.
    fn map_of(&self, len: usize) -> Result<Token<'a>, CodecError> {
        if len > self.rest.len() / 2 { Err(truncated()) } else { Ok(Token::Map(len)) }
    }

    fn len8(&mut self) -> Result<usize, CodecError> {
        Ok(u8::from_be_bytes(self.take_array()?).into())
    }

    fn len16(&mut self) -> Result<usize, CodecError> {
        Ok(u16::from_be_bytes(self.take_array()?).into())
    }

    fn len32(&mut self) -> Result<usize, CodecError> {
        // Where usize is smaller, what does not fit exceeds what is left.
        usize::try_from(u32::from_be_bytes(self.take_array()?)).map_err(|_| truncated())
    }

    fn take_str(&mut self, len: usize) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.take(len)?).map_err(|_| CodecError::new("codec.utf8", "a str that is not valid UTF-8"))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// What a head begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nil,
    Bool,
    Int,
    Float,
    Str,
    Bin,
    Array,
    Map,
}

impl Kind {
    /// `None` for what has no meaning here.
    fn of(head: u8) -> Option<Self> {
        Some(match head {
            0x00..=0x7f | 0xcc..=0xd3 | 0xe0..=0xff => Self::Int,
            0x80..=0x8f | 0xde | 0xdf => Self::Map,
            0x90..=0x9f | 0xdc | 0xdd => Self::Array,
            0xa0..=0xbf | 0xd9..=0xdb => Self::Str,
            0xc0 => Self::Nil,
            0xc2 | 0xc3 => Self::Bool,
            0xc4..=0xc6 => Self::Bin,
            0xca | 0xcb => Self::Float,
            _ => return None,
        })
    }
}

/// Why what was read from `start` on is refused where one of `wanted` is expected: the kind is judged by the head alone, so
/// that a value of another kind is `wrong` whatever its rest would have been.
#[cold]
fn refusal(start: &[u8], read: Result<Token<'_>, CodecError>, wanted: &[Kind], wrong: CodecError) -> CodecError {
    let kind = start.first().and_then(|head| Kind::of(*head));
    match read {
        Err(fault) if kind.is_none_or(|kind| wanted.contains(&kind)) => fault,
        _ => wrong,
    }
}

impl Key<'_> {
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Bool(b) => Value::Bool(b),
            Self::Int(i) => Value::Int(i),
            Self::Str(s) => Value::String(s.to_owned()),
        }
    }
}

/// The Float that is exactly this integer.
pub(crate) fn int_as_float(value: i64) -> Option<f64> {
    let float = value as f64;
    (float as i128 == i128::from(value)).then_some(float)
}

pub(crate) fn duplicate_key(key: &Value) -> CodecError {
    CodecError::new("codec.duplicate_key", "a key occurs twice").in_key(key)
}

pub(crate) fn inexact() -> CodecError {
    CodecError::new("codec.float_inexact", "an integer that a Float cannot hold")
}

pub(crate) fn out_of_range() -> CodecError {
    CodecError::new("codec.int_range", "an integer outside the range of its type")
}

fn truncated() -> CodecError {
    CodecError::new("codec.truncated", "the input ends too early")
}
