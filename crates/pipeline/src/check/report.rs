//! How the checker tells what it found: diagnostics and facts. Finds nothing itself.

use std::sync::Arc;

use type_schema::is_subtype;

use crate::ast::Name;
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::facts::{Fact, FactKind};

use super::nearest::{nearest, offer};
use super::types::{TooLarge, Ty};
use super::{Checker, MAX_DIAGNOSTICS, Value};

/// What a value is for, as messages say it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why<'w> {
    /// An argument of a call.
    Argument { parameter: &'w str, function: &'w str },
    /// Of an `if` or `branch`.
    Condition,
    /// A field of a record.
    Field(&'w str),
    /// An item of a list.
    Item,
    /// What stands in when a call fails.
    Fallback,
    /// What a lambda gives.
    Result(&'w str),
    /// What stands in for None.
    Default,
    /// An example of an input.
    Example(&'w str),
    /// An operand of an operator.
    Operand(&'w str),
}

impl Why<'_> {
    pub(super) fn code(self) -> Code {
        match self {
            Why::Fallback => Code::FallbackType,
            Why::Operand(_) => Code::BadOperand,
            _ => Code::TypeMismatch,
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Why::Argument { parameter, function } => format!("argument `{parameter}` of `{function}`"),
            Why::Condition => "the condition".into(),
            Why::Field(name) => format!("field `{name}`"),
            Why::Item => "each item of this list".into(),
            Why::Fallback => "the fallback".into(),
            Why::Result(function) => format!("what the lambda of `{function}` gives"),
            Why::Default => "the right side of `??`".into(),
            Why::Example(input) => format!("the example of `{input}`"),
            Why::Operand(operator) => format!("an operand of `{operator}`"),
        }
    }
}

impl<'a> Checker<'a> {
    /// Tells an error, or a warning.
    pub(super) fn error(&mut self, diagnostic: Diagnostic) {
        let counted = match diagnostic.severity() {
            Severity::Error => {
                self.failed = true;
                &mut self.errors
            }
            Severity::Warning => &mut self.warnings,
        };
        *counted += 1;
        if *counted <= MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// A value of something with an error that was told.
    pub(super) fn unknown(&mut self) -> Value {
        self.failed = true;
        Value::UNKNOWN
    }

    /// Whether another diagnostic would be shown, so that it is worth the work.
    fn is_heard(&self) -> bool {
        self.errors < MAX_DIAGNOSTICS
    }

    /// Adds the nearest of the candidates to a diagnostic; true when there are some.
    pub(super) fn offer<'c>(
        &self,
        diagnostic: Diagnostic,
        name: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> (Diagnostic, bool) {
        if !self.is_heard() {
            return (diagnostic, false);
        }
        match offer(&nearest(name, candidates)) {
            Some(help) => (diagnostic.help(help), true),
            None => (diagnostic, false),
        }
    }

    /// The value as one of `wanted`, told where it is none.
    pub(super) fn fit(&mut self, value: Value, wanted: Ty, span: Span, why: Why<'_>) -> Value {
        if self.types.fits(value.ty, wanted) {
            return self.widen(value, wanted, span);
        }
        self.mismatch(value.ty, wanted, span, why);
        Value { ty: wanted, ..Value::UNKNOWN }
    }

    fn mismatch(&mut self, found: Ty, wanted: Ty, span: Span, why: Why<'_>) {
        let (shown_wanted, shown_found) = (self.types.show(wanted), self.types.show(found));
        let message = format!("{} must be {shown_wanted}, not {shown_found}", why.text());
        let mut diagnostic = Diagnostic::new(why.code(), span, message).label(format!("this is {shown_found}"));
        let (wanted_type, found_type) = (Arc::clone(self.types.get(wanted)), Arc::clone(self.types.get(found)));
        if let Err(mismatch) = is_subtype(&found_type, &wanted_type)
            && !mismatch.path.is_empty()
            && !mismatch.path.starts_with('|')
        {
            diagnostic = diagnostic.help(format!("they differ at {mismatch}"));
        }
        if let Some(help) = self.conversion(found, wanted) {
            diagnostic = diagnostic.help(help);
        }
        self.error(diagnostic);
    }

    /// What makes one type of another.
    pub(super) fn conversion(&mut self, found: Ty, wanted: Ty) -> Option<String> {
        if let Some(inside) = self.types.inside(found)
            && self.types.fits(inside, wanted)
        {
            return Some("give what stands in for None: `value ?? default`".into());
        }
        let wanted = self.types.inside(wanted).unwrap_or(wanted);
        match (found, wanted) {
            (Ty::INT, Ty::FLOAT) => Some("convert it: `to-float(…)`".into()),
            (Ty::FLOAT, Ty::INT) => Some("convert it: `to-int(…)` truncates, `round(…)` rounds".into()),
            (Ty::INT | Ty::FLOAT | Ty::BOOL, Ty::STRING) => Some("convert it: `to-string(…)` or `\"${…}\"`".into()),
            (Ty::ANY, _) => {
                Some(format!("look into it: `match value {{ is {} -> …, _ -> … }}`", self.types.show(wanted)))
            }
            _ => None,
        }
    }

    /// The type, or the unknown one, told where it is too large.
    pub(super) fn sized(&mut self, ty: Result<Ty, TooLarge>, span: Span) -> Ty {
        ty.unwrap_or_else(|too_large| {
            self.error(
                Diagnostic::new(Code::TypeMismatch, span, too_large.text()).label("the type of this is too large"),
            );
            Ty::UNKNOWN
        })
    }

    pub(super) fn fact(&mut self, span: Span, kind: FactKind) {
        self.facts.push(Fact { span, kind });
    }

    pub(super) fn expr_fact(&mut self, span: Span, ty: Ty) {
        if !ty.is_unknown() {
            let ty = Arc::clone(self.types.get(ty));
            self.fact(span, FactKind::Expr { ty });
        }
    }

    pub(super) fn variable_fact(&mut self, span: Span, name: &str, definition: Span, ty: Ty) {
        let ty = Arc::clone(self.types.get(ty));
        self.fact(span, FactKind::Variable { name: name.to_owned(), definition, ty });
    }

    pub(super) fn field_fact(&mut self, name: &Name, ty: Ty) {
        let ty = Arc::clone(self.types.get(ty));
        self.fact(name.span, FactKind::Field { name: name.text.clone(), ty });
    }

    pub(super) fn parameter_fact(&mut self, span: Span, name: &str, ty: Ty) {
        let ty = Arc::clone(self.types.get(ty));
        self.fact(span, FactKind::Parameter { name: name.to_owned(), ty });
    }
}
