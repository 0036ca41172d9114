//! `match`: what each pattern selects, what the matched variable is in its arm, and whether every case is covered.

use std::collections::HashMap;

use type_schema::CType;

use crate::ast::{Expr, ExprKind, Name, Pattern, PatternKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::{Op, Test};

use super::expr::Goal;
use super::nearest::{nearest, offer};
use super::types::{Fields, Ty};
use super::{Checker, Value};

/// The cases of a subject, and which are left.
#[derive(Debug)]
struct Cases {
    subject: Value,
    span: Span,
    /// Whether the subject is an Option, and None is a case.
    optional: bool,
    /// What the subject is, without the Option.
    inside: Ty,
    /// The variants of the inside, itself alone where it is no union.
    variants: Vec<Case>,
    none_left: bool,
    /// Whether an arm took everything that can be.
    closed: bool,
    /// Whether what an arm takes is not known, for a fault that was told.
    unsure: bool,
}

#[derive(Debug)]
struct Case {
    ty: Ty,
    left: bool,
}

/// What a pattern selects.
#[derive(Debug)]
struct Selected<'a> {
    /// Which variants, of those that are left.
    variants: Vec<usize>,
    /// Whether None is among it.
    none: bool,
    /// What an Any is tested to be.
    fits: Option<Ty>,
    /// What the subject is then.
    narrowed: Value,
    fields: Vec<(&'a Name, Value)>,
    /// Whether the arms before leave nothing for it.
    dead: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn matching(
        &mut self,
        subject: &'a Expr,
        arms: &'a [(Pattern, Expr)],
        span: Span,
        goal: Goal<'_>,
    ) -> Value {
        let value = self.expr(subject, Goal::ANYTHING);
        let mut cases = self.cases(value, subject.span);
        let mut selected: Vec<Selected<'a>> = Vec::with_capacity(arms.len());
        for (pattern, _) in arms {
            let closed = cases.closed;
            let arm = self.select(pattern, &mut cases);
            if (closed || arm.dead) && !cases.unsure {
                let diagnostic =
                    Diagnostic::new(Code::UnreachableArm, pattern.span, "the arms before leave nothing for this one");
                self.error(diagnostic.label("never taken").help("remove it, or put it further up"));
            }
            selected.push(arm);
        }
        self.check_exhaustive(&cases);
        let variable = match &subject.kind {
            ExprKind::Var(name) => self.definition(name).map(|definition| (name.as_str(), definition)),
            _ => None,
        };
        let parts: Vec<&Expr> = arms.iter().map(|(_, value)| value).collect();
        let (values, ty) = self.together_by(&parts, goal, span, |this, at, goal| {
            let outside = this.locals.len();
            if let Some((name, definition)) = variable {
                this.bind_local(name, selected[at].narrowed, definition);
            }
            for (name, value) in &selected[at].fields {
                this.bind_local(&name.text, *value, name.span);
            }
            let value = this.expr(parts[at], goal);
            this.locals.truncate(outside);
            value
        });
        if value.ty.is_unknown() || self.failed {
            return Value { ty, ..self.unknown() };
        }
        self.choose_arm(&cases, &selected, &values, ty, span)
    }

    fn cases(&mut self, subject: Value, span: Span) -> Cases {
        let optional = self.types.inside(subject.ty);
        let inside = optional.unwrap_or(subject.ty);
        let variants = self.types.variants(inside).iter().map(|ty| Case { ty: *ty, left: true }).collect();
        let optional = optional.is_some();
        Cases {
            subject,
            span,
            optional,
            inside,
            variants,
            none_left: optional,
            closed: false,
            unsure: subject.ty.is_unknown(),
        }
    }

    fn select(&mut self, pattern: &'a Pattern, cases: &mut Cases) -> Selected<'a> {
        match &pattern.kind {
            PatternKind::Rest => self.select_rest(cases),
            PatternKind::Is(ty) => {
                let wanted = self.resolve(ty);
                self.select_type(wanted, ty.span, cases)
            }
            PatternKind::Record(names) => self.select_record(names, pattern.span, cases),
            PatternKind::Error => {
                self.failed = true;
                Self::select_unknown(cases)
            }
        }
    }

    /// What the pattern means is not known, and an arm too few would be told wrongly.
    fn select_unknown(cases: &mut Cases) -> Selected<'a> {
        cases.unsure = true;
        Selected {
            variants: Vec::new(),
            none: false,
            fits: None,
            narrowed: Value::UNKNOWN,
            fields: Vec::new(),
            dead: false,
        }
    }

    fn select_rest(&mut self, cases: &mut Cases) -> Selected<'a> {
        let left: Vec<usize> = (0..cases.variants.len()).filter(|at| cases.variants[*at].left).collect();
        let none = cases.none_left;
        let narrowed =
            if none || left.is_empty() || cases.inside == Ty::ANY { cases.subject } else { self.narrow(cases, &left) };
        take(cases, &left, none);
        let dead = left.is_empty() && !none;
        cases.closed = true;
        Selected { variants: left, none, fits: None, narrowed, fields: Vec::new(), dead }
    }

    fn select_type(&mut self, wanted: Ty, span: Span, cases: &mut Cases) -> Selected<'a> {
        if wanted.is_unknown() || cases.subject.ty.is_unknown() {
            let selected = Self::select_unknown(cases);
            return Selected { narrowed: Value { ty: wanted, ..Value::UNKNOWN }, ..selected };
        }
        if cases.inside == Ty::ANY
            && wanted != Ty::ANY
            && !(cases.optional && self.types.inside(wanted) == Some(Ty::ANY))
        {
            return self.select_in_any(wanted, span, cases);
        }
        let whole = cases.optional && self.types.fits(cases.subject.ty, wanted) && self.types.inside(wanted).is_some();
        let all: Vec<usize> =
            (0..cases.variants.len()).filter(|at| self.types.fits(cases.variants[*at].ty, wanted)).collect();
        if all.is_empty() {
            let (shown, shown_wanted) = (self.types.show(cases.subject.ty), self.types.show(wanted));
            let diagnostic = Diagnostic::new(Code::TypeMismatch, span, format!("{shown} is never {shown_wanted}"))
                .label("never matches");
            let names: Vec<String> =
                cases.variants.iter().take(10).map(|case| format!("`is {}`", self.types.show(case.ty))).collect();
            self.error(diagnostic.help(format!("it may be {}", names.join(", "))));
            let selected = Self::select_unknown(cases);
            return Selected { narrowed: Value { ty: wanted, ..Value::UNKNOWN }, ..selected };
        }
        let left = remaining(cases, &all);
        let none = whole && cases.none_left;
        let narrowed =
            if whole { cases.subject } else { self.narrow(cases, if left.is_empty() { &all } else { &left }) };
        take(cases, &left, none);
        let dead = left.is_empty() && !none;
        Selected { variants: left, none, fits: None, narrowed, fields: Vec::new(), dead }
    }

    /// A checked cast. An Any has no variants to run out of, so that only `_` ends the match.
    fn select_in_any(&mut self, wanted: Ty, span: Span, cases: &Cases) -> Selected<'a> {
        if cases.optional {
            let diagnostic =
                Diagnostic::new(Code::TypeMismatch, span, "an Option of Any is not looked into in one step")
                    .label("a test of what is in the Option")
                    .help("give what stands in for None first: `match (value ?? default) { … }`");
            self.error(diagnostic);
        }
        let test = self.fits_test(wanted);
        let narrowed = self.emit(Op::Narrow { subject: cases.subject.node, test }, wanted, span);
        Selected { variants: Vec::new(), none: false, fits: Some(wanted), narrowed, fields: Vec::new(), dead: false }
    }

    fn fits_test(&mut self, ty: Ty) -> Test {
        Test::Fits(self.types.plan(ty, &mut self.builder))
    }

    fn select_record(&mut self, names: &'a [Name], span: Span, cases: &mut Cases) -> Selected<'a> {
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut fields: Vec<&'a Name> = Vec::with_capacity(names.len());
        for name in names {
            match first.get(name.text.as_str()) {
                Some(&first) => self.duplicate("field", name, first),
                None => {
                    first.insert(&name.text, name.span);
                    fields.push(name);
                }
            }
        }
        if cases.subject.ty.is_unknown() {
            let selected = Self::select_unknown(cases);
            let fields = fields.into_iter().map(|name| self.unknown_field(name)).collect();
            return Selected { fields, ..selected };
        }
        let has = |case: &Case, this: &Self| match &**this.types.get(case.ty) {
            CType::Record(record) => fields.iter().all(|name| record.get(&name.text).is_some()),
            _ => false,
        };
        let all: Vec<usize> = (0..cases.variants.len()).filter(|at| has(&cases.variants[*at], self)).collect();
        if all.is_empty() {
            self.no_such_record(&fields, span, cases);
            let selected = Self::select_unknown(cases);
            let fields = fields.into_iter().map(|name| self.unknown_field(name)).collect();
            return Selected { fields, ..selected };
        }
        let left = remaining(cases, &all);
        let narrowed = self.narrow(cases, if left.is_empty() { &all } else { &left });
        take(cases, &left, false);
        let fields = fields
            .into_iter()
            .map(|name| {
                let value = self.field_of_any_variant(narrowed, name);
                self.variable_fact(name.span, &name.text, name.span, value.ty);
                (name, value)
            })
            .collect();
        let dead = left.is_empty();
        Selected { variants: left, none: false, fits: None, narrowed, fields, dead }
    }

    fn unknown_field(&mut self, name: &'a Name) -> (&'a Name, Value) {
        self.variable_fact(name.span, &name.text, name.span, Ty::UNKNOWN);
        (name, Value::UNKNOWN)
    }

    fn no_such_record(&mut self, fields: &[&Name], span: Span, cases: &Cases) {
        let shown = self.types.show(cases.subject.ty);
        if cases.inside == Ty::ANY {
            let diagnostic = Diagnostic::new(Code::BadField, span, format!("{shown} has no fields to select by"))
                .label("a pattern of fields");
            self.error(diagnostic.help("say the type: `is { field: String } -> …`"));
            return;
        }
        let names: Vec<String> = fields.iter().map(|name| format!("`{}`", name.text)).collect();
        let diagnostic =
            Diagnostic::new(Code::BadField, span, format!("{shown} has no case with the fields {}", names.join(", ")))
                .label("never matches");
        let records: Vec<Fields> = cases.variants.iter().filter_map(|case| self.types.fields(case.ty)).collect();
        let known: Vec<&str> = records.iter().flat_map(|fields| fields.iter()).map(|(name, _)| &**name).collect();
        let unknown = fields.iter().find(|name| !known.contains(&name.text.as_str()));
        let help = unknown.and_then(|name| offer(&nearest(&name.text, known.iter().copied())));
        self.error(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    /// The subject as these of its variants.
    fn narrow(&mut self, cases: &Cases, variants: &[usize]) -> Value {
        let mut value = cases.subject;
        if cases.optional {
            value = self.emit(Op::Narrow { subject: value.node, test: Test::Some }, cases.inside, cases.span);
        }
        self.narrow_union(value, variants, cases.variants.len(), cases.span)
    }

    fn narrow_union(&mut self, union: Value, variants: &[usize], of: usize, span: Span) -> Value {
        if variants.len() == of {
            return union;
        }
        let all = self.types.variants(union.ty);
        let parts: Vec<Ty> = variants.iter().map(|at| all[*at]).collect();
        let ty = self.types.union(&parts);
        let ty = self.sized(ty, span);
        self.emit(Op::Narrow { subject: union.node, test: test_of(variants) }, ty, span)
    }

    /// A field that each variant has.
    fn field_of_any_variant(&mut self, value: Value, name: &Name) -> Value {
        let variants = self.types.variants(value.ty);
        let read = |this: &mut Self, value: Value| {
            let ty = this.types.field(value.ty, &name.text).unwrap_or(Ty::UNKNOWN);
            this.emit(Op::Field(value.node, name.text.clone()), ty, name.span)
        };
        if variants.len() == 1 {
            return read(self, value);
        }
        let mut found = Vec::with_capacity(variants.len());
        for at in 0..variants.len() {
            let variant = self.narrow_union(value, &[at], variants.len(), name.span);
            let field = read(self, variant);
            found.push(field);
        }
        let types: Vec<Ty> = found.iter().map(|field| field.ty).collect();
        let ty = self.joined(&types, name.span);
        let arms = found
            .into_iter()
            .enumerate()
            .map(|(at, field)| (test_of(&[at]), self.widen(field, ty, name.span).node))
            .collect();
        self.emit(Op::Match { subject: value.node, arms }, ty, name.span)
    }

    fn check_exhaustive(&mut self, cases: &Cases) {
        if cases.closed || cases.unsure {
            return;
        }
        let mut missing: Vec<String> = Vec::new();
        let mut arms: Vec<String> = Vec::new();
        if cases.inside == Ty::ANY {
            missing.push("any other value".into());
        } else {
            for case in cases.variants.iter().filter(|case| case.left) {
                let shown = self.types.show(case.ty);
                arms.push(format!("`is {shown} -> …`"));
                missing.push(format!("`{shown}`"));
            }
        }
        if cases.none_left {
            missing.push("`None`".into());
        }
        if missing.is_empty() {
            return;
        }
        arms.truncate(10);
        arms.push("`_ -> …`".into());
        if cases.none_left || cases.inside == Ty::ANY {
            arms.retain(|arm| arm == "`_ -> …`");
        }
        let shown = self.types.show(cases.subject.ty);
        let left = missing.len().saturating_sub(10);
        missing.truncate(10);
        let more = if left > 0 { format!(" and {left} more") } else { String::new() };
        let message = format!("the match of {shown} leaves out {}{more}", missing.join(", "));
        let diagnostic = Diagnostic::new(Code::MatchNotExhaustive, cases.span, message)
            .label(format!("may be {}{more}", missing.join(", ")))
            .help(format!("add {}", arms.join(" or ")));
        self.error(diagnostic);
    }

    /// The operation that takes the value of the arm that matches.
    fn choose_arm(&mut self, cases: &Cases, selected: &[Selected<'a>], values: &[Value], ty: Ty, span: Span) -> Value {
        let subject = cases.subject.node;
        if cases.inside == Ty::ANY && !cases.optional {
            let mut arms = Vec::new();
            for (arm, value) in selected.iter().zip(values) {
                match arm.fits {
                    Some(wanted) => arms.push((self.fits_test(wanted), value.node)),
                    None => {
                        arms.push((Test::Always, value.node));
                        break;
                    }
                }
            }
            return self.emit(Op::Match { subject, arms }, ty, span);
        }
        let mut by_variant: Vec<(Test, Value)> = Vec::new();
        let mut whole: Option<Value> = None;
        let mut none: Option<Value> = None;
        for (arm, value) in selected.iter().zip(values) {
            if arm.variants.len() == cases.variants.len() {
                whole = Some(*value);
            } else if !arm.variants.is_empty() {
                by_variant.push((test_of(&arm.variants), *value));
            }
            if arm.none {
                none = Some(*value);
            }
        }
        let some = match whole {
            Some(value) => value,
            None => {
                let of = if cases.optional {
                    self.emit(Op::Narrow { subject, test: Test::Some }, cases.inside, cases.span)
                } else {
                    cases.subject
                };
                let arms = by_variant.into_iter().map(|(test, value)| (test, value.node)).collect();
                self.emit(Op::Match { subject: of.node, arms }, ty, span)
            }
        };
        match none {
            Some(none) if none.node != some.node => {
                let arms = vec![(Test::Some, some.node), (Test::Always, none.node)];
                self.emit(Op::Match { subject, arms }, ty, span)
            }
            _ => some,
        }
    }
}

fn remaining(cases: &Cases, of: &[usize]) -> Vec<usize> {
    of.iter().copied().filter(|at| cases.variants[*at].left).collect()
}

fn take(cases: &mut Cases, variants: &[usize], none: bool) {
    for &at in variants {
        cases.variants[at].left = false;
    }
    cases.none_left &= !none;
}

fn test_of(variants: &[usize]) -> Test {
    Test::Variants(variants.iter().map(|at| u32::try_from(*at).expect("a type has at most 10000 parts")).collect())
}
