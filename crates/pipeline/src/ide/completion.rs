//! What may be typed at a place. The place is made whole by [`super::probe`]; what surrounds it there decides what is offered, and
//! nothing here filters by what was typed: editors do that better, with the letters in any order.

mod calls;
mod context;
mod fields;
mod functions;
mod names;
mod words;

use std::sync::Arc;

use type_schema::{CType, is_subtype};

use crate::diagnostic::Span;
use crate::facts::FactKind;

use self::context::Context;
use super::Analysis;
use super::probe::{Probe, probe};

/// Something that may be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// As it is listed.
    pub label: String,
    /// What is typed to find it.
    pub filter: String,
    /// What it is.
    pub kind: CompletionKind,
    /// Type or signature on one line; may be empty.
    pub detail: String,
    /// In Markdown; may be empty.
    pub documentation: String,
    /// Where it comes from, if that is not in the label.
    pub namespace: Option<String>,
    /// What goes; lies on one line, with the place in it or at its end.
    pub replace: Span,
    /// What comes.
    pub insert: String,
    /// The same with `$1`, `${2:name}` for places to fill in and `$0` for the last, if there are some.
    pub snippet: Option<String>,
}

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// A module.
    Module,
    /// A function of the standard library.
    Function,
    /// An input, a binding, a parameter, a field of a pattern.
    Variable,
    /// A field of a record.
    Field,
    /// The name of an argument.
    Argument,
    /// An option of a call.
    Option,
    /// A value of an option.
    Value,
    /// A type.
    Type,
    /// A namespace.
    Namespace,
    /// A reserved word.
    Keyword,
}

/// What may be typed at a place, the likeliest first; nothing in comments and in the text of strings.
#[must_use]
pub fn completion(analysis: &Analysis, at: u32) -> Vec<Completion> {
    let Some(probe) = probe(analysis, at) else { return calls::cache_names(analysis, at) };
    let mut offers = Offers { typed: analysis, probe: &probe, wanted: wanted(&probe), found: Vec::new() };
    match context::of(&probe.token) {
        Context::Declaration { behind_operand } => offers.declaration(behind_operand),
        Context::Expression => offers.expression(),
        Context::Argument(call) => {
            if let Some(clause) = context::clause_before(&probe.token) {
                offers.options(&clause);
            }
            offers.arguments(&call);
            offers.expression();
        }
        Context::ArgumentName(call) => offers.arguments(&call),
        Context::Member { of, path } => offers.members(of, &path),
        Context::Projection { of } => drop(offers.fields_of(of)),
        Context::Pattern { subject } => offers.pattern(subject),
        Context::PatternField { subject } => offers.pattern_fields(subject),
        Context::Type => offers.types(),
        Context::Namespace { path } => offers.namespaces(&path),
        Context::Output => offers.outputs(),
        Context::OptionName(clause) => offers.options(&clause),
        Context::OptionValue(name) => offers.option_values(&name),
        Context::Annotation => offers.word("example", "example($0)", "An example of the input's value."),
        Context::Field | Context::NewName => {}
    }
    offers.finish()
}

/// The type that the place wants, where that is known.
fn wanted(probe: &Probe) -> Option<Arc<CType>> {
    let span = super::tree::token_span(&probe.token);
    probe.analysis.facts_of(span).find_map(|kind| match kind {
        FactKind::Parameter { ty, .. } => Some(Arc::clone(ty)),
        _ => None,
    })
}

/// Gathers what is offered.
struct Offers<'a> {
    /// The source as it is.
    typed: &'a Analysis,
    probe: &'a Probe,
    wanted: Option<Arc<CType>>,
    found: Vec<(Rank, Completion)>,
}

/// How likely something is; the likeliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Belongs to the place itself: a field, the name of an argument.
    Own,
    /// Has the type that is wanted.
    Fitting,
    /// In scope.
    Near,
    /// Declared somewhere else.
    Far,
    /// A word of the language.
    Word,
}

impl Offers<'_> {
    fn offer(&mut self, rank: Rank, kind: CompletionKind, label: &str) -> &mut Completion {
        self.found.push((
            rank,
            Completion {
                label: label.to_owned(),
                filter: label.to_owned(),
                kind,
                detail: String::new(),
                documentation: String::new(),
                namespace: None,
                replace: self.probe.word,
                insert: label.to_owned(),
                snippet: None,
            },
        ));
        let (_, last) = self.found.last_mut().expect("one was put in");
        last
    }

    /// A reserved word, with what follows it as a snippet.
    fn word(&mut self, word: &str, snippet: &str, description: &str) {
        let offered = self.offer(Rank::Word, CompletionKind::Keyword, word);
        offered.snippet = (snippet != word).then(|| snippet.to_owned());
        description.clone_into(&mut offered.documentation);
    }

    /// [`Rank::Fitting`] for what has the wanted type, else the rank that it would have.
    fn rank(&self, ty: Option<&CType>, otherwise: Rank) -> Rank {
        match (&self.wanted, ty) {
            (Some(wanted), Some(ty)) if is_subtype(ty, wanted).is_ok() => Rank::Fitting,
            _ => otherwise,
        }
    }

    fn finish(mut self) -> Vec<Completion> {
        // Stable: within a rank the order is that in which they were offered.
        self.found.sort_by_key(|(rank, _)| *rank);
        self.found.into_iter().map(|(_, completion)| completion).collect()
    }
}
