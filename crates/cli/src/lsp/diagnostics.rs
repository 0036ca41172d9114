//! Diagnostics as the protocol has them. Finds none itself.

use lsp_types::{
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location, NumberOrString, Range,
};
use pipeline::ide::Analysis;
use pipeline::{Code, Severity, Span};

use crate::lsp::client::Client;
use crate::lsp::documents::Snapshot;

/// All of a document, in its order. Where the modules are not known, that one is missing is no fault of the source.
pub(crate) fn of(analysis: &Analysis, snapshot: &Snapshot, modules_known: bool, client: &Client) -> Vec<Diagnostic> {
    let needs_modules = |code| matches!(code, Code::UndefinedModule | Code::UndefinedNamespace);
    let told = analysis.diagnostics().iter().filter(|one| modules_known || !needs_modules(one.code));
    told.map(|one| diagnostic(one, snapshot, client)).collect()
}

/// The place in the protocol's terms.
pub(crate) fn range(span: Span, snapshot: &Snapshot, client: &Client) -> Range {
    let position = |offset: u32| snapshot.text.position(offset as usize, client.encoding);
    Range::new(position(span.start), position(span.end))
}

fn diagnostic(one: &pipeline::Diagnostic, snapshot: &Snapshot, client: &Client) -> Diagnostic {
    let mut message = one.message.clone();
    let mut say = |lead: &str, text: &str| {
        if !text.is_empty() {
            message.push_str(lead);
            message.push_str(text);
        }
    };
    say("\n", &one.label);
    if !client.related {
        one.related.iter().for_each(|(_, text)| say("\nnote: ", text));
    }
    one.help.iter().for_each(|help| say("\nhelp: ", help));
    let related = one.related.iter().map(|(span, text)| DiagnosticRelatedInformation {
        location: Location::new(snapshot.uri.clone(), range(*span, snapshot, client)),
        message: text.clone(),
    });
    Diagnostic {
        range: range(one.span, snapshot, client),
        severity: Some(match one.severity() {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(one.code.as_str().to_owned())),
        source: Some("modrack".to_owned()),
        message,
        related_information: (client.related && !one.related.is_empty()).then(|| related.collect()),
        // Editors show it faded.
        tags: (one.code == Code::UnusedBinding).then(|| vec![DiagnosticTag::UNNECESSARY]),
        ..Diagnostic::default()
    }
}
