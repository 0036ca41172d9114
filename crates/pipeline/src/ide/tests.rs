//! What an editor is told, by sources with a `$0` where the cursor stands.

mod completion;
mod hover;
mod names;

use std::sync::Arc;

use type_schema::CType;

use super::Analysis;
use crate::{Catalog, ModuleSignature};

/// Modules of several namespaces, one name among them twice.
fn catalog() -> Arc<Catalog> {
    let module = |name: &str, input: &str, output: &str| {
        ModuleSignature::new(name, CType::parse(input).unwrap(), CType::parse(output).unwrap())
    };
    Arc::new(Catalog::new([
        ModuleSignature {
            description: "Upper-case a text.".into(),
            idempotent: true,
            batch: true,
            language: "typescript".into(),
            ..module("text.Uppercase", "{text: String}", "String")
        },
        module("text.Repeat", "{text: String, times: Option<Int>}", "String"),
        module("text.Count", "{text: String}", "Int"),
        module("ml.sentiment.Score", "{text: String, model: Option<String>}", "{score: Float, label: String}"),
        module("ml.sentiment.Embed", "List<String>", "List<List<Float>>"),
        module("data.Count", "{numbers: List<Int>}", "Int"),
        ModuleSignature { stream: true, ..module("text.Tail", "{text: String}", "String") },
    ]))
}

/// A source with its marker taken out, and where that was.
fn at_cursor(marked: &str) -> (Analysis, u32) {
    let at = marked.find("$0").expect("the source has a cursor");
    let source = marked.replacen("$0", "", 1);
    (Analysis::new(&source, catalog()), u32::try_from(at).unwrap())
}

/// A text with places in brackets, e.g. `out [x]`.
fn with_places(source: &str, spans: impl IntoIterator<Item = crate::Span>) -> String {
    let mut spans: Vec<_> = spans.into_iter().collect();
    spans.sort();
    let mut text = source.to_owned();
    for span in spans.into_iter().rev() {
        text.insert(span.end as usize, ']');
        text.insert(span.start as usize, '[');
    }
    text
}
