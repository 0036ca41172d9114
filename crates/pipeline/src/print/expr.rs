//! Prints expressions, with parentheses where the tree needs them and nowhere else.

use std::time::Duration;

use super::Printer;
use crate::ast::{Arg, BinaryOp, Call, CallOption, Expr, ExprKind, OptionValue, Pattern, PatternKind, StrPart};
use crate::parser::is_option;

/// How tight an expression binds; the loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    Coalesce,
    When,
    Or,
    And,
    Not,
    Compare,
    Add,
    Multiply,
    Negate,
    Primary,
}

/// Whether options at the end of an expression end with it. Otherwise what follows a comma could be read as one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Closed,
    Open,
}

impl Printer {
    pub(super) fn expr(&mut self, expr: &Expr) {
        self.at(expr, Level::Any, Tail::Closed);
    }

    /// An item of a list, in front of one of this name or of none.
    fn item(&mut self, expr: &Expr, next: Option<&str>) {
        let is_open = next.is_some_and(is_option) || ends_with_foreign_options(expr);
        self.at(expr, Level::Any, if is_open { Tail::Open } else { Tail::Closed });
    }

    /// An expression where only those are without parentheses that bind as tight as `least`.
    fn at(&mut self, expr: &Expr, least: Level, tail: Tail) {
        let needs = level(expr) < least || (tail == Tail::Open && ends_with_options(expr));
        if needs {
            self.push("(");
            self.kind(expr, Tail::Closed);
            self.push(")");
        } else {
            self.kind(expr, tail);
        }
    }

    fn kind(&mut self, expr: &Expr, tail: Tail) {
        match &expr.kind {
            ExprKind::Var(name) => self.push(name),
            ExprKind::Str(parts) => self.string(parts),
            ExprKind::Int(value) => self.push(&value.to_string()),
            ExprKind::Float(value) => self.float(*value),
            ExprKind::Bool(value) => self.push(if *value { "true" } else { "false" }),
            ExprKind::List(items) => {
                self.push("[");
                self.items(items, |printer, item| printer.item(item, None));
                self.push("]");
            }
            ExprKind::Record(fields) => {
                self.push("{");
                for (i, (name, value)) in fields.iter().enumerate() {
                    self.push(if i > 0 { ", " } else { "" });
                    self.push(&format!("{}: ", name.text));
                    let next = fields.get(i + 1).map(|(name, _)| name.text.as_str());
                    self.item(value, next);
                }
                self.push("}");
            }
            ExprKind::Call(call) => self.call(call, tail),
            ExprKind::Lambda { params, body } => {
                self.push("(");
                self.items(params, |printer, (name, ty)| {
                    printer.push(&name.text);
                    if let Some(ty) = ty {
                        printer.push(": ");
                        printer.ty(ty);
                    }
                });
                self.push(") => ");
                self.at(body, Level::Any, tail);
            }
            ExprKind::Field { value, field } => {
                self.at(value, Level::Primary, Tail::Closed);
                self.push(&format!(".{}", field.text));
            }
            ExprKind::Project { value, fields } => {
                self.at(value, Level::Primary, Tail::Closed);
                self.push("[");
                self.items(fields, |printer, field| printer.push(&field.text));
                self.push("]");
            }
            ExprKind::Not(value) => {
                self.push("not ");
                self.at(value, Level::Compare, tail);
            }
            ExprKind::Negate(value) => {
                self.push("-");
                // Without parentheses a number and its sign are one literal.
                let is_number =
                    matches!(value.kind, ExprKind::Int(0..) | ExprKind::Float(_)) && level(value) == Level::Primary;
                self.at_or_in_parentheses(value, Level::Negate, is_number);
            }
            ExprKind::Binary { op, left, right, .. } => {
                let (own, text) = binary(*op);
                let (left_least, right_least) = match op {
                    BinaryOp::Coalesce => (Level::When, Level::Coalesce),
                    BinaryOp::Or => (own, Level::And),
                    BinaryOp::And => (own, Level::Not),
                    BinaryOp::Add | BinaryOp::Subtract => (own, Level::Multiply),
                    BinaryOp::Multiply | BinaryOp::Divide => (own, Level::Negate),
                    _ => (Level::Add, Level::Add),
                };
                self.at(left, left_least, Tail::Closed);
                self.push(text);
                self.at(right, right_least, tail);
            }
            ExprKind::When { value, condition } => {
                self.at(value, Level::Or, Tail::Closed);
                self.push(" when ");
                self.at(condition, Level::Or, tail);
            }
            ExprKind::If { condition, then, otherwise } => {
                self.push("if (");
                self.expr(condition);
                self.push(") ");
                self.expr(then);
                self.push(" else ");
                self.at(otherwise, Level::Any, tail);
            }
            ExprKind::Branch { cases, otherwise } => {
                self.push("branch {");
                for (condition, value) in cases {
                    self.item(condition, None);
                    self.push(" -> ");
                    self.item(value, None);
                    self.push(", ");
                }
                self.push("otherwise -> ");
                self.item(otherwise, None);
                self.push("}");
            }
            ExprKind::Match { subject, arms } => {
                self.push("match ");
                let is_postfix = matches!(subject.kind, ExprKind::Field { .. } | ExprKind::Project { .. });
                self.at_or_in_parentheses(subject, Level::Primary, is_postfix);
                self.push(" {");
                self.items(arms, |printer, (pattern, value)| {
                    printer.pattern(pattern);
                    printer.push(" -> ");
                    printer.item(value, None);
                });
                self.push("}");
            }
            ExprKind::Error => self.push("?"),
        }
    }

    fn at_or_in_parentheses(&mut self, expr: &Expr, least: Level, needs: bool) {
        if needs {
            self.push("(");
            self.expr(expr);
            self.push(")");
        } else {
            self.at(expr, least, Tail::Closed);
        }
    }

    fn string(&mut self, parts: &[StrPart]) {
        self.push("\"");
        for (i, part) in parts.iter().enumerate() {
            match part {
                StrPart::Text(text) => {
                    let mut chars = text.chars().peekable();
                    while let Some(c) = chars.next() {
                        match c {
                            '"' => self.push("\\\""),
                            '\\' => self.push("\\\\"),
                            '\n' => self.push("\\n"),
                            '\t' => self.push("\\t"),
                            '\r' => self.push("\\r"),
                            // It would begin an interpolation.
                            '$' if chars.peek() == Some(&'{') || (chars.peek().is_none() && i + 1 < parts.len()) => {
                                self.push("\\$");
                            }
                            c => self.text.push(c),
                        }
                    }
                }
                StrPart::Expr(expr) => {
                    self.push("${");
                    self.expr(expr);
                    self.push("}");
                }
            }
        }
        self.push("\"");
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::Record(fields) => {
                self.push("{");
                self.items(fields, |printer, field| printer.push(&field.text));
                self.push("}");
            }
            PatternKind::Is(ty) => {
                self.push("is ");
                self.ty(ty);
            }
            PatternKind::Rest => self.push("_"),
            PatternKind::Error => self.push("?"),
        }
    }

    fn call(&mut self, call: &Call, tail: Tail) {
        self.qname(&call.function);
        self.push("(");
        for (i, Arg { name, value }) in call.args.iter().enumerate() {
            self.push(if i > 0 { ", " } else { "" });
            if let Some(name) = name {
                self.push(&format!("{}: ", name.text));
            }
            let next = call.args.get(i + 1).and_then(|arg| arg.name.as_ref());
            self.item(value, next.map(|name| name.text.as_str()));
        }
        self.push(")");
        for (i, option) in call.options.iter().enumerate() {
            self.push(if i > 0 { ", " } else { " with " });
            let is_last = i + 1 == call.options.len();
            self.option(option, if is_last { tail } else { Tail::Open });
        }
    }

    fn option(&mut self, option: &CallOption, tail: Tail) {
        self.push(&option.name.text);
        let Some(value) = &option.value else { return };
        self.push(": ");
        match value {
            OptionValue::Duration(value, _) => self.duration(*value),
            OptionValue::Rate { count, per, .. } => {
                self.push(&format!("{count}/"));
                self.duration(*per);
            }
            OptionValue::Word(name) => self.push(&name.text),
            // A name alone is a word.
            OptionValue::Expr(value) if matches!(value.kind, ExprKind::Var(_)) => {
                self.at_or_in_parentheses(value, Level::Any, true);
            }
            OptionValue::Expr(value) if option.name.text == "fallback" => self.at(value, Level::Any, tail),
            OptionValue::Expr(value) => {
                let is_bare = matches!(
                    value.kind,
                    ExprKind::Int(_)
                        | ExprKind::Float(_)
                        | ExprKind::Str(_)
                        | ExprKind::Bool(_)
                        | ExprKind::List(_)
                        | ExprKind::Record(_)
                        | ExprKind::Error
                );
                self.at_or_in_parentheses(value, Level::Any, !is_bare);
            }
        }
    }

    /// In the largest unit that has no rest.
    fn duration(&mut self, value: Duration) {
        let (seconds, millis) = (value.as_secs(), value.subsec_millis());
        let text = match seconds {
            _ if millis > 0 => format!("{}ms", value.as_millis()),
            0 => "0s".to_owned(),
            seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
            seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => format!("{}min", seconds / 60),
            seconds => format!("{seconds}s"),
        };
        self.push(&text);
    }
}

fn level(expr: &Expr) -> Level {
    match &expr.kind {
        ExprKind::Lambda { .. } | ExprKind::If { .. } => Level::Any,
        ExprKind::Binary { op, .. } => binary(*op).0,
        ExprKind::When { .. } => Level::When,
        ExprKind::Not(_) => Level::Not,
        ExprKind::Negate(_) | ExprKind::Int(..0) => Level::Negate,
        ExprKind::Float(value) if value.is_sign_negative() => Level::Negate,
        // Its options would take what follows.
        ExprKind::Call(call) if !call.options.is_empty() => Level::Any,
        _ => Level::Primary,
    }
}

/// Whether the last thing in an expression, as it is printed, is the options of a call.
fn ends_with_options(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call(call) => !call.options.is_empty(),
        ExprKind::Lambda { body, .. } => ends_with_options(body),
        ExprKind::If { otherwise, .. } => ends_with_options(otherwise),
        // Operands with options are in parentheses.
        _ => false,
    }
}

/// Whether the options at the end of an expression have names that in a list would be those of its next items.
fn ends_with_foreign_options(expr: &Expr) -> bool {
    let is_foreign = |option: &CallOption| {
        let is_timed = matches!(option.value, Some(OptionValue::Duration(..) | OptionValue::Rate { .. }));
        !is_option(&option.name.text) && !is_timed
    };
    match &expr.kind {
        ExprKind::Call(call) => {
            let last = call.options.last().and_then(|option| option.value.as_ref());
            call.options.iter().skip(1).any(is_foreign)
                || matches!(last, Some(OptionValue::Expr(value)) if ends_with_foreign_options(value))
        }
        ExprKind::Lambda { body, .. } => ends_with_foreign_options(body),
        ExprKind::If { otherwise, .. } => ends_with_foreign_options(otherwise),
        _ => false,
    }
}

fn binary(op: BinaryOp) -> (Level, &'static str) {
    match op {
        BinaryOp::Coalesce => (Level::Coalesce, " ?? "),
        BinaryOp::Or => (Level::Or, " or "),
        BinaryOp::And => (Level::And, " and "),
        BinaryOp::Equal => (Level::Compare, " == "),
        BinaryOp::NotEqual => (Level::Compare, " != "),
        BinaryOp::Less => (Level::Compare, " < "),
        BinaryOp::LessEqual => (Level::Compare, " <= "),
        BinaryOp::Greater => (Level::Compare, " > "),
        BinaryOp::GreaterEqual => (Level::Compare, " >= "),
        BinaryOp::Add => (Level::Add, " + "),
        BinaryOp::Subtract => (Level::Add, " - "),
        BinaryOp::Multiply => (Level::Multiply, " * "),
        BinaryOp::Divide => (Level::Multiply, " / "),
    }
}
