//! `cargo xtask bench`: measurements in a release build, each beside its baseline in the same run. Asserts nothing.

use anyhow::Result;
use clap::ValueEnum;
use xshell::cmd;

use crate::workspace::Workspace;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Validation, transcoding, decoding and encoding of MessagePack. Writes `target/bench/codec.json`.
    Codec,
}

/// Runs the measurements that are named, or all; their tables go to standard output.
pub(crate) fn run(workspace: &Workspace, benches: &[Bench]) -> Result<()> {
    let shell = &workspace.shell;
    for bench in if benches.is_empty() { Bench::value_variants() } else { benches } {
        match bench {
            Bench::Codec => cmd!(shell, "cargo bench --locked --quiet --package type-schema --bench codec").run()?,
        }
    }
    Ok(())
}
