//! Names, paths and literals of Python. Knows nothing of messages.

use std::fmt::Write as _;

/// Words that cannot be attributes, parameters or modules: <https://docs.python.org/3/reference/lexical_analysis.html#keywords>.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// The name, or with a trailing underscore where it is a keyword.
pub(super) fn safe(name: &str) -> String {
    if is_keyword(name) { format!("{name}_") } else { name.to_owned() }
}

/// Where the modules of a `.proto` file lie.
pub(super) struct Place {
    directories: Vec<String>,
    stem: String,
    well_known: bool,
}

impl Place {
    pub(super) fn of(proto: &str, root: &str) -> Self {
        let inner = proto.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')).unwrap_or(proto);
        let mut parts: Vec<String> =
            inner.trim_end_matches(".proto").split('/').map(|part| safe(&part.replace(['-', '.'], "_"))).collect();
        let stem = parts.pop().unwrap_or_default();
        Self { directories: parts, stem, well_known: proto.starts_with("google/protobuf/") }
    }

    /// How many packages deep, below the generated root.
    pub(super) fn depth(&self) -> usize {
        self.directories.len()
    }

    /// Path of a file below the generated root.
    pub(super) fn path(&self, suffix: &str) -> String {
        let directory: String = self.directories.iter().map(|part| format!("{part}/")).collect();
        format!("{directory}{}{suffix}", self.stem)
    }

    /// The generated root and every directory below it, each with its final slash.
    pub(super) fn directories(&self) -> impl Iterator<Item = String> {
        (0..=self.directories.len())
            .map(|depth| self.directories[..depth].iter().map(|part| format!("{part}/")).collect::<String>())
    }

    /// Dotted package, below the generated root.
    pub(super) fn package(&self) -> String {
        self.directories.join(".")
    }

    pub(super) fn module(&self) -> String {
        format!("{}{}", self.stem, if self.well_known { "_pb2" } else { "_pb" })
    }

    /// The name under which other modules import this one: unique, because the whole path is in it.
    pub(super) fn alias(&self) -> String {
        let directory = if self.well_known { String::new() } else { format!("{}_", self.directories.join("_")) };
        format!("_{}{}", directory.trim_start_matches('_'), self.module())
    }
}

/// Text of a docstring, without the quotes: every line after the first indented, nothing in it ends the string.
pub(super) fn docstring_text(lines: &[String], indent: &str) -> String {
    let escaped = lines.iter().map(|line| line.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\""));
    let mut text = String::new();
    for (index, line) in escaped.enumerate() {
        match (index, line.is_empty()) {
            (0, _) => text.push_str(&line),
            (_, true) => text.push('\n'),
            (_, false) => write!(text, "\n{indent}{line}").expect("a String takes everything"),
        }
    }
    text
}

/// A whole docstring with its indentation, without the final line break; empty without lines.
pub(crate) fn docstring(lines: &[String], indent: &str) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let text = docstring_text(lines, indent);
    let end = match text.strip_suffix('"') {
        _ if lines.len() > 1 => format!("{text}\n{indent}"),
        // A quote before the closing quotes would end the string one character early.
        Some(rest) => format!("{rest}\\\""),
        None => text,
    };
    format!("{indent}\"\"\"{end}\"\"\"")
}

/// Bytes as literals of at most 80 characters. Quotes are escaped as numbers, so that a formatter finds nothing to change.
pub(super) fn bytes_literals(bytes: &[u8]) -> Vec<String> {
    const WIDTH: usize = 77;
    let mut literals = Vec::new();
    let mut line = String::new();
    for byte in bytes {
        let escaped = match byte {
            b'\n' => "\\n".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'"' | b'\'' => format!("\\x{byte:02x}"),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        if line.len() + escaped.len() > WIDTH {
            literals.push(format!("b\"{line}\""));
            line.clear();
        }
        line.push_str(&escaped);
    }
    literals.push(format!("b\"{line}\""));
    literals
}
