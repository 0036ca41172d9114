//! The bindings that an expression names. Resolves nothing else.

use crate::ast::{Expr, ExprKind, OptionValue, PatternKind, StrPart};

/// What of `find` the expression needs, in order of first use, each once.
pub(super) fn needs(expr: &Expr, find: impl Fn(&str) -> Option<usize>) -> Vec<usize> {
    let mut walk = Walk { find, bound: Vec::new(), found: Vec::new(), nesting: 0 };
    walk.expr(expr);
    let mut seen = std::collections::HashSet::new();
    walk.found.retain(|at| seen.insert(*at));
    walk.found
}

struct Walk<'e, F> {
    find: F,
    /// Parameters and fields of patterns, which hide bindings of their names.
    bound: Vec<&'e str>,
    found: Vec<usize>,
    nesting: u32,
}

impl<'e, F: Fn(&str) -> Option<usize>> Walk<'e, F> {
    fn name(&mut self, name: &str) {
        if !self.bound.contains(&name)
            && let Some(at) = (self.find)(name)
        {
            self.found.push(at);
        }
    }

    fn expr(&mut self, expr: &'e Expr) {
        // What is deeper is refused when it is checked.
        if self.nesting < super::MAX_NESTING {
            self.nesting += 1;
            self.kind(&expr.kind);
            self.nesting -= 1;
        }
    }

    fn under(&mut self, names: impl Iterator<Item = &'e str>, inside: &'e Expr) {
        let outside = self.bound.len();
        self.bound.extend(names);
        self.expr(inside);
        self.bound.truncate(outside);
    }

    fn kind(&mut self, kind: &'e ExprKind) {
        match kind {
            ExprKind::Var(name) => self.name(name),
            ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Error => {}
            ExprKind::Str(parts) => {
                for part in parts {
                    if let StrPart::Expr(expr) = part {
                        self.expr(expr);
                    }
                }
            }
            ExprKind::List(items) => items.iter().for_each(|item| self.expr(item)),
            ExprKind::Record(fields) => fields.iter().for_each(|(_, value)| self.expr(value)),
            ExprKind::Call(call) => {
                call.args.iter().for_each(|arg| self.expr(&arg.value));
                for option in &call.options {
                    match &option.value {
                        Some(OptionValue::Expr(value)) => self.expr(value),
                        Some(OptionValue::Word(word)) if option.name.text == "fallback" => self.name(&word.text),
                        _ => {}
                    }
                }
            }
            ExprKind::Lambda { params, body } => self.under(params.iter().map(|(name, _)| name.text.as_str()), body),
            ExprKind::Field { value, .. }
            | ExprKind::Project { value, .. }
            | ExprKind::Not(value)
            | ExprKind::Negate(value) => {
                self.expr(value);
            }
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::When { value, condition } => {
                self.expr(value);
                self.expr(condition);
            }
            ExprKind::If { condition, then, otherwise } => {
                self.expr(condition);
                self.expr(then);
                self.expr(otherwise);
            }
            ExprKind::Branch { cases, otherwise } => {
                for (condition, value) in cases {
                    self.expr(condition);
                    self.expr(value);
                }
                self.expr(otherwise);
            }
            ExprKind::Match { subject, arms } => {
                self.expr(subject);
                for (pattern, value) in arms {
                    match &pattern.kind {
                        PatternKind::Record(names) => self.under(names.iter().map(|name| name.text.as_str()), value),
                        _ => self.expr(value),
                    }
                }
            }
        }
    }
}
