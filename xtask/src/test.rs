//! `cargo xtask test`: the tests of every language, with the checkers that belong to them. Sets up what is missing first.

use anyhow::Result;
use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{npm, prerequisites, python, setup};

/// A part of the tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Unit, property and documentation tests of all Rust packages.
    Rust,
    /// The Python SDK: ruff, pyright, pytest.
    Python,
    /// The TypeScript SDK: biome, tsc, vitest.
    Typescript,
    /// The stubs that are generated for `tests/golden`, checked strictly and run.
    Golden,
    /// The real host with real providers as processes.
    E2e,
}

/// Runs the parts that are named, or all.
pub(crate) fn run(workspace: &Workspace, progress: &Progress, parts: &[Part]) -> Result<()> {
    let parts = if parts.is_empty() { Part::value_variants() } else { parts };
    for part in parts {
        match part {
            Part::Rust => rust(workspace, progress)?,
            Part::Python => python_sdk(workspace, progress)?,
            Part::Typescript => typescript_sdk(workspace, progress)?,
            Part::Golden => golden(workspace, progress)?,
            Part::E2e => end_to_end(workspace, progress)?,
        }
    }
    Ok(())
}

fn rust(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let shell = &workspace.shell;
    let runner = runner(shell);
    progress
        .command("Rust tests", cmd!(shell, "cargo {runner...} --workspace --exclude e2e --exclude golden --locked"))?;
    progress.command("Rust examples in documentation", cmd!(shell, "cargo test --doc --workspace --locked"))?;
    Ok(())
}

fn python_sdk(workspace: &Workspace, progress: &Progress) -> Result<()> {
    python::install(workspace, progress)?;
    let shell = &workspace.shell;
    let _directory = shell.push_dir("sdks/python");
    let [ruff, pyright, python] = ["ruff", "pyright", "python"].map(|name| python::program(workspace, name));
    progress.command("Python lints", cmd!(shell, "{ruff} check ."))?;
    progress.command("Python format", cmd!(shell, "{ruff} format --check ."))?;
    progress.command("Python types", cmd!(shell, "{pyright}"))?;
    progress.command("Python tests", cmd!(shell, "{python} -m pytest -q"))?;
    Ok(())
}

fn typescript_sdk(workspace: &Workspace, progress: &Progress) -> Result<()> {
    setup::node_project(workspace, progress, npm::SDK)?;
    let shell = &workspace.shell;
    let _directory = shell.push_dir(npm::SDK);
    progress.command("TypeScript lints", cmd!(shell, "npm run --silent lint"))?;
    progress.command("TypeScript types", cmd!(shell, "npm run --silent typecheck"))?;
    progress.command("TypeScript tests", cmd!(shell, "npm run --silent test"))?;
    Ok(())
}

fn end_to_end(workspace: &Workspace, progress: &Progress) -> Result<()> {
    setup::run(workspace, progress)?;
    let shell = &workspace.shell;
    let host = ["--package", "cli", "--package", "golden", "--bins"];
    progress.command("host", cmd!(shell, "cargo build --locked {host...}"))?;
    progress.command("Rust providers", cmd!(shell, "cargo build --locked --package modrack --examples"))?;
    {
        let _directory = shell.push_dir(npm::GOLDEN);
        progress.command("generated TypeScript client", npm::program(workspace, npm::GOLDEN, "tsc"))?;
    }
    let runner = runner(shell);
    progress.command("end-to-end tests", cmd!(shell, "cargo {runner...} --package e2e --locked"))?;
    Ok(())
}

fn runner(shell: &Shell) -> &'static [&'static str] {
    if prerequisites::has_cargo(shell, "nextest") { &["nextest", "run"] } else { &["test", "--tests"] }
}

fn golden(workspace: &Workspace, progress: &Progress) -> Result<()> {
    python::install(workspace, progress)?;
    setup::node_project(workspace, progress, npm::GOLDEN)?;
    let shell = &workspace.shell;
    progress.command("golden Rust", cmd!(shell, "cargo test --quiet --locked --package golden"))?;
    {
        let _directory = shell.push_dir("tests/golden/python");
        let [pyright, python] = ["pyright", "python"].map(|name| python::program(workspace, name));
        progress.command("golden Python types", cmd!(shell, "{pyright}"))?;
        progress.command("golden Python", cmd!(shell, "{python} -m pytest -q"))?;
    }
    let _directory = shell.push_dir(npm::GOLDEN);
    progress.command("golden TypeScript types", npm::program(workspace, npm::GOLDEN, "tsc"))?;
    progress.command("golden TypeScript", cmd!(shell, "npm run --silent test"))?;
    Ok(())
}
