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
const PROJECT: &str = "sdks/python/pyproject.toml";

/// Makes the environment with the locked packages and the SDK, editable. Quick when nothing changed.
pub(crate) fn install(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let stamp = Stamp::of(workspace, ENVIRONMENT, &[LOCK.to_owned(), PROJECT.to_owned()])?;
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
    let sdk = ["--no-deps", "--no-build-isolation", "--editable", "sdks/python"];
    progress.command("Python SDK", cmd!(shell, "{python} {pip...} {sdk...}"))?;
    stamp.write()
}

/// A program of the environment.
pub(crate) fn program(workspace: &Workspace, name: &str) -> PathBuf {
    let directory = if cfg!(windows) { "Scripts" } else { "bin" };
    workspace.path(&format!("{ENVIRONMENT}/{directory}/{name}{}", std::env::consts::EXE_SUFFIX))
}
