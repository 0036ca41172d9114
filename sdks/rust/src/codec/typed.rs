//! The native types of Rust as types of the type system. Writes no bytes itself: see `encoder` and `decoder`.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::decoder::{duplicate_key, out_of_range};
use crate::codec::{CodecError, Decoder, Encoder, dynamic};
use crate::types::CType;
use crate::value::Value;

/// Elements that are reserved ahead at most: hostile lengths are bounded by the input, but an element may be much larger than its bytes.
const MAX_RESERVED: usize = 4096;

/// A native type that is a type of the type system.
///
/// Implemented for the types in the table of the crate's documentation, and derived for structs with
/// [`Record`](derive@crate::Record) and for enums with [`Union`](derive@crate::Union).
/// A type that contains itself has no finite schema and overflows the stack.
pub trait Typed {
    /// The type. Built anew at each call.
    fn ctype() -> CType;
}

/// A value that can be written as its type.
pub trait Encode: Typed {
    /// Writes the value.
    ///
    /// # Errors
    /// See [`to_bytes`](crate::codec::to_bytes).
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError>;

    /// Whether the value is an empty option, which a record leaves out.
    fn is_absent(&self) -> bool {
        false
    }
}

/// A value that can be read as its type.
pub trait Decode: Typed + Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// See [`from_bytes`](crate::codec::from_bytes).
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError>;

    /// The value of a field that is absent: `None` where the field must be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// A type that may be the key of a map.
pub trait MapKey: Typed {
    #[doc(hidden)]
    fn to_key(&self) -> Value;
}

/// Reads a field of a record into its slot; the derive macro calls this.
///
/// # Errors
/// `codec.duplicate_key` where the slot is taken, and those of the value, with the field in the path.
#[doc(hidden)]
pub fn read_field<T: Decode>(decoder: &mut Decoder<'_>, slot: &mut Option<T>, name: &str) -> Result<(), CodecError> {
    if slot.is_some() {
        return Err(CodecError::new("codec.duplicate_key", "a field occurs twice").in_field(name));
    }
    *slot = Some(T::decode(decoder).map_err(|e| e.in_field(name))?);
    Ok(())
}

/// The value of a field where its record ends; the derive macro calls this.
///
/// # Errors
/// `codec.missing_field`.
#[doc(hidden)]
pub fn finish_field<T: Decode>(slot: Option<T>, name: &str) -> Result<T, CodecError> {
    slot.or_else(T::absent).ok_or_else(|| CodecError::new("codec.missing_field", "a field is missing").in_field(name))
}

macro_rules! integers {
    ($($int:ty)*) => {$(
        impl Typed for $int {
            fn ctype() -> CType {
                CType::Int
            }
        }

        impl Encode for $int {
            fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
                encoder.int(i64::try_from(*self).map_err(|_| out_of_range())?);
                Ok(())
            }
        }

        impl Decode for $int {
            fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
                Self::try_from(decoder.int()?).map_err(|_| out_of_range())
            }
        }

        impl MapKey for $int {
            fn to_key(&self) -> Value {
                // A key beyond i64 was refused before this is asked.
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )*};
}

integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

macro_rules! floats {
    ($($float:ty)*) => {$(
        impl Typed for $float {
            fn ctype() -> CType {
                CType::Float
            }
        }

        impl Encode for $float {
            fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
                encoder.float((*self).into());
                Ok(())
            }
        }

        impl Decode for $float {
            fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
                // An f32 takes the nearest value that it has.
                Ok(decoder.float()? as $float)
            }
        }
    )*};
}

floats! { f32 f64 }

macro_rules! strings {
    ($($text:ty)*) => {$(
        impl Typed for $text {
            fn ctype() -> CType {
                CType::String
            }
        }

        impl Encode for $text {
            fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
                encoder.str(self)
            }
        }

        impl MapKey for $text {
            fn to_key(&self) -> Value {
                Value::String(self.to_string())
            }
        }
    )*};
}

strings! { String str Arc<str> Box<str> }

macro_rules! owned_strings {
    ($($text:ty)*) => {$(
        impl Decode for $text {
            fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
                decoder.str().map(Into::into)
            }
        }
    )*};
}

owned_strings! { String Arc<str> Box<str> }

impl Typed for bool {
    fn ctype() -> CType {
        CType::Bool
    }
}

impl Encode for bool {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        encoder.bool(*self);
        Ok(())
    }
}

impl Decode for bool {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
        decoder.bool()
    }
}

impl MapKey for bool {
    fn to_key(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Typed for Bytes {
    fn ctype() -> CType {
        CType::Bytes
    }
}

impl Encode for Bytes {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        encoder.bin(self)
    }
}

impl Decode for Bytes {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
        decoder.bin().map(Bytes::copy_from_slice)
    }
}

/// The type Any.
impl Typed for Value {
    fn ctype() -> CType {
        CType::Any
    }
}

impl Encode for Value {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        dynamic::encode(&CType::Any, self, encoder)
    }
}

impl Decode for Value {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
        dynamic::decode(&CType::Any, decoder)
    }
}

/// A record without fields: the input of a module without parameters.
impl Typed for () {
    fn ctype() -> CType {
        CType::Record(Vec::new())
    }
}

impl Encode for () {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        encoder.record(0, |_| Ok(()))
    }
}

impl Decode for () {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
        let mut fields = decoder.record()?;
        while let Some(name) = decoder.next_field(&mut fields)? {
            decoder.skip_field(&mut fields, name)?;
        }
        Ok(())
    }
}

impl<T: Typed + ?Sized> Typed for &T {
    fn ctype() -> CType {
        T::ctype()
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        (**self).encode(encoder)
    }

    fn is_absent(&self) -> bool {
        (**self).is_absent()
    }
}

impl<T: MapKey + ?Sized> MapKey for &T {
    fn to_key(&self) -> Value {
        (**self).to_key()
    }
}

impl<T: Typed> Typed for Option<T> {
    fn ctype() -> CType {
        CType::option(T::ctype())
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        match self {
            Some(value) => value.encode(encoder),
            None => {
                encoder.nil();
                Ok(())
            }
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
        if decoder.take_nil() { Ok(None) } else { T::decode(decoder).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Typed> Typed for [T] {
    fn ctype() -> CType {
        CType::list(T::ctype())
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        encoder.array(self.len(), |encoder| {
            self.iter().enumerate().try_for_each(|(i, item)| item.encode(encoder).map_err(|e| e.in_item(i)))
        })
    }
}

impl<T: Typed> Typed for Vec<T> {
    fn ctype() -> CType {
        CType::list(T::ctype())
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
        self.as_slice().encode(encoder)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
        let mut items = Vec::new();
        let len = decoder.enter_list()?;
        items.reserve(len.min(MAX_RESERVED));
        for index in 0..len {
            items.push(T::decode(decoder).map_err(|e| e.in_item(index))?);
        }
        decoder.leave();
        Ok(items)
    }
}

macro_rules! maps {
    ($map:ident, [$($generic:ident)?], [$($key:tt)*]) => {
        impl<K: MapKey, V: Typed $(, $generic)?> Typed for $map<K, V $(, $generic)?> {
            fn ctype() -> CType {
                CType::map(K::ctype(), V::ctype())
            }
        }

        impl<K: MapKey + Encode, V: Encode $(, $generic)?> Encode for $map<K, V $(, $generic)?> {
            fn encode(&self, encoder: &mut Encoder) -> Result<(), CodecError> {
                encoder.map(
                    self.iter(),
                    |(key, _), encoder| key.encode(encoder),
                    |(key, value), encoder| value.encode(encoder).map_err(|e| e.in_key(&key.to_key())),
                    |(key, _), fault| fault.in_key(&key.to_key()),
                )
            }
        }

        impl<K: MapKey + Decode + $($key)*, V: Decode $(, $generic: BuildHasher + Default)?> Decode
            for $map<K, V $(, $generic)?>
        {
            fn decode(decoder: &mut Decoder<'_>) -> Result<Self, CodecError> {
                let mut map = Self::default();
                decoder.map(|decoder| {
                    let key = K::decode(decoder)?;
                    if map.contains_key(&key) {
                        return Err(duplicate_key(&key.to_key()));
                    }
                    let value = V::decode(decoder).map_err(|e| e.in_key(&key.to_key()))?;
                    map.insert(key, value);
                    Ok(())
                })?;
                Ok(map)
            }
        }
    };
}

maps!(BTreeMap, [], [Ord]);
maps!(HashMap, [S], [Hash + Eq]);
