//! `cargo xtask demo`: a fresh host with the example modules of three languages, each called on a real text, and a pipeline over all of them.
//! Leaves nothing behind but the report of the pipeline's run.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::progress::Progress;
use crate::stage::Stage;
use crate::workspace::Workspace;
use crate::{python, setup};

/// What the modules are called on.
const TEXT: &str = "examples/texts/as-you-like-it.txt";

/// What runs over the modules of all three languages, and with which inputs; its `text` is the text.
const PIPELINE: &str = "examples/mixed.cst";
const INPUTS: [&str; 2] = ["speaker=ADAM", "long=20"];
/// Where the report of that run lies, below the root.
const REPORT: &str = "target/demo/mixed.html";

/// Builds what is needed, runs the demo, and ends every process that it started.
pub(crate) fn run(workspace: &Workspace, progress: &Progress) -> Result<()> {
    setup::sdks(workspace, progress)?;
    let shell = &workspace.shell;
    let parts = ["--package", "cli", "--bin", "modrack"];
    progress.command("host", cmd!(shell, "cargo build --locked {parts...}"))?;
    let parts = ["--package", "modrack", "--example", "strings_modules", "--example", "demo"];
    progress.command("Rust modules", cmd!(shell, "cargo build --locked {parts...}"))?;
    let data = shell.create_temp_dir()?;
    let stage = Stage::new(workspace, data.path());
    let (host, address) = stage.host(data.path())?;
    let mut providers = vec![
        stage.process(
            "text (Python)",
            &python::program(workspace, "python"),
            &["sdks/python/examples/text_modules.py"],
            &address,
        )?,
        stage.process(
            "data (TypeScript)",
            Path::new("node"),
            &["sdks/typescript/dist-examples/data_modules.js"],
            &address,
        )?,
        stage.process("strings (Rust)", &stage.built("examples/strings_modules"), &[], &address)?,
    ];
    eprintln!("  host at {address}, 3 providers\n");
    let shown = Command::new(stage.built("examples/demo"))
        .arg(workspace.path(TEXT))
        .env("MODRACK_HOST", &address)
        .stdin(Stdio::null())
        .status()
        .context("cannot start the demo's client")?;
    if !shown.success() {
        stage.show_logs()?;
        bail!("the demo's client ended with {shown}");
    }
    run_pipeline(workspace, &stage, &address)?;
    println!();
    for provider in &mut providers {
        provider.stop()?;
    }
    let mut host = host;
    host.stop()?;
    eprintln!("  host and providers ended with status 0");
    Ok(())
}

/// Runs the pipeline as anybody would, by the command line.
fn run_pipeline(workspace: &Workspace, stage: &Stage<'_>, address: &str) -> Result<()> {
    let report = workspace.path(REPORT);
    workspace.shell.create_dir(report.parent().context("the report has a directory")?)?;
    let text = format!("text=@{TEXT}");
    println!("\n$ modrack run {PIPELINE} --arg {text} --arg {} --trace --report {REPORT}\n", INPUTS.join(" --arg "));
    let mut command = Command::new(stage.built("modrack"));
    command.current_dir(workspace.path("")).env("MODRACK_HOST", address).stdin(Stdio::null());
    command.args(["run", PIPELINE, "--trace", "--report", REPORT, "--arg", &text]);
    let ended = command.args(INPUTS.iter().flat_map(|input| ["--arg", input])).status();
    let ended = ended.context("cannot start `modrack`")?;
    if !ended.success() {
        stage.show_logs()?;
        bail!("the pipeline ended with {ended}");
    }
    Ok(())
}
