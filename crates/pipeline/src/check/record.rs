//! Records: literals, fields, projections, merges, also of each record of a list. Knows no other operators.

use std::collections::HashMap;
use std::rc::Rc;

use type_schema::CType;

use crate::ast::{Expr, Name};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::Op;

use super::expr::Goal;
use super::nearest::{nearest, offer};
use super::report::Why;
use super::types::Ty;
use super::{Checker, Value};

impl<'a> Checker<'a> {
    pub(super) fn record(&mut self, fields: &'a [(Name, Expr)], span: Span, goal: Goal<'_>) -> Value {
        let has = |ctype: &CType| match ctype {
            CType::Record(record) => {
                fields.iter().all(|(name, _)| record.get(&name.text).is_some())
                    && record
                        .fields
                        .iter()
                        .all(|field| field.ctype.is_option() || fields.iter().any(|(name, _)| name.text == field.name))
            }
            _ => false,
        };
        // Of the variants of a union the one with these fields; of a single record whatever it has.
        let wanted =
            self.shaped(goal.ty(), &has).or_else(|| self.shaped(goal.ty(), &|ctype| matches!(ctype, CType::Record(_))));
        let of_wanted = wanted.and_then(|record| self.types.fields(record));
        let wanted_fields: HashMap<&str, Ty> =
            of_wanted.iter().flat_map(|fields| fields.iter()).map(|(name, ty)| (&**name, *ty)).collect();
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut made: Vec<(&str, Value)> = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let field_goal = match (wanted_fields.get(name.text.as_str()), goal) {
                (Some(&ty), Goal::Must(..)) => Goal::Must(ty, Why::Field(&name.text)),
                (Some(&ty), Goal::May(_)) => Goal::May(ty),
                (None, _) => Goal::ANYTHING,
            };
            let value = self.expr(value, field_goal);
            self.check_name(name, "a field");
            match first.get(name.text.as_str()) {
                Some(&first) => self.duplicate("field", name, first),
                None => {
                    first.insert(&name.text, name.span);
                    made.push((&name.text, value));
                    self.field_fact(name, value.ty);
                }
            }
        }
        if let (Some(wanted), Goal::Must(_, why)) = (wanted, goal)
            && self.misses_fields(wanted, &first, span, why)
        {
            return Value { ty: goal.ty(), ..Value::UNKNOWN };
        }
        let types: Vec<(&str, Ty)> = made.iter().map(|(name, value)| (*name, value.ty)).collect();
        let ty = match wanted {
            // The same fields in another order are the same record.
            Some(wanted)
                if wanted_fields.len() == types.len()
                    && types.iter().all(|(name, ty)| wanted_fields.get(*name) == Some(ty)) =>
            {
                wanted
            }
            _ => {
                let ty = self.types.record(&types);
                self.sized(ty, span)
            }
        };
        let nodes = made.iter().map(|(name, value)| ((*name).to_owned(), value.node)).collect();
        self.emit(Op::Record(nodes), ty, span)
    }

    /// Tells which fields that are wanted were not given.
    fn misses_fields(&mut self, wanted: Ty, given: &HashMap<&str, Span>, span: Span, why: Why<'_>) -> bool {
        let Some(fields) = self.types.fields(wanted) else { return false };
        let missing: Vec<&(Rc<str>, Ty)> = fields
            .iter()
            .filter(|(name, ty)| !given.contains_key(&**name) && !self.types.get(*ty).is_option())
            .collect();
        let [(first, _), rest @ ..] = &missing[..] else { return false };
        let names: Vec<String> = missing.iter().take(10).map(|(name, _)| format!("`{name}`")).collect();
        let what = if rest.is_empty() { "field" } else { "fields" };
        let message = format!(
            "{} must be {}, and the {what} {} {} missing",
            why.text(),
            self.types.show(wanted),
            names.join(", "),
            if rest.is_empty() { "is" } else { "are" }
        );
        let mut diagnostic = Diagnostic::new(why.code(), span, message).label(format!("without {}", names.join(", ")));
        let extra = given.keys().copied().filter(|name| !fields.iter().any(|(known, _)| **known == **name));
        if let [near, ..] = nearest(first, extra)[..] {
            diagnostic = diagnostic.help(format!("did you mean `{first}` where `{near}` stands?"));
        }
        self.error(diagnostic);
        true
    }

    pub(super) fn field(&mut self, value: &'a Expr, field: &'a Name, span: Span) -> Value {
        let of = self.expr(value, Goal::ANYTHING);
        if of.ty.is_unknown() {
            return self.unknown();
        }
        if let Some(ty) = self.types.field(of.ty, &field.text) {
            self.field_fact(field, ty);
            return self.emit(Op::Field(of.node, field.text.clone()), ty, span);
        }
        if let Some(item) = self.types.item(of.ty)
            && let Some(ty) = self.types.field(item, &field.text)
        {
            let list = self.types.list(ty);
            let list = self.sized(list, span);
            self.field_fact(field, list);
            return self.emit(Op::FieldEach(of.node, field.text.clone()), list, span);
        }
        self.bad_field(Code::BadField, of.ty, field);
        Value::UNKNOWN
    }

    /// Tells that a value has no such field.
    fn bad_field(&mut self, code: Code, of: Ty, field: &Name) {
        let shown = self.types.show(of);
        let record = self.types.item(of).unwrap_or(of);
        let diagnostic = match self.types.fields(record) {
            Some(fields) => {
                let message = format!("{shown} has no field `{}`", field.text);
                let diagnostic = Diagnostic::new(code, field.span, message).label("no such field");
                let names = fields.iter().map(|(name, _)| &**name);
                match offer(&nearest(&field.text, names.clone())) {
                    Some(help) => diagnostic.help(help),
                    None if fields.is_empty() => diagnostic.help("the record has no fields"),
                    None => {
                        let names: Vec<String> = names.take(20).map(|name| format!("`{name}`")).collect();
                        diagnostic.help(format!("it has {}", names.join(", ")))
                    }
                }
            }
            None => {
                let diagnostic = Diagnostic::new(code, field.span, format!("only records have fields, not {shown}"))
                    .label(format!("of {shown}"));
                match (self.types.inside(of), &**self.types.get(of)) {
                    (Some(_), _) => diagnostic.help("give what stands in for None first: `(value ?? default).field`"),
                    (None, CType::Union(_)) => diagnostic
                        .help(format!("select the variants: `match value {{ {{ {} }} -> …, _ -> … }}`", field.text)),
                    (None, CType::Any) => {
                        diagnostic.help("look into it: `match value { is { field: String } -> …, _ -> … }`")
                    }
                    _ => diagnostic,
                }
            }
        };
        self.error(diagnostic);
    }

    pub(super) fn project(&mut self, value: &'a Expr, fields: &'a [Name], span: Span) -> Value {
        let of = self.expr(value, Goal::ANYTHING);
        if of.ty.is_unknown() {
            return self.unknown();
        }
        let item = self.types.item(of.ty);
        let record = item.unwrap_or(of.ty);
        let mut made: Vec<(&str, Ty)> = Vec::with_capacity(fields.len());
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut faults = false;
        for field in fields {
            let ty = self.types.field(record, &field.text);
            match (first.get(field.text.as_str()), ty) {
                (Some(&first), _) => {
                    let message = format!("the field `{}` is projected twice", field.text);
                    let diagnostic = Diagnostic::new(Code::BadProjection, field.span, message).label("named again");
                    self.error(diagnostic.related(first, "named first here"));
                    faults = true;
                }
                (None, None) => {
                    self.bad_field(Code::BadProjection, of.ty, field);
                    faults = true;
                    // What is no record lacks every field, which is told once.
                    if self.types.fields(record).is_none() {
                        break;
                    }
                }
                (None, Some(ty)) => {
                    first.insert(&field.text, field.span);
                    self.field_fact(field, ty);
                    made.push((&field.text, ty));
                }
            }
        }
        if faults {
            return Value::UNKNOWN;
        }
        let made = self.types.record(&made);
        let made = self.sized(made, span);
        if item.is_none() {
            return self.emit(Op::Project(of.node), made, span);
        }
        let list = self.types.list(made);
        let list = self.sized(list, span);
        self.emit(Op::ProjectEach(of.node), list, span)
    }

    /// `left + right` where one of them is a record, or a list of records.
    pub(super) fn merge(&mut self, left: Value, right: Value, op_span: Span, span: Span) -> Value {
        let item = self.types.item(left.ty);
        let record = item.unwrap_or(left.ty);
        if self.types.fields(record).is_none() || self.types.fields(right.ty).is_none() {
            return self.bad_merge(left.ty, right.ty, op_span);
        }
        let merged = self.merged(record, right.ty, span);
        if item.is_none() {
            return self.emit(Op::Merge(left.node, right.node), merged, span);
        }
        let list = self.types.list(merged);
        let list = self.sized(list, span);
        self.emit(Op::MergeEach(left.node, right.node), list, span)
    }

    /// Whether `+` on this means a merge.
    pub(super) fn merges(&mut self, ty: Ty) -> bool {
        let record = self.types.item(ty).unwrap_or(ty);
        self.types.fields(record).is_some()
    }

    fn bad_merge(&mut self, left: Ty, right: Ty, op_span: Span) -> Value {
        let (shown_left, shown_right) = (self.types.show(left), self.types.show(right));
        let message =
            format!("`+` merges a record, or each of a list, with a record, not {shown_left} with {shown_right}");
        let diagnostic =
            Diagnostic::new(Code::BadMerge, op_span, message).label(format!("{shown_left} + {shown_right}"));
        let left_is_list = self.types.item(left).is_some();
        let right_is_list = self.types.item(right).is_some();
        let optional = self.types.inside(left).is_some() || self.types.inside(right).is_some();
        let swapped = right_is_list && self.types.fields(left).is_some();
        self.error(if left_is_list && right_is_list {
            diagnostic.help("join lists by `list-concat(a, b)`")
        } else if swapped {
            diagnostic.help("put the list on the left: its records get the fields of the one on the right")
        } else if optional {
            diagnostic.help("give what stands in for None first: `(value ?? default) + …`")
        } else {
            diagnostic
        });
        Value::UNKNOWN
    }
}
