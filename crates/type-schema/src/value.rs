//! Values as trees, for code that computes with them. The hot path never builds one: it works on bytes.

use std::{cmp::Ordering, collections::BTreeMap};

use crate::{ctype::KeyType, path};

/// A value of some [`CType`](crate::CType). What it means depends on the type that it is read or written by.
///
/// Two values are equal exactly when they have equal bytes under every type: NaN equals NaN, and -0.0 differs from 0.0.
#[derive(Debug, Clone)]
pub enum CValue {
    /// UTF-8 text.
    String(String),
    /// Signed 64-bit integer.
    Int(i64),
    /// IEEE 754 binary64.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Octets.
    Bytes(Vec<u8>),
    /// Items of a List, or of an array in an Any.
    List(Vec<CValue>),
    /// Entries of a Map, or of a map in an Any, in canonical order.
    Map(BTreeMap<Key, CValue>),
    /// Fields of a record by name. An absent field of type Option is None; decoders leave None fields out.
    Record(BTreeMap<String, CValue>),
    /// The variant of a union at this position.
    Variant(usize, Box<CValue>),
    /// A value or nothing. `Option(None)` is also the nil of an Any.
    Option(Option<Box<CValue>>),
}

/// A key of a map. Orders as its encoded bytes do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// UTF-8 text.
    String(String),
    /// Signed 64-bit integer.
    Int(i64),
    /// True or false.
    Bool(bool),
}

impl CValue {
    /// Nothing: a None, or the nil of an Any.
    pub const NONE: CValue = CValue::Option(None);

    /// A value that is there.
    pub fn some(value: CValue) -> CValue {
        CValue::Option(Some(Box::new(value)))
    }

    /// The variant of a union at position `i`.
    pub fn variant(i: usize, value: CValue) -> CValue {
        CValue::Variant(i, Box::new(value))
    }

    /// A record with these fields.
    pub fn record<N: Into<String>>(fields: impl IntoIterator<Item = (N, CValue)>) -> CValue {
        CValue::Record(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The field of that name; none where this is no record, or the field is absent.
    pub fn field(&self, name: &str) -> Option<&CValue> {
        match self {
            CValue::Record(fields) => fields.get(name),
            _ => None,
        }
    }
}

impl PartialEq for CValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (CValue::String(a), CValue::String(b)) => a == b,
            (CValue::Int(a), CValue::Int(b)) => a == b,
            (CValue::Float(a), CValue::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (CValue::Bool(a), CValue::Bool(b)) => a == b,
            (CValue::Bytes(a), CValue::Bytes(b)) => a == b,
            (CValue::List(a), CValue::List(b)) => a == b,
            (CValue::Map(a), CValue::Map(b)) => a == b,
            (CValue::Record(a), CValue::Record(b)) => a == b,
            (CValue::Variant(i, a), CValue::Variant(j, b)) => i == j && a == b,
            (CValue::Option(a), CValue::Option(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for CValue {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // The header holds the length and comes first.
            (Key::String(a), Key::String(b)) => (a.len(), a).cmp(&(b.len(), b)),
            (Key::Int(a), Key::Int(b)) => int_rank(*a).cmp(&int_rank(*b)),
            (Key::Bool(a), Key::Bool(b)) => a.cmp(b),
            _ => self.kind_rank().cmp(&other.kind_rank()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Key {
    /// Orders keys of different kinds. No legal map mixes kinds; the order only makes `Ord` total.
    fn kind_rank(&self) -> u8 {
        match self {
            Key::Int(_) => 0,
            Key::String(_) => 1,
            Key::Bool(_) => 2,
        }
    }
}

/// Sorts integers as their shortest MessagePack forms sort: non-negative ones, then by the marker `d0` to `d3`, and the
/// one-byte negatives `e0` to `ff` last. Within one marker the two's complement bytes of negatives ascend with the value.
pub(crate) fn int_rank(v: i64) -> (u8, i64) {
    let class = match v {
        0.. => 0,
        -32..=-1 => 5,
        -128..=-33 => 1,
        -32_768..=-129 => 2,
        -2_147_483_648..=-32_769 => 3,
        _ => 4,
    };
    (class, v)
}

impl Key {
    /// The kind of this key.
    pub fn kind(&self) -> KeyType {
        match self {
            Key::String(_) => KeyType::String,
            Key::Int(_) => KeyType::Int,
            Key::Bool(_) => KeyType::Bool,
        }
    }

    /// The step of a path to the value of this key.
    pub(crate) fn step(&self) -> String {
        match self {
            Key::String(key) => path::text_key(key),
            Key::Int(key) => format!("{{{key}}}"),
            Key::Bool(key) => format!("{{{key}}}"),
        }
    }
}

impl Key {
    /// The key as a value of its own.
    pub fn value(&self) -> CValue {
        match self {
            Key::String(key) => CValue::String(key.clone()),
            Key::Int(key) => CValue::Int(*key),
            Key::Bool(key) => CValue::Bool(*key),
        }
    }
}
