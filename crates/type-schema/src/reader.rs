//! Reads MessagePack tokens from a slice: checks forms, lengths, ranges, UTF-8 and depth, and notes whether each form
//! is the canonical one. Knows no types and never allocates.

use rmp::Marker;

use crate::{code::Code, path::Trail, plan::Head, writer::CANONICAL_NAN};

/// Most arrays and maps inside each other.
pub const MAX_VALUE_DEPTH: usize = 128;

/// A refusal on its way outwards. Boxed, so that results stay small where nothing fails.
pub(crate) type Fault = Box<FaultParts>;

#[derive(Debug)]
pub(crate) struct FaultParts {
    pub(crate) code: Code,
    pub(crate) offset: usize,
    pub(crate) trail: Trail,
}

#[cold]
pub(crate) fn fault(code: Code, offset: usize) -> Fault {
    Box::new(FaultParts { code, offset, trail: Trail::default() })
}

/// Adds the step that leads to the fault.
pub(crate) fn inside(mut fault: Fault, step: String) -> Fault {
    fault.trail.push(step);
    fault
}

/// A place in the input.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// Whether every form read so far was the canonical one.
    pub(crate) canonical: bool,
}

/// The head of a value that says itself what it is. Containers are entered, strings are checked.
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

/// A key of a map as it stands in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RawKey<'a> {
    Str(&'a str),
    Int(i64),
    Bool(bool),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, canonical: true }
    }

    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Refuses what follows the value.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        if self.rest().is_empty() { Ok(()) } else { Err(fault(Code::TrailingBytes, self.at)) }
    }

    /// The next byte, unread.
    #[inline]
    pub(crate) fn peek(&self) -> Result<u8, Fault> {
        self.rest().first().copied().ok_or_else(|| fault(Code::Truncated, self.at))
    }

    /// Whether the next byte is nil; reads it if so.
    #[inline]
    pub(crate) fn eat_nil(&mut self) -> Result<bool, Fault> {
        let nil = self.peek()? == Marker::Null.to_u8();
        self.at += usize::from(nil);
        Ok(nil)
    }

    /// Reads `key` where it comes next; else reads nothing.
    #[inline]
    pub(crate) fn eat_key(&mut self, head: &Head, key: &[u8]) -> bool {
        let rest = self.rest();
        let found = match rest.first_chunk::<8>() {
            Some(&next) => head.begins(next) && (key.len() <= 8 || rest.starts_with(key)),
            None => rest.starts_with(key),
        };
        if found {
            self.at += key.len();
        }
        found
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.rest().first_chunk::<N>().copied().ok_or_else(|| fault(Code::Truncated, self.at))?;
        self.at += N;
        Ok(bytes)
    }

    #[inline]
    fn slice(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let slice = self.rest().get(..len).ok_or_else(|| fault(Code::Truncated, self.at))?;
        self.at += len;
        Ok(slice)
    }

    #[inline]
    fn marker(&mut self) -> Result<Marker, Fault> {
        let marker = Marker::from_u8(self.peek()?);
        self.at += 1;
        Ok(marker)
    }

    /// Leaves the container that was entered last.
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Enters a container of `len` elements, each of at least `least` bytes.
    #[inline]
    fn enter(&mut self, len: usize, least: usize, start: usize) -> Result<usize, Fault> {
        if len > self.rest().len() / least {
            return Err(fault(Code::Truncated, start));
        }
        if self.depth == MAX_VALUE_DEPTH {
            return Err(fault(Code::Depth, start));
        }
        self.depth += 1;
        Ok(len)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        match self.marker()? {
            Marker::True => Ok(true),
            Marker::False => Ok(false),
            other => Err(unexpected(other, start)),
        }
    }

    #[inline]
    pub(crate) fn int(&mut self) -> Result<i64, Fault> {
        let start = self.at;
        let marker = self.marker()?;
        self.int_of(marker, start)?.ok_or_else(|| unexpected(marker, start))
    }

    /// The integer that `marker` begins, none where it begins something else.
    #[inline]
    fn int_of(&mut self, marker: Marker, start: usize) -> Result<Option<i64>, Fault> {
        let (v, least, most) = match marker {
            Marker::FixPos(v) => return Ok(Some(i64::from(v))),
            Marker::FixNeg(v) => return Ok(Some(i64::from(v))),
            Marker::U8 => (i64::from(u8::from_be_bytes(self.take()?)), 0, 0x7f),
            Marker::U16 => (i64::from(u16::from_be_bytes(self.take()?)), 0, 0xff),
            Marker::U32 => (i64::from(u32::from_be_bytes(self.take()?)), 0, 0xffff),
            Marker::U64 => {
                let v = u64::from_be_bytes(self.take()?);
                let v = i64::try_from(v).map_err(|_| fault(Code::IntRange, start))?;
                (v, 0, 0xffff_ffff)
            }
            // The shortest form of a non-negative integer is never a signed one.
            Marker::I8 => (i64::from(i8::from_be_bytes(self.take()?)), -32, i64::MAX),
            Marker::I16 => (i64::from(i16::from_be_bytes(self.take()?)), -0x80, i64::MAX),
            Marker::I32 => (i64::from(i32::from_be_bytes(self.take()?)), -0x8000, i64::MAX),
            Marker::I64 => (i64::from_be_bytes(self.take()?), -0x8000_0000, i64::MAX),
            _ => return Ok(None),
        };
        // Between `least` and `most` a shorter form would do.
        if (least..=most).contains(&v) {
            self.canonical = false;
        }
        Ok(Some(v))
    }

    /// The float that `marker` begins, none where it begins something else. Integers are not looked at.
    #[inline]
    fn float_of(&mut self, marker: Marker) -> Result<Option<f64>, Fault> {
        match marker {
            Marker::F64 => {
                let bits = u64::from_be_bytes(self.take()?);
                let v = f64::from_bits(bits);
                if v.is_nan() && bits != CANONICAL_NAN {
                    self.canonical = false;
                }
                Ok(Some(v))
            }
            Marker::F32 => {
                self.canonical = false;
                Ok(Some(f64::from(f32::from_be_bytes(self.take()?))))
            }
            _ => Ok(None),
        }
    }

    /// A Float: also an integer that float64 holds exactly.
    pub(crate) fn float(&mut self) -> Result<f64, Fault> {
        let start = self.at;
        let marker = self.marker()?;
        if let Some(v) = self.float_of(marker)? {
            return Ok(v);
        }
        let v = self.int_of(marker, start)?.ok_or_else(|| unexpected(marker, start))?;
        self.canonical = false;
        exact_float(v).ok_or_else(|| fault(Code::FloatInexact, start))
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        let marker = self.marker()?;
        let len = self.str_len_of(marker)?.ok_or_else(|| unexpected(marker, start))?;
        self.str_body(len, start)
    }

    /// Reads a str without giving it, which is faster.
    #[inline]
    pub(crate) fn check_str(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let marker = self.marker()?;
        let len = self.str_len_of(marker)?.ok_or_else(|| unexpected(marker, start))?;
        let bytes = self.slice(len)?;
        // Most text is ASCII, and that alone is told at several times the speed.
        if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() { Ok(()) } else { Err(fault(Code::Utf8, start)) }
    }

    #[inline]
    fn str_len_of(&mut self, marker: Marker) -> Result<Option<usize>, Fault> {
        let (len, shorter_holds) = match marker {
            Marker::FixStr(len) => return Ok(Some(usize::from(len))),
            Marker::Str8 => (usize::from(u8::from_be_bytes(self.take()?)), 0x1f),
            Marker::Str16 => (usize::from(u16::from_be_bytes(self.take()?)), 0xff),
            Marker::Str32 => (u32::from_be_bytes(self.take()?) as usize, 0xffff),
            _ => return Ok(None),
        };
        self.canonical &= len > shorter_holds;
        Ok(Some(len))
    }

    fn str_body(&mut self, len: usize, start: usize) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.slice(len)?).map_err(|_| fault(Code::Utf8, start))
    }

    pub(crate) fn bin(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        let marker = self.marker()?;
        let len = self.bin_len_of(marker)?.ok_or_else(|| unexpected(marker, start))?;
        self.slice(len)
    }

    fn bin_len_of(&mut self, marker: Marker) -> Result<Option<usize>, Fault> {
        let (len, shorter_holds) = match marker {
            Marker::Bin8 => return Ok(Some(usize::from(u8::from_be_bytes(self.take()?)))),
            Marker::Bin16 => (usize::from(u16::from_be_bytes(self.take()?)), 0xff),
            Marker::Bin32 => (u32::from_be_bytes(self.take()?) as usize, 0xffff),
            _ => return Ok(None),
        };
        self.canonical &= len > shorter_holds;
        Ok(Some(len))
    }

    /// Enters an array and gives its length.
    #[inline]
    pub(crate) fn array(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        let marker = self.marker()?;
        let len = self.array_len_of(marker)?.ok_or_else(|| unexpected(marker, start))?;
        self.enter(len, 1, start)
    }

    #[inline]
    fn array_len_of(&mut self, marker: Marker) -> Result<Option<usize>, Fault> {
        let (len, shorter_holds) = match marker {
            Marker::FixArray(len) => return Ok(Some(usize::from(len))),
            Marker::Array16 => (usize::from(u16::from_be_bytes(self.take()?)), 0xf),
            Marker::Array32 => (u32::from_be_bytes(self.take()?) as usize, 0xffff),
            _ => return Ok(None),
        };
        self.canonical &= len > shorter_holds;
        Ok(Some(len))
    }

    /// Enters a map and gives the number of its entries.
    #[inline]
    pub(crate) fn map(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        let marker = self.marker()?;
        let len = self.map_len_of(marker)?.ok_or_else(|| unexpected(marker, start))?;
        self.enter(len, 2, start)
    }

    #[inline]
    fn map_len_of(&mut self, marker: Marker) -> Result<Option<usize>, Fault> {
        let (len, shorter_holds) = match marker {
            Marker::FixMap(len) => return Ok(Some(usize::from(len))),
            Marker::Map16 => (usize::from(u16::from_be_bytes(self.take()?)), 0xf),
            Marker::Map32 => (u32::from_be_bytes(self.take()?) as usize, 0xffff),
            _ => return Ok(None),
        };
        self.canonical &= len > shorter_holds;
        Ok(Some(len))
    }

    /// Enters the `[position, value]` of a union and gives the position; `variants` is their number.
    pub(crate) fn union(&mut self, variants: usize) -> Result<usize, Fault> {
        let start = self.at;
        let refuse = || fault(Code::UnionVariant, start);
        let marker = self.marker()?;
        let Some(len) = self.array_len_of(marker)? else {
            let refusal = unexpected(marker, start);
            return Err(if refusal.code == Code::Unsupported { refusal } else { refuse() });
        };
        if self.enter(len, 1, start)? != 2 {
            return Err(refuse());
        }
        match self.int() {
            Ok(v) => usize::try_from(v).ok().filter(|&i| i < variants).ok_or_else(refuse),
            Err(f) if matches!(f.code, Code::TypeMismatch | Code::IntRange) => Err(refuse()),
            Err(f) => Err(f),
        }
    }

    /// A key of an Any or of an undeclared map.
    pub(crate) fn any_key(&mut self) -> Result<RawKey<'a>, Fault> {
        let start = self.at;
        let marker = self.marker()?;
        match marker {
            Marker::True => return Ok(RawKey::Bool(true)),
            Marker::False => return Ok(RawKey::Bool(false)),
            _ => {}
        }
        if let Some(len) = self.str_len_of(marker)? {
            return Ok(RawKey::Str(self.str_body(len, start)?));
        }
        self.int_of(marker, start)?.map(RawKey::Int).ok_or_else(|| unexpected(marker, start))
    }

    /// The head of a value that says itself what it is.
    pub(crate) fn token(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.at;
        let marker = self.marker()?;
        match marker {
            Marker::Null => return Ok(Token::Nil),
            Marker::True => return Ok(Token::Bool(true)),
            Marker::False => return Ok(Token::Bool(false)),
            _ => {}
        }
        if let Some(len) = self.str_len_of(marker)? {
            return Ok(Token::Str(self.str_body(len, start)?));
        }
        if let Some(v) = self.int_of(marker, start)? {
            return Ok(Token::Int(v));
        }
        if let Some(v) = self.float_of(marker)? {
            return Ok(Token::Float(v));
        }
        if let Some(len) = self.array_len_of(marker)? {
            return Ok(Token::Array(self.enter(len, 1, start)?));
        }
        if let Some(len) = self.map_len_of(marker)? {
            return Ok(Token::Map(self.enter(len, 2, start)?));
        }
        match self.bin_len_of(marker)? {
            Some(len) => Ok(Token::Bin(self.slice(len)?)),
            None => Err(unexpected(marker, start)),
        }
    }
}

/// The float64 that equals `v`, if there is one.
pub(crate) fn exact_float(v: i64) -> Option<f64> {
    let float = v as f64;
    // 2^63 as a float is beyond i64, so the cast back would saturate onto i64::MAX.
    (float < 9_223_372_036_854_775_808.0 && float as i64 == v).then_some(float)
}

/// The refusal of a value of another kind: extension types and `c1` have a code of their own.
#[cold]
fn unexpected(marker: Marker, offset: usize) -> Fault {
    let code = match marker {
        Marker::Reserved
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32
        | Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16 => Code::Unsupported,
        _ => Code::TypeMismatch,
    };
    fault(code, offset)
}

impl<'a> RawKey<'a> {
    /// Whether this key stands before `other` in canonical order. Keys of different kinds have none.
    pub(crate) fn before(self, other: RawKey<'a>) -> bool {
        match (self, other) {
            (RawKey::Str(a), RawKey::Str(b)) => (a.len(), a) < (b.len(), b),
            (RawKey::Int(a), RawKey::Int(b)) => crate::value::int_rank(a) < crate::value::int_rank(b),
            (RawKey::Bool(a), RawKey::Bool(b)) => !a & b,
            _ => false,
        }
    }

    pub(crate) fn same_kind(self, other: RawKey<'a>) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// The step of a path to the value of this key.
    pub(crate) fn step(self) -> String {
        match self {
            RawKey::Str(key) => crate::path::text_key(key),
            RawKey::Int(key) => format!("{{{key}}}"),
            RawKey::Bool(key) => format!("{{{key}}}"),
        }
    }
}
