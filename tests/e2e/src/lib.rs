//! The harness of the end-to-end tests: hosts and providers as real processes on free addresses. Holds no test.
//!
//! Every wait is bounded, every process ends with the value that owns it, and its output is shown when the test fails.

mod collector;
mod component;
mod examples;
mod host;
mod http;
mod locate;
mod process;
mod provider;

pub use collector::{Collector, Recorded};
pub use component::host_with_middleware;
pub use examples::{EXAMPLE_MODULES, Example, example_providers, examples};
pub use host::{Host, Settings};
pub use http::{Answer, Http, get_by_socket};
pub use locate::{
    bundle, examples_directory, golden_bindings, golden_bindings_directory, golden_client, golden_provider, program,
    python_environment, schemathesis,
};
pub use process::Process;
pub use provider::{Language, Plane, Provider, shapes_provider};
