//! The gRPC services that the host serves. They translate and delegate; what they decide stands in other crates.

pub(crate) mod calls;
pub(crate) mod client;
mod pipelines;
pub(crate) mod provider;
mod stored;
pub(crate) mod timeout;
pub(crate) mod view;
