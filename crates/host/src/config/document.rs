//! A table of the configuration as JSON, with the place of each part: from the file of the configuration, or from a JSON file of its own.
//! Knows no key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use crate::config::entry::Origin;

/// Largest JSON file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) value: Value,
    /// The file as it was named.
    pub(super) path: PathBuf,
    /// What relative paths in it are relative to.
    pub(super) directory: PathBuf,
    /// Lines by JSON pointer, counted from 1; none of a JSON file.
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// Whether something is at a pointer.
    pub(super) fn has(&self, pointer: &str) -> bool {
        self.value.pointer(pointer).is_some()
    }

    /// Where a part of it was written; the nearest part around it that is there.
    pub(super) fn origin(&self, pointer: &str) -> Origin {
        let mut pointer = pointer;
        loop {
            match (self.lines.get(pointer), pointer.rsplit_once('/')) {
                (Some(&line), _) => return Origin::File { path: self.path.clone(), line },
                (None, Some((above, _))) => pointer = above,
                (None, None) => return Origin::File { path: self.path.clone(), line: 0 },
            }
        }
    }
}

/// Escapes a name for a JSON pointer (RFC 6901, 3).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Takes a value out of the configuration file. `line` is that of its key; `path` the file as it was named, `file` the same absolute.
pub(super) fn from_toml(
    value: &Spanned<DeValue<'_>>,
    line: usize,
    path: &Path,
    file: &Path,
    line_of: &dyn Fn(usize) -> usize,
) -> Document {
    let mut lines = BTreeMap::from([(String::new(), line)]);
    let value = json_of(value, "", line_of, &mut lines);
    let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
    Document { value, path: path.to_owned(), directory, lines }
}

fn json_of(
    value: &Spanned<DeValue<'_>>,
    pointer: &str,
    line_of: &dyn Fn(usize) -> usize,
    lines: &mut BTreeMap<String, usize>,
) -> Value {
    match value.get_ref() {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            // Beyond i64 it is out of every range.
            read.map_or_else(|_| Value::from(number.as_str().parse::<f64>().unwrap_or(f64::MAX)), Value::from)
        }
        DeValue::Float(number) => {
            let read: Result<f64, _> = number.as_str().replace('_', "").parse();
            // JSON has no infinity; as text it is refused by whatever takes a number.
            read.ok()
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| number.as_str().to_owned().into(), Value::Number)
        }
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(at) => at.to_string().into(),
        DeValue::Array(items) => {
            let item = |(i, item): (usize, &Spanned<DeValue<'_>>)| {
                let pointer = format!("{pointer}/{i}");
                lines.insert(pointer.clone(), line_of(item.span().start));
                json_of(item, &pointer, line_of, lines)
            };
            items.iter().enumerate().map(item).collect()
        }
        DeValue::Table(table) => {
            let mut members = Map::new();
            for (name, value) in table {
                let pointer = format!("{pointer}/{}", escaped(name.get_ref()));
                lines.insert(pointer.clone(), line_of(name.span().start));
                members.insert(name.get_ref().to_string(), json_of(value, &pointer, line_of, lines));
            }
            Value::Object(members)
        }
    }
}

/// Reads a JSON file that holds one object.
///
/// # Errors
/// What is wrong, in a line, with the line of the file where it has one.
pub(super) fn from_file(path: &Path) -> Result<Document, (usize, String)> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| (0, format!("the file cannot be read: {error}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err((0, format!("the file has more than {MAX_BYTES} bytes")));
    }
    let value: Value = serde_json::from_str(&text).map_err(|error| (error.line(), format!("no JSON: {error}")))?;
    if !value.is_object() {
        return Err((1, "the file holds no JSON object".to_owned()));
    }
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Document { value, path: path.to_owned(), directory, lines: BTreeMap::new() })
}
