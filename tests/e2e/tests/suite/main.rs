//! The whole path with real processes. `docs/testing.md` says how it is run.

#[macro_use]
mod matrix;

mod arca;
mod bad_answers;
mod bad_bytes;
mod bad_calls;
mod bad_connections;
mod bad_registrations;
mod begun;
mod bundle;
mod calls;
mod command_line;
mod components;
mod components_cli;
mod components_processes;
mod dev;
mod ends_of_a_call;
mod examples;
mod failures;
mod generated_bindings;
mod generated_clients;
mod groups;
mod http;
mod leases;
mod losses;
mod middleware;
mod openapi;
mod others;
mod payloads;
mod pipelines;
mod replacing;
mod replicas;
mod report;
mod security;
mod stopping;
mod streams;
mod supervision;
mod surface;
mod telemetry;
