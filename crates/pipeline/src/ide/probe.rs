//! A half-typed source made whole at one place: the name that is being typed is replaced by one that is surely there, so that the parser
//! and the checker say what surrounds it. Offers nothing.

use std::sync::Arc;

use crate::diagnostic::Span;
use crate::syntax::{SyntaxKind, SyntaxToken};

use super::tree::token_span;
use super::{Analysis, span_of};

/// A name that nobody has.
pub(super) const NAME: &str = "completion-here";

/// The source with the name in the place of the word that is being typed.
pub(super) struct Probe {
    /// The other source. Up to the word its places are those of the original.
    pub(super) analysis: Analysis,
    /// The name in it.
    pub(super) token: SyntaxToken,
    /// The word in the original, which may be empty.
    pub(super) word: Span,
}

/// `None` where no name can be typed: in a comment or the text of a string, and where a source is too long.
pub(super) fn probe(analysis: &Analysis, at: u32) -> Option<Probe> {
    let word = word(analysis, at)?;
    let (before, behind) = (analysis.text.get(..word.start as usize)?, analysis.text.get(word.end as usize..)?);
    let patched = Analysis::new(&format!("{before}{NAME}{behind}"), Arc::clone(&analysis.catalog));
    let token = patched.root.token_at_offset((word.start + 1).into()).left_biased()?;
    (token.text() == NAME).then_some(Probe { analysis: patched, token, word })
}

/// The name, word or number that a place is in or at the end of; of no length beside others.
fn word(analysis: &Analysis, at: u32) -> Option<Span> {
    let at = analysis.place(at);
    let empty = Span::new(at.into(), at.into());
    let Some(left) = analysis.root.token_at_offset(at).left_biased() else { return Some(empty) };
    let ends_here = span_of(left.text_range()).end == u32::from(at);
    match left.kind() {
        SyntaxKind::Ident | SyntaxKind::Int | SyntaxKind::Duration | SyntaxKind::BadNumber => Some(token_span(&left)),
        kind if kind.is_keyword() => Some(token_span(&left)),
        SyntaxKind::Comment
        | SyntaxKind::StringStart
        | SyntaxKind::StringText
        | SyntaxKind::Escape
        | SyntaxKind::BadEscape => None,
        _ if !ends_here => Some(empty),
        // Of a name that begins here, all is replaced.
        _ => Some(match analysis.root.token_at_offset(at).right_biased() {
            Some(right) if right.kind() == SyntaxKind::Ident => token_span(&right),
            _ => empty,
        }),
    }
}
