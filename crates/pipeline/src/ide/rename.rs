//! Giving a variable, a type or an alias another name everywhere. Changes no text itself.

use crate::diagnostic::Span;
use crate::syntax::{SyntaxKind, SyntaxNode};

use super::Analysis;
use super::names::{Sort, named_at, references, resolve, visible};
use super::tree::{token_at, token_span};

/// A text to put in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub text: String,
}

/// Why a name stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// Nothing that the source declares is at the place.
    #[error("nothing is here that this source names")]
    Nothing,
    /// The name belongs to the values that are matched.
    #[error("`{0}` is the name of a field, which belongs to the value that is matched")]
    Field(String),
    /// Not an identifier, or a reserved word.
    #[error("`{0}` is no name")]
    NoName(String),
    /// Something has that name already.
    #[error("the name `{0}` is taken")]
    Taken(String),
}

/// The name at a place, if [`rename`] can give it another.
#[must_use]
pub fn renamed(analysis: &Analysis, at: u32) -> Option<Span> {
    let token = token_at(&analysis.root, analysis.place(at))?;
    resolve(&token).filter(|named| named.sort != Sort::PatternField).map(|_| token_span(&token))
}

/// The edits that give what is at a place the name `to`, in the order of the source.
///
/// # Errors
/// When nothing there can have another name, or `to` is none or taken.
pub fn rename(analysis: &Analysis, at: u32, to: &str) -> Result<Vec<Edit>, RenameError> {
    let named = named_at(analysis, at).ok_or(RenameError::Nothing)?;
    let old = named.declaration.text();
    if named.sort == Sort::PatternField {
        return Err(RenameError::Field(old.to_owned()));
    }
    if !is_name(to) {
        return Err(RenameError::NoName(to.to_owned()));
    }
    let places = references(analysis, at);
    let is_taken = match named.sort {
        Sort::Type => has_decl(&analysis.root, SyntaxKind::TypeDecl, to),
        Sort::Alias => has_decl(&analysis.root, SyntaxKind::UseDecl, to),
        // Neither may the new name hide another where the old one stands, nor another hide it.
        Sort::Input | Sort::Binding | Sort::Parameter | Sort::PatternField => {
            let nodes = places.iter().filter_map(|place| token_at(&analysis.root, place.span.start.into())?.parent());
            nodes.into_iter().any(|node| visible(&node).iter().any(|other| other.declaration.text() == to))
                || uses(&analysis.root, to)
        }
    };
    if is_taken && to != old {
        return Err(RenameError::Taken(to.to_owned()));
    }
    Ok(places.into_iter().map(|place| Edit { span: place.span, text: to.to_owned() }).collect())
}

fn is_name(text: &str) -> bool {
    let tokens = crate::lexer::lex(text, crate::lexer::Strings::OneLine);
    let kinds: Vec<_> = tokens.iter().map(|token| token.kind).collect();
    kinds == [SyntaxKind::Ident, SyntaxKind::Eof]
}

fn has_decl(root: &SyntaxNode, kind: SyntaxKind, name: &str) -> bool {
    let decls = root.children().filter(|decl| decl.kind() == kind);
    decls.filter_map(|decl| super::tree::own_name(&decl)).any(|other| other.text() == name)
}

/// Whether a variable of that name is used that nothing declares: it would mean the renamed one.
fn uses(root: &SyntaxNode, name: &str) -> bool {
    let variables = root.descendants().filter(|node| node.kind() == SyntaxKind::NameExpr);
    variables
        .filter_map(|node| super::tree::name_in(&node))
        .any(|token| token.text() == name && resolve(&token).is_none())
}
