//! `cargo xtask setup`: everything that is not cargo's, installed under the tree where git ignores it. Touches nothing outside.

use anyhow::Result;

use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{npm, prerequisites, python};

/// Installs the packages of all parts.
pub(crate) fn run(workspace: &Workspace, progress: &Progress) -> Result<()> {
    python::install(workspace, progress)?;
    for project in [npm::SDK, npm::GOLDEN, npm::TOOLS] {
        node_project(workspace, progress, project)?;
    }
    Ok(())
}

/// Installs the packages of one npm project.
pub(crate) fn node_project(workspace: &Workspace, progress: &Progress, project: &str) -> Result<()> {
    prerequisites::node(&workspace.shell)?;
    npm::install(workspace, progress, project)
}
