//! Paths to a fault, in a type or in a value. Built only while an error travels outwards, so the good case pays nothing.

/// The steps from the root to a fault, collected innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Trail(Vec<String>);

/// Longest part of a key that a path shows, in characters. Keys come from the input and may be megabytes long.
const KEY_SHOWN: usize = 64;

impl Trail {
    pub(crate) fn push(&mut self, step: String) {
        self.0.push(step);
    }

    /// The path from the root, e.g. `.rows[3]|1`.
    pub(crate) fn render(&self) -> String {
        self.0.iter().rev().map(String::as_str).collect()
    }
}

/// `.field`
pub(crate) fn field(name: &str) -> String {
    format!(".{name}")
}

/// `[3]`
pub(crate) fn index(i: usize) -> String {
    format!("[{i}]")
}

/// `|1`
pub(crate) fn variant(i: usize) -> String {
    format!("|{i}")
}

/// `{"key"}`, shortened where the key is long.
pub(crate) fn text_key(key: &str) -> String {
    let shown = match key.char_indices().nth(KEY_SHOWN) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    };
    format!("{{{}}}", serde_json::Value::String(shown))
}

/// The step to a field that the input names: `.field`, or `{"any text"}` where the name is no identifier.
pub(crate) fn found_field(name: &str) -> String {
    if crate::ctype::is_field_name(name) { field(name) } else { text_key(name) }
}
