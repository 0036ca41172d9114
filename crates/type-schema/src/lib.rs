//! Types, values and their bytes: the pure domain that everything else speaks in.
//!
//! A module takes one value and gives one, each of a [`CType`]. `docs/codec.md` is the normative page: the text of types, the
//! canonical MessagePack, the JSON, every refusal with its code. The cases in `tests/vectors` pin it for every language.
//!
//! Two forms of a value exist. The **bytes** are what travels, and the hot path knows nothing else: a [`Schema`] is a type
//! compiled once, [`Schema::validate`] walks the bytes without allocating, and a [`Transcoder`] carries them from one type to a
//! supertype, by forwarding them as they are wherever it can; [`raw`] takes validated bytes apart and puts them together. The **tree**, [`CValue`], is for code that computes with values.
//!
//! ```
//! use type_schema::{CType, CValue, Layout, Schema, encode, is_subtype};
//!
//! let narrow = CType::parse("{text: String}")?;
//! let wide = CType::record([("text", CType::String), ("limit", CType::option(CType::Int))]);
//! is_subtype(&narrow, &wide)?;
//!
//! let bytes = encode(&CValue::record([("text", CValue::String("hi".into()))]), &narrow)?;
//! assert_eq!(Schema::new(wide)?.validate(&bytes)?, Layout::Canonical);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! * Equal values have equal bytes. Nothing but the canonical encoding is ever written.
//! * What one reader of bytes accepts, all accept, and they refuse with the same code, path and offset: [`decode`],
//!   [`Schema::validate`], [`Schema::canonicalize`], [`Transcoder::transcode`].
//! * What a type does not declare never comes out of a decoder or a transcoder, except where it is an `Any`.
//! * Input decides neither the depth of the stack (at most [`MAX_VALUE_DEPTH`] or [`MAX_TYPE_DEPTH`] levels) nor an allocation
//!   beyond a small multiple of its own length; time is at most n log n in it.
//! * Every refusal has a stable code and a path. No refusal panics.
//! * A type in a [`Schema`] keeps the rules of [`CType::check`].
//!
//! No clock, no file, no socket, no runtime; and no protobuf, whose conversions live in `protocol`.

mod check;
mod code;
mod compat;
mod ctype;
mod decode;
mod encode;
mod error;
mod json;
mod json_schema;
mod lock;
mod parse;
mod path;
mod plan;
pub mod raw;
mod reader;
mod schema;
mod signature;
#[cfg(feature = "proptest")]
pub mod strategy;
mod subtype;
mod transcode;
mod validate;
mod value;
mod writer;

pub use crate::{
    code::{Code, TypeCode},
    compat::{Change, Compatibility, Effect, Side, What, compatibility},
    ctype::{CType, Field, KeyType, MAX_FIELD_NAME, MAX_TYPE_DEPTH, MAX_TYPE_NODES, Record, TypeError},
    decode::decode,
    encode::encode,
    error::{DecodeError, EncodeError, JsonError},
    json::{
        JsonFault, MAX_JSON_FAULTS, from_json, json_faults, json_to_msgpack, msgpack_to_json, parse_json,
        parse_json_text, to_json,
    },
    json_schema::{json_schema, json_schema_parts},
    lock::{LOCK_VERSION, Lock, LockDifference, LockError, LockedCapabilities, LockedExample, LockedModule},
    reader::MAX_VALUE_DEPTH,
    schema::{Schema, Transcoder},
    signature::{Signature, fingerprint},
    subtype::{Mismatch, Reason, is_subtype},
    validate::Layout,
    value::{CValue, Key},
};
