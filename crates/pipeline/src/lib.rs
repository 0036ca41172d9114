//! The pipeline language: `.cst` text to a typed plan, and the run loop that carries a plan out.
//!
//! `docs/pipelines.md` is the normative page. A source is lexed and parsed into a lossless tree ([`parse`]), lowered to an
//! [`ast::File`], checked against a [`Catalog`] of modules into a [`Plan`] ([`check`]), and run by a loop that calls modules
//! through [`run::Invoke`] alone.
//!
//! # Invariants
//!
//! * All faults of a source are told in one go, each with a code and the exact place. No source panics, and time is linear in its length but
//!   for lookups.
//! * A source that checks never fails at run time for its types: every value is the canonical bytes of the type that the plan
//!   says.
//! * The same source against the same modules has the same plan hash on every machine; formatting does not change it.
//! * Only what the outputs need runs, and each node at most once a run.
//!
//! No clock of its own, no file, no socket, no runtime: futures only.

pub mod ast;
pub mod catalog;
pub mod check;
pub mod diagnostic;
pub mod facts;
mod format;
pub mod graph;
pub mod ide;
mod lexer;
mod lower;
mod parse;
mod parser;
pub mod plan;
mod print;
pub mod run;
pub mod stdlib;
pub mod syntax;
mod tree;

pub use catalog::{Catalog, ModuleSignature};
pub use check::{Checked, check, compile};
pub use diagnostic::{Code, Diagnostic, Severity, Span};
pub use format::format;
pub use parse::{MAX_SOURCE_BYTES, Parsed, parse};
pub use parser::{MAX_DIAGNOSTICS, MAX_NESTING};
pub use plan::Plan;
pub use print::print;
