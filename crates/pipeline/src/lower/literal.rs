//! Makes the values of literals, and refuses those out of range.

use std::time::Duration;

use super::Lowering;
use crate::ast::{Expr, ExprKind, OptionValue, StrPart};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::SyntaxKind;
use crate::tree::{Child, Node, Token};

impl Lowering<'_> {
    /// A number or truth value; `is_negative` when `-` stands in front of it.
    pub(super) fn literal(&mut self, node: Node<'_>, is_negative: bool) -> ExprKind {
        let Some(token) = node.tokens().next() else { return ExprKind::Error };
        match token.kind() {
            SyntaxKind::TrueKw => ExprKind::Bool(true),
            SyntaxKind::FalseKw => ExprKind::Bool(false),
            SyntaxKind::Int => {
                let magnitude = token.text().parse::<i128>().ok();
                let value = magnitude.map(|value| if is_negative { -value } else { value });
                match value.and_then(|value| i64::try_from(value).ok()) {
                    Some(value) => ExprKind::Int(value),
                    None => {
                        let help = "an Int is at least -9223372036854775808 and at most 9223372036854775807";
                        self.out_of_range(token, "an Int", help);
                        ExprKind::Error
                    }
                }
            }
            SyntaxKind::Float => match token.text().parse::<f64>() {
                Ok(value) if value.is_finite() => ExprKind::Float(if is_negative { -value } else { value }),
                _ => {
                    self.out_of_range(token, "a Float", "a Float is at most about 1.8 with 308 digits");
                    ExprKind::Error
                }
            },
            _ => ExprKind::Error,
        }
    }

    pub(super) fn string(&mut self, node: Node<'_>) -> ExprKind {
        let mut parts = Vec::new();
        let mut text = String::new();
        for child in node.elements() {
            match child {
                Child::Token(token) => match token.kind() {
                    SyntaxKind::StringText => text.push_str(token.text()),
                    SyntaxKind::Escape => text.push(escape(token.text())),
                    _ => {}
                },
                Child::Node(child) if child.kind() == SyntaxKind::Interpolation => {
                    if !text.is_empty() {
                        parts.push(StrPart::Text(std::mem::take(&mut text)));
                    }
                    parts.push(StrPart::Expr(self.next_expr(&mut child.exprs(), child)));
                }
                Child::Node(_) => {}
            }
        }
        if !text.is_empty() || parts.is_empty() {
            parts.push(StrPart::Text(text));
        }
        ExprKind::Str(parts)
    }

    pub(super) fn duration_value(&mut self, token: Token<'_>) -> OptionValue {
        match self.duration(token) {
            Some(value) => OptionValue::Duration(value, token.span()),
            None => error(token.span()),
        }
    }

    pub(super) fn rate(&mut self, node: Node<'_>) -> OptionValue {
        let count = node.token(SyntaxKind::Int).and_then(|token| {
            let count = token.text().parse().ok();
            if count.is_none() {
                self.out_of_range(token, "a rate", "a rate counts at most 18446744073709551615");
            }
            count
        });
        let per = node.token(SyntaxKind::Duration).and_then(|token| self.duration(token));
        match (count, per) {
            (Some(count), Some(per)) => OptionValue::Rate { count, per, span: node.span() },
            _ => error(node.span()),
        }
    }

    fn duration(&mut self, token: Token<'_>) -> Option<Duration> {
        let text = token.text();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let count = digits.parse::<u64>().ok();
        let seconds = |each: u64| count.and_then(|count| count.checked_mul(each)).map(Duration::from_secs);
        let value = match &text[digits.len()..] {
            "ms" => count.map(Duration::from_millis),
            "s" => seconds(1),
            "min" => seconds(60),
            "h" => seconds(3600),
            "d" => seconds(86_400),
            _ => None,
        };
        if value.is_none() {
            self.out_of_range(token, "a duration", "a duration has at most 18446744073709551615 seconds");
        }
        value
    }

    fn out_of_range(&mut self, token: Token<'_>, what: &str, help: &str) {
        let digits: String = token.text().chars().take(40).collect();
        let digits = if digits.len() < token.text().len() { format!("{digits}…") } else { digits };
        let fault =
            Diagnostic::new(Code::ParseError, token.span(), format!("`{digits}` is out of the range of {what}"));
        self.faults.push(fault.label("out of range").help(help));
    }
}

/// The value of an option that was refused already.
fn error(span: Span) -> OptionValue {
    OptionValue::Expr(Expr { kind: ExprKind::Error, span })
}

/// The character that an escape stands for.
fn escape(text: &str) -> char {
    match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'"') => '"',
        Some(b'$') => '$',
        _ => '\\',
    }
}
