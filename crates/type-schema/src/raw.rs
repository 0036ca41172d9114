//! Parts of canonical bytes, for code that takes values apart and puts them together without building trees. Knows no types and checks nothing that a
//! validator has checked: bytes that no validator has seen give `None` or nonsense here, never a panic.

use crate::writer::CANONICAL_NAN;

/// What a value is, without what a container holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head<'a> {
    /// A None.
    Nil,
    /// A Bool.
    Bool(bool),
    /// An Int.
    Int(i64),
    /// A Float.
    Float(f64),
    /// The UTF-8 of a String or a key.
    Str(&'a [u8]),
    /// Octets.
    Bin(&'a [u8]),
    /// A list with so many items, or a union, which has two.
    Array(usize),
    /// A map or a record with so many entries.
    Map(usize),
}

/// A place in canonical bytes. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The place at an offset that [`Cursor::offset`] gave before.
    pub fn resume(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// How many bytes stand before this place.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads a value that is no container, or the head of one, whose parts come next. `None` at the end, and where the bytes are not canonical.
    #[inline]
    pub fn head(&mut self) -> Option<Head<'a>> {
        let first = self.take::<1>()?[0];
        Some(match first {
            0x00..=0x7f => Head::Int(i64::from(first)),
            0xe0..=0xff => Head::Int(i64::from(first.cast_signed())),
            0x80..=0x8f => Head::Map(usize::from(first & 0x0f)),
            0x90..=0x9f => Head::Array(usize::from(first & 0x0f)),
            0xa0..=0xbf => Head::Str(self.slice(usize::from(first & 0x1f))?),
            0xc0 => Head::Nil,
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4..=0xc6 => {
                let len = self.length(first - 0xc4)?;
                Head::Bin(self.slice(len)?)
            }
            0xcb => Head::Float(f64::from_be_bytes(self.take()?)),
            0xcc => Head::Int(i64::from(u8::from_be_bytes(self.take()?))),
            0xcd => Head::Int(i64::from(u16::from_be_bytes(self.take()?))),
            0xce => Head::Int(i64::from(u32::from_be_bytes(self.take()?))),
            0xcf => Head::Int(i64::try_from(u64::from_be_bytes(self.take()?)).ok()?),
            0xd0 => Head::Int(i64::from(i8::from_be_bytes(self.take()?))),
            0xd1 => Head::Int(i64::from(i16::from_be_bytes(self.take()?))),
            0xd2 => Head::Int(i64::from(i32::from_be_bytes(self.take()?))),
            0xd3 => Head::Int(i64::from_be_bytes(self.take()?)),
            0xd9..=0xdb => {
                let len = self.length(first - 0xd9)?;
                Head::Str(self.slice(len)?)
            }
            0xdc | 0xdd => Head::Array(self.length(first - 0xdc + 1)?),
            0xde | 0xdf => Head::Map(self.length(first - 0xde + 1)?),
            _ => return None,
        })
    }

    /// Passes one value with all its parts and gives its bytes. Linear in the parts, not in the lengths of texts. `None` as for [`Cursor::head`].
    #[inline]
    pub fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut open: usize = 1;
        while open > 0 {
            open -= 1;
            match self.head()? {
                Head::Array(len) => open = open.checked_add(len)?,
                Head::Map(len) => open = open.checked_add(len.checked_mul(2)?)?,
                _ => {}
            }
        }
        Some(&self.bytes[start..self.at])
    }

    /// Reads a key of a record.
    #[inline]
    pub fn key(&mut self) -> Option<&'a [u8]> {
        match self.head()? {
            Head::Str(key) => Some(key),
            _ => None,
        }
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk::<N>().copied()?;
        self.at += N;
        Some(bytes)
    }

    #[inline]
    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let slice = self.bytes.get(self.at..)?.get(..len)?;
        self.at += len;
        Some(slice)
    }

    /// A length of 1, 2 or 4 bytes.
    #[inline]
    fn length(&mut self, width: u8) -> Option<usize> {
        Some(match width {
            0 => usize::from(u8::from_be_bytes(self.take()?)),
            1 => usize::from(u16::from_be_bytes(self.take()?)),
            _ => u32::from_be_bytes(self.take()?) as usize,
        })
    }
}

/// Writes nil: a None.
pub fn put_nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Writes a Bool.
pub fn put_bool(out: &mut Vec<u8>, v: bool) {
    out.push(if v { 0xc3 } else { 0xc2 });
}

/// Writes an Int in its shortest form.
pub fn put_int(out: &mut Vec<u8>, v: i64) {
    rmp::encode::write_sint(out, v).expect("a Vec takes every write");
}

/// Writes a Float; every NaN as the one canonical NaN.
pub fn put_float(out: &mut Vec<u8>, v: f64) {
    let bits = if v.is_nan() { CANONICAL_NAN } else { v.to_bits() };
    out.push(0xcb);
    out.extend_from_slice(&bits.to_be_bytes());
}

/// Writes a String.
///
/// # Panics
/// At 4 GiB.
pub fn put_str(out: &mut Vec<u8>, v: &str) {
    put_utf8(out, v.as_bytes());
}

/// Writes a String whose bytes were read by [`Head::Str`], or are parts of such cut between characters.
///
/// # Panics
/// At 4 GiB.
pub fn put_utf8(out: &mut Vec<u8>, v: &[u8]) {
    put_str_head(out, v.len());
    out.extend_from_slice(v);
}

/// Writes the head of a String of so many bytes, which come next.
///
/// # Panics
/// At 4 GiB.
pub fn put_str_head(out: &mut Vec<u8>, len: usize) {
    rmp::encode::write_str_len(out, length(len)).expect("a Vec takes every write");
}

/// Writes the head of a list of so many items, which come next.
///
/// # Panics
/// At 2^32 items.
pub fn put_array_head(out: &mut Vec<u8>, len: usize) {
    rmp::encode::write_array_len(out, length(len)).expect("a Vec takes every write");
}

/// Writes the head of a map or record of so many entries, which come next: keys in canonical order, each with its value.
///
/// # Panics
/// At 2^32 entries.
pub fn put_map_head(out: &mut Vec<u8>, len: usize) {
    rmp::encode::write_map_len(out, length(len)).expect("a Vec takes every write");
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("values of 4 GiB are refused long before")
}
