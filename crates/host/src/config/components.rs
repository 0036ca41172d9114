//! `[components.<id>]`, the files of `components_dir` and the bundles: which components there are, laid over each other and checked.
//! Starts none, and looks at no file that a component names.
//!
//! Later wins: what a bundle ships, the file of `components_dir`, the configuration file. Objects are merged member by member,
//! everything else replaces what was there.

mod bundles;
mod files;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use supervisor::config::{ComponentConfig, Layer, Layered};

use crate::config::Config;
use crate::config::document::{Document, escaped};
use crate::config::entry::{Entry, Origin};
use crate::config::fault::FaultCode;
use crate::config::read::{Reader, Refusal};
use crate::config::shape::{self, Misfit};

/// Most components of a host.
const MAX_COMPONENTS: usize = 256;
const DAY_MS: u64 = 24 * 3_600_000;
const GIB: usize = 1 << 30;

/// What the host starts beside itself, and where that is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// Each `*.json` there is one component. `components_dir`, default `<data_dir>/components.d`, which need not be there.
    pub dir: PathBuf,
    /// Whether the bundled modules are among the components. Default false.
    pub bundled: bool,
    /// Where the bundles are. `bundle_dir`, default `bundle` beside the directory of the program.
    pub bundle_dir: Option<PathBuf>,
    /// All of them, in ascending order of their ids.
    pub all: Vec<Layered>,
}

/// `[middleware]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Middleware {
    /// Ids of components in the order in which they are asked; those that are not named follow in the order of their ids.
    pub chain: Vec<String>,
    /// Most envelopes that wait for components at `audit`. Default 1024.
    pub audit_queue: usize,
}

/// `[staging]`: bounds of the values that each component keeps at the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// Most values of one component. Default 1024.
    pub max_entries: usize,
    /// Most bytes of one component, keys and values. Default 16 MiB.
    pub max_bytes: usize,
    /// How long a value stays after it was written. `ttl_ms`, default 1 h.
    pub ttl: Duration,
}

/// What is known of the form of a component.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(ComponentConfig).to_value());

/// Reads the keys of the components' places and all that is there. Components with a fault are left out.
pub(super) fn read(r: &mut Reader<'_>, tables: BTreeMap<String, Document>, data_dir: &std::path::Path) -> Components {
    if r.has("components") {
        let origin = r.origin("components");
        let hint = "write a table for each component, `[components.ID]`";
        let refusal = Refusal::new(FaultCode::ValueType, "`components` is no table of tables", hint);
        r.known("components");
        r.fault("components", origin, refusal);
    }
    let dir = r.path("components_dir", data_dir.join("components.d"));
    let bundled = r.boolean("bundled", false);
    let bundle_dir = r.optional_path_or("bundle_dir", r.default_bundle_dir());

    let mut layers: BTreeMap<String, Vec<Document>> = BTreeMap::new();
    let offered = bundles::read(r, bundle_dir.as_deref(), bundled);
    let bundle_ids: BTreeSet<String> = offered.keys().cloned().collect();
    if bundled {
        layers.extend(offered.into_iter().map(|(id, document)| (id, vec![document])));
    }
    for (id, document) in files::read(r, &dir) {
        layers.entry(id).or_default().push(document);
    }
    for (id, document) in tables {
        layers.entry(id).or_default().push(document);
    }
    r.note_components(layers.keys());
    if layers.len() > MAX_COMPONENTS {
        let message = format!("there are {} components, at most {MAX_COMPONENTS} are taken", layers.len());
        let origin = r.origin("components_dir");
        let refusal = Refusal::new(FaultCode::ValueRange, message, "take some away, or run a second host");
        r.fault("components_dir", origin, refusal);
        layers.clear();
    }
    let all = layers.into_iter().filter_map(|(id, layers)| {
        // What only changes a bundle that is not in use has nothing to change.
        let is_change = bundle_ids.contains(&id) && !bundled && layers.iter().all(|layer| !layer.has("/kind"));
        if is_change { None } else { component(r, &id, layers, &bundle_ids) }
    });
    Components { dir, bundled, bundle_dir, all: all.collect() }
}

/// Reads `[middleware]`.
pub(super) fn read_middleware(r: &mut Reader<'_>) -> Middleware {
    Middleware {
        chain: r.strings("middleware.chain"),
        audit_queue: r.count("middleware.audit_queue", 1024, 1..=1_000_000),
    }
}

/// The chain names components, each once.
pub(super) fn check_chain(r: &mut Reader<'_>, config: &Config) {
    let (key, chain) = ("middleware.chain", &config.middleware.chain);
    for (i, id) in chain.iter().enumerate() {
        let origin = r.origin(key);
        if chain[..i].contains(id) {
            let message = format!("`{key}` names `{id}` twice");
            r.fault(
                key,
                origin,
                Refusal::new(FaultCode::ValueConflict, message, "a component is asked once at a hook"),
            );
        } else if !r.noted_components().contains(id) {
            let hint = match shape::nearest(id, r.noted_components().iter().map(String::as_str)) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "name components by their ids; those of bundles are there with `bundled = true`".to_owned(),
            };
            let message = format!("`{key}` names `{}`, which is no component", id.escape_debug());
            r.fault(key, origin, Refusal::new(FaultCode::ValueInvalid, message, hint));
        }
    }
}

/// Reads `[staging]`.
pub(super) fn read_staging(r: &mut Reader<'_>) -> Staging {
    Staging {
        max_entries: r.count("staging.max_entries", 1024, 1..=1_000_000),
        max_bytes: r.count("staging.max_bytes", 16 << 20, 1024..=GIB),
        ttl: r.millis("staging.ttl_ms", 3_600_000, 1..=DAY_MS),
    }
}

fn component(r: &mut Reader<'_>, id: &str, layers: Vec<Document>, bundles: &BTreeSet<String>) -> Option<Layered> {
    let key = |pointer: &str| format!("components.{}{}", named(id), pointer.replace('/', "."));
    let last = layers.last()?;
    if let Some(layer) = layers.iter().find(|layer| !layer.value.is_object()) {
        let message = format!("`{}` is no table", key(""));
        let refusal = Refusal::new(FaultCode::ValueType, message, "write `[components.ID]` with keys below it");
        r.fault(&key(""), layer.origin(""), refusal);
        return None;
    }
    let has_kind = layers.iter().any(|layer| layer.has("/kind"));
    if !has_kind && let Some(nearest) = shape::nearest(id, bundles.iter().map(String::as_str)) {
        let message = format!("`{}` has no `kind`, and no bundle is called so", key(""));
        let hint = format!("did you mean `{nearest}`?");
        r.fault(&key(""), last.origin(""), Refusal::new(FaultCode::KeyUnknown, message, hint));
        return None;
    }

    // Each layer for its form, so that a fault is told where it was written; then all of them together for the rules.
    let mut faults: Vec<(Misfit, Origin)> = Vec::new();
    for layer in &layers {
        let misfits = shape::check(&layer.value, &SCHEMA);
        faults.extend(misfits.into_iter().map(|misfit| {
            let origin = layer.origin(&misfit.pointer);
            (misfit, origin)
        }));
    }
    let all = layers.iter().map(|layer| Layer {
        origin: layer.path.display().to_string(),
        base: layer.directory.clone(),
        value: with_id(id, &layer.value),
    });
    let (merged, misfits) = match supervisor::config::merge(all.collect()) {
        Ok(layered) => {
            let misfits = rules::check(&layered.config);
            (Some(layered), misfits)
        }
        Err(faults) => (None, faults.into_iter().map(rules::misfit).collect()),
    };
    for misfit in misfits {
        // What was said of its form need not be said again.
        if !faults.iter().any(|(told, _)| is_about(&misfit.pointer, &told.pointer)) {
            let layer = layers.iter().rev().find(|layer| layer.has(&misfit.pointer)).unwrap_or(last);
            let origin = layer.origin(&misfit.pointer);
            faults.push((misfit, origin));
        }
    }
    r.entries(entries(id, merged.as_ref(), &layers));
    let sound = faults.is_empty();
    for (fault, origin) in faults {
        let key = key(&fault.pointer);
        let message = format!("`{key}`{}", fault.message);
        r.fault(&key, origin, Refusal::new(fault.code, message, fault.hint));
    }
    merged.filter(|_| sound)
}

/// Whether a pointer leads to the place of another, or into it.
fn is_about(pointer: &str, place: &str) -> bool {
    pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The table, with the id that its place gives it.
fn with_id(id: &str, table: &Value) -> Value {
    let mut table = table.clone();
    table["id"] = id.into();
    table
}

/// An id as a part of a key: in quotes where it has a dot.
fn named(id: &str) -> String {
    if id.contains('.') { format!("{id:?}") } else { id.to_owned() }
}

/// What was set of a component, down to the second level, with the values in force where they are known.
fn entries(id: &str, merged: Option<&Layered>, layers: &[Document]) -> Vec<Entry> {
    let in_force = merged.and_then(|layered| serde_json::to_value(&layered.config).ok()).unwrap_or_default();
    let mut found: BTreeMap<String, (Value, Origin)> = BTreeMap::new();
    for layer in layers {
        for (name, value) in layer.value.as_object().into_iter().flatten() {
            let top = format!("/{}", escaped(name));
            let below: Vec<_> = match value {
                Value::Object(members) if !members.is_empty() => {
                    members.iter().map(|(member, value)| (format!("{top}/{}", escaped(member)), value)).collect()
                }
                value => vec![(top, value)],
            };
            for (pointer, value) in below {
                let value = in_force.pointer(&pointer).unwrap_or(value).clone();
                let origin = layer.origin(&pointer);
                found.insert(pointer, (value, origin));
            }
        }
    }
    let entry = |(pointer, (value, origin)): (String, (Value, Origin))| Entry {
        key: format!("components.{}{}", named(id), pointer.replace('/', ".")),
        value,
        origin,
    };
    found.into_iter().map(entry).collect()
}
