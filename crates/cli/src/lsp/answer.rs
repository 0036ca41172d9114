//! Answers to questions about a document: what `pipeline::ide` says, in the protocol's terms. Knows no rule of the language.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lsp_server::{ErrorCode, ResponseError};
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionItemLabelDetails, CompletionTextEdit, DocumentHighlight,
    DocumentHighlightKind, DocumentSymbol, DocumentSymbolResponse, Documentation, GotoDefinitionResponse, Hover,
    HoverContents, InsertTextFormat, Location, MarkupContent, MarkupKind, ParameterInformation, ParameterLabel,
    PrepareRenameResponse, SignatureHelp, SignatureInformation, SymbolInformation, SymbolKind, TextEdit, WorkspaceEdit,
};
use pipeline::Span;
use pipeline::ide::{self, Analysis};
use serde::Serialize;
use serde_json::Value;
use similar::{DiffOp, TextDiff};

use crate::lsp::client::Client;
use crate::lsp::diagnostics;
use crate::lsp::documents::Snapshot;
use crate::lsp::question::Question;
use crate::lsp::server::error;

/// How long the search for the least edit of a formatted text may take; one that is not the least does as well.
const DIFF: Duration = Duration::from_millis(200);

/// The answer. Places are those of the snapshot.
pub(crate) fn to(
    question: Question,
    analysis: &Analysis,
    snapshot: &Snapshot,
    client: &Client,
) -> Result<Value, ResponseError> {
    let to = Answer { snapshot, client };
    match question {
        Question::Completion { at } => {
            let items = ide::completion(analysis, at).into_iter().enumerate();
            json(&items.map(|(rank, item)| to.completion(item, rank)).collect::<Vec<_>>())
        }
        Question::Hover { at } => json(&ide::hover(analysis, at).map(|hover| Hover {
            contents: HoverContents::Markup(to.markup(hover.markdown)),
            range: Some(to.range(hover.span)),
        })),
        Question::Signature { at } => json(&ide::signature(analysis, at).map(|help| to.signature(help))),
        Question::Definition { at } => {
            let place = ide::definition(analysis, at);
            json(&place.map(|span| GotoDefinitionResponse::Scalar(to.location(span))))
        }
        Question::References { at, with_declaration } => {
            let places = ide::references(analysis, at).into_iter();
            let places = places.filter(|place| with_declaration || !place.is_declaration);
            json(&places.map(|place| to.location(place.span)).collect::<Vec<_>>())
        }
        Question::Highlights { at } => {
            let places = ide::references(analysis, at).into_iter();
            json(&places.map(|place| to.highlight(&place)).collect::<Vec<_>>())
        }
        Question::PrepareRename { at } => {
            json(&ide::renamed(analysis, at).map(|span| PrepareRenameResponse::Range(to.range(span))))
        }
        Question::Rename { at, name } => match ide::rename(analysis, at, &name) {
            Ok(edits) => json(&to.edits(edits)),
            Err(refusal) => Err(error(ErrorCode::RequestFailed, refusal.to_string())),
        },
        Question::Symbols if client.nested_symbols => {
            let symbols = ide::symbols(analysis).into_iter().map(|symbol| to.symbol(symbol)).collect();
            json(&DocumentSymbolResponse::Nested(symbols))
        }
        Question::Symbols => {
            let symbols = ide::symbols(analysis).into_iter().map(|symbol| to.flat_symbol(symbol)).collect();
            json(&DocumentSymbolResponse::Flat(symbols))
        }
        // What does not parse has no format. Its diagnostics say so already.
        Question::Format => json(&pipeline::format(snapshot.text.as_str()).ok().map(|new| to.differences(&new))),
    }
}

fn json(answer: &impl Serialize) -> Result<Value, ResponseError> {
    serde_json::to_value(answer).map_err(|fault| error(ErrorCode::InternalError, fault.to_string()))
}

struct Answer<'a> {
    snapshot: &'a Snapshot,
    client: &'a Client,
}

impl Answer<'_> {
    fn range(&self, span: Span) -> lsp_types::Range {
        diagnostics::range(span, self.snapshot, self.client)
    }

    fn location(&self, span: Span) -> Location {
        Location::new(self.snapshot.uri.clone(), self.range(span))
    }

    fn markup(&self, markdown: String) -> MarkupContent {
        // Plain readers get the same text with its marks: still readable, and nothing is lost.
        let kind = if self.client.markdown { MarkupKind::Markdown } else { MarkupKind::PlainText };
        MarkupContent { kind, value: markdown }
    }

    /// The rank is kept by what the client sorts by.
    fn completion(&self, item: ide::Completion, rank: usize) -> CompletionItem {
        let snippet = item.snippet.filter(|_| self.client.snippets);
        let format = if snippet.is_some() { InsertTextFormat::SNIPPET } else { InsertTextFormat::PLAIN_TEXT };
        let new_text = snippet.unwrap_or(item.insert);
        CompletionItem {
            kind: Some(match item.kind {
                ide::CompletionKind::Module => CompletionItemKind::FUNCTION,
                ide::CompletionKind::Function => CompletionItemKind::METHOD,
                ide::CompletionKind::Variable => CompletionItemKind::VARIABLE,
                ide::CompletionKind::Field => CompletionItemKind::FIELD,
                ide::CompletionKind::Argument => CompletionItemKind::PROPERTY,
                ide::CompletionKind::Option => CompletionItemKind::PROPERTY,
                ide::CompletionKind::Value => CompletionItemKind::VALUE,
                ide::CompletionKind::Type => CompletionItemKind::STRUCT,
                ide::CompletionKind::Namespace => CompletionItemKind::MODULE,
                ide::CompletionKind::Keyword => CompletionItemKind::KEYWORD,
            }),
            label_details: item
                .namespace
                .map(|namespace| CompletionItemLabelDetails { detail: None, description: Some(namespace) }),
            detail: (!item.detail.is_empty()).then_some(item.detail),
            documentation: (!item.documentation.is_empty())
                .then(|| Documentation::MarkupContent(self.markup(item.documentation))),
            sort_text: Some(format!("{rank:05}")),
            filter_text: (item.filter != item.label).then_some(item.filter),
            insert_text_format: Some(format),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range: self.range(item.replace), new_text })),
            label: item.label,
            ..CompletionItem::default()
        }
    }

    fn signature(&self, help: ide::Signature) -> SignatureHelp {
        let parameters = help
            .parameters
            .into_iter()
            .map(|label| ParameterInformation { label: ParameterLabel::Simple(label), documentation: None });
        let signature = SignatureInformation {
            label: help.label,
            documentation: (!help.description.is_empty())
                .then(|| Documentation::MarkupContent(self.markup(help.description))),
            parameters: Some(parameters.collect()),
            active_parameter: help.active,
        };
        SignatureHelp { signatures: vec![signature], active_signature: Some(0), active_parameter: help.active }
    }

    fn highlight(&self, place: &ide::Reference) -> DocumentHighlight {
        let kind = if place.is_declaration { DocumentHighlightKind::WRITE } else { DocumentHighlightKind::READ };
        DocumentHighlight { range: self.range(place.span), kind: Some(kind) }
    }

    fn edits(&self, edits: Vec<ide::Edit>) -> WorkspaceEdit {
        let edits = edits.into_iter().map(|edit| TextEdit { range: self.range(edit.span), new_text: edit.text });
        WorkspaceEdit::new(HashMap::from([(self.snapshot.uri.clone(), edits.collect())]))
    }

    fn symbol(&self, symbol: ide::Symbol) -> DocumentSymbol {
        #[expect(deprecated, reason = "the member has no default")]
        DocumentSymbol {
            kind: kind(symbol.kind),
            detail: (!symbol.detail.is_empty()).then_some(symbol.detail),
            tags: None,
            deprecated: None,
            range: self.range(symbol.span),
            selection_range: self.range(symbol.name_span),
            children: None,
            name: symbol.name,
        }
    }

    fn flat_symbol(&self, symbol: ide::Symbol) -> SymbolInformation {
        #[expect(deprecated, reason = "the member has no default")]
        SymbolInformation {
            kind: kind(symbol.kind),
            tags: None,
            deprecated: None,
            location: self.location(symbol.span),
            container_name: None,
            name: symbol.name,
        }
    }

    /// The lines that differ, so that the rest keeps its marks and cursors.
    fn differences(&self, new: &str) -> Vec<TextEdit> {
        let old = self.snapshot.text.as_str();
        let diff = TextDiff::configure().deadline(Instant::now() + DIFF).diff_lines(old, new);
        // Lines keep their ends, so that one begins where the one before is over.
        let starts = |lengths: &mut dyn Iterator<Item = usize>| {
            let ends = lengths.scan(0, |end, length| {
                *end += length;
                Some(*end)
            });
            std::iter::once(0).chain(ends).collect::<Vec<_>>()
        };
        let old_starts = starts(&mut diff.iter_old_slices().map(str::len));
        let new_starts = starts(&mut diff.iter_new_slices().map(str::len));
        let edit = |op: &DiffOp| {
            let place = |offset: usize| self.snapshot.text.position(offset, self.client.encoding);
            let (from, to) = (op.old_range(), op.new_range());
            let range = lsp_types::Range::new(place(old_starts[from.start]), place(old_starts[from.end]));
            TextEdit { range, new_text: new[new_starts[to.start]..new_starts[to.end]].to_owned() }
        };
        diff.ops().iter().filter(|op| !matches!(op, DiffOp::Equal { .. })).map(edit).collect()
    }
}

fn kind(kind: ide::SymbolKind) -> SymbolKind {
    match kind {
        ide::SymbolKind::Type => SymbolKind::STRUCT,
        ide::SymbolKind::Input => SymbolKind::PROPERTY,
        ide::SymbolKind::Output => SymbolKind::EVENT,
        ide::SymbolKind::Use => SymbolKind::NAMESPACE,
        ide::SymbolKind::Binding => SymbolKind::VARIABLE,
    }
}
