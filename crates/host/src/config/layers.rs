//! Puts file, environment and flags on top of each other, key by key. Does not know which keys there are.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::document::{self, Document};
use crate::config::entry::Origin;
use crate::config::fault::{Fault, FaultCode};
use crate::config::sources::Sources;

/// The table of the file that holds one table for each component.
const COMPONENTS: &str = "components";

/// Variables that begin like the host's and belong to the SDKs, the command line or the tooling.
const FOREIGN_VARIABLES: &[&str] = &[
    "MODRACK_AUTH_FILE",
    "MODRACK_BIND",
    "MODRACK_CA_FILE",
    "MODRACK_CERT_FILE",
    "MODRACK_COMPONENT",
    "MODRACK_COMPONENT_DATA",
    "MODRACK_CONFIG",
    "MODRACK_CREDENTIAL",
    "MODRACK_CREDENTIAL_FILE",
    "MODRACK_DEBUG",
    "MODRACK_HOST",
    "MODRACK_KEY_FILE",
    "MODRACK_PLANE",
    "MODRACK_SERVICE_ID",
    "MODRACK_TOKEN_FILE",
];

/// Variables that the OpenTelemetry specification names, with their keys. `MODRACK_*` win over them.
const STANDARD_VARIABLES: [(&str, &str); 2] =
    [("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"), ("OTEL_SERVICE_NAME", "telemetry.service_name")];

/// A value as its source wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// From the environment or a flag: the key decides what it means.
    Text(String),
    /// A TOML string.
    String(String),
    /// A TOML integer; as text where it is outside i64.
    Integer(Result<i64, String>),
    /// A TOML float, as it is written.
    Float(String),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array of anything but tables.
    List(Vec<Raw>),
    /// Anything else, by the name of its kind.
    Other(&'static str),
}

impl Raw {
    /// What kind it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "an array",
            Self::Other(kind) => kind,
        }
    }
}

/// A value and where it was set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// What all sources together say.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// By dotted key; `providers[0].subject` in a list of tables.
    pub(super) settings: BTreeMap<String, Setting>,
    /// `[components.<id>]` by id, not taken apart: their form is that of the files of `components_dir`.
    pub(super) components: BTreeMap<String, Document>,
    /// The file, if one was read.
    pub(super) file: Option<std::path::PathBuf>,
}

/// Reads all sources. A fault here means that what was said cannot even be read.
pub(super) fn read(sources: &Sources) -> Result<Layers, Vec<Fault>> {
    let mut layers = Layers::default();
    let mut faults = Vec::new();
    if let Err(fault) = file_layer(sources, &mut layers) {
        faults.push(fault);
    }
    for (name, key) in STANDARD_VARIABLES {
        if let Some(text) = sources.var(name).and_then(|value| value.to_str()) {
            let setting = Setting { raw: Raw::Text(text.into()), origin: Origin::Env(name.into()) };
            layers.settings.insert(key.into(), setting);
        }
    }
    for (name, value) in &sources.env {
        let Some(rest) = name.strip_prefix("MODRACK_").filter(|_| !FOREIGN_VARIABLES.contains(&name.as_str())) else {
            continue;
        };
        let key = rest.to_ascii_lowercase().replace("__", ".");
        let origin = Origin::Env(name.clone());
        match value.to_str() {
            Some(text) => {
                layers.settings.insert(key, Setting { raw: Raw::Text(text.into()), origin });
            }
            None => faults.push(Fault {
                code: FaultCode::ValueInvalid,
                message: format!("`{key}` is not UTF-8"),
                hint: "variables and the paths in them are UTF-8".into(),
                key,
                origin,
            }),
        }
    }
    for (flag, key, text) in &sources.flags {
        let setting = Setting { raw: Raw::Text(text.clone()), origin: Origin::Flag(flag) };
        layers.settings.insert((*key).into(), setting);
    }
    if faults.is_empty() { Ok(layers) } else { Err(faults) }
}

fn file_layer(sources: &Sources, layers: &mut Layers) -> Result<(), Fault> {
    let (path, demanded) = sources.file_to_read();
    let fault = |code, line, message, hint: &str| Fault {
        code,
        key: String::new(),
        origin: Origin::File { path: path.clone(), line },
        message,
        hint: hint.into(),
    };
    let text = match std::fs::read_to_string(sources.absolute(&path)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !demanded => return Ok(()),
        Err(error) => {
            let hint =
                "check the path after `--config` or in MODRACK_CONFIG; without either, the defaults need no file";
            return Err(fault(FaultCode::FileUnreadable, 0, format!("the file cannot be read: {error}"), hint));
        }
    };
    let table = DeTable::parse(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(&text, span.start));
        fault(
            FaultCode::Syntax,
            line,
            format!("no TOML: {}", error.message()),
            "mend the line; https://toml.io has the syntax",
        )
    })?;
    let mut table = table.into_inner();
    if let Some(tables) = table.remove(COMPONENTS) {
        let file = sources.absolute(&path);
        for (id, value) in tables.get_ref().as_table().into_iter().flatten() {
            let line = line_of(&text, id.span().start);
            let of_span = |offset| line_of(&text, offset);
            let document = document::from_toml(value, line, &path, &file, &of_span);
            layers.components.insert(id.get_ref().to_string(), document);
        }
        if !tables.get_ref().is_table() {
            let origin = Origin::File { path: path.clone(), line: line_of(&text, tables.span().start) };
            layers.settings.insert(COMPONENTS.into(), Setting { raw: raw(&tables), origin });
        }
    }
    flatten(&table, "", &text, &path, &mut layers.settings);
    layers.file = Some(path);
    Ok(())
}

/// Counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

fn flatten(table: &DeTable<'_>, prefix: &str, text: &str, path: &Path, into: &mut BTreeMap<String, Setting>) {
    for (name, value) in table {
        // A quoted key with a dot is not the same as a section with a key.
        let quoted = name.get_ref().contains('.');
        let name_text = if quoted { format!("{:?}", name.get_ref()) } else { name.get_ref().to_string() };
        let key = if prefix.is_empty() { name_text } else { format!("{prefix}.{name_text}") };
        let origin = Origin::File { path: path.into(), line: line_of(text, name.span().start) };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &key, text, path, into),
            DeValue::Array(items) if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) => {
                for (i, item) in items.iter().enumerate() {
                    let key = format!("{key}[{i}]");
                    let table = item.get_ref().as_table().expect("all items are tables");
                    // An empty table leaves no key behind; this one says that it is there.
                    let line = line_of(text, item.span().start);
                    let origin = Origin::File { path: path.into(), line };
                    into.insert(key.clone(), Setting { raw: Raw::Other("a table"), origin });
                    flatten(table, &key, text, path, into);
                }
            }
            _ => {
                into.insert(key, Setting { raw: raw(value), origin });
            }
        }
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::String(text.to_string()),
        DeValue::Integer(number) => {
            Raw::Integer(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| number.as_str().to_owned()))
        }
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Array(items) => Raw::List(items.iter().map(raw).collect()),
        DeValue::Float(number) => Raw::Float(number.as_str().to_owned()),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}
