//! Operators on numbers, Bools and whatever can be compared. Merges of records are in `record`, `??` and `when` in `choose`.

use type_schema::CType;

use crate::ast::{BinaryOp, Expr, ExprKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::{Arithmetic, Op, Order, StdFn};

use super::expr::{Goal, is_flexible};
use super::report::Why;
use super::types::Ty;
use super::{Checker, Value};

impl BinaryOp {
    /// As it is written.
    pub(super) fn text(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Less => "<",
            BinaryOp::LessEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Coalesce => "??",
        }
    }
}

/// An operation on two operands, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation<'o> {
    /// As it is written.
    pub(super) name: &'o str,
    /// Where a fault of both operands is shown.
    pub(super) place: Span,
    /// The whole.
    pub(super) span: Span,
}

impl<'a> Checker<'a> {
    pub(super) fn not(&mut self, value: &'a Expr, span: Span) -> Value {
        let value = self.expr(value, Goal::Must(Ty::BOOL, Why::Operand("not")));
        self.emit(Op::Not(value.node), Ty::BOOL, span)
    }

    pub(super) fn logic(&mut self, op: BinaryOp, left: &'a Expr, right: &'a Expr, span: Span) -> Value {
        let goal = Goal::Must(Ty::BOOL, Why::Operand(op.text()));
        let left = self.expr(left, goal).node;
        let right = self.expr(right, goal).node;
        self.emit(if op == BinaryOp::And { Op::And(left, right) } else { Op::Or(left, right) }, Ty::BOOL, span)
    }

    pub(super) fn negate(&mut self, value: &'a Expr, span: Span, goal: Goal<'_>) -> Value {
        match value.kind {
            ExprKind::Int(number) if number != i64::MIN => return self.int(-number, goal.ty(), span),
            ExprKind::Float(number) => return self.float(-number, span),
            _ => {}
        }
        let inner = self.expr(value, goal.hint());
        match inner.ty {
            Ty::INT | Ty::FLOAT => self.emit(Op::Std(StdFn::Negate, vec![inner.node]), inner.ty, span),
            Ty::UNKNOWN => self.unknown(),
            other => {
                let shown = self.types.show(other);
                let diagnostic =
                    Diagnostic::new(Code::BadArithmetic, value.span, format!("`-` takes a number, not {shown}"));
                self.error(diagnostic.label(format!("this is {shown}")));
                Value::UNKNOWN
            }
        }
    }

    /// `+ - * /` and comparisons.
    pub(super) fn operation(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &'a Expr,
        right: &'a Expr,
        span: Span,
        goal: Goal<'_>,
    ) -> Value {
        let operation = Operation { name: op.text(), place: op_span, span };
        match op {
            BinaryOp::Add => self.arithmetic(Arithmetic::Add, operation, left, right, goal),
            BinaryOp::Subtract => self.arithmetic(Arithmetic::Subtract, operation, left, right, goal),
            BinaryOp::Multiply => self.arithmetic(Arithmetic::Multiply, operation, left, right, goal),
            BinaryOp::Divide => self.arithmetic(Arithmetic::Divide, operation, left, right, goal),
            BinaryOp::Less => self.order(Order::Less, operation, left, right),
            BinaryOp::LessEqual => self.order(Order::LessEqual, operation, left, right),
            BinaryOp::Greater => self.order(Order::Greater, operation, left, right),
            BinaryOp::GreaterEqual => self.order(Order::GreaterEqual, operation, left, right),
            BinaryOp::NotEqual => self.equality(false, operation, left, right),
            _ => self.equality(true, operation, left, right),
        }
    }

    /// Both operands; the one that takes its type from the context takes it from the other.
    pub(super) fn operands(&mut self, left: &'a Expr, right: &'a Expr, hint: Ty) -> (Value, Value) {
        if is_flexible(left) && !is_flexible(right) {
            let right = self.expr(right, Goal::May(hint));
            (self.expr(left, Goal::May(right.ty)), right)
        } else {
            let value = self.expr(left, Goal::May(hint));
            let hint = if is_flexible(right) { value.ty } else { hint };
            (value, self.expr(right, Goal::May(hint)))
        }
    }

    pub(super) fn arithmetic(
        &mut self,
        op: Arithmetic,
        operation: Operation<'_>,
        left: &'a Expr,
        right: &'a Expr,
        goal: Goal<'_>,
    ) -> Value {
        let hint = if self.wants_float(goal.ty()) { Ty::FLOAT } else { Ty::UNKNOWN };
        let (a, b) = self.operands(left, right, hint);
        if a.ty.is_unknown() || b.ty.is_unknown() {
            return self.unknown();
        }
        if operation.name == "+" && (self.merges(a.ty) || self.merges(b.ty)) {
            return self.merge(a, b, operation.place, operation.span);
        }
        match (a.ty, b.ty) {
            (Ty::INT, Ty::INT) | (Ty::FLOAT, Ty::FLOAT) => {
                self.emit(Op::Arithmetic(op, a.node, b.node), a.ty, operation.span)
            }
            _ => self.bad_arithmetic(operation, (left, a.ty), (right, b.ty)),
        }
    }

    /// Two numbers of one type, or it was told.
    pub(super) fn numbers(
        &mut self,
        operation: Operation<'_>,
        left: &'a Expr,
        right: &'a Expr,
        hint: Ty,
    ) -> Option<(Value, Value)> {
        let (a, b) = self.operands(left, right, hint);
        match (a.ty, b.ty) {
            (Ty::INT, Ty::INT) | (Ty::FLOAT, Ty::FLOAT) => Some((a, b)),
            (Ty::UNKNOWN, _) | (_, Ty::UNKNOWN) => None,
            _ => {
                self.bad_arithmetic(operation, (left, a.ty), (right, b.ty));
                None
            }
        }
    }

    fn bad_arithmetic(&mut self, operation: Operation<'_>, left: (&Expr, Ty), right: (&Expr, Ty)) -> Value {
        let (shown_left, shown_right) = (self.types.show(left.1), self.types.show(right.1));
        let message = format!("`{}` takes two Ints or two Floats, not {shown_left} and {shown_right}", operation.name);
        let mut diagnostic = Diagnostic::new(Code::BadArithmetic, operation.place, message)
            .label("not two numbers of one type")
            .related(left.0.span, format!("this is {shown_left}"))
            .related(right.0.span, format!("this is {shown_right}"));
        diagnostic = match (left.1, right.1) {
            (Ty::INT, Ty::FLOAT) => {
                diagnostic.help("convert the left side by `to-float(…)`, or the right side by `to-int(…)`")
            }
            (Ty::FLOAT, Ty::INT) => {
                diagnostic.help("convert the right side by `to-float(…)`, or the left side by `to-int(…)`")
            }
            (Ty::STRING, _) | (_, Ty::STRING) if operation.name == "+" => {
                diagnostic.help("put Strings together by `\"${a}${b}\"` or `concat(a, b)`")
            }
            (a, b) if self.types.inside(a).is_some() || self.types.inside(b).is_some() => {
                diagnostic.help("give what stands in for None: `value ?? 0`")
            }
            (a, b) if operation.name == "+" && self.types.item(a).is_some() && self.types.item(b).is_some() => {
                diagnostic.help("join lists by `list-concat(a, b)`")
            }
            _ => diagnostic,
        };
        self.error(diagnostic);
        Value::UNKNOWN
    }

    pub(super) fn order(&mut self, order: Order, operation: Operation<'_>, left: &'a Expr, right: &'a Expr) -> Value {
        let (a, b) = self.operands(left, right, Ty::UNKNOWN);
        let bool = Value { ty: Ty::BOOL, ..Value::UNKNOWN };
        match (a.ty, b.ty) {
            (Ty::INT, Ty::INT) | (Ty::FLOAT, Ty::FLOAT) | (Ty::STRING, Ty::STRING) => {
                self.emit(Op::Order(order, a.node, b.node), Ty::BOOL, operation.span)
            }
            (Ty::UNKNOWN, _) | (_, Ty::UNKNOWN) => bool,
            (x, y) => {
                let message = format!(
                    "`{}` compares two Ints, two Floats or two Strings, not {} and {}",
                    operation.name,
                    self.types.show(x),
                    self.types.show(y)
                );
                self.not_comparable(operation, message, (left, x), (right, y));
                bool
            }
        }
    }

    pub(super) fn equality(&mut self, equal: bool, operation: Operation<'_>, left: &'a Expr, right: &'a Expr) -> Value {
        let (a, b) = self.operands(left, right, Ty::UNKNOWN);
        if a.ty.is_unknown() || b.ty.is_unknown() {
            return Value { ty: Ty::BOOL, ..Value::UNKNOWN };
        }
        let common = if self.keeps_all(a.ty, b.ty) {
            b.ty
        } else if self.keeps_all(b.ty, a.ty) {
            a.ty
        } else {
            let message = format!(
                "`{}` compares two values of one type, not {} and {}",
                operation.name,
                self.types.show(a.ty),
                self.types.show(b.ty)
            );
            self.not_comparable(operation, message, (left, a.ty), (right, b.ty));
            return Value { ty: Ty::BOOL, ..Value::UNKNOWN };
        };
        let a = self.widen(a, common, left.span);
        let b = self.widen(b, common, right.span);
        self.emit(Op::Equal(equal, a.node, b.node), Ty::BOOL, operation.span)
    }

    /// Whether a value of `sub` is one of `sup` without losing a field on the way.
    fn keeps_all(&mut self, sub: Ty, sup: Ty) -> bool {
        self.types.fits(sub, sup) && keeps_fields(self.types.get(sub), self.types.get(sup))
    }

    fn not_comparable(&mut self, operation: Operation<'_>, message: String, left: (&Expr, Ty), right: (&Expr, Ty)) {
        let (shown_left, shown_right) = (self.types.show(left.1), self.types.show(right.1));
        let mut diagnostic = Diagnostic::new(Code::NotComparable, operation.place, message)
            .label("cannot be compared")
            .related(left.0.span, format!("this is {shown_left}"))
            .related(right.0.span, format!("this is {shown_right}"));
        if let Some(help) = self.conversion(left.1, right.1).or_else(|| self.conversion(right.1, left.1)) {
            diagnostic = diagnostic.help(help);
        }
        self.error(diagnostic);
    }
}

/// Whether the way from a type to one that it fits drops no field.
fn keeps_fields(sub: &CType, sup: &CType) -> bool {
    match (sub, sup) {
        (CType::Record(a), CType::Record(b)) => {
            a.fields.iter().all(|field| b.get(&field.name).is_some_and(|wide| keeps_fields(&field.ctype, wide)))
        }
        (CType::List(a), CType::List(b))
        | (CType::Map(_, a), CType::Map(_, b))
        | (CType::Option(a), CType::Option(b)) => keeps_fields(a, b),
        (a, CType::Option(b)) => keeps_fields(a, b),
        (CType::Union(variants), wide) => variants.iter().all(|variant| keeps_fields(variant, wide)),
        (narrow, CType::Union(variants)) => {
            variants.contains(narrow)
                || variants
                    .iter()
                    .find(|wide| type_schema::is_subtype(narrow, wide).is_ok())
                    .is_some_and(|wide| keeps_fields(narrow, wide))
        }
        _ => true,
    }
}
