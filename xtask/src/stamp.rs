//! Remembers what was installed, so that nothing is installed twice. A stamp lies in the directory that it speaks of and goes with it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::workspace::Workspace;

/// What an installed directory depends on.
pub(crate) struct Stamp {
    file: PathBuf,
    digest: String,
}

impl Stamp {
    /// The stamp of `directory`, which follows from the content of `inputs` alone.
    pub(crate) fn of(workspace: &Workspace, directory: &str, inputs: &[String]) -> Result<Self> {
        let mut hash = Sha256::new();
        for input in inputs {
            let content = fs::read(workspace.path(input)).with_context(|| format!("cannot read `{input}`"))?;
            hash.update(input.as_bytes());
            hash.update(content.len().to_be_bytes());
            hash.update(&content);
        }
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { file: workspace.path(directory).join(".modrack-stamp"), digest })
    }

    /// Whether the directory was installed from the same inputs.
    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|stamp| stamp == self.digest)
    }

    /// Says that it is.
    pub(crate) fn write(&self) -> Result<()> {
        fs::write(&self.file, &self.digest).with_context(|| format!("cannot write `{}`", self.file.display()))
    }
}
