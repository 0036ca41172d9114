//! `cargo xtask demo`: a fresh host with the example modules of three languages, each called on a real text. Leaves nothing behind.

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
    println!();
    for provider in &mut providers {
        provider.stop()?;
    }
    let mut host = host;
    host.stop()?;
    eprintln!("  host and providers ended with status 0");
    Ok(())
}
