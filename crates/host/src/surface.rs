//! The gRPC services that the host serves. They translate and delegate; what they decide stands in other crates.

pub(crate) mod calls;
pub(crate) mod client;
pub(crate) mod components;
mod guarded;
pub(crate) mod pipelines;
pub(crate) mod provider;
pub(crate) mod stored;
pub(crate) mod timeout;
pub(crate) mod view;
