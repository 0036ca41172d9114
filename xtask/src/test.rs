//! `cargo xtask test`: the tests of every language, with the checkers that belong to them. Sets up what is missing first.

use anyhow::Result;
use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{bundle, fuzz, npm, packages, prerequisites, python, setup};

/// A part of the tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Unit, property and documentation tests of all Rust packages.
    Rust,
    /// The Python SDK and the middleware written with it: ruff, pyright, pytest.
    Python,
    /// The TypeScript SDK: biome, tsc, vitest.
    Typescript,
    /// The extension for VS Code: biome, tsc, its grammar by the engine that VS Code uses.
    Editors,
    /// The stubs that are generated for `tests/golden`, checked strictly and run.
    Golden,
    /// The codecs of all languages against each other, on a hundred thousand drawn values.
    Differential,
    /// The real host with real providers as processes.
    E2e,
    /// One set of scenarios for the SDKs of all languages on all planes.
    Conformance,
    /// The wheel, the npm package and the crates, installed outside the tree and used there.
    Packages,
}

/// Runs the parts that are named, or all.
///
/// # Errors
/// At the first part that fails. When all pass, the last line printed says how many tests did.
pub(crate) fn run(workspace: &Workspace, progress: &Progress, parts: &[Part]) -> Result<()> {
    let parts = if parts.is_empty() { Part::value_variants() } else { parts };
    let mut passed = 0;
    for part in parts {
        let outputs = match part {
            Part::Rust => rust(workspace, progress)?,
            Part::Python => python_projects(workspace, progress)?,
            Part::Typescript => typescript_sdk(workspace, progress)?,
            Part::Editors => editors(workspace, progress)?,
            Part::Golden => golden(workspace, progress)?,
            Part::Differential => vec![fuzz::test(workspace, progress)?],
            Part::E2e => end_to_end(workspace, progress)?,
            Part::Conformance => conformance(workspace, progress)?,
            Part::Packages => {
                passed += packages::test(workspace, progress)?;
                Vec::new()
            }
        };
        passed += outputs.iter().map(|output| passed_in(output)).sum::<usize>();
    }
    println!("{passed} passed, 0 failed");
    Ok(())
}

/// How many tests a runner says have passed: nextest, `cargo test`, pytest, vitest.
fn passed_in(output: &str) -> usize {
    let says = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("Summary [")
            || line.starts_with("test result: ok.")
            || line.starts_with("Tests ")
            || line.contains(" passed in ")
            || (line.contains(" passed, ") && line.contains(" in "))
    };
    let count = |line: &str| {
        let before = line.split(" passed").next()?;
        before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
    };
    output.lines().filter(says).filter_map(count).sum()
}

fn rust(workspace: &Workspace, progress: &Progress) -> Result<Vec<String>> {
    let shell = &workspace.shell;
    let tests_of = runner(shell);
    let tests = progress.command(
        "Rust tests",
        cmd!(shell, "cargo {tests_of...} --workspace --exclude e2e --exclude conformance --locked"),
    )?;
    let traces = ["--package", "modrack", "--features", "otel", "--lib", "--locked"];
    let traces = progress.command("Rust SDK with traces", cmd!(shell, "cargo {tests_of...} {traces...}"))?;
    let examples =
        progress.command("Rust examples in documentation", cmd!(shell, "cargo test --doc --workspace --locked"))?;
    Ok(vec![tests, traces, examples])
}

fn python_projects(workspace: &Workspace, progress: &Progress) -> Result<Vec<String>> {
    python::install(workspace, progress)?;
    let shell = &workspace.shell;
    let [ruff, pyright, python] = ["ruff", "pyright", "python"].map(|name| python::program(workspace, name));
    let mut outputs = Vec::new();
    for project in python::PROJECTS {
        let _directory = shell.push_dir(project);
        progress.command(&format!("{project}: lints"), cmd!(shell, "{ruff} check ."))?;
        progress.command(&format!("{project}: format"), cmd!(shell, "{ruff} format --check ."))?;
        progress.command(&format!("{project}: types"), cmd!(shell, "{pyright}"))?;
        outputs.push(progress.command(&format!("{project}: tests"), cmd!(shell, "{python} -m pytest -q"))?);
    }
    Ok(outputs)
}

fn typescript_sdk(workspace: &Workspace, progress: &Progress) -> Result<Vec<String>> {
    setup::node_project(workspace, progress, npm::SDK)?;
    let shell = &workspace.shell;
    let _directory = shell.push_dir(npm::SDK);
    progress.command("TypeScript lints", cmd!(shell, "npm run --silent lint"))?;
    progress.command("TypeScript types", cmd!(shell, "npm run --silent typecheck"))?;
    Ok(vec![progress.command("TypeScript tests", cmd!(shell, "npm run --silent test"))?])
}

fn editors(workspace: &Workspace, progress: &Progress) -> Result<Vec<String>> {
    setup::node_project(workspace, progress, npm::VSCODE)?;
    let shell = &workspace.shell;
    let _directory = shell.push_dir(npm::VSCODE);
    progress.command("VS Code extension, lints", cmd!(shell, "npm run --silent lint"))?;
    progress.command("VS Code extension, types", cmd!(shell, "npm run --silent typecheck"))?;
    Ok(vec![progress.command("VS Code extension", cmd!(shell, "npm run --silent test"))?])
}

fn end_to_end(workspace: &Workspace, progress: &Progress) -> Result<Vec<String>> {
    let shell = &workspace.shell;
    prerequisites::browser(shell)?;
    setup::run(workspace, progress)?;
    let host = ["--package", "cli", "--package", "golden", "--package", "golden-bindings", "--bins"];
    progress.command("host", cmd!(shell, "cargo build --locked {host...}"))?;
    let provider = ["--package", "modrack", "--example", "fixture", "--features", "otel"];
    progress.command("Rust provider", cmd!(shell, "cargo build --locked {provider...}"))?;
    let examples = ["--package", "modrack", "--example", "strings_modules"];
    progress.command("Rust modules of the examples", cmd!(shell, "cargo build --locked {examples...}"))?;
    bundle::run(workspace, progress, None)?;
    {
        let _directory = shell.push_dir(npm::GOLDEN);
        progress.command("generated TypeScript client", npm::program(workspace, npm::GOLDEN, "tsc"))?;
    }
    {
        let _directory = shell.push_dir(npm::BINDINGS);
        progress.command("generated TypeScript bindings", npm::program(workspace, npm::BINDINGS, "tsc"))?;
    }
    let runner = runner(shell);
    Ok(vec![progress.command("end-to-end tests", cmd!(shell, "cargo {runner...} --package e2e --locked"))?])
}

fn conformance(workspace: &Workspace, progress: &Progress) -> Result<Vec<String>> {
    python::install(workspace, progress)?;
    setup::build_typescript(workspace, progress)?;
    let shell = &workspace.shell;
    let parts = ["--package", "cli", "--package", "conformance-provider", "--bins"];
    progress.command("host and Rust provider", cmd!(shell, "cargo build --locked {parts...}"))?;
    let runner = runner(shell);
    Ok(vec![progress.command("conformance", cmd!(shell, "cargo {runner...} --package conformance --locked"))?])
}

fn runner(shell: &Shell) -> &'static [&'static str] {
    if prerequisites::has_cargo(shell, "nextest") { &["nextest", "run"] } else { &["test", "--tests"] }
}

fn golden(workspace: &Workspace, progress: &Progress) -> Result<Vec<String>> {
    python::install(workspace, progress)?;
    setup::node_project(workspace, progress, npm::GOLDEN)?;
    let shell = &workspace.shell;
    let rust = progress.command("golden Rust", cmd!(shell, "cargo test --locked --package golden"))?;
    let python = {
        let _directory = shell.push_dir("tests/golden/python");
        let [pyright, python] = ["pyright", "python"].map(|name| python::program(workspace, name));
        progress.command("golden Python types", cmd!(shell, "{pyright}"))?;
        progress.command("golden Python", cmd!(shell, "{python} -m pytest -q"))?
    };
    bindings(workspace, progress)?;
    let _directory = shell.push_dir(npm::GOLDEN);
    progress.command("golden TypeScript types", npm::program(workspace, npm::GOLDEN, "tsc"))?;
    let typescript = progress.command("golden TypeScript", cmd!(shell, "npm run --silent test"))?;
    Ok(vec![rust, python, typescript])
}

/// The generated bindings as their users' own checkers see them. The end-to-end tests run them.
fn bindings(workspace: &Workspace, progress: &Progress) -> Result<()> {
    setup::run(workspace, progress)?;
    let shell = &workspace.shell;
    let rust = ["--locked", "--package", "golden-bindings", "--all-targets", "--", "-D", "warnings"];
    progress.command("golden Rust bindings", cmd!(shell, "cargo clippy {rust...}"))?;
    let generated = "tests/golden/bindings";
    let [ruff, pyright] = ["ruff", "pyright"].map(|name| python::program(workspace, name));
    progress.command("golden Python bindings", cmd!(shell, "{pyright} --project {generated}/python"))?;
    progress.command("golden Python bindings, lints", cmd!(shell, "{ruff} check {generated}"))?;
    progress.command("golden Python bindings, format", cmd!(shell, "{ruff} format --check {generated}"))?;
    let biome = npm::program(workspace, npm::SDK, "biome");
    let directory = workspace.path(npm::BINDINGS).join("src");
    let _directory = shell.push_dir(npm::SDK);
    progress.command("golden TypeScript bindings, lints", biome.arg("check").arg(directory))?;
    let _directory = shell.push_dir(workspace.path(npm::BINDINGS));
    progress.command("golden TypeScript bindings", npm::program(workspace, npm::BINDINGS, "tsc"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_passed_are_counted_for_each_runner() {
        for (output, passed) in [
            ("     Summary [   1.4s] 37 tests run: 37 passed, 0 skipped", 37),
            ("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured", 5),
            ("======= 724 passed, 1 skipped in 90.1s =======", 724),
            ("12 passed in 11.75s", 12),
            ("      Tests  61 passed (61)\n   Test Files  7 passed (7)", 61),
            ("compiling 3 crates, 7 passed over", 0),
        ] {
            assert_eq!(passed_in(output), passed, "{output}");
        }
    }
}
