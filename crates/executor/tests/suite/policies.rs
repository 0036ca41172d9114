//! Calls under a policy; each test fails when the option that it is about does nothing.

mod batch;
mod cache;
mod concurrency;
mod priority;
mod retry;
mod throttle;
