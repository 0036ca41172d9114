//! The Rust that `codegen` makes of `tests/golden/proto`. Not used by anything: it is here to be compiled and exercised.

/// The generated modules.
pub mod generated;
