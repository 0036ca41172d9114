//! `cargo xtask fuzz`: the codecs of all languages against each other, on drawn values. What is drawn and how answers are compared
//! is the harness's (`tests/differential`).

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Subcommand;
use xshell::{Cmd, cmd};

use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{python, setup};

/// What is fuzzed.
#[derive(Subcommand)]
pub(crate) enum Fuzz {
    /// The codecs of Rust, Python and TypeScript and that of the host.
    Codec {
        /// How many values are drawn.
        #[arg(long, default_value_t = 10_000_000)]
        values: u64,
        /// What decides the draw; another one each time when it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// Draw this group of the seed alone, as a disagreement names it.
        #[arg(long, requires = "seed")]
        group: Option<u64>,
    },
}

/// How many values the tests draw.
const TEST_VALUES: &str = "100000";
/// What decides their draw: the same each time, so that a run of the tests can be repeated.
const TEST_SEED: &str = "20";

/// Runs until all values are drawn or a disagreement is shown.
pub(crate) fn run(workspace: &Workspace, progress: &Progress, what: &Fuzz) -> Result<()> {
    let Fuzz::Codec { values, seed, group } = what;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let (values, seed) = (values.to_string(), seed.unwrap_or(now).to_string());
    let group = group.map(|group| vec!["--group".to_owned(), group.to_string()]).unwrap_or_default();
    build(workspace, progress)?;
    harness(workspace, &values, &seed).args(group).quiet().run()?;
    Ok(())
}

/// The part of the tests: a hundred thousand values.
pub(crate) fn test(workspace: &Workspace, progress: &Progress) -> Result<String> {
    build(workspace, progress)?;
    progress.command("codecs of all languages", harness(workspace, TEST_VALUES, TEST_SEED))
}

fn build(workspace: &Workspace, progress: &Progress) -> Result<()> {
    python::install(workspace, progress)?;
    setup::build_typescript(workspace, progress)?;
    let shell = &workspace.shell;
    let parts = ["--package", "differential", "--bins", "--package", "modrack", "--example", "codec_peer"];
    progress.command("Rust codec", cmd!(shell, "cargo build --locked {parts...}"))?;
    Ok(())
}

fn harness<'a>(workspace: &'a Workspace, values: &str, seed: &str) -> Cmd<'a> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.path("target"), PathBuf::from);
    let target = target.join("debug");
    let peers = workspace.path("tests/differential/peers");
    let rust = format!("rust={}", target.join("examples/codec_peer").display());
    let python = python::program(workspace, "python");
    let python = format!("python={},{}", python.display(), peers.join("python.py").display());
    let typescript = format!("typescript=node,{}", peers.join("typescript.mjs").display());
    let (shell, program) = (&workspace.shell, target.join("differential"));
    cmd!(shell, "{program} --values {values} --seed {seed} --peer {rust} --peer {python} --peer {typescript}")
}
