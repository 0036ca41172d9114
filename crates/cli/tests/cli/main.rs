//! The `modrack` command as a user meets it: whole output and exit code, with real hosts on free ports.
// Tests fail by panicking, their helpers included.
#![allow(clippy::unwrap_used)]

mod bindings;
mod local;
mod lsp;
mod modules;
mod pipelines;
mod run;
mod serve;
mod terminal;
