//! Which values may stand where another type is expected, and why not. Says nothing about bytes: `plan` carries it out.

use crate::{ctype::at, ctype::CType, path::{self, Trail}};

/// Why one type is no subtype of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", at(path))]
pub struct Mismatch {
    /// The path to the parts that differ, empty for the root: `.rows[].id`; `|1` is a variant of the subtype.
    pub path: String,
    /// How they differ.
    pub reason: Reason,
}

/// How two parts differ. Long types are shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Another type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// The type that was wanted.
        expected: String,
        /// The type that is there.
        found: String,
    },
    /// A field that the supertype requires and the subtype does not have.
    #[error("expected {expected}, found no field")]
    Missing {
        /// The type of the field.
        expected: String,
    },
}

/// Longest type in a reason, in characters.
const TYPE_SHOWN: usize = 120;

/// Whether every value of `sub` may stand where `sup` is expected.
///
/// Reflexive; records by width and depth, where a missing field of type Option is None, so that an optional field fits only an optional one;
/// lists, options and map values by depth; map keys only equal;
/// `T <: Option<T>`, `T <: T | U`, `A | B <: T` where both are, `T <: Any`. Not `Int <: Float`.
/// Transitive but for one case: a field that the middle type forgets may come back as an option of another type. Each step
/// then holds, since transcoding drops what is not declared, but the two steps in one are refused.
///
/// # Errors
/// The first difference, in the order of the fields and variants.
pub fn is_subtype(sub: &CType, sup: &CType) -> Result<(), Mismatch> {
    compare(sub, sup).map_err(|difference| Mismatch { path: difference.trail.render(), reason: difference.reason })
}

#[derive(Debug)]
struct Difference {
    trail: Trail,
    reason: Reason,
}

fn compare(sub: &CType, sup: &CType) -> Result<(), Box<Difference>> {
    match (sub, sup) {
        (_, CType::Any) => Ok(()),
        (CType::Union(variants), _) => variants
            .iter()
            .enumerate()
            .try_for_each(|(i, variant)| compare(variant, sup).map_err(|d| inside(d, path::variant(i)))),
        (_, CType::Union(variants)) => {
            if variants.iter().any(|variant| compare(sub, variant).is_ok()) {
                return Ok(());
            }
            // A single variant of this kind is the one that was meant.
            let mut alike = variants.iter().filter(|variant| std::mem::discriminant(*variant) == std::mem::discriminant(sub));
            match (alike.next(), alike.next()) {
                (Some(variant), None) => compare(sub, variant),
                _ => Err(differ(sub, sup)),
            }
        }
        (CType::Option(sub), CType::Option(sup)) => compare(sub, sup).map_err(|d| inside(d, "?".to_owned())),
        (_, CType::Option(sup)) => compare(sub, sup),
        (CType::List(sub), CType::List(sup)) => compare(sub, sup).map_err(|d| inside(d, "[]".to_owned())),
        (CType::Map(sub_key, _), CType::Map(sup_key, _)) if sub_key != sup_key => {
            Err(inside(differ(&sub_key.ctype(), &sup_key.ctype()), "{key}".to_owned()))
        }
        (CType::Map(_, sub), CType::Map(_, sup)) => compare(sub, sup).map_err(|d| inside(d, "{}".to_owned())),
        (CType::Record(sub), CType::Record(sup)) => {
            let by_name: std::collections::HashMap<&str, &CType> =
                sub.fields.iter().map(|field| (field.name.as_str(), &field.ctype)).collect();
            sup.fields.iter().try_for_each(|field| {
                let compared = match by_name.get(field.name.as_str()) {
                    // A None is absent, which no other type can show.
                    Some(sub) if sub.is_option() && !field.ctype.is_option() => Err(differ(sub, &field.ctype)),
                    Some(sub) => compare(sub, &field.ctype),
                    None if field.ctype.is_option() => Ok(()),
                    None => Err(Box::new(Difference {
                        trail: Trail::default(),
                        reason: Reason::Missing { expected: shorten(&field.ctype) },
                    })),
                };
                compared.map_err(|d| inside(d, path::field(&field.name)))
            })
        }
        _ if sub == sup => Ok(()),
        _ => Err(differ(sub, sup)),
    }
}

fn inside(mut difference: Box<Difference>, step: String) -> Box<Difference> {
    difference.trail.push(step);
    difference
}

fn differ(sub: &CType, sup: &CType) -> Box<Difference> {
    let reason = Reason::Type { expected: shorten(sup), found: shorten(sub) };
    Box::new(Difference { trail: Trail::default(), reason })
}

/// The text of a type, cut where it is long.
pub(crate) fn shorten(ctype: &CType) -> String {
    let text = ctype.to_string();
    match text.char_indices().nth(TYPE_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
