//! Lays the parts of one component's configuration over each other. Reads no file: whoever does says where it was.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ComponentConfig;
use super::fault::{ConfigFault, below};

/// A part of a component's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Where it comes from, for people: a path, or `[components.dator-http] in modrack.toml`.
    pub origin: String,
    /// Directory that its relative paths are relative to; absolute.
    pub base: PathBuf,
    /// What it says; an object, with any of the members of [`ComponentConfig`].
    pub value: Value,
}

/// One component's configuration, whole and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Layered {
    /// In force.
    pub config: ComponentConfig,
    /// Where its parts come from, in the order in which they were laid over each other.
    pub layers: Vec<String>,
}

/// Members that hold a path.
const PATHS: [&str; 3] = ["/launch/executable", "/launch/cwd", "/auth/token_file"];
/// Members that hold a list of paths.
const PATH_LISTS: [&str; 2] = ["/sandbox/read", "/sandbox/write"];
/// Objects that are one value: their members mean nothing without each other.
const WHOLE: [&str; 1] = ["/filter"];

/// Lays the layers over each other, the later over the earlier, and checks the result. Objects are merged member by member, but for
/// `filter`; everything else, a list too, replaces what was there. Relative paths become absolute by the layer that says them.
///
/// # Errors
/// Every rule that is broken, each with the layer that says so.
pub fn merge(layers: Vec<Layer>) -> Result<Layered, Vec<ConfigFault>> {
    let mut merged = Value::Object(Map::new());
    let mut names = Vec::with_capacity(layers.len());
    let mut said = Vec::with_capacity(layers.len());
    for mut layer in layers {
        if !layer.value.is_object() {
            let fault = ConfigFault::new("", "a component is a table", "write `{\"id\": …, \"kind\": …}`");
            return Err(vec![ConfigFault { origin: Some(layer.origin), ..fault }]);
        }
        resolve_value(&mut layer.value, &layer.base);
        merged = over(merged, layer.value.clone());
        names.push(layer.origin.clone());
        said.push((layer.origin, layer.value));
    }
    match ComponentConfig::read(merged) {
        Ok(config) => Ok(Layered { config, layers: names }),
        Err(mut faults) => {
            for fault in &mut faults {
                fault.origin = origin(&said, &fault.pointer);
            }
            Err(faults)
        }
    }
}

/// What stands where `upper` lies over `lower`.
pub(super) fn over(lower: Value, upper: Value) -> Value {
    lay(lower, upper, "")
}

fn lay(lower: Value, upper: Value, pointer: &str) -> Value {
    match (lower, upper) {
        (Value::Object(mut lower), Value::Object(upper)) if !WHOLE.contains(&pointer) => {
            for (name, value) in upper {
                let value = match lower.remove(&name) {
                    Some(under) => lay(under, value, &below(pointer, &name)),
                    None => value,
                };
                lower.insert(name, value);
            }
            Value::Object(lower)
        }
        (_, upper) => upper,
    }
}

/// Makes the paths in a value absolute.
pub(super) fn resolve_value(value: &mut Value, base: &Path) {
    let absolute = |path: &mut Value| {
        if let Value::String(text) = path
            && !text.is_empty()
            && let Some(joined) = base.join(&*text).to_str()
        {
            joined.clone_into(text);
        }
    };
    for pointer in PATHS {
        if let Some(path) = value.pointer_mut(pointer) {
            absolute(path);
        }
    }
    for pointer in PATH_LISTS {
        if let Some(Value::Array(paths)) = value.pointer_mut(pointer) {
            paths.iter_mut().for_each(absolute);
        }
    }
}

/// The last layer that says something at a pointer, or, of what is missing, at the nearest place around it.
fn origin(layers: &[(String, Value)], pointer: &str) -> Option<String> {
    let mut pointer = pointer;
    loop {
        let found = layers.iter().rev().find(|(_, value)| value.pointer(pointer).is_some());
        if let Some((origin, _)) = found {
            return Some(origin.clone());
        }
        pointer = pointer.rsplit_once('/')?.0;
    }
}
