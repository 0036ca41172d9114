//! Where a configuration is read from: which file, which environment, which flags. Understands none of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The file that is read when nobody names one and it is there.
pub(super) const DEFAULT_FILE: &str = "modrack.toml";

/// Everything that a configuration may come from, so that a test can give all of it.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file that was named and so must be there.
    pub file: Option<PathBuf>,
    /// Where `modrack.toml` is looked for and what relative paths of environment and flags refer to.
    pub working_dir: PathBuf,
    /// The environment. Only `MODRACK_*`, `HOME`, `XDG_DATA_HOME` and two of `OTEL_*` are looked at.
    pub env: Vec<(String, OsString)>,
    /// The program that runs, absolute: the default of `bundle_dir` is beside its directory.
    pub program: Option<PathBuf>,
    /// Values that flags gave: the flag, its key, the value as text.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// The process's own environment and working directory, without flags. `file`, else `MODRACK_CONFIG`, names the file.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let env: Vec<_> =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        let program = std::env::current_exe().ok();
        let mut sources =
            Self { file, working_dir: std::env::current_dir().unwrap_or_default(), env, program, flags: Vec::new() };
        if sources.file.is_none() {
            sources.file = sources.var("MODRACK_CONFIG").map(PathBuf::from);
        }
        sources
    }

    /// Adds the value of a flag. Flags win over everything else; of two for one key the last wins.
    #[must_use]
    pub fn flag(mut self, flag: &'static str, key: &'static str, value: impl Into<String>) -> Self {
        self.flags.push((flag, key, value.into()));
        self
    }

    /// A variable that is set and not empty.
    pub(super) fn var(&self, name: &str) -> Option<&OsString> {
        self.env.iter().find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// The file to read, and whether it must be there.
    pub(super) fn file_to_read(&self) -> (PathBuf, bool) {
        match &self.file {
            Some(file) => (file.clone(), true),
            None => (PathBuf::from(DEFAULT_FILE), false),
        }
    }

    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        self.working_dir.join(path)
    }
}
