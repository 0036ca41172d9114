//! Real processes through a real shim: how they start, what holds them in, how they end and that nothing of them is left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

mod ends;
mod faults;
mod starts;
mod support;
