//! What is shown of the place under the pointer. Decides nothing.

use type_schema::CType;

use crate::catalog::ModuleSignature;
use crate::diagnostic::Span;
use crate::facts::FactKind;
use crate::syntax::{SyntaxKind, SyntaxToken};

use super::names::{Named, Sort, resolve};
use super::tree::{own_name, token_at, token_span};
use super::{Analysis, options, show};

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// In Markdown.
    pub markdown: String,
}

/// What is known of a place: of a name what it means, of an option what it does, of any other part of an expression its type.
#[must_use]
pub fn hover(analysis: &Analysis, at: u32) -> Option<Hover> {
    let token = token_at(&analysis.root, analysis.place(at)).filter(|token| !token.kind().is_trivia())?;
    let is_name = token.kind() == SyntaxKind::Ident;
    let named = is_name.then(|| of_name(analysis, &token)).flatten();
    named
        .or_else(|| of_option(&token))
        .map(|markdown| Hover { span: token_span(&token), markdown })
        .or_else(|| of_expression(analysis, &token))
}

fn of_name(analysis: &Analysis, token: &SyntaxToken) -> Option<String> {
    let span = token_span(token);
    let known: Vec<&FactKind> = analysis.facts_of(span).collect();
    // The name of an argument and of a field are facts of the same place as nothing else; a variable may be an argument too.
    let of = |kind: &&FactKind| match kind {
        FactKind::Module(module) => Some(show::module(module)),
        FactKind::Function { name, signature, description } => Some(show::function(name, signature, description)),
        FactKind::Variable { name, ty, .. } => Some(variable(analysis, resolve(token).as_ref(), name, Some(ty))),
        FactKind::Type { name, ty, .. } => Some(of_type(name, ty)),
        FactKind::Field { name, ty } => Some(show::code(&format!("{name}: {}", show::pretty(ty)))),
        FactKind::Namespace { .. } | FactKind::Parameter { .. } | FactKind::Expr { .. } => None,
    };
    let text = known.iter().find_map(of).or_else(|| {
        let named = resolve(token)?;
        matches!(named.sort, Sort::Input | Sort::Binding | Sort::Parameter | Sort::PatternField)
            .then(|| variable(analysis, Some(&named), token.text(), None))
    });
    let parameter = known.iter().find_map(|kind| match kind {
        FactKind::Parameter { name, ty } => Some(parameter(name, ty)),
        _ => None,
    });
    if text.is_some() || parameter.is_some() {
        return Some(show::paragraphs(text.into_iter().chain(parameter)));
    }
    // Of a qualified name the whole namespace is one fact, which covers several names.
    analysis.facts_at(span.start).filter(|fact| span.end <= fact.span.end).find_map(|fact| match &fact.kind {
        FactKind::Namespace { name } => Some(namespace(analysis, name)),
        _ => None,
    })
}

fn of_option(token: &SyntaxToken) -> Option<String> {
    let owner = token.parent()?.parent()?;
    let is_it = owner.kind() == SyntaxKind::CallOption && own_name(&owner).as_ref() == Some(token)
        // `lazy` is a reserved word.
        || token.kind() == SyntaxKind::LazyKw;
    let option = is_it.then(|| options::find(token.text())).flatten()?;
    Some(show::paragraphs([show::code(option.name), option.description.to_owned()]))
}

/// The innermost expression around a token.
fn of_expression(analysis: &Analysis, token: &SyntaxToken) -> Option<Hover> {
    let span = token_span(token);
    let around = analysis.facts_at(span.start).filter(|fact| span.end <= fact.span.end);
    let expression = around.filter(|fact| matches!(fact.kind, FactKind::Expr { .. } | FactKind::Variable { .. }));
    let inner = expression.min_by_key(|fact| fact.span.end - fact.span.start)?.span;
    let ty = analysis.type_of(inner)?;
    let parameter = analysis.facts_of(inner).find_map(|kind| match kind {
        FactKind::Parameter { name, ty } => Some(parameter(name, ty)),
        _ => None,
    });
    let shown = show::code(&show::pretty(ty));
    Some(Hover { span: inner, markdown: show::paragraphs(std::iter::once(shown).chain(parameter)) })
}

/// A variable with its type and what its declaration is commented with.
pub(super) fn variable(analysis: &Analysis, named: Option<&Named>, name: &str, ty: Option<&CType>) -> String {
    let is_hidden = named.is_some_and(|named| analysis.type_of_declared(named).is_none());
    let ty = ty.filter(|ty| !(is_hidden && **ty == CType::Any));
    let lead = if named.is_some_and(|named| named.sort == Sort::Input) { "in " } else { "" };
    let ty = ty.map_or_else(|| "?".to_owned(), show::pretty);
    let comment = named.map(|named| comment(analysis, named)).unwrap_or_default();
    show::paragraphs([show::code(&format!("{lead}{name}: {ty}")), comment])
}

/// The comment on the lines right above a declaration.
pub(super) fn comment(analysis: &Analysis, named: &Named) -> String {
    if !matches!(named.sort, Sort::Input | Sort::Binding | Sort::Type) {
        return String::new();
    }
    let Some(decl) = named.declaration.parent_ancestors().nth(1) else { return String::new() };
    let above = &analysis.text[..u32::from(decl.text_range().start()) as usize];
    let mut lines: Vec<&str> =
        above.lines().rev().map(str::trim).map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    lines.reverse();
    lines.join("\n")
}

fn of_type(name: &str, ty: &CType) -> String {
    let meaning = show::pretty(ty);
    show::code(&if meaning == name { format!("type {name}") } else { format!("type {name} = {meaning}") })
}

fn parameter(name: &str, ty: &CType) -> String {
    format!("parameter `{name}: {ty}`")
}

/// A namespace with how many modules are in it.
pub(super) fn namespace(analysis: &Analysis, name: &str) -> String {
    let is_in = |module: &&ModuleSignature| {
        module.namespace().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let modules = analysis.catalog.modules().map(|module| &**module).filter(is_in).count();
    let functions = crate::stdlib::FUNCTIONS.iter().filter(|function| function.namespace == name).count();
    let counted = |count: usize, one: &str| match count {
        0 => String::new(),
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    };
    let what = [counted(modules, "module"), counted(functions, "function")];
    show::paragraphs([
        show::code(&format!("namespace {name}")),
        what.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", "),
    ])
}
