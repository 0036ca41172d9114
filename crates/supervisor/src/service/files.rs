//! The directory of a component and the files of its tokens. Says nothing of what a token is good for.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use protocol::Secret;

/// Last part of the names of token files.
const TOKEN: &str = "token";

/// The directory of one component: `components/<id>/`, for the host's user alone.
#[derive(Debug, Clone)]
pub(super) struct Home {
    path: PathBuf,
}

impl Home {
    pub(super) fn of(data_dir: &Path, id: &str) -> Self {
        Self { path: data_dir.join("components").join(id) }
    }

    /// Where the component keeps what it wants to keep.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Makes the directories, closed to others even where somebody opened them.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let data = self.data();
        DirBuilder::new().recursive(true).mode(0o700).create(&data)?;
        for path in [&self.path, &data] {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    /// Writes a token where only the host's user can read it.
    pub(super) fn token(&self, name: &str, start: u64, token: &Secret) -> io::Result<TokenFile> {
        let path = self.path.join(format!("{name}-{start}.{TOKEN}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let file_of = TokenFile { path };
        file.write_all(token.expose().as_bytes())?;
        Ok(file_of)
    }
}

/// Removes the token files that a host which was killed left behind, also of components that are configured no more.
pub(super) fn sweep(data_dir: &Path) -> io::Result<()> {
    let homes = match fs::read_dir(data_dir.join("components")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        homes => homes?,
    };
    for home in homes {
        let home = home?;
        if !home.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(home.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == TOKEN) {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// A file with a token; removed when this is dropped.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path as the environment and JSON take it.
    pub(super) fn text(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // Where it is gone already, or cannot be removed, its token is revoked all the same.
        let _gone = fs::remove_file(&self.path).is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_for_the_owner_alone_and_go_with_their_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let home = Home::of(dir.path(), "dator");
        home.prepare().expect("it is made");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        let file = home.token("auth", 1, &Secret::new("t0ken")).expect("it is written");
        assert_eq!((mode(&home.path), mode(&home.data()), mode(file.path())), (0o700, 0o700, 0o600));
        assert_eq!(fs::read_to_string(file.path()).expect("it is there"), "t0ken");
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());

        fs::write(&path, "of a host that was killed").expect("it is written");
        fs::write(home.data().join("kept"), "x").expect("it is written");
        sweep(dir.path()).expect("it is swept");
        assert!(!path.exists() && home.data().join("kept").exists());
        sweep(&dir.path().join("nowhere")).expect("nothing is to do");
    }
}
