//! Makes expressions and patterns. Literals are in `literal`.

use super::{Lowering, end_of, name, names, qname};
use crate::ast::{Arg, BinaryOp, Call, CallOption, Expr, ExprKind, Name, OptionValue, Pattern, PatternKind, QName};
use crate::syntax::SyntaxKind;
use crate::tree::Node;

impl Lowering<'_> {
    pub(super) fn expr(&mut self, node: Node<'_>) -> Expr {
        let mut exprs = node.exprs();
        let kind = match node.kind() {
            SyntaxKind::NameExpr => match node.token(SyntaxKind::Ident) {
                Some(token) => ExprKind::Var(token.text().to_owned()),
                None => ExprKind::Error,
            },
            SyntaxKind::Literal => self.literal(node, false),
            SyntaxKind::StringExpr => self.string(node),
            SyntaxKind::ListExpr => ExprKind::List(exprs.map(|item| self.expr(item)).collect()),
            SyntaxKind::RecordExpr => ExprKind::Record(
                node.nodes()
                    .filter(|child| child.kind() == SyntaxKind::RecordField)
                    .filter_map(|field| Some((name(field)?, self.next_expr(&mut field.exprs(), field))))
                    .collect(),
            ),
            // The parentheses belong to the place of what is in them.
            SyntaxKind::ParenExpr => self.next_expr(&mut exprs, node).kind,
            SyntaxKind::CallExpr => ExprKind::Call(self.call(node)),
            SyntaxKind::LambdaExpr => {
                let params = node.child(SyntaxKind::ParamList).map_or_else(Vec::new, |list| {
                    list.nodes()
                        .filter(|child| child.kind() == SyntaxKind::Param)
                        .filter_map(|param| {
                            let ty = param.nodes().find(|child| child.kind().is_type());
                            Some((name(param)?, ty.map(|ty| self.ty(ty))))
                        })
                        .collect()
                });
                ExprKind::Lambda { params, body: Box::new(self.next_expr(&mut exprs, node)) }
            }
            SyntaxKind::FieldExpr => {
                let value = Box::new(self.next_expr(&mut exprs, node));
                match name(node) {
                    Some(field) => ExprKind::Field { value, field },
                    None => ExprKind::Error,
                }
            }
            SyntaxKind::ProjectExpr => {
                ExprKind::Project { value: Box::new(self.next_expr(&mut exprs, node)), fields: names(node) }
            }
            SyntaxKind::NotExpr => ExprKind::Not(Box::new(self.next_expr(&mut exprs, node))),
            SyntaxKind::NegateExpr => match exprs.next() {
                Some(literal) if is_number(literal) => self.literal(literal, true),
                Some(value) => ExprKind::Negate(Box::new(self.expr(value))),
                None => ExprKind::Error,
            },
            SyntaxKind::BinaryExpr => self.binary(node),
            SyntaxKind::WhenExpr => {
                let value = Box::new(self.next_expr(&mut exprs, node));
                ExprKind::When { value, condition: Box::new(self.next_expr(&mut exprs, node)) }
            }
            SyntaxKind::IfExpr => {
                let condition = Box::new(self.next_expr(&mut exprs, node));
                let then = Box::new(self.next_expr(&mut exprs, node));
                ExprKind::If { condition, then, otherwise: Box::new(self.next_expr(&mut exprs, node)) }
            }
            SyntaxKind::BranchExpr => self.branch(node),
            SyntaxKind::MatchExpr => {
                let subject = Box::new(self.next_expr(&mut exprs, node));
                let arms = node.nodes().filter(|child| child.kind() == SyntaxKind::MatchArm);
                let arms = arms.map(|arm| (self.pattern(arm), self.next_expr(&mut arm.exprs(), arm))).collect();
                ExprKind::Match { subject, arms }
            }
            _ => ExprKind::Error,
        };
        Expr { kind, span: node.span() }
    }

    fn binary(&mut self, node: Node<'_>) -> ExprKind {
        let operator = node.tokens().find_map(|token| Some((binary_op(token.kind())?, token.span())));
        let Some((op, op_span)) = operator else { return ExprKind::Error };
        let mut exprs = node.exprs();
        let left = Box::new(self.next_expr(&mut exprs, node));
        ExprKind::Binary { op, op_span, left, right: Box::new(self.next_expr(&mut exprs, node)) }
    }

    fn branch(&mut self, node: Node<'_>) -> ExprKind {
        let mut cases = Vec::new();
        let mut otherwise = None;
        for case in node.nodes().filter(|child| child.kind() == SyntaxKind::BranchCase) {
            let mut exprs = case.exprs();
            if case.token(SyntaxKind::OtherwiseKw).is_some() {
                otherwise = Some(self.next_expr(&mut exprs, case));
            } else {
                let condition = self.next_expr(&mut exprs, case);
                cases.push((condition, self.next_expr(&mut exprs, case)));
            }
        }
        let otherwise = otherwise.unwrap_or(Expr { kind: ExprKind::Error, span: end_of(node) });
        ExprKind::Branch { cases, otherwise: Box::new(otherwise) }
    }

    fn pattern(&mut self, arm: Node<'_>) -> Pattern {
        let Some(node) = arm.nodes().find(|child| child.kind().is_pattern()) else {
            return Pattern { kind: PatternKind::Error, span: end_of(arm) };
        };
        let kind = match node.kind() {
            SyntaxKind::RecordPattern => PatternKind::Record(names(node)),
            SyntaxKind::IsPattern => PatternKind::Is(self.child_type(node)),
            SyntaxKind::RestPattern => PatternKind::Rest,
            _ => PatternKind::Error,
        };
        Pattern { kind, span: node.span() }
    }

    fn call(&mut self, node: Node<'_>) -> Call {
        let function = node.child(SyntaxKind::QName).map_or(QName { parts: Vec::new() }, qname);
        let mut args = Vec::new();
        if let Some(list) = node.child(SyntaxKind::ArgList) {
            for arg in list.nodes().filter(|child| child.kind() == SyntaxKind::Arg) {
                args.push(Arg { name: name(arg), value: self.next_expr(&mut arg.exprs(), arg) });
            }
        }
        // Where they stand the wrong way round, that is said already.
        args.sort_by_key(|arg| arg.name.is_some());
        let mut options = Vec::new();
        if let Some(clause) = node.child(SyntaxKind::WithClause) {
            let nodes = clause.nodes().filter(|child| child.kind() == SyntaxKind::CallOption);
            options.extend(nodes.filter_map(|option| self.option(option)));
        }
        Call { function, args, options }
    }

    fn option(&mut self, node: Node<'_>) -> Option<CallOption> {
        let mut value = None;
        for child in node.nodes() {
            value = match child.kind() {
                SyntaxKind::DurationValue => child.token(SyntaxKind::Duration).map(|token| self.duration_value(token)),
                SyntaxKind::RateValue => Some(self.rate(child)),
                SyntaxKind::NameExpr => child
                    .token(SyntaxKind::Ident)
                    .map(|token| OptionValue::Word(Name { text: token.text().to_owned(), span: token.span() })),
                kind if kind.is_expr() => Some(OptionValue::Expr(self.expr(child))),
                _ => continue,
            };
        }
        Some(CallOption { name: name(node)?, value, span: node.span() })
    }
}

fn is_number(node: Node<'_>) -> bool {
    node.kind() == SyntaxKind::Literal
        && node.tokens().any(|token| matches!(token.kind(), SyntaxKind::Int | SyntaxKind::Float))
}

fn binary_op(kind: SyntaxKind) -> Option<BinaryOp> {
    Some(match kind {
        SyntaxKind::Plus => BinaryOp::Add,
        SyntaxKind::Minus => BinaryOp::Subtract,
        SyntaxKind::Star => BinaryOp::Multiply,
        SyntaxKind::Slash => BinaryOp::Divide,
        // One equals sign is refused, and meant so.
        SyntaxKind::EqEq | SyntaxKind::Eq => BinaryOp::Equal,
        SyntaxKind::NotEq => BinaryOp::NotEqual,
        SyntaxKind::Lt => BinaryOp::Less,
        SyntaxKind::LtEq => BinaryOp::LessEqual,
        SyntaxKind::Gt => BinaryOp::Greater,
        SyntaxKind::GtEq => BinaryOp::GreaterEqual,
        SyntaxKind::AndKw => BinaryOp::And,
        SyntaxKind::OrKw => BinaryOp::Or,
        SyntaxKind::Coalesce => BinaryOp::Coalesce,
        _ => return None,
    })
}
