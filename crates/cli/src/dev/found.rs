//! Which components a directory has: its component files, else the one that its provider makes. Reads files; starts nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::interpreter;
use crate::codes;
use crate::failure::{Failure, Failures};

/// Programs that are taken for a component where there is no file, in this order.
const PROVIDERS: [(&str, Language); 3] =
    [("provider.py", Language::Python), ("provider.js", Language::Node), ("provider.mjs", Language::Node)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    Node,
}

/// A component of the directory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) id: String,
    /// With absolute paths, so that it may lie anywhere.
    pub(crate) config: Value,
    /// The file that says so; none for one that a provider makes.
    pub(crate) file: Option<PathBuf>,
    /// Where its sources are; none where the host does not start it.
    pub(crate) sources: Option<PathBuf>,
    /// How it is started, for people.
    pub(crate) about: String,
}

/// The components of an absolute directory, in ascending order of their ids.
///
/// # Errors
/// When there is none, a file does not parse, or there is no interpreter for the provider.
pub(crate) fn components(directory: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Found>, Failures> {
    let mut found = BTreeMap::new();
    for file in json_files(directory)? {
        if let Some(component) = from_file(&file)? {
            found.insert(component.id.clone(), component);
        }
    }
    if !found.is_empty() {
        return Ok(found.into_values().collect());
    }
    let provider = PROVIDERS.iter().find(|(name, _)| directory.join(name).is_file());
    let Some((name, language)) = provider else {
        let message = format!("`{}` has no component: neither a component file nor a provider", directory.display());
        return Err(Failure::local(codes::DEV_NOTHING, message).into());
    };
    Ok(vec![from_provider(directory, name, *language, env)?])
}

/// Whether a change of this file changes which components there are.
pub(crate) fn is_configuration(path: &Path, directory: &Path, known: &[Found]) -> bool {
    let is_known = known.iter().any(|found| found.file.as_deref() == Some(path));
    let is_new = || path.parent() == Some(directory) && from_file(path).is_ok_and(|found| found.is_some());
    is_known || (is_json(path) && is_new())
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == "json")
}

fn json_files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::local(codes::DEV_NOTHING, format!("`{}` cannot be read: {error}", directory.display()))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_json(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The component of a file; none when the file is about something else, as a `package.json` is.
fn from_file(file: &Path) -> Result<Option<Found>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| invalid(file, &error))?;
    let is_about_a_component = |members: &Map<String, Value>| {
        members.contains_key("kind") && members.contains_key("module_id") || members.contains_key("launch")
    };
    let mut config = match serde_json::from_str(&text) {
        Ok(Value::Object(members)) if is_about_a_component(&members) => Value::Object(members),
        Ok(_) => return Ok(None),
        // Whether it is about a component nobody can say; that it was meant to be is likelier than not where these words are.
        Err(error) if text.contains("\"module_id\"") => return Err(invalid(file, &error)),
        Err(_) => return Ok(None),
    };
    let base = file.parent().unwrap_or(Path::new("/"));
    make_absolute(&mut config, base);
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let id = config.get("id").and_then(Value::as_str).map_or(stem, str::to_owned);
    let launch = &config["launch"];
    let about = match launch["executable"].as_str() {
        Some(executable) => format!("{executable} {}", words(&launch["args"])),
        None => config["http"]["endpoint"].as_str().unwrap_or_default().to_owned(),
    };
    let sources = launch["cwd"].as_str().map(PathBuf::from);
    Ok(Some(Found { id, file: Some(file.to_owned()), sources, about: about.trim_end().to_owned(), config }))
}

fn invalid(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::local(codes::DEV_INVALID, format!("`{}`: {why}", file.display()))
}

fn words(args: &Value) -> String {
    let args = args.as_array().into_iter().flatten().filter_map(Value::as_str);
    args.collect::<Vec<_>>().join(" ")
}

/// Paths that are relative to the file are made absolute, since the host reads a copy that lies elsewhere.
fn make_absolute(config: &mut Value, base: &Path) {
    let absolute = |value: &mut Value| {
        if let Value::String(path) = value {
            // `.` at the end says nothing, and would be in every message.
            *path = base.join(&*path).components().collect::<PathBuf>().to_string_lossy().into_owned();
        }
    };
    for pointer in ["/launch/executable", "/launch/cwd", "/auth/token_file"] {
        config.pointer_mut(pointer).map(absolute);
    }
    for pointer in ["/sandbox/read", "/sandbox/write"] {
        if let Some(Value::Array(paths)) = config.pointer_mut(pointer) {
            paths.iter_mut().for_each(absolute);
        }
    }
}

fn from_provider(
    directory: &Path,
    name: &str,
    language: Language,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Found, Failure> {
    let (interpreter, what) = match language {
        Language::Python => (interpreter::python(directory, env), "python3"),
        Language::Node => (interpreter::node(env), "node"),
    };
    let interpreter = interpreter.ok_or_else(|| {
        let message = format!("`{name}` needs `{what}`, and neither the directory nor PATH has one");
        Failure::local(codes::DEV_INTERPRETER, message)
    })?;
    // What is printed is wanted at once, and no file that the interpreter writes beside the sources.
    let variables = match language {
        Language::Python => json!({ "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1" }),
        Language::Node => json!({}),
    };
    let id = id_of(directory);
    let config = json!({
        "id": id,
        "kind": "grpc_local",
        // The provider says which namespace it serves.
        "module_id": "*",
        "launch": { "executable": interpreter, "args": [name], "cwd": directory, "env": variables },
    });
    let about = format!("{} {name}", interpreter.display());
    Ok(Found { id, config, file: None, sources: Some(directory.to_owned()), about })
}

/// The name of the directory, as far as an id may have its letters.
fn id_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' });
    let id: String = letters.skip_while(|c| !c.is_ascii_alphanumeric()).take(64).collect();
    if id.is_empty() { "provider".into() } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, name: &str, text: &str) {
        fs::write(directory.join(name), text).unwrap();
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn files_about_something_else_are_no_components_and_paths_become_absolute() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "package.json", r#"{"name": "text", "type": "module"}"#);
        write(dir.path(), "broken.json", "{");
        let text = r#"{"kind": "grpc_local", "module_id": "text", "launch": {"executable": "bin/run", "args": ["a", "b"], "cwd": "."},
            "sandbox": {"read": ["lib", "/opt"]}}"#;
        write(dir.path(), "text.json", text);
        let found = components(dir.path(), &nothing).unwrap();
        let [component] = found.as_slice() else { panic!("{found:?}") };
        let at = |path: &str| dir.path().join(path).display().to_string();
        assert_eq!(component.id, "text");
        assert_eq!(component.about, format!("{} a b", at("bin/run")));
        assert_eq!(component.sources.as_deref(), Some(dir.path()));
        assert_eq!(component.config["sandbox"]["read"], json!([at("lib"), "/opt"]));
        assert!(is_configuration(&dir.path().join("text.json"), dir.path(), &found));
        assert!(!is_configuration(&dir.path().join("package.json"), dir.path(), &found));
    }

    #[test]
    fn a_component_file_with_a_slip_is_told_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "text.json", "{\n  \"module_id\": \"text\",,\n}");
        let error = components(dir.path(), &nothing).unwrap_err().to_string();
        assert!(
            error.contains("text.json`: ") && error.contains("line 2") && error.contains("cli.dev.invalid"),
            "{error}"
        );
    }

    #[test]
    fn a_provider_is_a_component_of_the_directory_s_name_with_its_own_interpreter() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("my modules");
        fs::create_dir_all(dir.join(".venv/bin")).unwrap();
        write(&dir, "provider.py", "");
        write(&dir, ".venv/bin/python", "");
        let found = components(&dir, &nothing).unwrap();
        let python = dir.join(".venv/bin/python");
        assert_eq!(found[0].id, "my-modules");
        assert_eq!(found[0].config["launch"]["executable"], json!(python));
        assert_eq!(found[0].config["launch"]["args"], json!(["provider.py"]));
    }

    #[test]
    fn neither_component_nor_provider_nor_interpreter_is_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let error = components(dir.path(), &nothing).unwrap_err().to_string();
        assert!(error.ends_with("neither a component file nor a provider (cli.dev.nothing)"), "{error}");
        write(dir.path(), "provider.mjs", "");
        let error = components(dir.path(), &nothing).unwrap_err().to_string();
        assert!(error.starts_with("`provider.mjs` needs `node`") && error.contains("cli.dev.interpreter"), "{error}");
    }
}
