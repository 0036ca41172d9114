//! The directory that bindings are written to. Touches no file that was not generated: those carry a mark in their first lines.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use codegen::Files;
use codegen::bindings::MARK;
use similar::TextDiff;

use crate::codes;
use crate::failure::Failure;

/// How far into a file the mark may stand, in bytes.
const HEAD: u64 = 1024;

/// What becomes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Written,
    Unchanged,
    Removed,
}

impl Change {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
        }
    }
}

/// A directory, with what is there of ours and what should be.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    files: BTreeMap<String, File>,
}

/// One file as it is and as it should be; at least one of the two is there.
#[derive(Debug, Default)]
struct File {
    present: Option<String>,
    wanted: Option<String>,
}

impl File {
    fn change(&self) -> Change {
        match (&self.present, &self.wanted) {
            (_, None) => Change::Removed,
            (present, wanted) if present == wanted => Change::Unchanged,
            _ => Change::Written,
        }
    }
}

impl Directory {
    /// Reads what is there. Fails when a file that somebody wrote by hand stands where one would be generated.
    pub(super) fn compare(path: &Path, wanted: Files) -> Result<Self, Failure> {
        let mut files: BTreeMap<String, File> = BTreeMap::new();
        for (name, content) in wanted.iter() {
            let content = String::from_utf8(content.to_vec()).expect("templates give text");
            files.entry(name.to_owned()).or_default().wanted = Some(content);
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { path: path.to_owned(), files }),
            Err(error) => return Err(refused(path, "read", &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| refused(path, "read", &error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_wanted = files.contains_key(&name);
            if !entry.path().is_file() || !is_marked(&entry.path())? {
                if is_wanted {
                    let message = format!("`{}` is in the way, and was not generated", entry.path().display());
                    return Err(Failure::local(codes::BINDINGS_FOREIGN, message));
                }
                continue;
            }
            let present = fs::read(entry.path()).map_err(|error| refused(&entry.path(), "read", &error))?;
            files.entry(name).or_default().present = Some(String::from_utf8_lossy(&present).into_owned());
        }
        Ok(Self { path: path.to_owned(), files })
    }

    /// Every file with what becomes of it, in ascending order.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&str, Change)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file.change()))
    }

    /// Makes the directory as it should be. A file that is right already keeps its time.
    pub(super) fn write(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.path).map_err(|error| refused(&self.path, "made", &error))?;
        for (name, file) in &self.files {
            let path = self.path.join(name);
            match (file.change(), &file.wanted) {
                (Change::Written, Some(content)) => {
                    fs::write(&path, content).map_err(|error| refused(&path, "written", &error))?;
                }
                (Change::Removed, _) => fs::remove_file(&path).map_err(|error| refused(&path, "removed", &error))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A unified diff from what is there to what should be; empty where they are the same.
    pub(super) fn diff(&self) -> String {
        let changed = self.files.iter().filter(|(_, file)| file.change() != Change::Unchanged);
        let diff = |(name, file): (&String, &File)| {
            let path = self.path.join(name).display().to_string();
            let side = |content: &Option<String>, mark: &str| match content {
                Some(_) => format!("{mark}/{path}"),
                None => "/dev/null".to_owned(),
            };
            TextDiff::from_lines(file.present.as_deref().unwrap_or(""), file.wanted.as_deref().unwrap_or(""))
                .unified_diff()
                .context_radius(3)
                .header(&side(&file.present, "a"), &side(&file.wanted, "b"))
                .to_string()
        };
        changed.map(diff).collect()
    }
}

fn is_marked(path: &Path) -> Result<bool, Failure> {
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(|error| refused(path, "read", &error))?;
    file.take(HEAD).read_to_end(&mut head).map_err(|error| refused(path, "read", &error))?;
    Ok(String::from_utf8_lossy(&head).contains(MARK))
}

fn refused(path: &Path, done: &str, error: &std::io::Error) -> Failure {
    Failure::local(codes::FILE_REFUSED, format!("`{}` cannot be {done}: {error}", path.display()))
}
