//! The JSON mapping of `docs/codec.md`. Type-directed both ways; knows no bytes.

mod faults;
mod read;
mod text;
mod write;

pub use self::{
    faults::{JsonFault, MAX_JSON_FAULTS, json_faults},
    read::from_json,
    text::{json_to_msgpack, msgpack_to_json, parse_json, parse_json_text},
    write::to_json,
};

/// Largest magnitude that every double holds together with its neighbours: 2^53 - 1.
pub(crate) const MAX_SAFE: i64 = 9_007_199_254_740_991;

/// Marks the position of a variant where the bare value would not tell it.
pub(crate) const VARIANT: &str = "$variant";
/// The value beside `$variant`.
pub(crate) const VALUE: &str = "value";
/// Marks an Int in an Any, beyond [`MAX_SAFE`].
pub(crate) const INT: &str = "$int";
/// Marks a Float in an Any that would read as an Int or has no JSON number.
pub(crate) const FLOAT: &str = "$float";
/// Marks Bytes in an Any.
pub(crate) const BYTES: &str = "$bytes";
/// Marks a map in an Any that no JSON object can show.
pub(crate) const MAP: &str = "$map";

fn is_safe(v: i64) -> bool {
    (-MAX_SAFE..=MAX_SAFE).contains(&v)
}
