//! Literals, strings with values in them, and lists; the zero value of a type. Knows no operators.

use bytes::Bytes;
use type_schema::{CType, CValue, encode};

use crate::ast::{Expr, StrPart};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::{Op, StdFn};

use super::expr::Goal;
use super::report::Why;
use super::types::Ty;
use super::{Checker, Value};

/// The bytes of a None.
const NIL: &[u8] = &[0xc0];

impl<'a> Checker<'a> {
    fn literal(&mut self, value: &CValue, ty: Ty, span: Span) -> Value {
        let bytes = bytes_of(value, self.types.get(ty));
        self.emit(Op::Literal(bytes), ty, span)
    }

    /// An Int, or a Float where one is wanted and no Int would do.
    pub(super) fn int(&mut self, number: i64, wanted: Ty, span: Span) -> Value {
        if !self.wants_float(wanted) {
            return self.literal(&CValue::Int(number), Ty::INT, span);
        }
        let float = number as f64;
        // i64::MAX becomes 2^63 as a Float, which as an i128 differs.
        if float as i128 != i128::from(number) {
            let diagnostic = Diagnostic::new(Code::TypeMismatch, span, format!("no Float is exactly {number}"))
                .label("a Float is wanted here")
                .help(format!("write the Float that is meant, e.g. `{float:.1}`"));
            self.error(diagnostic);
        }
        self.float(float, span)
    }

    pub(super) fn float(&mut self, number: f64, span: Span) -> Value {
        self.literal(&CValue::Float(number), Ty::FLOAT, span)
    }

    pub(super) fn bool(&mut self, is: bool, span: Span) -> Value {
        self.literal(&CValue::Bool(is), Ty::BOOL, span)
    }

    /// The None of an Option.
    pub(super) fn none(&mut self, ty: Ty, span: Span) -> Value {
        self.emit(Op::Literal(Bytes::from_static(NIL)), ty, span)
    }

    /// Whether an Int literal is a Float where `wanted` is wanted.
    pub(super) fn wants_float(&mut self, wanted: Ty) -> bool {
        let has_int = self.shaped(wanted, &|ctype| *ctype == CType::Int).is_some();
        !has_int && self.shaped(wanted, &|ctype| *ctype == CType::Float).is_some()
    }

    pub(super) fn string(&mut self, parts: &'a [StrPart], span: Span) -> Value {
        match parts {
            [] => return self.literal(&CValue::String(String::new()), Ty::STRING, span),
            [StrPart::Text(text)] => return self.literal(&CValue::String(text.clone()), Ty::STRING, span),
            _ => {}
        }
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts {
            let value = match part {
                StrPart::Text(text) => self.literal(&CValue::String(text.clone()), Ty::STRING, span),
                StrPart::Expr(expr) => {
                    let value = self.expr(expr, Goal::ANYTHING);
                    self.shown(value, expr.span, "a String shows")
                }
            };
            nodes.push(value.node);
        }
        self.emit(Op::Concat(nodes), Ty::STRING, span)
    }

    /// A scalar as a String.
    pub(super) fn shown(&mut self, value: Value, span: Span, who: &str) -> Value {
        match value.ty {
            Ty::STRING => value,
            Ty::INT | Ty::FLOAT | Ty::BOOL => self.emit(Op::Std(StdFn::ToString, vec![value.node]), Ty::STRING, span),
            Ty::UNKNOWN => self.unknown(),
            other => {
                let shown = self.types.show(other);
                let mut diagnostic = Diagnostic::new(
                    Code::TypeMismatch,
                    span,
                    format!("{who} a String, Int, Float or Bool, not {shown}"),
                )
                .label(format!("this is {shown}"));
                if self.types.inside(other).is_some() {
                    diagnostic = diagnostic.help("give what stands in for None: `value ?? default`");
                }
                self.error(diagnostic);
                Value::UNKNOWN
            }
        }
    }

    pub(super) fn list(&mut self, items: &'a [Expr], span: Span, goal: Goal<'_>) -> Value {
        let wanted = self.shaped(goal.ty(), &|ctype| matches!(ctype, CType::List(_)));
        let item = wanted.and_then(|list| self.types.item(list));
        if items.is_empty() {
            return self.empty_list(item, span, goal);
        }
        let item_goal = match (item, goal) {
            (Some(item), Goal::Must(..)) => Goal::Must(item, Why::Item),
            (Some(item), Goal::May(_)) => Goal::May(item),
            (None, _) => Goal::ANYTHING,
        };
        let parts: Vec<&Expr> = items.iter().collect();
        let (values, item) = self.together(&parts, item_goal, span);
        let ty = self.types.list(item);
        let ty = self.sized(ty, span);
        self.emit(Op::List(values.iter().map(|value| value.node).collect()), ty, span)
    }

    fn empty_list(&mut self, item: Option<Ty>, span: Span, goal: Goal<'_>) -> Value {
        let item = match (item, goal.ty()) {
            (Some(item), _) => item,
            // What does not fit is told by who wants it.
            (None, wanted) if !wanted.is_unknown() => Ty::ANY,
            (None, _) if self.failed => return Value::UNKNOWN,
            (None, _) => {
                let diagnostic = Diagnostic::new(Code::TypeMismatch, span, "nothing here says what this list is a list of")
                    .label("an empty list takes its type from the context")
                    .help("annotate it: an argument, a field or a lambda parameter `(list: List<String>) => …` with a type says it");
                self.error(diagnostic);
                return Value::UNKNOWN;
            }
        };
        let ty = self.types.list(item);
        let ty = self.sized(ty, span);
        self.emit(Op::List(Vec::new()), ty, span)
    }
}

/// The canonical bytes of a value that is of the type.
fn bytes_of(value: &CValue, ctype: &CType) -> Bytes {
    encode(value, ctype).expect("the value is of the type").into()
}

/// The canonical bytes of the zero value of a type: empty, 0, false, None, nil, and the first variant of a union.
pub(super) fn zero(ctype: &CType) -> Bytes {
    bytes_of(&zero_value(ctype), ctype)
}

fn zero_value(ctype: &CType) -> CValue {
    match ctype {
        CType::String => CValue::String(String::new()),
        CType::Int => CValue::Int(0),
        CType::Float => CValue::Float(0.0),
        CType::Bool => CValue::Bool(false),
        CType::Bytes => CValue::Bytes(Vec::new()),
        CType::Any | CType::Option(_) => CValue::NONE,
        CType::List(_) => CValue::List(Vec::new()),
        CType::Map(..) => CValue::Map(std::collections::BTreeMap::new()),
        CType::Record(record) => {
            CValue::record(record.fields.iter().map(|field| (field.name.as_str(), zero_value(&field.ctype))))
        }
        CType::Union(variants) => match variants.first() {
            Some(first) => CValue::variant(0, zero_value(first)),
            None => CValue::NONE,
        },
    }
}

/// The canonical bytes of a String.
pub(super) fn text(text: &str) -> Bytes {
    bytes_of(&CValue::String(text.to_owned()), &CType::String)
}
