//! Makes the [`ast`](crate::ast) of a lossless tree. Refuses only what the text of a token decides: numbers out of range. What the parser
//! refused becomes an `Error`.

mod expr;
mod literal;

use rowan::GreenNodeData;

use crate::ast::{Decl, Expr, ExprKind, File, Name, QName, Type, TypeKind};
use crate::diagnostic::Span;
use crate::parser::Faults;
use crate::syntax::SyntaxKind;
use crate::tree::{Child, Node};

/// The file of a tree. Time is linear in the tree.
pub(crate) fn lower(tree: &GreenNodeData, faults: &mut Faults) -> File {
    let root = Node::root(tree);
    let mut lowering = Lowering { faults };
    let decls = root.nodes().filter_map(|node| lowering.decl(node)).collect();
    File { decls, description: description(root) }
}

/// The comments before the first declaration.
fn description(root: Node<'_>) -> String {
    let mut lines = Vec::new();
    for child in root.elements() {
        match child {
            Child::Token(token) if token.kind() == SyntaxKind::Comment => {
                let text = token.text().trim_start_matches('#');
                lines.push(text.strip_prefix(' ').unwrap_or(text).trim_end());
            }
            Child::Token(_) => {}
            Child::Node(_) => break,
        }
    }
    lines.join("\n")
}

struct Lowering<'f> {
    faults: &'f mut Faults,
}

impl Lowering<'_> {
    fn decl(&mut self, node: Node<'_>) -> Option<Decl> {
        Some(match node.kind() {
            SyntaxKind::TypeDecl => Decl::Type { name: name(node)?, ty: self.child_type(node) },
            SyntaxKind::InDecl => {
                let annotations = node.nodes().filter(|child| child.kind() == SyntaxKind::Annotation);
                let examples: Vec<Node<'_>> = annotations.filter_map(|annotation| annotation.exprs().next()).collect();
                Decl::In {
                    examples: examples.into_iter().map(|example| self.expr(example)).collect(),
                    name: name(node)?,
                    ty: self.child_type(node),
                }
            }
            SyntaxKind::OutDecl => Decl::Out { name: name(node)? },
            SyntaxKind::UseDecl => Decl::Use { namespace: qname(node.child(SyntaxKind::QName)?), alias: name(node) },
            SyntaxKind::BindDecl => Decl::Bind { name: name(node)?, value: self.next_expr(&mut node.exprs(), node) },
            _ => return None,
        })
    }

    /// The first type in a node.
    fn child_type(&mut self, node: Node<'_>) -> Type {
        match node.nodes().find(|child| child.kind().is_type()) {
            Some(ty) => self.ty(ty),
            None => Type { kind: TypeKind::Error, span: end_of(node) },
        }
    }

    fn ty(&mut self, node: Node<'_>) -> Type {
        let types = |node: Node<'_>, lowering: &mut Self| {
            node.nodes().filter(|child| child.kind().is_type()).map(|child| lowering.ty(child)).collect::<Vec<_>>()
        };
        let kind = match node.kind() {
            SyntaxKind::NamedType => match node.token(SyntaxKind::Ident) {
                Some(token) => TypeKind::Named {
                    name: Name { text: token.text().to_owned(), span: token.span() },
                    args: node.child(SyntaxKind::TypeArgs).map_or_else(Vec::new, |args| types(args, self)),
                },
                None => TypeKind::Error,
            },
            SyntaxKind::RecordType => TypeKind::Record(
                node.nodes()
                    .filter(|child| child.kind() == SyntaxKind::TypeField)
                    .filter_map(|field| Some((name(field)?, self.child_type(field))))
                    .collect(),
            ),
            SyntaxKind::MergeType => TypeKind::Merge(types(node, self)),
            SyntaxKind::UnionType => TypeKind::Union(types(node, self)),
            _ => TypeKind::Error,
        };
        Type { kind, span: node.span() }
    }

    /// The next of the expressions in `node`.
    fn next_expr<'t>(&mut self, exprs: &mut impl Iterator<Item = Node<'t>>, node: Node<'_>) -> Expr {
        match exprs.next() {
            Some(expr) => self.expr(expr),
            None => Expr { kind: ExprKind::Error, span: end_of(node) },
        }
    }
}

/// Where something lacks that would stand last in a node.
fn end_of(node: Node<'_>) -> Span {
    let end = node.span().end;
    Span::new(end, end)
}

/// The name that a node has.
fn name(node: Node<'_>) -> Option<Name> {
    let token = node.child(SyntaxKind::Name)?.tokens().next()?;
    Some(Name { text: token.text().to_owned(), span: token.span() })
}

/// All names that a node has.
fn names(node: Node<'_>) -> Vec<Name> {
    node.nodes()
        .filter(|child| child.kind() == SyntaxKind::Name)
        .filter_map(|child| child.tokens().next())
        .map(|token| Name { text: token.text().to_owned(), span: token.span() })
        .collect()
}

fn qname(node: Node<'_>) -> QName {
    let words = node.tokens().filter(|token| token.kind() != SyntaxKind::Dot);
    QName { parts: words.map(|token| Name { text: token.text().to_owned(), span: token.span() }).collect() }
}
