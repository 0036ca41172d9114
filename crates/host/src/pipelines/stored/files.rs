//! Stored pipelines on disk: `NAME.cst` holds the source, `NAME.json` beside it what is to be known of it before it is checked
//! again. Every file is replaced as a whole. Checks no source.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::LocalName;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use type_schema::{CType, Signature};

/// A source that was found on disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OnDisk {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) stored_at: SystemTime,
    /// Types of the plan when it was stored; `None` where that was lost, or somebody changed the source.
    pub(super) signature: Option<Signature>,
}

/// Where stored pipelines lie.
#[derive(Debug, Clone)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// All pipelines, in no order. What cannot be read is left alone, and told in the log.
    pub(super) fn load(&self) -> Vec<OnDisk> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::error!(path = %self.0.display(), %error, "the stored pipelines cannot be read");
                return Vec::new();
            }
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "cst"));
        sources
            .filter_map(|path| match read(&path) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a stored pipeline cannot be read");
                    None
                }
            })
            .collect()
    }

    /// Writes a pipeline over the one of its name. The source comes last, so that whenever this breaks off the old one or the
    /// new one is there.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn write(&self, pipeline: &OnDisk) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let since = pipeline.stored_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let beside = json!({
            "source_sha256": digest(&pipeline.source),
            "stored_at_ms": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            "input": pipeline.signature.as_ref().map(|signature| signature.input.to_string()),
            "output": pipeline.signature.as_ref().map(|signature| signature.output.to_string()),
        });
        self.replace(&format!("{}.json", pipeline.name), &format!("{beside}\n"))?;
        self.replace(&format!("{}.cst", pipeline.name), &pipeline.source)?;
        File::open(&self.0)?.sync_all()
    }

    /// Removes a pipeline; one that is not there is no fault.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        for extension in ["cst", "json"] {
            match fs::remove_file(self.0.join(format!("{name}.{extension}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn replace(&self, name: &str, text: &str) -> io::Result<()> {
        // No name of a pipeline begins with a dot.
        let unfinished = self.0.join(format!(".{name}.new"));
        let mut file = File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.0.join(name))
    }
}

/// `None` for a file that is no pipeline by its name.
fn read(path: &Path) -> io::Result<Option<OnDisk>> {
    let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| LocalName::parse(name).is_ok())
    else {
        return Ok(None);
    };
    let about = fs::metadata(path)?;
    if about.len() > pipeline::MAX_SOURCE_BYTES as u64 {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the source is too large"));
    }
    let source = fs::read_to_string(path)?;
    let beside = fs::read_to_string(path.with_extension("json")).ok();
    let beside = beside.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    // What stands beside another source, of which the writing broke off or which somebody changed, says nothing.
    let beside = beside.filter(|beside| beside["source_sha256"] == digest(&source));
    let ctype = |key: &str| CType::parse(beside.as_ref()?[key].as_str()?).ok();
    let stored_at = beside.as_ref().and_then(|beside| beside["stored_at_ms"].as_u64());
    let stored_at = stored_at.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    Ok(Some(OnDisk {
        name: name.to_owned(),
        stored_at: stored_at.or_else(|| about.modified().ok()).unwrap_or(UNIX_EPOCH),
        signature: ctype("input").zip(ctype("output")).map(|(input, output)| Signature { input, output }),
        source,
    }))
}

fn digest(source: &str) -> String {
    Sha256::digest(source).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(name: &str, source: &str) -> OnDisk {
        let signature =
            Signature { input: CType::record([("a", CType::Int)]), output: CType::record([("b", CType::Int)]) };
        let stored_at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        OnDisk { name: name.into(), source: source.into(), stored_at, signature: Some(signature) }
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_removed_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path().join("pipelines"));
        assert_eq!(directory.load(), []);
        let (first, second) = (pipeline("x", "in a: Int\nb = a\nout b\n"), pipeline("x", "other"));
        directory.write(&first).unwrap();
        assert_eq!(directory.load(), [first]);
        directory.write(&second).unwrap();
        assert_eq!(directory.load(), [second]);
        directory.remove("x").unwrap();
        directory.remove("x").unwrap();
        assert_eq!((directory.load(), fs::read_dir(dir.path().join("pipelines")).unwrap().count()), (vec![], 0));
    }

    #[test]
    fn a_source_that_somebody_wrote_or_whose_writing_broke_off_is_taken_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path().to_owned());
        directory.write(&pipeline("x", "old")).unwrap();
        fs::write(dir.path().join("x.cst"), "new").unwrap();
        fs::write(dir.path().join(".y.cst.new"), "half").unwrap();
        fs::write(dir.path().join("no name.cst"), "other").unwrap();
        fs::write(dir.path().join("bytes.cst"), [0xff, 0xfe]).unwrap();
        let [found] = directory.load().try_into().unwrap();
        assert_eq!((found.name.as_str(), found.source.as_str(), found.signature), ("x", "new", None));
    }
}
