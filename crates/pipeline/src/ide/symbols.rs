//! The declarations of a source, as an outline shows them. Checks nothing.

use crate::diagnostic::Span;
use crate::facts::FactKind;
use crate::syntax::{SyntaxKind, SyntaxNode};

use super::Analysis;
use super::names::resolve;
use super::tree::{child, own_name, span, token_span};

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// What it declares, puts out or uses.
    pub name: String,
    /// Its type, or its short name; empty where that is not known.
    pub detail: String,
    /// What it is.
    pub kind: SymbolKind,
    /// All of it.
    pub span: Span,
    /// Its name alone, which lies in `span`.
    pub name_span: Span,
}

/// What a declaration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// `type`
    Type,
    /// `in`
    Input,
    /// `out`
    Output,
    /// `use`
    Use,
    /// `name = value`
    Binding,
}

/// All declarations that have a name, in the order of the source.
#[must_use]
pub fn symbols(analysis: &Analysis) -> Vec<Symbol> {
    analysis.root.children().filter_map(|decl| symbol(analysis, &decl)).collect()
}

fn symbol(analysis: &Analysis, decl: &SyntaxNode) -> Option<Symbol> {
    let kind = match decl.kind() {
        SyntaxKind::TypeDecl => SymbolKind::Type,
        SyntaxKind::InDecl => SymbolKind::Input,
        SyntaxKind::OutDecl => SymbolKind::Output,
        SyntaxKind::UseDecl => SymbolKind::Use,
        SyntaxKind::BindDecl => SymbolKind::Binding,
        _ => return None,
    };
    let name_span = match kind {
        SymbolKind::Use => span(&child(decl, SyntaxKind::QName)?),
        _ => token_span(&own_name(decl)?),
    };
    let detail = match kind {
        SymbolKind::Use => own_name(decl).map(|alias| format!("as {}", alias.text())),
        SymbolKind::Type => analysis.facts_of(name_span).find_map(|fact| match fact {
            FactKind::Type { ty, .. } => Some(ty.to_string()),
            _ => None,
        }),
        SymbolKind::Input | SymbolKind::Output | SymbolKind::Binding => {
            let named = resolve(&own_name(decl)?);
            named.and_then(|named| analysis.type_of_declared(&named)).map(|ty| ty.to_string())
        }
    };
    let name = analysis.slice(name_span).to_owned();
    Some(Symbol { name, detail: detail.unwrap_or_default(), kind, span: span(decl), name_span })
}
