//! Middleware around calls and runs: a host in this process, and components that are HTTP servers of the test's own.
// Tests fail by panicking, their helpers included.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "the tests of pipelines use the other half")]
#[path = "../pipelines/world.rs"]
mod world;

mod audit;
mod calls;
mod component;
mod failures;
mod http;
mod runs;
mod streams;
