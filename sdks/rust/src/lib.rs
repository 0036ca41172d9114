//! Write modules for Modrack in Rust, and call any module from Rust. Holds no part of the host.

extern crate self as modrack;

pub mod codec;
mod error;
mod generated;
pub mod json;
mod types;
mod value;

pub use bytes::Bytes;
pub use codec::{CodecError, Decode, Encode, MapKey, Typed};
pub use error::{Category, Error, ModuleError, Origin};
pub use modrack_derive::{Record, Union};
pub use types::{CType, Field, TypeError};
pub use value::Value;
