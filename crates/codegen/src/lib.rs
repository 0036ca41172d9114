//! Turns `.proto` files, and the types of modules, into Rust, Python and TypeScript. Works in memory: it reads no file, writes none
//! and starts nothing.
//!
//! ```text
//! Sources ──compile──▶ Descriptors ──┬─ rust::generate ───────▶ Files   (prost and tonic)
//!                                    ├─ python::generate ─────▶ Files   (view model, Handlebars)
//!                                    └─ typescript::generate ─▶ Files   (view model, Handlebars)
//! Lock ──────────────────────────────── bindings::generate ───▶ Files   (view model, Handlebars)
//! ```
//!
//! Invariants:
//! * The same sources give the same bytes: everything is sorted, nothing is dated, nothing depends on the machine.
//! * Templates hold loops and names. Every decision, indentation of doc text included, is taken in the language's view model.
//! * It does not link what it generates.

pub mod bindings;
mod descriptors;
mod docs;
mod embed;
mod error;
mod files;
pub mod python;
mod render;
pub mod rust;
pub mod typescript;

pub use crate::descriptors::{Descriptors, Sources};
pub use crate::error::Error;
pub use crate::files::Files;
