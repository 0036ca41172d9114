//! Measures calls, pipelines and a host's footprint, each beside its baseline in the same run; prints tables and writes files.
//! Asserts no time.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tables are the point")]

mod calls;
mod footprint;
mod load;
mod machine;
mod middleware;
mod pipeline;
mod process;
mod record;
mod report;
mod subjects;

use anyhow::Result;
use clap::Parser;

/// Measurements in this build, beside their baselines.
#[derive(Debug, Parser)]
enum Command {
    /// Calls of modules on every plane, beside bare gRPC servers.
    Call(calls::Arguments),
    /// Checking and running of pipelines, the host's share of a run, cached calls, the language server.
    Pipeline(pipeline::Arguments),
    /// Calls that middleware is not about, and what a component adds to a call, beside a bare request to it.
    Middleware(middleware::Arguments),
    /// Start, memory, registration and size of a host.
    Host(footprint::Arguments),
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Call(arguments) => calls::run(&arguments),
        Command::Pipeline(arguments) => pipeline::run(&arguments),
        Command::Middleware(arguments) => middleware::run(&arguments),
        Command::Host(arguments) => footprint::run(&arguments),
    }
}
