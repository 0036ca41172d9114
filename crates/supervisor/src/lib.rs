//! Starts, probes, initialises, restarts, drains and stops local processes: the only crate that creates one. Routes no call and
//! applies no decision.

pub mod config;
