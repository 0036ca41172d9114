//! `cargo xtask setup`: everything that is not cargo's, installed under the tree where git ignores it. Touches nothing outside.

use anyhow::Result;
use xshell::cmd;

use crate::progress::Progress;
use crate::stamp::Stamp;
use crate::workspace::Workspace;
use crate::{npm, prerequisites, python};

/// Installs the packages of all parts.
pub(crate) fn run(workspace: &Workspace, progress: &Progress) -> Result<()> {
    python::install(workspace, progress)?;
    for project in [npm::SDK, npm::GOLDEN, npm::TOOLS] {
        node_project(workspace, progress, project)?;
    }
    build_typescript(workspace, progress)?;
    // It uses the SDK as a package, so the SDK comes first.
    node_project(workspace, progress, npm::BINDINGS)
}

/// Makes the SDKs of Python and TypeScript usable, which is all that providers need.
pub(crate) fn sdks(workspace: &Workspace, progress: &Progress) -> Result<()> {
    python::install(workspace, progress)?;
    build_typescript(workspace, progress)
}

/// Installs the packages of one npm project.
pub(crate) fn node_project(workspace: &Workspace, progress: &Progress, project: &str) -> Result<()> {
    prerequisites::node(&workspace.shell)?;
    npm::install(workspace, progress, project)
}

/// Compiles the TypeScript SDK, which the examples and the end-to-end tests import as its users do. Quick when nothing changed.
pub(crate) fn build_typescript(workspace: &Workspace, progress: &Progress) -> Result<()> {
    node_project(workspace, progress, npm::SDK)?;
    let is_input = |path: &String| path.starts_with(npm::SDK) && !path.contains("/tests/") && !path.ends_with(".md");
    let inputs: Vec<_> = workspace.files()?.into_iter().filter(is_input).collect();
    let directory = format!("{}/dist", npm::SDK);
    let stamp = Stamp::of(workspace, &directory, &inputs)?;
    if stamp.is_current() {
        return Ok(());
    }
    let shell = &workspace.shell;
    let _directory = shell.push_dir(npm::SDK);
    progress.command("TypeScript SDK", cmd!(shell, "npm run --silent build"))?;
    stamp.write()
}
