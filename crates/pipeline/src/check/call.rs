//! Calls of modules. Functions of the standard library are in `std_call`, what stands behind `with` in `options`.

use std::rc::Rc;

use type_schema::CType;

use crate::ast::{Call, Expr, ExprKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::{self, Op};

use super::arguments::Wanted;
use super::expr::Goal;
use super::modules::{Callee, Target};
use super::options::Fallback;
use super::report::Why;
use super::types::Ty;
use super::{Checker, Value};

impl<'a> Checker<'a> {
    pub(super) fn call(&mut self, call: &'a Call, span: Span, goal: Goal<'_>) -> Value {
        match self.function(&call.function) {
            Some(Target::Module(module)) if module.stream => {
                let message =
                    format!("`{}` gives a stream of values, and a pipeline works on single ones", module.name);
                let diagnostic = Diagnostic::new(Code::Streaming, call.function.span(), message)
                    .label("a streaming module")
                    .help("call it by `modrack call`, or ask its author for a module that gives a list");
                self.error(diagnostic);
                self.look_into(call);
                self.unknown()
            }
            Some(Target::Module(module)) => {
                let callee = self.callee(module);
                self.module_call(call, &callee, span)
            }
            Some(Target::Std(function)) => self.std_call(call, function, span, goal),
            None => {
                self.look_into(call);
                self.unknown()
            }
        }
    }

    /// Finds the faults in the arguments and options of a call that has one itself.
    fn look_into(&mut self, call: &'a Call) {
        for arg in &call.args {
            self.look_at(&arg.value);
        }
        match self.options(call).fallback {
            Some(Fallback::Variable(name)) => {
                self.variable(&name.text, name.span);
            }
            Some(Fallback::Expr(value)) => self.look_at(value),
            None => {}
        }
    }

    /// Finds the faults in an expression of which nothing is known.
    pub(super) fn look_at(&mut self, expr: &'a Expr) {
        self.failed = true;
        let ExprKind::Lambda { params, body } = &expr.kind else {
            self.expr(expr, Goal::ANYTHING);
            return;
        };
        let outside = self.locals.len();
        for (name, written) in params {
            let ty = written.as_ref().map_or(Ty::UNKNOWN, |written| self.resolve(written));
            self.bind_local(&name.text, Value { ty, ..Value::UNKNOWN }, name.span);
            self.variable_fact(name.span, &name.text, name.span, ty);
        }
        self.expr(body, Goal::ANYTHING);
        self.locals.truncate(outside);
    }

    fn module_call(&mut self, call: &'a Call, callee: &Rc<Callee>, span: Span) -> Value {
        let name = &*callee.module.name;
        let wanted: Vec<Wanted<'_>> = callee
            .parameters
            .iter()
            .map(|parameter| Wanted { name: &parameter.name, optional: parameter.optional })
            .collect();
        let bound = self.bind_arguments(call, name, &wanted, &|| signature(callee));
        let mut given: Vec<(&str, Value)> = Vec::with_capacity(callee.parameters.len());
        for (parameter, arg) in callee.parameters.iter().zip(&bound.by_parameter) {
            let Some(arg) = arg else { continue };
            let place = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            self.parameter_fact(place, &parameter.name, parameter.ty);
            let why = Why::Argument { parameter: &parameter.name, function: name };
            let value = self.expr(&arg.value, Goal::Must(parameter.ty, why));
            given.push((&parameter.name, value));
        }
        bound.astray.iter().for_each(|expr| self.look_at(expr));

        let input = match (callee.by_field, &given[..]) {
            (true, _) => self.record_input(callee, &given, span),
            (false, [(_, value), ..]) => *value,
            (false, []) => self.none(callee.input, span),
        };
        let asked = self.module_options(call, callee);
        let value = if self.failed {
            Value { ty: callee.output, ..Value::UNKNOWN }
        } else {
            let module = self.builder.module(&callee.module);
            let site = self.builder.site();
            let policy = asked.policy.clone();
            self.emit(Op::Call(Box::new(plan::Call { site, module, input: input.node, policy })), callee.output, span)
        };
        self.guard(value, &asked, span)
    }

    /// The record of the arguments; what was left out is None.
    fn record_input(&mut self, callee: &Callee, given: &[(&str, Value)], span: Span) -> Value {
        if self.failed {
            return Value { ty: callee.input, ..Value::UNKNOWN };
        }
        let fields = given.iter().map(|(name, value)| ((*name).to_owned(), value.node)).collect();
        let ty = if given.len() == callee.parameters.len() {
            callee.input
        } else {
            let fields: Vec<(&str, Ty)> = given.iter().map(|(name, value)| (*name, value.ty)).collect();
            let made = self.types.record(&fields);
            self.sized(made, span)
        };
        let record = self.emit(Op::Record(fields), ty, span);
        self.widen(record, callee.input, span)
    }
}

/// A module as people write it: `text.Replace(text: String, find: String) -> String`.
fn signature(callee: &Callee) -> String {
    let module = &callee.module;
    match &module.input {
        CType::Record(record) => {
            let fields: Vec<String> =
                record.fields.iter().map(|field| format!("{}: {}", field.name, field.ctype)).collect();
            format!("it is `{}({}) -> {}`", module.name, fields.join(", "), module.output)
        }
        other => format!("it is `{}(input: {other}) -> {}`", module.name, module.output),
    }
}
