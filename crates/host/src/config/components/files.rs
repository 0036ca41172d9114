//! The JSON files of `components_dir`: one component each, named after its id. Judges nothing that is in them but the id.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::document::{self, Document};
use crate::config::entry::Origin;
use crate::config::fault::FaultCode;
use crate::config::read::{Reader, Refusal};

const HINT: &str = "a file of `components_dir` holds one JSON object, the component that it is named after";

/// The tables of all files by id. The default directory need not be there.
pub(super) fn read(r: &mut Reader<'_>, directory: &Path) -> BTreeMap<String, Document> {
    let mut found = BTreeMap::new();
    let listed = match std::fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !r.has("components_dir") => return found,
        Err(error) => {
            let message = format!("`components_dir`: `{}` cannot be read: {error}", directory.display());
            let origin = r.origin("components_dir");
            let hint = "name a directory; each `*.json` in it is one component";
            r.fault("components_dir", origin, Refusal::new(FaultCode::FileUnreadable, message, hint));
            return found;
        }
    };
    let is_json = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let mut paths: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.path())).filter(is_json).collect();
    paths.sort_unstable();
    for path in paths {
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
        let origin = |line| Origin::File { path: path.clone(), line };
        match document::from_file(&path) {
            Ok(document) => match document.value.get("id") {
                Some(own) if own.as_str() != Some(&id) => {
                    let message = format!("`components.{id}.id` is {own}, and the file is called `{id}.json`");
                    let hint = "name the file after the id, or leave `id` out";
                    let refusal = Refusal::new(FaultCode::ValueConflict, message, hint);
                    r.fault(&format!("components.{id}.id"), origin(0), refusal);
                }
                _ => {
                    found.insert(id, document);
                }
            },
            Err((line, message)) => {
                let code = if line == 0 { FaultCode::FileUnreadable } else { FaultCode::Syntax };
                r.fault(&format!("components.{id}"), origin(line), Refusal::new(code, message, HINT));
            }
        }
    }
    found
}
