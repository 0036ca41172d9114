//! Expressions by kind, and how expected types flow into them. What each kind means stands in the files beside.

use type_schema::CType;

use crate::ast::{BinaryOp, Expr, ExprKind};
use crate::diagnostic::{Code, Diagnostic, Span};

use super::report::Why;
use super::types::Ty;
use super::{Checker, Value};

/// What is known beforehand of the type of an expression.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal<'w> {
    /// What the context suggests, for what has no type of its own; the unknown type where it suggests nothing.
    May(Ty),
    /// What the context wants. The value is of that very type, or it was told.
    Must(Ty, Why<'w>),
}

impl Goal<'_> {
    pub(super) const ANYTHING: Goal<'static> = Goal::May(Ty::UNKNOWN);

    pub(super) fn ty(self) -> Ty {
        match self {
            Goal::May(ty) | Goal::Must(ty, _) => ty,
        }
    }

    /// The same type as a suggestion.
    pub(super) fn hint(self) -> Goal<'static> {
        Goal::May(self.ty())
    }
}

impl<'a> Checker<'a> {
    pub(super) fn expr(&mut self, expr: &'a Expr, goal: Goal<'_>) -> Value {
        let Some(value) = self.nested(expr.span, |this| this.kind(expr, goal)) else { return Value::UNKNOWN };
        if !matches!(expr.kind, ExprKind::Var(_)) {
            self.expr_fact(expr.span, value.ty);
        }
        match goal {
            Goal::Must(ty, why) => self.fit(value, ty, expr.span, why),
            Goal::May(_) => value,
        }
    }

    fn kind(&mut self, expr: &'a Expr, goal: Goal<'_>) -> Value {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Var(name) => self.variable(name, span),
            ExprKind::Str(parts) => self.string(parts, span),
            ExprKind::Int(number) => self.int(*number, goal.ty(), span),
            ExprKind::Float(number) => self.float(*number, span),
            ExprKind::Bool(is) => self.bool(*is, span),
            ExprKind::List(items) => self.list(items, span, goal),
            ExprKind::Record(fields) => self.record(fields, span, goal),
            ExprKind::Call(call) => self.call(call, span, goal),
            ExprKind::Lambda { .. } => self.stray_lambda(span),
            ExprKind::Field { value, field } => self.field(value, field, span),
            ExprKind::Project { value, fields } => self.project(value, fields, span),
            ExprKind::Not(value) => self.not(value, span),
            ExprKind::Negate(value) => self.negate(value, span, goal),
            ExprKind::Binary { op, op_span, left, right } => match op {
                BinaryOp::And | BinaryOp::Or => self.logic(*op, left, right, span),
                BinaryOp::Coalesce => self.coalesce(left, right, span, goal),
                _ => self.operation(*op, *op_span, left, right, span, goal),
            },
            ExprKind::When { value, condition } => self.when(value, condition, span, goal),
            ExprKind::If { condition, then, otherwise } => self.if_else(condition, then, otherwise, span, goal),
            ExprKind::Branch { cases, otherwise } => self.branch(cases, otherwise, span, goal),
            ExprKind::Match { subject, arms } => self.matching(subject, arms, span, goal),
            ExprKind::Error => self.unknown(),
        }
    }

    /// The unknown type suggested by nobody: a lambda has a place only as an argument.
    fn stray_lambda(&mut self, span: Span) -> Value {
        let diagnostic = Diagnostic::new(Code::TypeMismatch, span, "a lambda is no value")
            .label("cannot stand here")
            .help("lambdas are arguments of `filter`, `map`, `all`, `any`, `sort-by` and `fold`");
        self.error(diagnostic);
        Value::UNKNOWN
    }

    /// Several expressions that become one value, or items of one list: all of what is wanted, else of the type that holds all.
    pub(super) fn together(&mut self, parts: &[&'a Expr], goal: Goal<'_>, span: Span) -> (Vec<Value>, Ty) {
        self.together_by(parts, goal, span, |this, at, goal| this.expr(parts[at], goal))
    }

    /// The same where each needs something around it. Those that take their type from the others come last.
    pub(super) fn together_by(
        &mut self,
        parts: &[&'a Expr],
        goal: Goal<'_>,
        span: Span,
        mut each: impl FnMut(&mut Self, usize, Goal<'_>) -> Value,
    ) -> (Vec<Value>, Ty) {
        if let Goal::Must(ty, why) = goal
            && !ty.is_unknown()
        {
            return ((0..parts.len()).map(|at| each(self, at, Goal::Must(ty, why))).collect(), ty);
        }
        let mut values = vec![Value::UNKNOWN; parts.len()];
        let mut all: Option<Ty> = None;
        for flexible in [false, true] {
            for at in (0..parts.len()).filter(|at| is_flexible(parts[*at]) == flexible) {
                let suggested = if flexible { all.unwrap_or(goal.ty()) } else { goal.ty() };
                values[at] = each(self, at, Goal::May(suggested));
                let known: Vec<Ty> = all.into_iter().chain([values[at].ty]).collect();
                all = Some(self.joined(&known, span));
            }
        }
        // In the order of the source, whoever came first.
        let all: Vec<Ty> = values.iter().map(|value| value.ty).collect();
        let all = self.joined(&all, span);
        let values = parts.iter().zip(values).map(|(part, value)| self.widen(value, all, part.span)).collect();
        (values, all)
    }

    /// The type of any of several values.
    pub(super) fn joined(&mut self, all: &[Ty], span: Span) -> Ty {
        let joined = self.types.join_all(all);
        self.sized(joined, span)
    }

    /// The part of a wanted type that has a shape: the type itself, the inside of an Option, or the only such variant.
    pub(super) fn shaped(&mut self, wanted: Ty, shape: &dyn Fn(&CType) -> bool) -> Option<Ty> {
        if wanted.is_unknown() {
            return None;
        }
        if shape(self.types.get(wanted)) {
            return Some(wanted);
        }
        if let Some(inside) = self.types.inside(wanted) {
            return self.shaped(inside, shape);
        }
        let mut found = None;
        if matches!(**self.types.get(wanted), CType::Union(_)) {
            for &variant in &*self.types.variants(wanted) {
                if let Some(shaped) = self.shaped(variant, shape)
                    && found.replace(shaped).is_some()
                {
                    return None;
                }
            }
        }
        found
    }
}

/// Whether an expression takes its type from the context: Int literals, which fit a Float, and what is made of them alone; `[]`.
pub(super) fn is_flexible(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Int(_) => true,
        ExprKind::Negate(value) => is_flexible(value),
        ExprKind::List(items) => items.iter().all(is_flexible),
        ExprKind::Binary {
            op: BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide,
            left,
            right,
            ..
        } => is_flexible(left) && is_flexible(right),
        _ => false,
    }
}
