//! Diagnostics as JSON, in the form of `modrack.host.v1.Diagnostic`. Says nothing that the diagnostics do not.

use serde_json::{Value, json};

use super::{Diagnostic, LineIndex, Severity, Span};

/// An array with an object `{code, severity, message, span, label, related, help}` for each; `severity` is `error` or `warning`, `related` holds
/// `{span, message}`, and a span is `{start, end, line, column}`: offsets in bytes, and where it starts, from 1, in characters.
#[must_use]
pub fn json(lines: &LineIndex, diagnostics: &[Diagnostic]) -> Value {
    diagnostics.iter().map(|diagnostic| one(lines, diagnostic)).collect()
}

fn one(lines: &LineIndex, diagnostic: &Diagnostic) -> Value {
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|(at, message)| json!({ "span": span(lines, *at), "message": message }))
        .collect();
    json!({
        "code": diagnostic.code.as_str(),
        "severity": match diagnostic.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": diagnostic.message,
        "span": span(lines, diagnostic.span),
        "label": diagnostic.label,
        "related": related,
        "help": diagnostic.help,
    })
}

fn span(lines: &LineIndex, span: Span) -> Value {
    let (line, column) = lines.line_column(span.start);
    json!({ "start": span.start, "end": span.end, "line": line, "column": column })
}
