//! Pipelines through the surfaces of a host in this process, with providers that do as the test says.
// Tests fail by panicking, their helpers included.
#![allow(clippy::unwrap_used)]

mod options;
mod runs;
mod stored;
mod world;
