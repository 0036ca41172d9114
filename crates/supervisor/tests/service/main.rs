//! The supervisor with real processes: how components start, live, fail and stop, and what operators see of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

mod commands;
mod cost;
mod host;
mod invocations;
mod lives;
mod local;
mod providers;
mod starts;
