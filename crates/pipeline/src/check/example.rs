//! `@example`: checked against the type of its input and made bytes. Runs nothing: an example is a constant.

use bytes::Bytes;
use type_schema::{Schema, Transcoder};

use crate::ast::{Decl, Expr, ExprKind, File, StrPart};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::{NodeId, Op};

use super::Checker;
use super::expr::Goal;
use super::report::Why;
use super::types::Ty;

impl<'a> Checker<'a> {
    /// The examples of an input of this type, canonical; none where something failed.
    pub(super) fn examples(&mut self, file: &'a File) -> Vec<Vec<Bytes>> {
        let mut all = Vec::new();
        let mut at = 0;
        for decl in &file.decls {
            match decl {
                Decl::In { examples, name, .. } => {
                    let ty = self.globals[at].value.ty;
                    at += 1;
                    all.push(examples.iter().filter_map(|example| self.example(example, &name.text, ty)).collect());
                }
                Decl::Bind { .. } => at += 1,
                Decl::Type { .. } | Decl::Out { .. } | Decl::Use { .. } => {}
            }
        }
        all
    }

    fn example(&mut self, example: &'a Expr, input: &str, ty: Ty) -> Option<Bytes> {
        if let Some(place) = computed(example) {
            let diagnostic = Diagnostic::new(Code::TypeMismatch, place, "an example is a constant")
                .label("not known before the run")
                .help("write it out: numbers, Strings, Bools, lists and records of them");
            self.error(diagnostic);
            return None;
        }
        let value = self.expr(example, Goal::Must(ty, Why::Example(input)));
        if self.failed {
            return None;
        }
        self.constant(value.node)
    }

    /// The canonical bytes of a node that is made of literals alone.
    fn constant(&self, node: NodeId) -> Option<Bytes> {
        match self.builder.op(node) {
            Op::Literal(bytes) => Some(bytes.clone()),
            Op::List(items) => {
                let items: Vec<Bytes> = items.iter().map(|item| self.constant(*item)).collect::<Option<_>>()?;
                let mut out = header(items.len(), 0x90, 0xdc);
                items.iter().for_each(|item| out.extend_from_slice(item));
                Some(out.into())
            }
            Op::Record(fields) => {
                let mut fields: Vec<(&str, Bytes)> = fields
                    .iter()
                    .map(|(name, value)| Some((name.as_str(), self.constant(*value)?)))
                    .collect::<Option<_>>()?;
                fields.retain(|(_, value)| !Self::is_none(value));
                fields.sort_by_key(|(name, _)| *name);
                let mut out = header(fields.len(), 0x80, 0xde);
                for (name, value) in fields {
                    out.extend_from_slice(&super::literal::text(name));
                    out.extend_from_slice(&value);
                }
                Some(out.into())
            }
            Op::Coerce(inner) => {
                let bytes = self.constant(*inner)?;
                let schema = |node: NodeId| Schema::new(self.builder.ctype(self.builder.type_of(node)).clone()).ok();
                let way = Transcoder::new(&schema(*inner)?, &schema(node)?).ok()?;
                Some(way.transcode(&bytes).ok()?.into_owned().into())
            }
            _ => None,
        }
    }
}

/// The first part of an expression that is no constant.
fn computed(expr: &Expr) -> Option<Span> {
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Error => None,
        ExprKind::Str(parts) => parts.iter().find_map(|part| match part {
            StrPart::Text(_) => None,
            StrPart::Expr(expr) => Some(expr.span),
        }),
        ExprKind::Negate(value) if matches!(value.kind, ExprKind::Int(_) | ExprKind::Float(_)) => None,
        ExprKind::List(items) => items.iter().find_map(computed),
        ExprKind::Record(fields) => fields.iter().find_map(|(_, value)| computed(value)),
        _ => Some(expr.span),
    }
}

/// The head of an array or map of this many.
fn header(len: usize, short: u8, long: u8) -> Vec<u8> {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=15), _) => vec![short | len],
        (_, Ok(len)) => [&[long][..], &len.to_be_bytes()].concat(),
        _ => [&[long + 1][..], &u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()].concat(),
    }
}
