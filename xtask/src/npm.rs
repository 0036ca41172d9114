//! The npm projects of the tree: how their packages are installed, and how their programs are run.

use std::path::PathBuf;

use anyhow::Result;
use xshell::{Cmd, cmd};

use crate::progress::Progress;
use crate::stamp::Stamp;
use crate::workspace::Workspace;

/// The SDK.
pub(crate) const SDK: &str = "sdks/typescript";
/// The stubs that are generated for the tests.
pub(crate) const GOLDEN: &str = "tests/golden/typescript";
/// The bindings that are generated for the tests.
pub(crate) const BINDINGS: &str = "tests/golden/bindings/typescript";
/// The extension for VS Code.
pub(crate) const VSCODE: &str = "editors/vscode";
/// Tools of the tree that come from npm: buf.
pub(crate) const TOOLS: &str = "xtask/node";

/// Installs what the lock file of a project says. Quick when nothing changed.
pub(crate) fn install(workspace: &Workspace, progress: &Progress, project: &str) -> Result<()> {
    let inputs = ["package.json", "package-lock.json"].map(|file| format!("{project}/{file}"));
    let stamp = Stamp::of(workspace, &format!("{project}/node_modules"), &inputs)?;
    if stamp.is_current() {
        return Ok(());
    }
    let shell = &workspace.shell;
    let _directory = shell.push_dir(project);
    progress
        .command(&format!("npm packages of {project}"), cmd!(shell, "npm ci --no-audit --no-fund --loglevel=error"))?;
    stamp.write()
}

/// A program that an installed package brings, to be run in the project's directory. It is started without npm, which
/// would print a head of its own.
pub(crate) fn program<'a>(workspace: &'a Workspace, project: &str, name: &str) -> Cmd<'a> {
    let suffix = if cfg!(windows) { ".cmd" } else { "" };
    let path: PathBuf = workspace.path(&format!("{project}/node_modules/.bin/{name}{suffix}"));
    let shell = &workspace.shell;
    cmd!(shell, "{path}")
}
