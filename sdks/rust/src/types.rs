//! `CType`, the types that modules declare: construction, the rules of a legal type, and what two types share.
//! Holds no values and no bytes: those are in `value` and `codec`.

mod text;
mod wire;

use std::fmt;

/// Deepest node of a legal type: so many constructors may stand above it.
const MAX_DEPTH: usize = 64;
/// Most nodes of a legal type.
const MAX_NODES: usize = 10_000;
/// Longest name of a field, in bytes.
const MAX_NAME: usize = 128;

/// A type of the Modrack type system. Types are structural: two types are the same when they are built the same way.
///
/// Prints as text (`{text: String, find: String}`) and parses from it:
///
/// ```
/// use modrack::CType;
///
/// let ty: CType = "{rows: List<Int>, note: Optional<String>}".parse()?;
/// assert_eq!(ty.to_string(), "{rows: List<Int>, note: Option<String>}");
/// # Ok::<(), modrack::TypeError>(())
/// ```
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
    /// A sequence of one type.
    List(Box<CType>),
    /// Key (String, Int or Bool) and value.
    Map(Box<CType>, Box<CType>),
    /// Named fields, in declared order.
    Record(Vec<Field>),
    /// Two variants or more, in the order that their positions on the wire refer to.
    Union(Vec<CType>),
    /// A value or nothing.
    Option(Box<CType>),
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// `[A-Za-z_][A-Za-z0-9_-]*`, at most 128 bytes.
    pub name: String,
    /// The type of the field. A field of type `Option` may be absent.
    pub ty: CType,
}

/// Why a type is refused: a stable code (`type.field.duplicate`) and the path to the fault (`.rows[]|1`, empty for the root).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at `{path}` ({code})")]
pub struct TypeError {
    code: &'static str,
    path: String,
    message: String,
}

impl TypeError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, path: String::new(), message: message.into() }
    }

    /// The stable code, one of those in the codec's documentation: `type.syntax`, `type.depth`, …
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Where the fault is: `.field`, `[]` item, `{}` map value, `{key}` map key, `|1` variant, `?` inside an option.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn under(mut self, segment: impl fmt::Display) -> Self {
        self.path.insert_str(0, &segment.to_string());
        self
    }
}

impl CType {
    /// `List<item>`.
    pub fn list(item: CType) -> Self {
        Self::List(Box::new(item))
    }

    /// `Map<key, value>`.
    pub fn map(key: CType, value: CType) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// `Option<inner>`.
    pub fn option(inner: CType) -> Self {
        Self::Option(Box::new(inner))
    }

    /// `{name: type, …}` in the given order.
    pub fn record<N: Into<String>>(fields: impl IntoIterator<Item = (N, CType)>) -> Self {
        Self::Record(fields.into_iter().map(|(name, ty)| Field { name: name.into(), ty }).collect())
    }

    /// `A | B | …` in the given order.
    pub fn union(variants: impl IntoIterator<Item = CType>) -> Self {
        Self::Union(variants.into_iter().collect())
    }

    /// Checks the rules that the host applies at registration. Cost: one walk, quadratic in the variants of one union.
    ///
    /// # Errors
    /// The first fault in reading order, with its path.
    pub fn check(&self) -> Result<(), TypeError> {
        self.check_node(0, &mut 0)
    }

    fn check_node(&self, depth: usize, nodes: &mut usize) -> Result<(), TypeError> {
        if depth > MAX_DEPTH {
            return Err(TypeError::new("type.depth", "a type is nested deeper than 64"));
        }
        *nodes += 1;
        if *nodes > MAX_NODES {
            return Err(TypeError::new("type.size", "a type has more than 10000 nodes"));
        }
        match self {
            Self::String | Self::Int | Self::Float | Self::Bool | Self::Bytes | Self::Any => Ok(()),
            Self::List(item) => item.check_node(depth + 1, nodes).map_err(|e| e.under("[]")),
            Self::Map(key, value) => {
                if !matches!(**key, Self::String | Self::Int | Self::Bool) {
                    return Err(TypeError::new("type.map.key", "a map key is String, Int or Bool").under("{key}"));
                }
                key.check_node(depth + 1, nodes).map_err(|e| e.under("{key}"))?;
                value.check_node(depth + 1, nodes).map_err(|e| e.under("{}"))
            }
            Self::Option(inner) => {
                if matches!(**inner, Self::Option(_)) {
                    return Err(TypeError::new("type.option.nested", "an option of an option").under("?"));
                }
                inner.check_node(depth + 1, nodes).map_err(|e| e.under("?"))
            }
            Self::Record(fields) => check_fields(fields, depth, nodes),
            Self::Union(variants) => check_variants(variants, depth, nodes),
        }
    }

    pub(crate) fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

fn check_fields(fields: &[Field], depth: usize, nodes: &mut usize) -> Result<(), TypeError> {
    let mut seen = std::collections::HashSet::with_capacity(fields.len().min(64));
    for field in fields {
        let segment = format!(".{}", field.name);
        if !is_identifier(&field.name) || field.name.len() > MAX_NAME {
            return Err(TypeError::new("type.field.name", "a field name is no identifier").under(segment));
        }
        if !seen.insert(field.name.as_str()) {
            return Err(TypeError::new("type.field.duplicate", "two fields of one name").under(segment));
        }
        field.ty.check_node(depth + 1, nodes).map_err(|e| e.under(segment))?;
    }
    Ok(())
}

fn check_variants(variants: &[CType], depth: usize, nodes: &mut usize) -> Result<(), TypeError> {
    if variants.len() < 2 {
        return Err(TypeError::new("type.union.empty", "a union of fewer than two variants"));
    }
    for (position, variant) in variants.iter().enumerate() {
        let segment = format!("|{position}");
        if matches!(variant, CType::Union(_)) {
            return Err(TypeError::new("type.union.nested", "a union directly in a union").under(segment));
        }
        variant.check_node(depth + 1, nodes).map_err(|e| e.under(&segment))?;
        if variants[..position].contains(variant) {
            return Err(TypeError::new("type.union.duplicate", "two equal variants").under(segment));
        }
    }
    Ok(())
}

/// `[A-Za-z_][A-Za-z0-9_-]*`, the form of the names of fields and modules.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for CType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::print(self, f)
    }
}

impl std::str::FromStr for CType {
    type Err = TypeError;

    /// Reads a type as text; the inverse of printing.
    ///
    /// # Errors
    /// `type.syntax`, or what [`CType::check`] refuses.
    fn from_str(text: &str) -> Result<Self, TypeError> {
        let ty = text::parse(text)?;
        ty.check()?;
        Ok(ty)
    }
}
