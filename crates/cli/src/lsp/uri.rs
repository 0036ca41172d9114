//! Files as the URIs that editors name them by. Touches no file.

use std::path::PathBuf;

use lsp_types::Uri;
use percent_encoding::percent_decode_str;

/// The file that a `file:` URI of this machine names; `None` for any other, e.g. of a document that was never saved.
pub(crate) fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = percent_decode_str(rest).decode_utf8().ok()?;
    let path = path.strip_prefix('/').filter(|path| has_drive(path)).unwrap_or(&path).to_owned();
    (path.starts_with('/') || has_drive(&path)).then(|| PathBuf::from(path))
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::str::FromStr as _;

    use super::*;

    fn check(uri: &str, expect: Option<&str>) {
        assert_eq!(path(&Uri::from_str(uri).unwrap()).as_deref(), expect.map(Path::new), "{uri}");
    }

    #[test]
    fn a_file_is_named_by_its_uri() {
        check("file:///srv/a%20b/%C3%A9.cst", Some("/srv/a b/é.cst"));
        check("file://localhost/srv/a.cst", Some("/srv/a.cst"));
        check("file:///c%3A/work/a.cst", Some("c:/work/a.cst"));
        check("file://elsewhere/srv/a.cst", None);
        check("untitled:Untitled-1", None);
    }
}
