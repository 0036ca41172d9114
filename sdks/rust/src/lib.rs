//! The Rust SDK: providers that serve modules, and a client that calls them. Holds no part of the host, and nothing of its crates.
//!
#![doc = include_str!("../README.md")]

#[cfg(test)]
extern crate self as modrack;

mod bearer;
mod client;
pub mod codec;
mod context;
mod error;
mod generated;
mod handler;
mod host;
pub mod json;
mod module;
pub mod pipelines;
mod provider;
mod run;
mod telemetry;
pub mod testing;
mod typed_module;
mod types;
mod value;

pub use bytes::Bytes;
pub use client::{
    CallOptions, CallStream, Change, Client, ClientBuilder, EndpointInfo, EndpointState, ModuleInfo, PutOptions,
    RunOptions, Watch,
};
pub use codec::{CodecError, Decode, Encode, MapKey, Typed};
pub use context::Context;
pub use error::{Category, Error, ModuleError, Origin};
pub use handler::{BatchHandler, BlockingHandler, Handler, StreamHandler};
pub use modrack_derive::{Record, Union};
pub use module::Module;
pub use pipelines::{Pipeline, PipelineRun, RunEvent, RunStream, Source};
pub use provider::{Plane, Provider, ProviderHandle};
#[cfg(feature = "otel")]
pub use telemetry::flush as flush_traces;
pub use tokio_stream::Stream;
pub use typed_module::TypedModule;
pub use types::{CType, Field, TypeError};
pub use value::Value;
