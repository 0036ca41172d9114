//! Reads a secret from a file of its own. Does not know whose it is.

use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use protocol::Secret;

/// Longest secret, in bytes.
const MAX_BYTES: u64 = 4096;
/// A shorter one could be guessed.
const MIN_CHARS: usize = 16;
/// Whoever may write the file chooses the secret.
const OTHERS_WRITE: u32 = 0o002;
/// Whoever may read the file has the secret.
const OTHERS_READ: u32 = 0o004;

/// Why a file gives no secret. Never holds what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The system does not let it be read, or it is not UTF-8.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anybody on the machine may replace the secret.
    #[error("`{0}` can be written by everybody")]
    WritableByOthers(PathBuf),
    /// Too short to be safe.
    #[error("`{0}` has fewer than {MIN_CHARS} characters")]
    TooShort(PathBuf),
    /// Too long, or more than one line.
    #[error("`{0}` holds more than one line of at most {MAX_BYTES} bytes")]
    TooLong(PathBuf),
}

/// The secret in a file: one line of 16 characters to 4 KiB, white space at its ends left out.
///
/// # Errors
/// Names the file and never its content.
pub fn read_secret(path: &Path) -> Result<Secret, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.permissions().mode() & OTHERS_WRITE != 0 {
        return Err(SecretFileError::WritableByOthers(path.to_owned()));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    match text.trim() {
        secret if text.len() as u64 > MAX_BYTES || secret.contains(['\n', '\r']) => {
            Err(SecretFileError::TooLong(path.to_owned()))
        }
        secret if secret.chars().count() < MIN_CHARS => Err(SecretFileError::TooShort(path.to_owned())),
        secret => Ok(Secret::new(secret)),
    }
}

/// Whether everybody on this machine may read the file; false where that cannot be seen.
#[must_use]
pub fn is_exposed(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS_READ != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_of_a_file_that_others_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let check = |content: &str, mode: u32, expected: &str| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = read_secret(&path).map_or_else(|error| error.to_string(), |secret| secret.expose().to_owned());
            assert_eq!(read.replace(&path.display().to_string(), "token"), expected);
        };
        check("  0123456789abcdef\n", 0o600, "0123456789abcdef");
        check("0123456789abcdef", 0o644, "0123456789abcdef");
        check("0123456789abcdef", 0o602, "`token` can be written by everybody");
        check("0123456789abcde", 0o600, "`token` has fewer than 16 characters");
        check("0123456789abcdef\n0123456789abcdef", 0o600, "`token` holds more than one line of at most 4096 bytes");
        check(&"a".repeat(4097), 0o600, "`token` holds more than one line of at most 4096 bytes");
    }

    #[test]
    fn a_file_that_everybody_may_read_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "0123456789abcdef").unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_exposed(&path), exposed, "{mode:o}");
        }
    }
}
