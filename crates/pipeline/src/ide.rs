//! What an editor asks about a source: completion, hover, declarations, references, symbols. Pure functions over the tree and the
//! facts of a source, which may be half typed; nothing here knows an editor's protocol.
//!
//! Every place is a byte of the text. One that lies inside a character, or behind the end, stands for the nearest before it.

mod completion;
mod hover;
mod names;
mod options;
mod probe;
mod rename;
mod show;
mod signature;
mod symbols;
mod tree;

use std::sync::Arc;

use rowan::{TextRange, TextSize};

pub use self::completion::{Completion, CompletionKind, completion};
pub use self::hover::{Hover, hover};
pub use self::names::{Reference, definition, references};
pub use self::rename::{Edit, RenameError, rename, renamed};
pub use self::signature::{Signature, signature};
pub use self::symbols::{Symbol, SymbolKind, symbols};
use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, Span};
use crate::facts::{Fact, FactKind, Facts};
use crate::syntax::SyntaxNode;

/// A source that was read and checked, to be asked. Not to be sent to another thread: the tree is shared without locks.
#[derive(Debug)]
pub struct Analysis {
    text: String,
    catalog: Arc<Catalog>,
    root: SyntaxNode,
    facts: Facts,
    diagnostics: Vec<Diagnostic>,
}

impl Analysis {
    /// Reads and checks a source. Costs what [`crate::compile`] does; no question to it costs more than that again.
    #[must_use]
    pub fn new(text: &str, catalog: Arc<Catalog>) -> Self {
        let parsed = crate::parse(text);
        let checked = crate::check::with_parsed(&parsed, &catalog);
        Self {
            text: text.to_owned(),
            catalog,
            root: parsed.syntax,
            facts: checked.facts,
            diagnostics: checked.diagnostics,
        }
    }

    /// All that is wrong with the source, in the order of the places.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The place, moved to where a character begins. A source that is too long has an empty tree.
    fn place(&self, at: u32) -> TextSize {
        let at = self.text.floor_char_boundary(at as usize);
        u32::try_from(at).map_or(TextSize::default(), TextSize::from).min(self.root.text_range().end())
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The facts that a place is in, the widest first.
    fn facts_at(&self, at: u32) -> impl Iterator<Item = &Fact> {
        // Facts are sorted by their starts alone, so that those before may reach as far as they like.
        let before = self.facts.facts.partition_point(|fact| fact.span.start <= at);
        self.facts.facts[..before].iter().filter(move |fact| at <= fact.span.end)
    }

    /// The facts of exactly that place.
    fn facts_of(&self, span: Span) -> impl Iterator<Item = &FactKind> {
        let first = self.facts.facts.partition_point(|fact| fact.span.start < span.start);
        let these = self.facts.facts[first..].iter().take_while(move |fact| fact.span.start == span.start);
        these.filter(move |fact| fact.span == span).map(|fact| &fact.kind)
    }

    /// The type of the expression or name of exactly that place.
    fn type_of(&self, span: Span) -> Option<&Arc<type_schema::CType>> {
        self.facts_of(span).find_map(|kind| match kind {
            FactKind::Expr { ty } | FactKind::Variable { ty, .. } | FactKind::Field { ty, .. } => Some(ty),
            _ => None,
        })
    }

    /// The type of what a name is declared as; `None` where an error hides it.
    fn type_of_declared(&self, named: &names::Named) -> Option<Arc<type_schema::CType>> {
        let ty = self.type_of(tree::token_span(&named.declaration))?;
        let value = || tree::expression(&named.declaration.parent_ancestors().nth(1)?);
        // The checker takes what has an error for Any; of the value itself it says nothing then.
        let is_hidden = named.sort == names::Sort::Binding
            && **ty == type_schema::CType::Any
            && value().is_none_or(|value| self.type_of(tree::span(&value)).is_none());
        (!is_hidden).then(|| Arc::clone(ty))
    }
}

fn span_of(range: TextRange) -> Span {
    Span::new(range.start().into(), range.end().into())
}

#[cfg(test)]
mod tests;
