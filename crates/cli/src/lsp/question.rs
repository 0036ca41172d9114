//! Requests about a document as data: what is asked, of which text, at which byte. Answers nothing.

use lsp_server::{ErrorCode, ResponseError};
use lsp_types::request::{self, Request};
use lsp_types::{TextDocumentIdentifier, TextDocumentPositionParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::lsp::documents::{Documents, Snapshot};
use crate::lsp::server::error;
use crate::lsp::text::Encoding;

/// What is asked; `at` is a byte of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Completion { at: u32 },
    Hover { at: u32 },
    Signature { at: u32 },
    Definition { at: u32 },
    References { at: u32, with_declaration: bool },
    Highlights { at: u32 },
    PrepareRename { at: u32 },
    Rename { at: u32, name: String },
    Symbols,
    Format,
}

/// Reads a request.
///
/// # Errors
/// For a method that there is not, parameters that are not the method's, and a document that is not open.
pub(crate) fn read(
    method: &str,
    params: Value,
    documents: &Documents,
    encoding: Encoding,
) -> Result<(Question, Snapshot), ResponseError> {
    let of = |document: &TextDocumentIdentifier| open(document, documents);
    let at = |place: &TextDocumentPositionParams| {
        let snapshot = open(&place.text_document, documents)?;
        let at = snapshot.text.offset(place.position, encoding);
        // Behind 4 GiB nothing is known of a source, so the last place will do.
        Ok((u32::try_from(at).unwrap_or(u32::MAX), snapshot))
    };
    let asked = match method {
        request::Completion::METHOD => {
            let (at, snapshot) = at(&params_of::<request::Completion>(params)?.text_document_position)?;
            (Question::Completion { at }, snapshot)
        }
        request::HoverRequest::METHOD => {
            let (at, snapshot) = at(&params_of::<request::HoverRequest>(params)?.text_document_position_params)?;
            (Question::Hover { at }, snapshot)
        }
        request::SignatureHelpRequest::METHOD => {
            let params = params_of::<request::SignatureHelpRequest>(params)?;
            let (at, snapshot) = at(&params.text_document_position_params)?;
            (Question::Signature { at }, snapshot)
        }
        request::GotoDefinition::METHOD => {
            let (at, snapshot) = at(&params_of::<request::GotoDefinition>(params)?.text_document_position_params)?;
            (Question::Definition { at }, snapshot)
        }
        request::References::METHOD => {
            let params = params_of::<request::References>(params)?;
            let (at, snapshot) = at(&params.text_document_position)?;
            (Question::References { at, with_declaration: params.context.include_declaration }, snapshot)
        }
        request::DocumentHighlightRequest::METHOD => {
            let params = params_of::<request::DocumentHighlightRequest>(params)?;
            let (at, snapshot) = at(&params.text_document_position_params)?;
            (Question::Highlights { at }, snapshot)
        }
        request::PrepareRenameRequest::METHOD => {
            let (at, snapshot) = at(&params_of::<request::PrepareRenameRequest>(params)?)?;
            (Question::PrepareRename { at }, snapshot)
        }
        request::Rename::METHOD => {
            let params = params_of::<request::Rename>(params)?;
            let (at, snapshot) = at(&params.text_document_position)?;
            (Question::Rename { at, name: params.new_name }, snapshot)
        }
        request::DocumentSymbolRequest::METHOD => {
            (Question::Symbols, of(&params_of::<request::DocumentSymbolRequest>(params)?.text_document)?)
        }
        // The language has one format, so that what the client says of tabs and widths does not count.
        request::Formatting::METHOD => {
            (Question::Format, of(&params_of::<request::Formatting>(params)?.text_document)?)
        }
        _ => return Err(error(ErrorCode::MethodNotFound, format!("there is no method `{method}`"))),
    };
    Ok(asked)
}

fn open(document: &TextDocumentIdentifier, documents: &Documents) -> Result<Snapshot, ResponseError> {
    let missing = || error(ErrorCode::InvalidParams, format!("{} is not open", document.uri.as_str()));
    documents.get(&document.uri).cloned().ok_or_else(missing)
}

fn params_of<R: Request>(params: Value) -> Result<R::Params, ResponseError>
where
    R::Params: DeserializeOwned,
{
    serde_json::from_value(params).map_err(|fault| error(ErrorCode::InvalidParams, fault.to_string()))
}
