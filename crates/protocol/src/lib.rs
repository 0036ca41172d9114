//! The wire, and where it ends: generated protobuf code, its conversion to domain types, the error envelope,
//! the frames of the attach and link planes, and the link's framing. Knows no registry; the one socket it opens is the
//! unary plane's, under the allow-list of [`dial`].
//!
//! Invariants:
//! * What crosses this crate's boundary upwards is a domain type that has been checked: a [`ModuleName`] is well formed, a
//!   [`ModuleSpec`] has legal types. The generated code in [`generated`] is for the surfaces that implement its traits.
//! * Every failure is an [`Error`]; the mapping to gRPC and HTTP status stands in [`error`] alone.
//! * A session token and a [`Secret`] never appear in `Debug` or `Display` output.

pub mod codes;
pub mod component;
pub mod dial;
pub mod error;
pub mod frame;
pub mod generated;
pub mod listing;
pub mod module;
pub mod names;
pub mod registration;
pub mod schema;
pub mod secret;
pub mod token;
pub mod unary;

pub use error::{Category, Error, Origin};
pub use module::{Capabilities, DataPlane, Example, ModuleSpec, ProviderInfo};
pub use names::{GroupId, LocalName, ModuleName, Namespace, ServiceId, SessionId, Subject};
pub use registration::{Registration, ServiceUrl};
pub use secret::Secret;
pub use token::SessionToken;

/// Version of the provider protocol that this code speaks.
pub const PROTOCOL_VERSION: u32 = 1;
