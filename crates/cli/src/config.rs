//! `modrack config`: what is in force, and whether it holds. Reads the configuration, starts nothing.

use std::path::PathBuf;

use host::config::{Config, Origin, Sources};
use serde_json::{Value, json};

use crate::failure::Failures;
use crate::output::{Output, cell};

pub(crate) fn show(file: Option<PathBuf>, output: &Output) -> Result<(), Failures> {
    let loaded = Config::load(&Sources::of_process(file))?;
    if output.json {
        let values = loaded.entries().iter().map(|entry| {
            let (kind, place) = match &entry.origin {
                Origin::Default => ("default", Value::Null),
                Origin::File { path, line } => ("file", format!("{}:{line}", path.display()).into()),
                Origin::Env(name) => ("env", name.clone().into()),
                Origin::Flag(name) => ("flag", (*name).into()),
            };
            json!({ "key": entry.key, "value": entry.value, "origin": kind, "place": place })
        });
        return output.document(&values.collect());
    }
    let rows = loaded.entries().iter();
    let rows = rows.map(|entry| vec![cell(&entry.key), cell(entry.value.to_string()), cell(entry.origin.to_string())]);
    output.line(&output.table(&["KEY", "VALUE", "FROM"], rows))
}

pub(crate) fn check(file: Option<PathBuf>, output: &Output) -> Result<(), Failures> {
    let loaded = Config::load(&Sources::of_process(file))?;
    let set = loaded.entries().iter().filter(|entry| entry.origin != Origin::Default).count();
    if output.json {
        return output.document(&json!({ "ok": true, "file": loaded.file, "set": set }));
    }
    let file = loaded.file.as_ref().map_or_else(|| "no file".into(), |file| format!("`{}`", file.display()));
    output.line(&format!("the configuration holds: {file}, {set} of {} keys set", loaded.entries().len()))
}
