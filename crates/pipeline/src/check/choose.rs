//! `if`, `branch`, `when` and `??`. What the chosen value is for is the caller's matter.

use bytes::Bytes;

use crate::ast::{BinaryOp, Expr};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::Op;

use super::expr::{Goal, is_flexible};
use super::report::Why;
use super::types::Ty;
use super::{Checker, Value};

/// The condition of an `if` or `branch`.
const CONDITION: Goal<'static> = Goal::Must(Ty::BOOL, Why::Condition);

impl<'a> Checker<'a> {
    pub(super) fn if_else(
        &mut self,
        condition: &'a Expr,
        then: &'a Expr,
        otherwise: &'a Expr,
        span: Span,
        goal: Goal<'_>,
    ) -> Value {
        let condition = self.expr(condition, CONDITION);
        let (values, ty) = self.together(&[then, otherwise], goal, span);
        let op = Op::If { condition: condition.node, then: values[0].node, otherwise: values[1].node };
        self.emit(op, ty, span)
    }

    /// `if`s inside each other, in the order of the cases.
    pub(super) fn branch(
        &mut self,
        cases: &'a [(Expr, Expr)],
        otherwise: &'a Expr,
        span: Span,
        goal: Goal<'_>,
    ) -> Value {
        let conditions: Vec<Value> = cases.iter().map(|(condition, _)| self.expr(condition, CONDITION)).collect();
        let parts: Vec<&Expr> = cases.iter().map(|(_, value)| value).chain([otherwise]).collect();
        let (values, ty) = self.together(&parts, goal, span);
        let mut chosen = Value { ty, ..values[cases.len()] };
        for ((case, value), condition) in cases.iter().zip(&values).zip(&conditions).rev() {
            let op = Op::If { condition: condition.node, then: value.node, otherwise: chosen.node };
            chosen = self.emit(op, ty, case.0.span.to(case.1.span));
        }
        chosen
    }

    pub(super) fn when(&mut self, value: &'a Expr, condition: &'a Expr, span: Span, goal: Goal<'_>) -> Value {
        let inside = self.types.inside(goal.ty()).unwrap_or(goal.ty());
        let value = self.expr(value, Goal::May(inside));
        let condition = self.expr(condition, Goal::Must(Ty::BOOL, Why::Operand("when")));
        if value.ty.is_unknown() {
            return self.unknown();
        }
        let ty = self.types.option(value.ty);
        let ty = self.sized(ty, span);
        if ty != value.ty {
            return self.emit(Op::When { value: value.node, condition: condition.node }, ty, span);
        }
        // What is an Option already stays one.
        let none = self.none(ty, span);
        self.emit(Op::If { condition: condition.node, then: value.node, otherwise: none.node }, ty, span)
    }

    pub(super) fn coalesce(&mut self, left: &'a Expr, right: &'a Expr, span: Span, goal: Goal<'_>) -> Value {
        let wanted = self.types.option(goal.ty()).unwrap_or(Ty::UNKNOWN);
        let value = self.expr(left, Goal::May(wanted));
        if value.ty.is_unknown() {
            self.expr(right, goal.hint());
            return self.unknown();
        }
        let Some(inside) = self.types.inside(value.ty) else {
            let shown = self.types.show(value.ty);
            let diagnostic = Diagnostic::new(
                Code::BadOperand,
                left.span,
                format!("the left side of `??` must be an Option, not {shown}"),
            )
            .label(format!("this is {shown}, which is never None"))
            .help(format!("remove `{} …`", BinaryOp::Coalesce.text()));
            self.error(diagnostic);
            self.expr(right, goal.hint());
            return Value::UNKNOWN;
        };
        // What the context wants is said of both sides only where the left one fits it; else the whole is told to differ.
        let wanted = match goal {
            Goal::Must(ty, _) if !ty.is_unknown() => {
                let wanted_inside = self.types.inside(ty).unwrap_or(ty);
                self.types.fits(inside, wanted_inside).then_some(ty)
            }
            _ => None,
        };
        let (default, ty) = match wanted {
            Some(ty) => (self.expr(right, Goal::Must(ty, Why::Default)), ty),
            None => {
                let suggested = if is_flexible(right) { inside } else { goal.ty() };
                let suggested = if suggested.is_unknown() { inside } else { suggested };
                let default = self.expr(right, Goal::May(suggested));
                // Some of the left side and an Option on the right are an Option.
                let joined = self.types.join(inside, default.ty);
                let ty = self.sized(joined, span);
                (self.widen(default, ty, right.span), ty)
            }
        };
        if ty.is_unknown() {
            return self.unknown();
        }
        let option = self.types.option(ty);
        let option = self.sized(option, span);
        let value = self.widen(value, option, left.span);
        self.emit(Op::Coalesce { value: value.node, default: default.node }, ty, span)
    }

    /// The bytes of an encoded None.
    pub(super) fn is_none(bytes: &Bytes) -> bool {
        bytes[..] == [0xc0]
    }
}
