//! The types themselves: constructors, printing. Knows no bytes, no values and no rules of registration.

use std::{fmt, str::FromStr};

use crate::{check, code::TypeCode, parse, path::Trail};

/// Longest field name, in bytes.
pub const MAX_FIELD_NAME: usize = 128;
/// Most constructors above a node; the root has none.
pub const MAX_TYPE_DEPTH: usize = 64;
/// Most nodes of a type.
pub const MAX_TYPE_NODES: usize = 10_000;

/// A structural type. Its text form is printed by `Display` and read by [`CType::parse`].
///
/// A value of this enum may break the rules of registration; [`CType::check`] tells. `parse` gives only types that keep them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CType {
    /// UTF-8 text.
    String,
    /// Signed 64-bit integer.
    Int,
    /// IEEE 754 binary64.
    Float,
    /// True or false.
    Bool,
    /// Octets.
    Bytes,
    /// Any value, self-described.
    Any,
    /// Homogeneous sequence.
    List(Box<CType>),
    /// Finite map.
    Map(KeyType, Box<CType>),
    /// Named fields in declared order.
    Record(Record),
    /// One of two or more variants, told apart by position.
    Union(Vec<CType>),
    /// A value or nothing.
    Option(Box<CType>),
}

/// What keys a map may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// UTF-8 text.
    String,
    /// Signed 64-bit integer.
    Int,
    /// True or false.
    Bool,
}

/// The fields of a record, in declared order. The order shows in the text and the fingerprint, never in the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Record {
    /// The fields in declared order.
    pub fields: Vec<Field>,
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name, an identifier in a type that keeps the rules.
    pub name: String,
    /// Its type.
    pub ctype: CType,
}

/// Why a type is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{detail}", at(path))]
pub struct TypeError {
    /// The stable code.
    pub code: TypeCode,
    /// The path to the fault: empty for the root, else steps such as `.rows[]|1`.
    pub path: String,
    /// The fault as a clause without the path.
    pub detail: String,
}

impl TypeError {
    /// A refusal at `path` (empty for the root), with the standing description of its code.
    pub fn new(code: TypeCode, path: impl Into<String>) -> Self {
        Self { code, path: path.into(), detail: code.describe().to_owned() }
    }
}

/// A type fault on its way outwards.
#[derive(Debug)]
pub(crate) struct TypeFault {
    code: TypeCode,
    detail: Option<String>,
    trail: Trail,
}

impl TypeFault {
    pub(crate) fn new(code: TypeCode) -> Self {
        Self { code, detail: None, trail: Trail::default() }
    }

    pub(crate) fn with_detail(code: TypeCode, detail: String) -> Self {
        Self { code, detail: Some(detail), trail: Trail::default() }
    }

    pub(crate) fn inside(mut self, step: String) -> Self {
        self.trail.push(step);
        self
    }

    pub(crate) fn finish(self) -> TypeError {
        let detail = self.detail.unwrap_or_else(|| self.code.describe().to_owned());
        TypeError { code: self.code, path: self.trail.render(), detail }
    }
}

/// `` `path`: `` for messages, nothing for the root.
pub(crate) fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("`{path}`: ") }
}

/// Whether `name` may name a field, its length apart: `[A-Za-z_][A-Za-z0-9_-]*`.
pub(crate) fn is_field_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl CType {
    /// Reads the text form, e.g. `{text: String, limit: Option<Int>}`.
    ///
    /// # Errors
    /// The first fault: syntax as far as the text is read, then the rules of [`CType::check`].
    pub fn parse(text: &str) -> Result<CType, TypeError> {
        let ctype = parse::parse(text).map_err(TypeFault::finish)?;
        ctype.check()?;
        Ok(ctype)
    }

    /// Checks the rules of registration.
    ///
    /// # Errors
    /// The first fault in reading order.
    pub fn check(&self) -> Result<(), TypeError> {
        check::check(self).map_err(TypeFault::finish)
    }

    /// `List<item>`.
    pub fn list(item: CType) -> CType {
        CType::List(Box::new(item))
    }

    /// `Map<key, value>`.
    pub fn map(key: KeyType, value: CType) -> CType {
        CType::Map(key, Box::new(value))
    }

    /// `Option<value>`.
    pub fn option(value: CType) -> CType {
        CType::Option(Box::new(value))
    }

    /// A union of the variants in this order.
    pub fn union(variants: impl IntoIterator<Item = CType>) -> CType {
        CType::Union(variants.into_iter().collect())
    }

    /// A record with the fields in this order: `CType::record([("text", CType::String)])`.
    pub fn record<N: Into<String>>(fields: impl IntoIterator<Item = (N, CType)>) -> CType {
        let fields = fields.into_iter().map(|(name, ctype)| Field { name: name.into(), ctype }).collect();
        CType::Record(Record { fields })
    }

    /// Whether this is an option, so that a field of this type may be absent.
    pub fn is_option(&self) -> bool {
        matches!(self, CType::Option(_))
    }
}

impl KeyType {
    /// The key as a type of its own.
    pub fn ctype(self) -> CType {
        match self {
            KeyType::String => CType::String,
            KeyType::Int => CType::Int,
            KeyType::Bool => CType::Bool,
        }
    }

    /// The key kind that a type is, if it can be one.
    pub fn of(ctype: &CType) -> Option<KeyType> {
        match ctype {
            CType::String => Some(KeyType::String),
            CType::Int => Some(KeyType::Int),
            CType::Bool => Some(KeyType::Bool),
            _ => None,
        }
    }
}

impl Record {
    /// The type of the field of that name.
    pub fn get(&self, name: &str) -> Option<&CType> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.ctype)
    }

    /// The type of the field of that name, which is probably at position `guess`.
    pub(crate) fn get_near(&self, name: &str, guess: usize) -> Option<&CType> {
        match self.fields.get(guess) {
            Some(field) if field.name == name => Some(&field.ctype),
            _ => self.get(name),
        }
    }

    /// The fields in ascending byte order of their names: the order of the bytes.
    pub fn sorted(&self) -> Vec<&Field> {
        let mut fields: Vec<&Field> = self.fields.iter().collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        fields
    }
}

impl FromStr for CType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        CType::parse(text)
    }
}

impl fmt::Display for CType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CType::String => f.write_str("String"),
            CType::Int => f.write_str("Int"),
            CType::Float => f.write_str("Float"),
            CType::Bool => f.write_str("Bool"),
            CType::Bytes => f.write_str("Bytes"),
            CType::Any => f.write_str("Any"),
            CType::List(item) => write!(f, "List<{item}>"),
            CType::Map(key, value) => write!(f, "Map<{key}, {value}>"),
            CType::Option(value) => write!(f, "Option<{value}>"),
            CType::Record(record) => record.fmt(f),
            CType::Union(variants) => {
                for (i, variant) in variants.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" | ")?;
                    }
                    // No registered type nests unions; the parentheses keep the print of a refused one readable.
                    match variant {
                        CType::Union(_) => write!(f, "({variant})")?,
                        _ => variant.fmt(f)?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, field) in self.fields.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}: {}", field.name, field.ctype)?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ctype().fmt(f)
    }
}
