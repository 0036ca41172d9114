//! `Value`, a value whose type is known only when the program runs. Has no type of its own and no bytes: `codec` gives it both.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// A value of any type.
///
/// As a field, input or output of a module it has the type `Any`. With [`Client::call_value`](crate::Client::call_value) it
/// stands for whatever type the module declares: a record is [`Value::Record`] or a map with string keys, nothing is [`Value::Null`],
/// a union is the bare value where exactly one variant fits it, else [`Value::Variant`].
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing: an empty option, or nil in `Any`.
    #[default]
    Null,
    /// `Bool`.
    Bool(bool),
    /// `Int`.
    Int(i64),
    /// `Float`.
    Float(f64),
    /// `String`.
    String(String),
    /// `Bytes`.
    Bytes(Bytes),
    /// `List`.
    List(Vec<Value>),
    /// `Map`; decoding gives the entries in canonical order of their keys.
    Map(Vec<(Value, Value)>),
    /// A record; decoding gives the fields in declared order and leaves out those that are nothing.
    Record(Vec<(String, Value)>),
    /// A union: the position of the variant and its value. Decoding a union always gives this.
    Variant(u32, Box<Value>),
}

impl Value {
    /// A record of the given fields.
    ///
    /// ```
    /// use modrack::Value;
    ///
    /// let input = Value::record([("text", Value::from("a,b")), ("limit", Value::from(3))]);
    /// assert_eq!(input.get("limit"), Some(&Value::Int(3)));
    /// ```
    pub fn record<N: Into<String>>(fields: impl IntoIterator<Item = (N, Value)>) -> Self {
        Self::Record(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The field of a record, or the value under a string key of a map; `None` where there is none.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Record(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            Self::Map(entries) => {
                entries.iter().find(|(k, _)| matches!(k, Self::String(k) if k == name)).map(|(_, v)| v)
            }
            Self::Variant(_, inner) => inner.get(name),
            _ => None,
        }
    }

    /// The value without the marks of unions, at every level.
    pub(crate) fn bare(self) -> Value {
        match self {
            Self::Variant(_, inner) => inner.bare(),
            Self::List(items) => Self::List(items.into_iter().map(Value::bare).collect()),
            Self::Map(entries) => Self::Map(entries.into_iter().map(|(k, v)| (k, v.bare())).collect()),
            Self::Record(fields) => Self::Record(fields.into_iter().map(|(n, v)| (n, v.bare())).collect()),
            other => other,
        }
    }
}

macro_rules! from {
    ($($source:ty => |$v:ident| $made:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($v: $source) -> Self { $made }
        }
    )*};
}

from! {
    () => |_v| Value::Null;
    bool => |v| Value::Bool(v);
    i32 => |v| Value::Int(v.into());
    u32 => |v| Value::Int(v.into());
    i64 => |v| Value::Int(v);
    f64 => |v| Value::Float(v);
    &str => |v| Value::String(v.to_owned());
    String => |v| Value::String(v);
    Bytes => |v| Value::Bytes(v);
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(option: Option<T>) -> Self {
        option.map_or(Self::Null, Into::into)
    }
}

impl<K: Into<Value>, V: Into<Value>> From<BTreeMap<K, V>> for Value {
    fn from(map: BTreeMap<K, V>) -> Self {
        Self::Map(map.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl<K: Into<Value>, V: Into<Value>, S> From<HashMap<K, V, S>> for Value {
    fn from(map: HashMap<K, V, S>) -> Self {
        Self::Map(map.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}
