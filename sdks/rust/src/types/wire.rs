//! Types as messages of the protocol, both ways. Judges nothing but the form of the message; the rules are in `CType::check`.

use crate::generated::types::v1::{TypeKind, TypeSchema};
use crate::types::{CType, Field, MAX_DEPTH, TypeError};

impl CType {
    /// The type as the protocol carries it.
    pub(crate) fn to_wire(&self) -> TypeSchema {
        let (kind, children) = match self {
            Self::String => (TypeKind::String, Vec::new()),
            Self::Int => (TypeKind::Int, Vec::new()),
            Self::Float => (TypeKind::Float, Vec::new()),
            Self::Bool => (TypeKind::Bool, Vec::new()),
            Self::Bytes => (TypeKind::Bytes, Vec::new()),
            Self::Any => (TypeKind::Any, Vec::new()),
            Self::List(item) => (TypeKind::List, vec![item.to_wire()]),
            Self::Map(key, value) => (TypeKind::Map, vec![key.to_wire(), value.to_wire()]),
            Self::Option(inner) => (TypeKind::Option, vec![inner.to_wire()]),
            Self::Union(variants) => (TypeKind::Union, variants.iter().map(Self::to_wire).collect()),
            Self::Record(fields) => (
                TypeKind::Record,
                fields.iter().map(|f| TypeSchema { field_name: f.name.clone(), ..f.ty.to_wire() }).collect(),
            ),
        };
        TypeSchema { kind: kind.into(), children, field_name: String::new() }
    }

    /// The type that the protocol carries.
    ///
    /// # Errors
    /// `type.kind` for a node without a kind or with the wrong number of children, else what [`CType::check`] refuses.
    pub(crate) fn from_wire(schema: &TypeSchema) -> Result<Self, TypeError> {
        let ty = read(schema, 0)?;
        ty.check()?;
        Ok(ty)
    }
}

fn read(schema: &TypeSchema, depth: usize) -> Result<CType, TypeError> {
    if depth > MAX_DEPTH {
        return Err(TypeError::new("type.depth", "a type is nested deeper than 64"));
    }
    let wrong = || TypeError::new("type.kind", "a schema node without a kind or with the wrong number of children");
    let children = schema.children.as_slice();
    let child = |child: &TypeSchema, segment: &str| read(child, depth + 1).map_err(|e| e.under(segment));
    match (schema.kind(), children) {
        (TypeKind::String, []) => Ok(CType::String),
        (TypeKind::Int, []) => Ok(CType::Int),
        (TypeKind::Float, []) => Ok(CType::Float),
        (TypeKind::Bool, []) => Ok(CType::Bool),
        (TypeKind::Bytes, []) => Ok(CType::Bytes),
        (TypeKind::Any, []) => Ok(CType::Any),
        (TypeKind::List, [item]) => Ok(CType::list(child(item, "[]")?)),
        (TypeKind::Map, [key, value]) => Ok(CType::map(child(key, "{key}")?, child(value, "{}")?)),
        (TypeKind::Option, [inner]) => Ok(CType::option(child(inner, "?")?)),
        (TypeKind::Union, variants) => variants
            .iter()
            .enumerate()
            .map(|(i, variant)| child(variant, &format!("|{i}")))
            .collect::<Result<_, _>>()
            .map(CType::Union),
        (TypeKind::Record, fields) => fields
            .iter()
            .map(|f| Ok(Field { name: f.field_name.clone(), ty: child(f, &format!(".{}", f.field_name))? }))
            .collect::<Result<_, _>>()
            .map(CType::Record),
        _ => Err(wrong()),
    }
}
