//! What bundles ship: `<bundle_dir>/*/component.json`, with the facts of `bundle.json` beside it. Runs nothing of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use serde_json::{Map, Value};

use crate::config::document::{self, Document};
use crate::config::entry::Origin;
use crate::config::fault::FaultCode;
use crate::config::read::{Reader, Refusal};

const HINT: &str = "`cargo xtask bundle` makes the bundles; `bundle_dir` says where they are";

/// The tables that bundles ship by id. What is wrong with them is a fault only where they are `wanted`.
pub(super) fn read(r: &mut Reader<'_>, directory: Option<&Path>, wanted: bool) -> BTreeMap<String, Document> {
    let mut found: BTreeMap<String, Document> = BTreeMap::new();
    let mut faults = Vec::new();
    let Some(directory) = directory else {
        if wanted {
            let origin = r.origin("bundled");
            let message = "`bundled` is true, and `bundle_dir` is not set";
            r.fault("bundle_dir", origin, Refusal::new(FaultCode::KeyMissing, message, HINT));
        }
        return found;
    };
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("component.json")))
        .filter(|path| path.is_file())
        .collect();
    paths.sort_unstable();
    for path in paths {
        let origin = |line| Origin::File { path: path.clone(), line };
        let mut document = match document::from_file(&path) {
            Ok(document) => document,
            Err((line, message)) => {
                faults.push((origin(line), Refusal::new(FaultCode::Syntax, message, HINT)));
                continue;
            }
        };
        let Some(id) = document.value.get("id").and_then(Value::as_str).map(str::to_owned) else {
            faults.push((origin(0), Refusal::new(FaultCode::KeyMissing, "the bundle has no `id`", HINT)));
            continue;
        };
        let facts = facts(&path.with_file_name("bundle.json"));
        if !facts.is_empty() {
            document.value["bundle"] = Value::Object(facts);
        }
        match found.entry(id) {
            Entry::Vacant(place) => {
                place.insert(document);
            }
            Entry::Occupied(other) => {
                let message = format!("there is another bundle `{}`", other.key());
                faults.push((origin(0), Refusal::new(FaultCode::ValueConflict, message, HINT)));
            }
        }
    }
    if wanted {
        if found.is_empty() && faults.is_empty() {
            let message = format!("`bundled` is true, and `{}` holds no bundle", directory.display());
            let origin = r.origin("bundled");
            r.fault("bundle_dir", origin, Refusal::new(FaultCode::FileUnreadable, message, HINT));
        }
        for (origin, refusal) in faults {
            r.fault("bundle_dir", origin, refusal);
        }
    }
    r.note_components(found.keys());
    found
}

/// What a bundle states of itself, as far as it is text. One without such a file states nothing.
fn facts(path: &Path) -> Map<String, Value> {
    let Ok(Document { value: Value::Object(members), .. }) = document::from_file(path) else { return Map::new() };
    members.into_iter().filter(|(_, value)| value.is_string()).collect()
}
