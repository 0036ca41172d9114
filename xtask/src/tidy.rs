//! `cargo xtask tidy`: the invariants of `docs/architecture.md` that a compiler does not see. Reads; changes nothing.

mod codes;
mod edges;
mod sources;

use anyhow::{Result, bail};

use crate::progress::Progress;
use crate::workspace::Workspace;

/// A sentence about one violation, which names the place.
type Finding = String;

/// Checks every invariant and prints what breaks one.
pub(crate) fn run(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let mut findings = Vec::new();
    progress.step("tidy", || {
        findings.extend(edges::check(workspace)?);
        findings.extend(sources::check(workspace)?);
        findings.extend(codes::check(workspace)?);
        Ok(format!("{} findings", findings.len()))
    })?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings; the invariants are in `docs/architecture.md`", findings.len());
    }
    Ok(())
}
