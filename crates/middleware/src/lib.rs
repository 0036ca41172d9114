//! Middleware, as far as it is pure: what a component is told at a hook, what it may answer, and what becomes of the payload.
//! Calls no component and knows no process; the host asks, with [`chain`] saying whom and what next.
//!
//! Invariants:
//! * A payload that leaves a chain has the type that the hook declares for it.
//! * A component changes no field outside its field policy, and routes to no module that the policy or the types forbid.
//! * An answer that breaks a rule is a failure of its component: it changes nothing, and `on_component_failure` says what follows.

pub mod chain;
pub mod decision;
pub mod envelope;
mod equality;
pub mod filter;
pub mod hook;
pub mod init;
pub mod patch;
mod pattern;
mod pointer;
mod policy;
pub mod settings;

pub use chain::{About, Ask, Chain, Course, End, Failed, Link, RouteTypes, Traced, Types, Verdict};
pub use decision::{DecisionKind, MiddlewareDecision, PatchStrategy};
pub use envelope::{Caller, Correlation, Outcome, Subject, SubjectKind, WorkflowEnvelope};
pub use filter::Filter;
pub use hook::Hook;
pub use init::{Capability, CapabilityClass, HostCapability, MiddlewareInit, ModuleReport};
pub use settings::{FieldPolicy, OnFailure, SettingFault, Settings};

/// Version of the contract between host and component: envelope, decision, init and report.
pub const CONTRACT_VERSION: &str = "1";
/// Version of the host's API that components may call, as `expected_host_api_version` of a report names it.
pub const HOST_API_VERSION: &str = "1";
