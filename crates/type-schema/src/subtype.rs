//! Which values may stand where another type is expected, and why not. Says nothing about bytes: `plan` carries it out.

use crate::{
    ctype::CType,
    ctype::at,
    path::{self, Trail},
};

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
    if fits(sub, sup) {
        return Ok(());
    }
    let difference = explain(sub, sup);
    Err(Mismatch { path: difference.trail.render(), reason: difference.reason })
}

struct Difference {
    trail: Trail,
    reason: Reason,
}

/// At most one look at each pair of a node of `sub` and one of `sup`.
fn fits(sub: &CType, sup: &CType) -> bool {
    match (sub, sup) {
        (_, CType::Any) => true,
        (CType::Union(variants), _) => variants.iter().all(|variant| fits(variant, sup)),
        (_, CType::Union(variants)) => variants.iter().any(|variant| fits(sub, variant)),
        (CType::Option(sub), CType::Option(sup)) => fits(sub, sup),
        (_, CType::Option(sup)) => fits(sub, sup),
        (CType::List(sub), CType::List(sup)) => fits(sub, sup),
        (CType::Map(sub_key, sub), CType::Map(sup_key, sup)) => sub_key == sup_key && fits(sub, sup),
        (CType::Record(sub), CType::Record(sup)) => {
            sup.fields.iter().enumerate().all(|(i, field)| match sub.get_near(&field.name, i) {
                Some(sub) => field_fits(sub, &field.ctype),
                None => field.ctype.is_option(),
            })
        }
        _ => sub == sup,
    }
}

/// A None is absent, which a field of no other type can be.
fn field_fits(sub: &CType, sup: &CType) -> bool {
    (sup.is_option() || !sub.is_option()) && fits(sub, sup)
}

/// Why `sub` does not fit `sup`, which is so.
fn explain(sub: &CType, sup: &CType) -> Difference {
    match (sub, sup) {
        (CType::Union(variants), _) => match variants.iter().enumerate().find(|(_, variant)| !fits(variant, sup)) {
            Some((i, variant)) => inside(explain(variant, sup), path::variant(i)),
            None => differ(sub, sup),
        },
        (_, CType::Union(variants)) => {
            // A single variant of this kind is the one that was meant.
            let alike = |variant: &&CType| std::mem::discriminant(*variant) == std::mem::discriminant(sub);
            let mut alike = variants.iter().filter(alike);
            match (alike.next(), alike.next()) {
                (Some(variant), None) => explain(sub, variant),
                _ => differ(sub, sup),
            }
        }
        (CType::Option(sub), CType::Option(sup)) => inside(explain(sub, sup), "?".to_owned()),
        (_, CType::Option(inner)) if !sub.is_option() => explain(sub, inner),
        (CType::List(sub), CType::List(sup)) => inside(explain(sub, sup), "[]".to_owned()),
        (CType::Map(sub_key, _), CType::Map(sup_key, _)) if sub_key != sup_key => {
            inside(differ(&sub_key.ctype(), &sup_key.ctype()), "{key}".to_owned())
        }
        (CType::Map(_, sub), CType::Map(_, sup)) => inside(explain(sub, sup), "{}".to_owned()),
        (CType::Record(sub_record), CType::Record(sup_record)) => {
            let fault = sup_record.fields.iter().enumerate().find_map(|(i, field)| {
                let difference = match sub_record.get_near(&field.name, i) {
                    Some(sub) if field_fits(sub, &field.ctype) => return None,
                    Some(sub) if sub.is_option() && !field.ctype.is_option() => differ(sub, &field.ctype),
                    Some(sub) => explain(sub, &field.ctype),
                    None if field.ctype.is_option() => return None,
                    None => Difference {
                        trail: Trail::default(),
                        reason: Reason::Missing { expected: shorten(&field.ctype) },
                    },
                };
                Some(inside(difference, path::field(&field.name)))
            });
            fault.unwrap_or_else(|| differ(sub, sup))
        }
        _ => differ(sub, sup),
    }
}

fn inside(mut difference: Difference, step: String) -> Difference {
    difference.trail.push(step);
    difference
}

fn differ(sub: &CType, sup: &CType) -> Difference {
    let reason = Reason::Type { expected: shorten(sup), found: shorten(sub) };
    Difference { trail: Trail::default(), reason }
}

/// The text of a type, cut where it is long.
pub(crate) fn shorten(ctype: &CType) -> String {
    let text = ctype.to_string();
    match text.char_indices().nth(TYPE_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
