//! Steps through the lossless tree that several questions take. Knows no types.

use rowan::{TextSize, TokenAtOffset};

use crate::diagnostic::Span;
use crate::syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

use super::span_of;

/// The token that a place is in or beside: of two, a name or a word before anything else, and else the one behind it.
pub(super) fn token_at(root: &SyntaxNode, at: TextSize) -> Option<SyntaxToken> {
    let is_word = |token: &SyntaxToken| token.kind() == SyntaxKind::Ident || token.kind().is_keyword();
    match root.token_at_offset(at) {
        TokenAtOffset::None => None,
        TokenAtOffset::Single(token) => Some(token),
        TokenAtOffset::Between(_, right) if is_word(&right) => Some(right),
        TokenAtOffset::Between(left, right) if is_word(&left) || right.kind().is_trivia() => Some(left),
        TokenAtOffset::Between(_, right) => Some(right),
    }
}

/// The token before, without blanks and comments.
pub(super) fn before(token: &SyntaxToken) -> Option<SyntaxToken> {
    std::iter::successors(token.prev_token(), SyntaxToken::prev_token).find(|token| !token.kind().is_trivia())
}

/// The token behind, without blanks and comments.
pub(super) fn behind(token: &SyntaxToken) -> Option<SyntaxToken> {
    std::iter::successors(token.next_token(), SyntaxToken::next_token).find(|token| !token.kind().is_trivia())
}

/// The first name in a node.
pub(super) fn name_in(node: &SyntaxNode) -> Option<SyntaxToken> {
    node.descendants_with_tokens()
        .filter_map(rowan::NodeOrToken::into_token)
        .find(|token| token.kind() == SyntaxKind::Ident)
}

/// The name that a node has as its own: of a child [`SyntaxKind::Name`].
pub(super) fn own_name(node: &SyntaxNode) -> Option<SyntaxToken> {
    child(node, SyntaxKind::Name).as_ref().and_then(name_in)
}

pub(super) fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

/// The names of a node that lists some: the fields of a projection or of a pattern.
pub(super) fn names(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> {
    node.children().filter(|child| child.kind() == SyntaxKind::Name).filter_map(|name| name_in(&name))
}

/// The first expression among the children.
pub(super) fn expression(node: &SyntaxNode) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind().is_expr())
}

/// The place of a node without the blanks and comments at its ends.
pub(super) fn span(node: &SyntaxNode) -> Span {
    let tokens = node.descendants_with_tokens().filter_map(rowan::NodeOrToken::into_token);
    let mut spans = tokens.filter(|token| !token.kind().is_trivia()).map(|token| token_span(&token));
    let Some(first) = spans.next() else { return span_of(node.text_range()) };
    first.to(spans.last().unwrap_or(first))
}

pub(super) fn token_span(token: &SyntaxToken) -> Span {
    span_of(token.text_range())
}
