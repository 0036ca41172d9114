//! What kind of thing is being typed, by the nodes of the tree around it. Offers nothing.

use crate::syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

use crate::ide::tree::{before, child, expression, name_in, own_name};

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Context {
    /// The beginning of a declaration; behind an operand also what may go on with it.
    Declaration { behind_operand: bool },
    /// An operand.
    Expression,
    /// An operand, or the name of an argument, of this call.
    Argument(SyntaxNode),
    /// The name of an argument in front of its colon.
    ArgumentName(SyntaxNode),
    /// Behind a dot: a field of this expression, or a part of a name that has these parts before.
    Member { of: Option<SyntaxNode>, path: Vec<String> },
    /// A field of a projection of this expression.
    Projection { of: SyntaxNode },
    /// A pattern of a match of this expression.
    Pattern { subject: Option<SyntaxNode> },
    /// A field in such a pattern.
    PatternField { subject: Option<SyntaxNode> },
    /// A type.
    Type,
    /// A namespace behind `use`, which has these parts before.
    Namespace { path: Vec<String> },
    /// What is put out.
    Output,
    /// An option in this clause.
    OptionName(SyntaxNode),
    /// The value of the option with this name.
    OptionValue(String),
    /// Behind `@`.
    Annotation,
    /// The name of a field of a record that is written.
    Field,
    /// A name that is being given.
    NewName,
}

/// What the token is.
pub(super) fn of(token: &SyntaxToken) -> Context {
    let Some(parent) = token.parent() else { return Context::Expression };
    let owner = parent.parent();
    match (parent.kind(), owner) {
        (SyntaxKind::Name, Some(owner)) => of_name(token, &owner),
        (SyntaxKind::NameExpr, Some(owner)) => of_operand(&parent, &owner),
        (SyntaxKind::QName, Some(owner)) => {
            let path = parts_before(&parent, token);
            match owner.kind() {
                SyntaxKind::UseDecl => Context::Namespace { path },
                _ if path.is_empty() => Context::Expression,
                _ => Context::Member { of: None, path },
            }
        }
        (SyntaxKind::NamedType, _) => Context::Type,
        (SyntaxKind::Annotation, _) => Context::Annotation,
        _ => of_stray(token),
    }
}

fn of_name(token: &SyntaxToken, owner: &SyntaxNode) -> Context {
    match owner.kind() {
        SyntaxKind::FieldExpr => {
            let of = expression(owner);
            let path = of.as_ref().and_then(path).unwrap_or_default();
            Context::Member { of, path }
        }
        SyntaxKind::ProjectExpr => match expression(owner) {
            Some(of) => Context::Projection { of },
            None => Context::NewName,
        },
        SyntaxKind::RecordPattern => Context::PatternField { subject: subject(owner) },
        SyntaxKind::Arg => match owner.ancestors().find(|node| node.kind() == SyntaxKind::CallExpr) {
            Some(call) => Context::ArgumentName(call),
            None => Context::NewName,
        },
        SyntaxKind::CallOption => match owner.parent() {
            Some(clause) => Context::OptionName(clause),
            None => Context::NewName,
        },
        SyntaxKind::OutDecl => Context::Output,
        SyntaxKind::RecordField => Context::Field,
        // Only a name without `=` behind it could still become another declaration.
        SyntaxKind::BindDecl if child_token(owner, SyntaxKind::Eq).is_none() => of_stray(token),
        _ => Context::NewName,
    }
}

fn of_operand(operand: &SyntaxNode, owner: &SyntaxNode) -> Context {
    match owner.kind() {
        SyntaxKind::Arg => match owner.ancestors().find(|node| node.kind() == SyntaxKind::CallExpr) {
            Some(call) if own_name(owner).is_none() => Context::Argument(call),
            _ => Context::Expression,
        },
        SyntaxKind::CallOption => match own_name(owner) {
            Some(name) if name.text() != "fallback" => Context::OptionValue(name.text().to_owned()),
            _ => Context::Expression,
        },
        _ if operand.prev_sibling_or_token().is_some_and(|before| before.kind() == SyntaxKind::At) => {
            Context::Annotation
        }
        _ => Context::Expression,
    }
}

/// What the parser could make nothing of, by the token before.
fn of_stray(token: &SyntaxToken) -> Context {
    let pattern = token.parent_ancestors().take(3).find(|node| node.kind() == SyntaxKind::ErrorPattern);
    if let Some(pattern) = pattern {
        return Context::Pattern { subject: subject(&pattern) };
    }
    let Some(before) = before(token) else { return Context::Declaration { behind_operand: false } };
    if let Some(clause) = clause_before(token) {
        return Context::OptionName(clause);
    }
    match before.kind() {
        SyntaxKind::At => Context::Annotation,
        SyntaxKind::UseKw => Context::Namespace { path: Vec::new() },
        SyntaxKind::OutKw => Context::Output,
        SyntaxKind::InKw | SyntaxKind::TypeKw | SyntaxKind::AsKw => Context::NewName,
        SyntaxKind::WithKw => match token.parent_ancestors().find(|node| node.kind() == SyntaxKind::WithClause) {
            Some(clause) => Context::OptionName(clause),
            None => Context::NewName,
        },
        SyntaxKind::IsKw => Context::Type,
        kind if ends_operand(kind) => Context::Declaration { behind_operand: true },
        _ => Context::Expression,
    }
}

/// The clause that another option may go on: a comma stands before, and an option before that.
pub(super) fn clause_before(token: &SyntaxToken) -> Option<SyntaxNode> {
    let comma = before(token).filter(|token| token.kind() == SyntaxKind::Comma)?;
    let around = |token: &SyntaxToken| token.parent_ancestors().find(|node| node.kind() == SyntaxKind::WithClause);
    let last = before(&comma)?;
    // The comma of a list around stands outside the clause.
    around(&last).filter(|clause| clause.text_range().end() <= comma.text_range().end())
}

fn ends_operand(kind: SyntaxKind) -> bool {
    use SyntaxKind::*;
    matches!(
        kind,
        Ident
            | Int
            | Float
            | Duration
            | BadNumber
            | StringEnd
            | TrueKw
            | FalseKw
            | LazyKw
            | RParen
            | RBracket
            | RBrace
            | Gt
    )
}

/// What is matched where a pattern stands.
fn subject(pattern: &SyntaxNode) -> Option<SyntaxNode> {
    let matching = pattern.ancestors().find(|node| node.kind() == SyntaxKind::MatchExpr)?;
    expression(&matching)
}

/// The names of an expression that is nothing but names joined by dots.
fn path(expression: &SyntaxNode) -> Option<Vec<String>> {
    match expression.kind() {
        SyntaxKind::NameExpr => Some(vec![name_in(expression)?.text().to_owned()]),
        SyntaxKind::FieldExpr => {
            let mut parts = path(&crate::ide::tree::expression(expression)?)?;
            parts.push(name_in(&child(expression, SyntaxKind::Name)?)?.text().to_owned());
            Some(parts)
        }
        _ => None,
    }
}

fn parts_before(qname: &SyntaxNode, token: &SyntaxToken) -> Vec<String> {
    let tokens = qname.children_with_tokens().filter_map(rowan::NodeOrToken::into_token);
    let names = tokens.take_while(|other| other != token).filter(|other| other.kind() == SyntaxKind::Ident);
    names.map(|name| name.text().to_owned()).collect()
}

fn child_token(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxToken> {
    node.children_with_tokens().filter_map(rowan::NodeOrToken::into_token).find(|token| token.kind() == kind)
}
