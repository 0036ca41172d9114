//! The running executor with a real registry: scripted peers at the other end of in-memory connections and real gRPC
//! servers. Time is paused where no socket is open, so that nothing sleeps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

mod batches;
mod bounds;
mod calls;
mod ejection;
mod endings;
mod groups;
mod policies;
mod streams;
mod unary;
mod unary_streams;
mod world;
