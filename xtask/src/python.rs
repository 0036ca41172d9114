//! The virtual environment of the tree: how it is made, and where its programs are.

use std::path::PathBuf;

use anyhow::Result;
use xshell::cmd;

use crate::prerequisites;
use crate::progress::Progress;
use crate::stamp::Stamp;
use crate::workspace::Workspace;

const ENVIRONMENT: &str = ".venv";
/// Exact versions of everything that the tests and tools of the Python parts need.
pub(crate) const LOCK: &str = "xtask/python/requirements.txt";
/// What is written in Python and tested here: the SDK, and the middleware that comes with Modrack. Each has its own lints, types and
/// tests, all by the same commands.
pub(crate) const PROJECTS: [&str; 3] = ["sdks/python", "modules/arca", "modules/dator"];

/// Makes the environment with the locked packages and our own, editable. Quick when nothing changed.
pub(crate) fn install(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let manifests = PROJECTS.map(|project| format!("{project}/pyproject.toml"));
    let inputs: Vec<_> = std::iter::once(LOCK.to_owned()).chain(manifests).collect();
    let stamp = Stamp::of(workspace, ENVIRONMENT, &inputs)?;
    if stamp.is_current() && program(workspace, "python").is_file() {
        return Ok(());
    }
    let shell = &workspace.shell;
    if !program(workspace, "python").is_file() {
        let python = prerequisites::python(shell)?;
        progress.command("Python environment", cmd!(shell, "{python} -m venv {ENVIRONMENT}"))?;
    }
    let python = program(workspace, "python");
    let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet"];
    progress.command("Python packages", cmd!(shell, "{python} {pip...} --requirement {LOCK}"))?;
    let ours = PROJECTS.into_iter().flat_map(|project| ["--editable", project]);
    let ours = ["--no-deps", "--no-build-isolation"].into_iter().chain(ours);
    progress.command("Python SDK and middleware", cmd!(shell, "{python} {pip...} {ours...}"))?;
    stamp.write()
}

/// A program of the environment.
pub(crate) fn program(workspace: &Workspace, name: &str) -> PathBuf {
    let directory = if cfg!(windows) { "Scripts" } else { "bin" };
    workspace.path(&format!("{ENVIRONMENT}/{directory}/{name}{}", std::env::consts::EXE_SUFFIX))
}
