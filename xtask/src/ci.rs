//! `cargo xtask ci`: every check that CI makes, each by its name. The tests are one of them; `.ci/run` calls them apart.

use anyhow::{Context, Result};
use clap::ValueEnum;
use xshell::cmd;

use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{codegen, npm, prerequisites, setup, test, tidy};

/// One check.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// The invariants of the architecture.
    Tidy,
    /// The generated code is what the protos give.
    Codegen,
    /// rustfmt.
    Fmt,
    /// clippy without warnings, tests and examples included.
    Clippy,
    /// buf: the style of the protos, and that old clients still understand them.
    Buf,
    /// cargo-deny: licences, duplicates, sources.
    Deny,
    /// All tests.
    Test,
    /// A minute of fuzzing, where the nightly toolchain and cargo-fuzz are installed.
    Fuzz,
}

/// Seconds of fuzzing for all targets together.
const FUZZ_SECONDS: usize = 60;

/// Runs the checks that are named, or all, except those left out.
pub(crate) fn run(workspace: &Workspace, progress: &Progress, checks: &[Check], except: &[Check]) -> Result<()> {
    let checks = if checks.is_empty() { Check::value_variants() } else { checks };
    let shell = &workspace.shell;
    for check in checks.iter().filter(|check| !except.contains(check)) {
        match check {
            Check::Tidy => tidy::run(workspace, progress)?,
            Check::Codegen => {
                progress.step("codegen --check", || codegen::check(workspace).map(|()| "up to date".to_owned()))?;
            }
            Check::Fmt => drop(progress.command("rustfmt", cmd!(shell, "cargo fmt --all --check"))?),
            Check::Clippy => {
                let arguments = ["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
                progress.command("clippy", cmd!(shell, "cargo clippy {arguments...}"))?;
                let arguments =
                    ["--package", "modrack", "--features", "otel", "--all-targets", "--locked", "--", "-D", "warnings"];
                progress.command("clippy of the Rust SDK with traces", cmd!(shell, "cargo clippy {arguments...}"))?;
            }
            Check::Buf => buf(workspace, progress)?,
            Check::Deny => deny(workspace, progress)?,
            Check::Test => test::run(workspace, progress, &[])?,
            Check::Fuzz => fuzz(workspace, progress)?,
        }
    }
    Ok(())
}

fn buf(workspace: &Workspace, progress: &Progress) -> Result<()> {
    setup::node_project(workspace, progress, npm::TOOLS)?;
    progress.command("buf lint", npm::program(workspace, npm::TOOLS, "buf").arg("lint"))?;
    let Some(base) = base_of_comparison(workspace)? else {
        progress.skip("buf breaking", "no earlier commit of main has protos");
        return Ok(());
    };
    // A copy, because buf cannot read a commit by its hash out of a shallow clone.
    let shell = &workspace.shell;
    let earlier = shell.create_temp_dir()?;
    let (archive, directory) = (earlier.path().join("protos.tar"), earlier.path());
    cmd!(shell, "git archive --output {archive} {base} proto buf.yaml").quiet().run()?;
    cmd!(shell, "tar -x -f {archive} -C {directory}").quiet().run()?;
    let breaking = npm::program(workspace, npm::TOOLS, "buf").arg("breaking").arg("--against").arg(directory);
    progress.command(&format!("buf breaking against {base:.12}"), breaking)?;
    Ok(())
}

/// The commit of main before the present one that has protos: main itself on a branch, else the parent.
fn base_of_comparison(workspace: &Workspace) -> Result<Option<String>> {
    let shell = &workspace.shell;
    let commit = |name: &str| {
        let revision = format!("{name}^{{commit}}");
        cmd!(shell, "git rev-parse --verify --quiet {revision}").quiet().ignore_stderr().read().ok()
    };
    let head = commit("HEAD").context("there is no commit yet")?;
    let main = ["origin/main", "main"].into_iter().filter_map(commit).find(|main| *main != head);
    let base = main.or_else(|| commit("HEAD~1"));
    Ok(base.filter(|base| {
        let protos = format!("{base}:proto");
        cmd!(shell, "git cat-file -e {protos}").quiet().ignore_stderr().run().is_ok()
    }))
}

fn deny(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let shell = &workspace.shell;
    if !prerequisites::has_cargo(shell, "deny") {
        progress.skip("cargo deny", "it is not installed; install it: `cargo install --locked cargo-deny`");
        return Ok(());
    }
    progress.command("cargo deny", cmd!(shell, "cargo deny check licenses bans sources"))?;
    Ok(())
}

fn fuzz(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let shell = &workspace.shell;
    let nightly = cmd!(shell, "cargo +nightly fuzz --version").quiet().ignore_stderr().ignore_stdout().run();
    if nightly.is_err() {
        let how = "install them: `rustup toolchain install nightly && cargo install --locked cargo-fuzz`";
        progress.skip("fuzzing", &format!("the nightly toolchain or cargo-fuzz is not installed; {how}"));
        return Ok(());
    }
    let targets = cmd!(shell, "cargo +nightly fuzz list").quiet().read()?;
    let targets: Vec<_> = targets.lines().collect();
    let seconds = format!("-max_total_time={}", FUZZ_SECONDS.div_ceil(targets.len().max(1)));
    for target in targets {
        progress.command(&format!("fuzz {target}"), cmd!(shell, "cargo +nightly fuzz run {target} -- {seconds}"))?;
    }
    Ok(())
}
