//! The variables of a source, and what a name means where it stands. Checks no expression.

use crate::ast::{Expr, Name, Type};
use crate::diagnostic::{Code, Diagnostic, Span};

use super::types::Ty;
use super::{Checker, NO_NODE, Value};

/// An input or a binding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Global<'a> {
    pub(super) name: &'a Name,
    pub(super) kind: GlobalKind<'a>,
    /// Unknown until it is checked; a node of the root.
    pub(super) value: Value,
    /// Whether an output needs it.
    pub(super) needed: bool,
}

/// What gives a global its value.
#[derive(Debug, Clone, Copy)]
pub(super) enum GlobalKind<'a> {
    Input(&'a Type),
    Binding(&'a Expr),
}

/// A name that is known in a part of an expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local<'a> {
    pub(super) name: &'a str,
    pub(super) value: Value,
    /// How many lambdas are open where it is bound.
    pub(super) level: usize,
    pub(super) definition: Span,
}

impl<'a> Checker<'a> {
    /// The variable of that name, as the innermost lambda sees it.
    pub(super) fn variable(&mut self, name: &'a str, span: Span) -> Value {
        let local = self.locals.iter().rev().find(|local| local.name == name).copied();
        let (value, level, definition) = match (local, self.global_names.get(name)) {
            (Some(local), _) => (local.value, local.level, local.definition),
            (None, Some(&at)) => (self.globals[at].value, 0, self.globals[at].name.span),
            (None, None) => {
                self.undefined_variable(name, span);
                return Value::UNKNOWN;
            }
        };
        self.variable_fact(span, name, definition, value.ty);
        if value.ty.is_unknown() {
            return self.unknown();
        }
        self.seen(value, level)
    }

    /// Where a name is declared that a variable of it would mean here.
    pub(super) fn definition(&self, name: &str) -> Option<Span> {
        let local = self.locals.iter().rev().find(|local| local.name == name).map(|local| local.definition);
        local.or_else(|| self.global_names.get(name).map(|&at| self.globals[at].name.span))
    }

    /// A value of an outer lambda as the innermost sees it.
    fn seen(&mut self, value: Value, level: usize) -> Value {
        if self.failed {
            return Value { node: NO_NODE, ..value };
        }
        Value { node: self.builder.at(level, value.node), ..value }
    }

    /// Makes a name known until the locals are cut back.
    pub(super) fn bind_local(&mut self, name: &'a str, value: Value, definition: Span) {
        self.locals.push(Local { name, value, level: self.lambdas.len(), definition });
    }

    fn undefined_variable(&mut self, name: &'a str, span: Span) {
        let mut diagnostic = Diagnostic::new(Code::UndefinedVariable, span, format!("nothing here is called `{name}`"))
            .label("not found");
        if self.is_function(name) {
            diagnostic = diagnostic.help(format!("`{name}` is a function: call it, or give `(x) => {name}(x)`"));
        } else if let Some((left, right)) = self.subtraction(name) {
            diagnostic = diagnostic.help(format!("a hyphen belongs to a name; to subtract, write `{left} - {right}`"));
        } else {
            let locals = self.locals.iter().rev().map(|local| local.name);
            let globals = self.globals.iter().map(|global| global.name.text.as_str());
            diagnostic = self.offer(diagnostic, name, locals.chain(globals)).0;
        }
        self.error(diagnostic);
    }

    /// Both sides of a name that was meant as a subtraction: the left one is a variable, the right one is too, or a number.
    fn subtraction<'n>(&self, name: &'n str) -> Option<(&'n str, &'n str)> {
        let is_variable = |name: &str| {
            self.locals.iter().any(|local| local.name == name)
                || self.globals.iter().any(|global| global.name.text == name)
        };
        let is_operand =
            |name: &str| is_variable(name) || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()));
        let sides = name.match_indices('-').map(|(at, _)| (&name[..at], &name[at + 1..]));
        sides.into_iter().find(|(left, right)| is_variable(left) && is_operand(right))
    }

    /// Declares the inputs.
    pub(super) fn declare_inputs(&mut self, file: &'a crate::ast::File) {
        let mut position = 0;
        for at in 0..self.globals.len() {
            let Global { name, kind: GlobalKind::Input(written), .. } = self.globals[at] else { continue };
            let ty = self.resolve(written);
            let value = self.emit(crate::plan::Op::Input(position), ty, name.span);
            if !self.failed {
                self.builder.name(value.node, &name.text);
            }
            self.globals[at].value = value;
            self.variable_fact(name.span, &name.text, name.span, ty);
            position += 1;
        }
        let of_inputs: Vec<Ty> = self.inputs().map(|global| global.value.ty).collect();
        let last = self.inputs().last().map_or(Span::default(), |global| global.name.span);
        let names: Vec<(String, Ty)> = self.inputs().map(|global| global.name.text.clone()).zip(of_inputs).collect();
        self.record_of(&names, last, file.decls.is_empty());
    }

    /// The inputs in declared order.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Global<'a>> {
        self.globals.iter().filter(|global| matches!(global.kind, GlobalKind::Input(_)))
    }

    /// Inputs and outputs are the fields of a record each: tells where that would be too large.
    pub(super) fn record_of(&mut self, fields: &[(String, Ty)], last: Span, empty: bool) {
        if !empty {
            let fields: Vec<(&str, Ty)> = fields.iter().map(|(name, ty)| (name.as_str(), *ty)).collect();
            let record = self.types.record(&fields);
            self.sized(record, last);
        }
    }
}
