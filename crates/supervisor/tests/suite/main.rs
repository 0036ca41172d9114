//! Real processes through a real shim: how they start, what holds them in, how they end and that nothing of them is left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

mod cost;
mod ends;
mod faults;
mod host_gone;
mod sandboxed;
mod starts;
mod support;
mod usage;
mod written;
