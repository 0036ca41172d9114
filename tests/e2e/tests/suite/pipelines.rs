//! Pipelines over real providers. What the host itself does is tested beside it, in `crates/host/tests/pipelines`.

mod bad_sources;
mod ends;
mod http;
mod planes;
mod traces;
