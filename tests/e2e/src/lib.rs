//! The harness of the end-to-end tests: hosts and providers as real processes on free addresses. Holds no test.
//!
//! Every wait is bounded, every process ends with the value that owns it, and its output is shown when the test fails.

mod host;
mod locate;
mod process;
mod provider;

pub use host::{Host, Settings};
pub use locate::{golden_bindings, golden_bindings_directory, golden_client, golden_provider, program};
pub use process::Process;
pub use provider::{Language, Plane, Provider};
