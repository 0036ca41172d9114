//! Helpers of tests: a client without opinions of its own, providers that can lie, types and values from text.
//! Never part of a product; starts no process and opens loopback and Unix sockets only.
//!
//! Everything here panics where a test should fail, and waits at most [`PATIENCE`].

mod client;
mod codec;
mod connection;
mod editor;
mod executor;
pub mod frames;
mod pipelines;
mod schema;
mod session;
mod wait;

pub use client::{Client, Items, Output, Watch, coded};
pub use codec::BytesCodec;
pub use connection::{Call, Connection};
pub use editor::Editor;
pub use executor::{Asked, Items as ScriptedItems, ItemsEnd, Reply, ScriptedExecutor};
pub use pipelines::{Outputs, RunEvents, source_run, stored_run};
pub use schema::{json, module, msgpack, nested_lists, record_of, registration, schema};
pub use session::Session;
pub use wait::{PATIENCE, eventually, within};
