//! The rules that every registered type keeps. Says nothing about text or bytes.

use std::collections::HashSet;

use crate::{
    code::TypeCode,
    ctype::{CType, MAX_FIELD_NAME, MAX_TYPE_DEPTH, MAX_TYPE_NODES, TypeFault, is_field_name},
    path,
};

/// Walks the type in reading order and reports the first fault. Linear in the size of the type times its depth;
/// recursion ends at [`MAX_TYPE_DEPTH`].
pub(crate) fn check(ctype: &CType) -> Result<(), TypeFault> {
    walk(ctype, 0, &mut 0)
}

fn walk(ctype: &CType, above: usize, nodes: &mut usize) -> Result<(), TypeFault> {
    if above > MAX_TYPE_DEPTH {
        return Err(TypeFault::new(TypeCode::Depth));
    }
    count(nodes)?;
    match ctype {
        CType::String | CType::Int | CType::Float | CType::Bool | CType::Bytes | CType::Any => Ok(()),
        CType::List(item) => walk(item, above + 1, nodes).map_err(|fault| fault.inside("[]".to_owned())),
        CType::Map(_, value) => {
            if above == MAX_TYPE_DEPTH {
                return Err(TypeFault::new(TypeCode::Depth).inside("{key}".to_owned()));
            }
            count(nodes).map_err(|fault| fault.inside("{key}".to_owned()))?;
            walk(value, above + 1, nodes).map_err(|fault| fault.inside("{}".to_owned()))
        }
        CType::Option(value) => {
            if value.is_option() {
                return Err(TypeFault::new(TypeCode::OptionNested).inside("?".to_owned()));
            }
            walk(value, above + 1, nodes).map_err(|fault| fault.inside("?".to_owned()))
        }
        CType::Record(record) => {
            let mut names = HashSet::new();
            for field in &record.fields {
                let step = || path::field(&field.name);
                if field.name.len() > MAX_FIELD_NAME || !is_field_name(&field.name) {
                    return Err(TypeFault::new(TypeCode::FieldName).inside(step()));
                }
                if !names.insert(field.name.as_str()) {
                    return Err(TypeFault::new(TypeCode::FieldDuplicate).inside(step()));
                }
                walk(&field.ctype, above + 1, nodes).map_err(|fault| fault.inside(step()))?;
            }
            Ok(())
        }
        CType::Union(variants) => {
            if variants.len() < 2 {
                return Err(TypeFault::new(TypeCode::UnionEmpty));
            }
            let mut seen = HashSet::new();
            for (i, variant) in variants.iter().enumerate() {
                if matches!(variant, CType::Union(_)) {
                    return Err(TypeFault::new(TypeCode::UnionNested).inside(path::variant(i)));
                }
                // Walked first, so that only a variant of legal depth is hashed and compared.
                walk(variant, above + 1, nodes).map_err(|fault| fault.inside(path::variant(i)))?;
                if !seen.insert(variant) {
                    return Err(TypeFault::new(TypeCode::UnionDuplicate).inside(path::variant(i)));
                }
            }
            Ok(())
        }
    }
}

fn count(nodes: &mut usize) -> Result<(), TypeFault> {
    *nodes += 1;
    if *nodes > MAX_TYPE_NODES { Err(TypeFault::new(TypeCode::Size)) } else { Ok(()) }
}
