//! Offers what belongs to a call: the names of its arguments, its options and their values.

use crate::facts::FactKind;
use crate::ide::options::{CallOption, OPTIONS, Takes, UNITS, find};
use crate::ide::tree::{child, own_name, span};
use crate::ide::{Analysis, show};
use crate::syntax::{SyntaxKind, SyntaxNode};

use super::{Completion, CompletionKind, Offers, Rank};

impl Offers<'_> {
    /// The names of the parameters that have no argument yet.
    pub(super) fn arguments(&mut self, call: &SyntaxNode) {
        let Some(name) = child(call, SyntaxKind::QName) else { return };
        let Some(list) = child(call, SyntaxKind::ArgList) else { return };
        let name = span(&name);
        let facts = self.probe.analysis.facts_at(name.end);
        let module = facts.filter(|fact| fact.span.end == name.end).find_map(|fact| match &fact.kind {
            FactKind::Module(module) => Some(module.clone()),
            _ => None,
        });
        // Those of the standard library are few, and known by their places.
        let Some(module) = module else { return };
        let arguments = list.children().filter(|child| child.kind() == SyntaxKind::Arg);
        let here = self.probe.token.text_range();
        let mut places = 0;
        let mut given: Vec<String> = Vec::new();
        for argument in arguments.filter(|argument| !argument.text_range().contains_range(here)) {
            match own_name(&argument) {
                Some(name) => given.push(name.text().to_owned()),
                None => places += 1,
            }
        }
        let parameters = show::parameters(&module).into_iter().skip(places);
        for parameter in parameters.filter(|parameter| !given.contains(&parameter.name)) {
            let ty = parameter.ty.map(|ty| ty.to_string()).unwrap_or_default();
            let offered = self.offer(Rank::Own, CompletionKind::Argument, &parameter.name);
            offered.insert = format!("{}: ", parameter.name);
            offered.detail = ty;
        }
    }

    /// The options that a call does not have yet.
    pub(super) fn options(&mut self, clause: &SyntaxNode) {
        let given: Vec<String> =
            clause.children().filter_map(|option| own_name(&option)).map(|name| name.text().to_owned()).collect();
        for option in OPTIONS.iter().filter(|option| !given.iter().any(|given| given == option.name)) {
            self.option(option);
        }
    }

    fn option(&mut self, option: &CallOption) {
        let colon = crate::ide::tree::behind(&self.probe.token).filter(|next| next.kind() == SyntaxKind::Colon);
        let offered = self.offer(Rank::Own, CompletionKind::Option, option.name);
        if colon.is_none() {
            offered.insert = format!("{}: ", option.name);
        }
        option.description.clone_into(&mut offered.documentation);
    }

    /// The values of an option; behind a number its units.
    pub(super) fn option_values(&mut self, name: &str) {
        let Some(option) = find(name) else { return };
        let typed = self.typed.slice(self.probe.word);
        let number: String = typed.chars().take_while(char::is_ascii_digit).collect();
        let values: Vec<String> = match option.takes {
            Takes::Duration(_) if !number.is_empty() => UNITS.iter().map(|unit| format!("{number}{unit}")).collect(),
            Takes::Duration(values) | Takes::These(values) => values.iter().map(|value| (*value).to_owned()).collect(),
            Takes::Cache => self.typed.catalog.caches().map(|cache| format!("\"{cache}\"")).collect(),
            Takes::Expression => Vec::new(),
        };
        for value in values {
            self.offer(Rank::Own, CompletionKind::Value, &value);
        }
    }
}

/// The names of caches inside the quotes of `cache_backend: "…"`.
pub(super) fn cache_names(analysis: &Analysis, at: u32) -> Vec<Completion> {
    let names = || {
        let token = analysis.root.token_at_offset(analysis.place(at)).left_biased()?;
        let string = token.parent_ancestors().find(|node| node.kind() == SyntaxKind::StringExpr)?;
        let option = string.parent().filter(|option| option.kind() == SyntaxKind::CallOption)?;
        own_name(&option).filter(|name| name.text() == "cache_backend")?;
        let text = child_text(&string)?;
        let offered = analysis.catalog.caches().map(|cache| Completion {
            label: cache.to_owned(),
            filter: cache.to_owned(),
            kind: CompletionKind::Value,
            detail: String::new(),
            documentation: String::new(),
            namespace: None,
            replace: text,
            insert: cache.to_owned(),
            snippet: None,
        });
        Some(offered.collect())
    };
    names().unwrap_or_default()
}

/// What is between the quotes.
fn child_text(string: &SyntaxNode) -> Option<crate::diagnostic::Span> {
    let whole = span(string);
    let is_closed = string.last_token().is_some_and(|last| last.kind() == SyntaxKind::StringEnd);
    let end = whole.end - u32::from(is_closed);
    (whole.start < end).then(|| crate::diagnostic::Span::new(whole.start + 1, end))
}
