//! Types on the wire to [`CType`] and back. The rules for a legal type are `type-schema`'s.

use type_schema::{CType, KeyType, TypeError};

use crate::codes;
use crate::error::Error;
use crate::generated::types::v1::{TypeKind, TypeSchema};

/// Reads a type and checks it. `what` names it in the error, e.g. `input`.
///
/// # Errors
/// `protocol.field.missing` without a schema, `registry.schema.invalid` with `type_code` and `path` in its details.
pub fn from_proto(schema: Option<TypeSchema>, what: &str) -> Result<CType, Error> {
    let schema = schema
        .ok_or_else(|| Error::of(codes::FIELD_MISSING, format!("the {what} type is missing")).detail("field", what))?;
    let mut path = String::new();
    let ctype = node(schema, &mut path).map_err(|fault| invalid(what, fault.code, &fault.path, fault.message))?;
    ctype.check().map_err(|error: TypeError| invalid(what, error.code.as_str(), &error.path, error.to_string()))?;
    Ok(ctype)
}

fn invalid(what: &str, type_code: &str, path: &str, message: String) -> Error {
    Error::of(codes::SCHEMA_INVALID, format!("the {what} type is refused: {message}"))
        .detail("type_code", type_code)
        .detail("path", path)
        .detail("type", what)
}

struct Fault {
    code: &'static str,
    path: String,
    message: String,
}

/// Recursion is bounded by the protobuf decoder's own limit of 100 levels.
fn node(schema: TypeSchema, path: &mut String) -> Result<CType, Fault> {
    let kind = schema.kind();
    let children = schema.children;
    let arity = match kind {
        TypeKind::List | TypeKind::Option => Some(1),
        TypeKind::Map => Some(2),
        TypeKind::Record | TypeKind::Union => None,
        _ => Some(0),
    };
    if kind == TypeKind::Unspecified || arity.is_some_and(|expected| expected != children.len()) {
        let message = format!("`{}` with {} children", kind.as_str_name(), children.len());
        return Err(Fault { code: "type.kind", path: path.clone(), message });
    }
    let mut children = children.into_iter();
    let mut only = |segment: &str| {
        let child = children.next().expect("the number of children was checked");
        below(child, path, segment)
    };
    Ok(match kind {
        TypeKind::String => CType::String,
        TypeKind::Int => CType::Int,
        TypeKind::Float => CType::Float,
        TypeKind::Bool => CType::Bool,
        TypeKind::Bytes => CType::Bytes,
        TypeKind::Any => CType::Any,
        TypeKind::List => CType::list(only("[]")?),
        TypeKind::Option => CType::option(only("?")?),
        TypeKind::Map => {
            let key = match only("{key}")? {
                CType::String => KeyType::String,
                CType::Int => KeyType::Int,
                CType::Bool => KeyType::Bool,
                other => {
                    let message = format!("`{other}` cannot be the key of a map");
                    return Err(Fault { code: "type.map.key", path: format!("{path}{{key}}"), message });
                }
            };
            CType::map(key, only("{}")?)
        }
        TypeKind::Record => {
            let mut fields = Vec::with_capacity(children.len());
            for mut child in children {
                let name = std::mem::take(&mut child.field_name);
                let ctype = below(child, path, &format!(".{name}"))?;
                fields.push((name, ctype));
            }
            CType::record(fields)
        }
        TypeKind::Union => {
            let mut variants = Vec::with_capacity(children.len());
            for (i, child) in children.enumerate() {
                variants.push(below(child, path, &format!("|{i}"))?);
            }
            CType::Union(variants)
        }
        TypeKind::Unspecified => unreachable!("refused above"),
    })
}

fn below(child: TypeSchema, path: &mut String, segment: &str) -> Result<CType, Fault> {
    let length = path.len();
    path.push_str(segment);
    let ctype = node(child, path);
    path.truncate(length);
    ctype
}

/// Writes a type.
#[must_use]
pub fn to_proto(ctype: &CType) -> TypeSchema {
    let leaf = |kind: TypeKind| TypeSchema { kind: kind.into(), ..Default::default() };
    let with = |kind: TypeKind, children| TypeSchema { kind: kind.into(), children, ..Default::default() };
    match ctype {
        CType::String => leaf(TypeKind::String),
        CType::Int => leaf(TypeKind::Int),
        CType::Float => leaf(TypeKind::Float),
        CType::Bool => leaf(TypeKind::Bool),
        CType::Bytes => leaf(TypeKind::Bytes),
        CType::Any => leaf(TypeKind::Any),
        CType::List(item) => with(TypeKind::List, vec![to_proto(item)]),
        CType::Option(inner) => with(TypeKind::Option, vec![to_proto(inner)]),
        CType::Map(key, value) => with(TypeKind::Map, vec![to_proto(&key.ctype()), to_proto(value)]),
        CType::Union(variants) => with(TypeKind::Union, variants.iter().map(to_proto).collect()),
        CType::Record(record) => with(
            TypeKind::Record,
            record
                .fields
                .iter()
                .map(|field| TypeSchema { field_name: field.name.clone(), ..to_proto(&field.ctype) })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn leaf(kind: TypeKind) -> TypeSchema {
        TypeSchema { kind: kind.into(), ..Default::default() }
    }

    fn with(kind: TypeKind, children: Vec<TypeSchema>) -> TypeSchema {
        TypeSchema { kind: kind.into(), children, ..Default::default() }
    }

    fn refusal(schema: TypeSchema) -> (String, String) {
        let error = from_proto(Some(schema), "input").unwrap_err();
        assert_eq!(error.code(), "registry.schema.invalid");
        (error.details()["type_code"].clone(), error.details()["path"].clone())
    }

    #[test]
    fn a_node_without_kind_or_with_the_wrong_number_of_children_is_refused_where_it_stands() {
        let nested = with(TypeKind::List, vec![leaf(TypeKind::Unspecified)]);
        assert_eq!(refusal(nested), ("type.kind".into(), "[]".into()));
        assert_eq!(refusal(with(TypeKind::Map, vec![leaf(TypeKind::Int)])), ("type.kind".into(), String::new()));
        assert_eq!(refusal(with(TypeKind::Int, vec![leaf(TypeKind::Int)])), ("type.kind".into(), String::new()));
    }

    #[test]
    fn the_rules_of_types_hold_on_the_wire_too() {
        let field = |name: &str| TypeSchema { field_name: name.into(), ..leaf(TypeKind::Int) };
        let twice = with(TypeKind::Record, vec![field("a"), field("a")]);
        assert_eq!(refusal(twice), ("type.field.duplicate".into(), ".a".into()));
        let key = with(TypeKind::Map, vec![leaf(TypeKind::Float), leaf(TypeKind::Int)]);
        assert_eq!(refusal(key), ("type.map.key".into(), "{key}".into()));
        assert_eq!(refusal(with(TypeKind::Union, vec![])).0, "type.union.empty");
    }

    #[test]
    fn the_deepest_legal_type_passes_a_protobuf_decoder_and_one_level_more_is_refused() {
        let deep = |levels: usize| (0..levels).fold(leaf(TypeKind::Int), |inner, _| with(TypeKind::List, vec![inner]));
        let decoded = TypeSchema::decode(deep(64).encode_to_vec().as_slice()).unwrap();
        assert!(from_proto(Some(decoded), "input").is_ok_and(|ctype| ctype.to_string().starts_with("List<List<")));
        let decoded = TypeSchema::decode(deep(65).encode_to_vec().as_slice()).unwrap();
        assert_eq!(refusal(decoded), ("type.depth".into(), "[]".repeat(65)));
    }

    proptest! {
        #[test]
        fn every_type_survives_the_wire(ctype in type_schema::strategy::ctype()) {
            prop_assert_eq!(from_proto(Some(to_proto(&ctype)), "input").unwrap(), ctype);
        }
    }
}
