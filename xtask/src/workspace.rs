//! Where the tree is, and which files are in it. Changes nothing.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

/// The checkout.
pub(crate) struct Workspace {
    /// Runs commands in the root of the checkout.
    pub(crate) shell: Shell,
    root: PathBuf,
}

impl Workspace {
    /// The checkout that the current directory is in.
    pub(crate) fn find() -> Result<Self> {
        let current = env::current_dir().context("the current directory is gone")?;
        match current.ancestors().find(|directory| directory.join("xtask/Cargo.toml").is_file()) {
            Some(root) => Self::at(root),
            None => bail!("`{}` is not inside a checkout of Modrack", current.display()),
        }
    }

    fn at(root: &Path) -> Result<Self> {
        let shell = Shell::new()?;
        shell.change_dir(root);
        Ok(Self { shell, root: root.to_owned() })
    }

    /// The root, or what lies at a path below it; `/` separates on every system.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), PathBuf::from)
    }

    /// All files that git has or would add, as paths with `/`, in ascending order.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let shell = &self.shell;
        let listed = cmd!(shell, "git ls-files --cached --others --exclude-standard -z").quiet().read()?;
        let mut files: Vec<_> =
            listed.split('\0').filter(|path| self.path(path).is_file()).map(str::to_owned).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        fs::read_to_string(self.path(relative)).with_context(|| format!("cannot read `{relative}`"))
    }
}

/// All files below a directory, as paths relative to it with `/`, in ascending order; none when it does not exist.
/// Leaves out what Python writes beside its modules.
pub(crate) fn files_below(directory: &Path) -> Result<Vec<String>> {
    fn walk(directory: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
        if !directory.is_dir() {
            return Ok(());
        }
        let entries = fs::read_dir(directory).with_context(|| format!("cannot list `{}`", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { bail!("`{}` is not Unicode", entry.path().display()) };
            if entry.file_type()?.is_dir() {
                if name != "__pycache__" {
                    walk(&entry.path(), &format!("{prefix}{name}/"), files)?;
                }
            } else {
                files.push(format!("{prefix}{name}"));
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    walk(directory, "", &mut files)?;
    files.sort();
    Ok(files)
}
