//! The components of the demo: those of `examples/components` with absolute paths, and the one whose interpreter is elsewhere on every
//! machine. Starts nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xshell::cmd;

use crate::stage::Stage;
use crate::workspace::Workspace;

const EXAMPLES: &str = "examples/components";

/// Writes them to a new directory, for `modrack serve --components`.
pub(super) fn write(workspace: &Workspace, stage: &Stage<'_>, directory: &Path) -> Result<()> {
    let examples = workspace.path(EXAMPLES);
    fs::create_dir(directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    let mut files: Vec<_> = fs::read_dir(&examples)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|suffix| suffix == "json"));
    for file in files {
        let name = file.file_name().context("a file has a name")?;
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let mut component = serde_json::from_str(&text).with_context(|| format!("`{}`", file.display()))?;
        make_absolute(&mut component, &examples);
        if name == "strings.json" {
            component["launch"]["executable"] = json!(stage.built("examples/strings_modules"));
        }
        fs::write(directory.join(name), component.to_string())?;
    }
    let data = json!({
        "id": "data",
        "kind": "grpc_local",
        "module_id": "data",
        "launch": {
            "executable": node(workspace)?,
            "args": ["dist-examples/data_modules.js"],
            "cwd": workspace.path("sdks/typescript"),
        },
    });
    fs::write(directory.join("data.json"), data.to_string())?;
    Ok(())
}

/// Node itself, behind every shim of a version manager.
fn node(workspace: &Workspace) -> Result<PathBuf> {
    let shell = &workspace.shell;
    let program = "process.execPath";
    let path = cmd!(shell, "node -p {program}").quiet().read().context("node does not tell where it is")?;
    Ok(path.trim().into())
}

fn make_absolute(component: &mut Value, base: &Path) {
    for pointer in ["/launch/executable", "/launch/cwd"] {
        if let Some(Value::String(path)) = component.pointer_mut(pointer) {
            // Not resolved any further: the interpreter of an environment is known by its path.
            *path = base.join(&*path).to_string_lossy().into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_examples_are_relative_to_them() {
        let mut component = json!({ "launch": { "executable": "../bin/run", "cwd": "/opt", "args": ["../a"] } });
        make_absolute(&mut component, Path::new("/examples"));
        assert_eq!(
            component,
            json!({ "launch": { "executable": "/examples/../bin/run", "cwd": "/opt", "args": ["../a"] } })
        );
    }
}
