//! Runs of pipelines against modules that do as the tests say.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]
// Only this binary sees them.
#![allow(missing_docs, unreachable_pub)]

mod bounds;
mod demand;
mod failures;
mod functions;
mod lambdas;
mod soundness;
mod support;
