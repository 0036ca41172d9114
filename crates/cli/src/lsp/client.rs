//! What the client can do, and what the server offers it. Keeps no document.

use lsp_types::{
    ClientCapabilities, CompletionOptions, DidChangeWatchedFilesRegistrationOptions, FileSystemWatcher, GlobPattern,
    HoverProviderCapability, InitializeResult, MarkupKind, OneOf, PositionEncodingKind, Registration, RenameOptions,
    SaveOptions, ServerCapabilities, ServerInfo, SignatureHelpOptions, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, notification, notification::Notification as _,
};
use serde_json::Value;

use crate::lsp::text::Encoding;

/// What matters of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) encoding: Encoding,
    /// Takes places beside that of a diagnostic.
    pub(crate) related: bool,
    /// Takes completions with places to fill in.
    pub(crate) snippets: bool,
    /// Shows Markdown.
    pub(crate) markdown: bool,
    /// Takes symbols within symbols.
    pub(crate) nested_symbols: bool,
    /// Watches files when it is asked to.
    watches: bool,
}

impl Default for Client {
    fn default() -> Self {
        Self::of(&ClientCapabilities::default())
    }
}

impl Client {
    pub(crate) fn of(capabilities: &ClientCapabilities) -> Self {
        let encodings = capabilities.general.as_ref().and_then(|general| general.position_encodings.as_ref());
        // Bytes need no counting, so they come first where the client takes them.
        let takes_bytes = encodings.is_some_and(|encodings| encodings.contains(&PositionEncodingKind::UTF8));
        let text = capabilities.text_document.as_ref();
        let item = text.and_then(|text| text.completion.as_ref()?.completion_item.as_ref());
        let formats = text.and_then(|text| text.hover.as_ref()?.content_format.as_ref());
        let files = capabilities.workspace.as_ref().and_then(|workspace| workspace.did_change_watched_files);
        Self {
            encoding: if takes_bytes { Encoding::Utf8 } else { Encoding::Utf16 },
            related: text.and_then(|text| text.publish_diagnostics.as_ref()?.related_information).unwrap_or_default(),
            snippets: item.and_then(|item| item.snippet_support).unwrap_or_default(),
            markdown: formats.is_none_or(|formats| formats.contains(&MarkupKind::Markdown)),
            nested_symbols: text
                .and_then(|text| text.document_symbol.as_ref()?.hierarchical_document_symbol_support)
                .unwrap_or_default(),
            watches: files.and_then(|files| files.dynamic_registration).unwrap_or_default(),
        }
    }

    /// The answer to `initialize`.
    pub(crate) fn initialize_result(&self) -> Value {
        let encoding = match self.encoding {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        };
        let sync = TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(SaveOptions { include_text: Some(false) }.into()),
            ..TextDocumentSyncOptions::default()
        };
        let triggers = |characters: &[&str]| Some(characters.iter().map(|one| (*one).to_owned()).collect());
        let capabilities = ServerCapabilities {
            position_encoding: Some(encoding),
            text_document_sync: Some(TextDocumentSyncCapability::Options(sync)),
            completion_provider: Some(CompletionOptions {
                trigger_characters: triggers(&[".", ":", "[", "{", "@"]),
                ..CompletionOptions::default()
            }),
            signature_help_provider: Some(SignatureHelpOptions {
                trigger_characters: triggers(&["(", ","]),
                ..SignatureHelpOptions::default()
            }),
            hover_provider: Some(HoverProviderCapability::Simple(true)),
            definition_provider: Some(OneOf::Left(true)),
            references_provider: Some(OneOf::Left(true)),
            document_highlight_provider: Some(OneOf::Left(true)),
            rename_provider: Some(OneOf::Right(RenameOptions {
                prepare_provider: Some(true),
                work_done_progress_options: lsp_types::WorkDoneProgressOptions::default(),
            })),
            document_symbol_provider: Some(OneOf::Left(true)),
            document_formatting_provider: Some(OneOf::Left(true)),
            ..ServerCapabilities::default()
        };
        let info = ServerInfo { name: "modrack".into(), version: Some(env!("CARGO_PKG_VERSION").into()) };
        let result = InitializeResult { capabilities, server_info: Some(info) };
        serde_json::to_value(result).expect("its members are plain data")
    }

    /// The request to be told of changes to locks, where the client does that.
    pub(crate) fn watch_locks(&self) -> Option<Registration> {
        let watchers =
            vec![FileSystemWatcher { glob_pattern: GlobPattern::String("**/modules.lock.json".into()), kind: None }];
        let options = DidChangeWatchedFilesRegistrationOptions { watchers };
        self.watches.then(|| Registration {
            id: "locks".into(),
            method: notification::DidChangeWatchedFiles::METHOD.into(),
            register_options: serde_json::to_value(options).ok(),
        })
    }
}
