//! `cargo xtask bench`: measurements in a release build, each beside its baseline in the same run. Asserts no time.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use xshell::cmd;

use crate::progress::Progress;
use crate::setup;
use crate::workspace::Workspace;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Validation, transcoding, decoding and encoding of MessagePack. Writes `target/bench/codec.json`.
    Codec,
    /// Calls of modules on every plane, beside bare gRPC servers. Writes `target/bench/call.json`.
    Call,
    /// Checking and running of pipelines, cached calls, the language server. Writes `target/bench/pipeline.json`.
    Pipeline,
    /// Calls with and without middleware, beside bare requests to a component. Writes `target/bench/middleware.json`.
    Middleware,
    /// Start, memory, registration and size of the host. Writes `target/bench/host.json`.
    Host,
}

/// Runs the measurements that are named, or all; their tables go to standard output.
pub(crate) fn run(workspace: &Workspace, progress: &Progress, benches: &[Bench], options: &[String]) -> Result<()> {
    let benches = if benches.is_empty() { Bench::value_variants() } else { benches };
    ensure!(
        options.is_empty() || (benches.len() == 1 && benches != [Bench::Codec]),
        "options are for one measurement, `call`, `pipeline`, `middleware` or `host`"
    );
    let shell = &workspace.shell;
    if benches != [Bench::Codec] {
        setup::sdks(workspace, progress)?;
        let parts = ["--package", "bench", "--package", "cli", "--bins"];
        progress.command("release build", cmd!(shell, "cargo build --locked --release {parts...}"))?;
    }
    for bench in benches {
        match bench {
            Bench::Codec => cmd!(shell, "cargo bench --locked --quiet --package type-schema --bench codec").run()?,
            Bench::Call => harness(workspace, "call", options)?,
            Bench::Pipeline => harness(workspace, "pipeline", options)?,
            Bench::Middleware => harness(workspace, "middleware", options)?,
            Bench::Host => harness(workspace, "host", options)?,
        }
    }
    Ok(())
}

fn harness(workspace: &Workspace, what: &str, options: &[String]) -> Result<()> {
    let shell = &workspace.shell;
    Ok(cmd!(shell, "cargo run --locked --release --quiet --package bench --bin bench -- {what} {options...}").run()?)
}
