//! What names mean: which declaration a variable, a type or an alias goes back to, and where else it stands. Follows the tree alone, so that
//! it holds for a source with errors too.

use std::collections::HashSet;

use crate::diagnostic::Span;
use crate::syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

use super::Analysis;
use super::tree::{child, name_in, names, own_name, token_at, token_span};

/// A place that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Where.
    pub span: Span,
    /// Whether the name is declared there.
    pub is_declaration: bool,
}

/// Where the variable, type or alias at a place is declared; at its declaration, that.
#[must_use]
pub fn definition(analysis: &Analysis, at: u32) -> Option<Span> {
    named_at(analysis, at).map(|named| token_span(&named.declaration))
}

/// Everywhere that the variable, type or alias at a place stands, in the order of the source, with its declaration.
#[must_use]
pub fn references(analysis: &Analysis, at: u32) -> Vec<Reference> {
    let Some(named) = named_at(analysis, at) else { return Vec::new() };
    let same = |token: &SyntaxToken| {
        token.kind() == SyntaxKind::Ident
            && token.text() == named.declaration.text()
            && resolve(token).is_some_and(|other| other.declaration == named.declaration)
    };
    let tokens = analysis.root.descendants_with_tokens().filter_map(rowan::NodeOrToken::into_token);
    let places = tokens
        .filter(same)
        .map(|token| Reference { span: token_span(&token), is_declaration: token == named.declaration });
    places.collect()
}

/// What a name is declared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Input,
    Binding,
    Parameter,
    PatternField,
    Type,
    Alias,
}

/// A name with its declaration.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) sort: Sort,
    pub(super) declaration: SyntaxToken,
}

pub(super) fn named_at(analysis: &Analysis, at: u32) -> Option<Named> {
    resolve(&token_at(&analysis.root, analysis.place(at))?)
}

/// What a name goes back to; `None` for one that goes back to nothing in the source: of a module, a field, an argument, an option.
pub(super) fn resolve(token: &SyntaxToken) -> Option<Named> {
    let parent = token.parent().filter(|_| token.kind() == SyntaxKind::Ident)?;
    match parent.kind() {
        SyntaxKind::NameExpr if is_word_of_option(&parent) => None,
        SyntaxKind::NameExpr => variable(token),
        SyntaxKind::NamedType => type_named(token),
        SyntaxKind::QName => alias(token, &parent),
        SyntaxKind::Name => {
            let declared = |sort| Some(Named { sort, declaration: token.clone() });
            let owner = parent.parent()?;
            match owner.kind() {
                SyntaxKind::OutDecl => variable(token),
                // The first declaration of a name counts, and a second one is a fault.
                SyntaxKind::InDecl | SyntaxKind::BindDecl => variable(token),
                SyntaxKind::TypeDecl => type_named(token),
                SyntaxKind::Param => declared(Sort::Parameter),
                SyntaxKind::RecordPattern => declared(Sort::PatternField),
                SyntaxKind::UseDecl => declared(Sort::Alias),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The variables that an expression at a place may use, the innermost first; of two with one name the inner hides the outer.
pub(super) fn visible(from: &SyntaxNode) -> Vec<Named> {
    let (mut found, mut names) = (Vec::new(), HashSet::new());
    for node in from.ancestors() {
        let inside =
            |sort, tokens: Vec<SyntaxToken>| tokens.into_iter().map(move |declaration| Named { sort, declaration });
        let here: Vec<Named> = match node.kind() {
            SyntaxKind::LambdaExpr => inside(Sort::Parameter, parameters(&node)).collect(),
            SyntaxKind::MatchArm => inside(Sort::PatternField, pattern_fields(&node)).collect(),
            SyntaxKind::SourceFile => node.children().filter_map(|decl| global(&decl)).collect(),
            _ => continue,
        };
        for named in here {
            if names.insert(named.declaration.text().to_owned()) {
                found.push(named);
            }
        }
    }
    found
}

fn variable(token: &SyntaxToken) -> Option<Named> {
    let name = token.text();
    token.parent_ancestors().find_map(|node| {
        let declared =
            |sort, declaration: Option<SyntaxToken>| declaration.map(|declaration| Named { sort, declaration });
        match node.kind() {
            SyntaxKind::LambdaExpr => {
                declared(Sort::Parameter, parameters(&node).into_iter().find(|other| other.text() == name))
            }
            SyntaxKind::MatchArm => {
                declared(Sort::PatternField, pattern_fields(&node).into_iter().find(|other| other.text() == name))
            }
            SyntaxKind::SourceFile => {
                node.children().filter_map(|decl| global(&decl)).find(|named| named.declaration.text() == name)
            }
            _ => None,
        }
    })
}

/// `exponential` in `backoff: exponential`. Only `fallback` takes variables.
fn is_word_of_option(node: &SyntaxNode) -> bool {
    let option = node.parent().filter(|parent| parent.kind() == SyntaxKind::CallOption);
    option.is_some_and(|option| own_name(&option).is_none_or(|name| name.text() != "fallback"))
}

fn global(decl: &SyntaxNode) -> Option<Named> {
    let sort = match decl.kind() {
        SyntaxKind::InDecl => Sort::Input,
        SyntaxKind::BindDecl => Sort::Binding,
        _ => return None,
    };
    own_name(decl).map(|declaration| Named { sort, declaration })
}

fn parameters(lambda: &SyntaxNode) -> Vec<SyntaxToken> {
    let list = child(lambda, SyntaxKind::ParamList);
    list.iter().flat_map(SyntaxNode::children).filter_map(|param| own_name(&param)).collect()
}

fn pattern_fields(arm: &SyntaxNode) -> Vec<SyntaxToken> {
    child(arm, SyntaxKind::RecordPattern).iter().flat_map(names).collect()
}

fn root_of(token: &SyntaxToken) -> Option<SyntaxNode> {
    token.parent_ancestors().last()
}

fn type_named(token: &SyntaxToken) -> Option<Named> {
    let root = root_of(token)?;
    let declared =
        root.children().filter(|decl| decl.kind() == SyntaxKind::TypeDecl).filter_map(|decl| own_name(&decl));
    let declaration = declared.into_iter().find(|name| name.text() == token.text())?;
    Some(Named { sort: Sort::Type, declaration })
}

/// The first part of a qualified name may be an alias of `use`.
fn alias(token: &SyntaxToken, qname: &SyntaxNode) -> Option<Named> {
    let is_use = qname.parent().is_some_and(|parent| parent.kind() == SyntaxKind::UseDecl);
    let is_first = name_in(qname).as_ref() == Some(token);
    let is_qualifier = super::tree::behind(token).is_some_and(|next| next.kind() == SyntaxKind::Dot);
    if is_use || !is_first || !is_qualifier {
        return None;
    }
    let root = root_of(token)?;
    let aliases = root.children().filter(|decl| decl.kind() == SyntaxKind::UseDecl).filter_map(|decl| own_name(&decl));
    let declaration = aliases.into_iter().find(|name| name.text() == token.text())?;
    Some(Named { sort: Sort::Alias, declaration })
}
