//! A view of the lossless tree for those who walk it once: nodes and tokens with their places, without the parents that
//! [`crate::syntax::SyntaxNode`] keeps. Changes nothing.

use rowan::{GreenNodeData, GreenTokenData, Language, NodeOrToken};

use crate::diagnostic::Span;
use crate::syntax::{Cst, SyntaxKind};

/// A node and its place.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    green: &'t GreenNodeData,
    start: u32,
}

/// A token and its place.
#[derive(Clone, Copy)]
pub(crate) struct Token<'t> {
    green: &'t GreenTokenData,
    start: u32,
}

/// What stands in a node.
#[derive(Clone, Copy)]
pub(crate) enum Child<'t> {
    Node(Node<'t>),
    Token(Token<'t>),
}

impl<'t> Node<'t> {
    pub(crate) fn root(green: &'t GreenNodeData) -> Self {
        Self { green, start: 0 }
    }

    pub(crate) fn kind(self) -> SyntaxKind {
        Cst::kind_from_raw(self.green.kind())
    }

    pub(crate) fn span(self) -> Span {
        Span::new(self.start, self.start + u32::from(self.green.text_len()))
    }

    /// Nodes and tokens, blanks and comments too, in order.
    pub(crate) fn elements(self) -> impl Iterator<Item = Child<'t>> {
        let mut at = self.start;
        self.green.children().map(move |child| {
            let start = at;
            match child {
                NodeOrToken::Node(green) => {
                    at += u32::from(green.text_len());
                    Child::Node(Node { green, start })
                }
                NodeOrToken::Token(green) => {
                    at += u32::from(green.text_len());
                    Child::Token(Token { green, start })
                }
            }
        })
    }

    /// The nodes in it, in order.
    pub(crate) fn nodes(self) -> impl Iterator<Item = Node<'t>> {
        self.elements().filter_map(|child| match child {
            Child::Node(node) => Some(node),
            Child::Token(_) => None,
        })
    }

    /// The tokens in it that are neither blanks nor comments, in order.
    pub(crate) fn tokens(self) -> impl Iterator<Item = Token<'t>> {
        self.elements().filter_map(|child| match child {
            Child::Token(token) if !token.kind().is_trivia() => Some(token),
            _ => None,
        })
    }

    /// The first node of a kind.
    pub(crate) fn child(self, kind: SyntaxKind) -> Option<Node<'t>> {
        self.nodes().find(|node| node.kind() == kind)
    }

    /// The first token of a kind.
    pub(crate) fn token(self, kind: SyntaxKind) -> Option<Token<'t>> {
        self.tokens().find(|token| token.kind() == kind)
    }

    /// Its expressions, in order.
    pub(crate) fn exprs(self) -> impl Iterator<Item = Node<'t>> {
        self.nodes().filter(|node| node.kind().is_expr())
    }
}

impl Child<'_> {
    pub(crate) fn kind(self) -> SyntaxKind {
        match self {
            Child::Node(node) => node.kind(),
            Child::Token(token) => token.kind(),
        }
    }
}

impl<'t> Token<'t> {
    pub(crate) fn kind(self) -> SyntaxKind {
        Cst::kind_from_raw(self.green.kind())
    }

    pub(crate) fn text(self) -> &'t str {
        self.green.text()
    }

    pub(crate) fn span(self) -> Span {
        Span::new(self.start, self.start + u32::from(self.green.text_len()))
    }
}
