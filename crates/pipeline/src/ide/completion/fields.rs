//! Offers fields: behind a dot, in projections and in patterns.

use type_schema::{CType, Record};

use crate::ide::show;
use crate::ide::tree::span;
use crate::syntax::{SyntaxKind, SyntaxNode};

use super::{CompletionKind, Offers, Rank};

impl Offers<'_> {
    /// The fields of an expression, which may be a list of records; true where it has some.
    pub(super) fn fields_of(&mut self, of: SyntaxNode) -> bool {
        let Some(ty) = self.type_of(&of) else { return false };
        let (records, in_list) = match &ty {
            CType::List(item) => (records(item), true),
            other => (records(other), false),
        };
        // What is projected or read must be one record.
        let [record] = &records[..] else { return false };
        for field in &record.fields {
            let ty = if in_list { CType::list(field.ctype.clone()) } else { field.ctype.clone() };
            self.field(&field.name, &ty);
        }
        true
    }

    /// The fields that a pattern may select by: those of any variant of what is matched.
    pub(super) fn pattern_fields(&mut self, subject: Option<SyntaxNode>) {
        let Some(ty) = subject.and_then(|subject| self.type_of(&subject)) else { return };
        let mut seen = Vec::new();
        for record in records(&ty) {
            for field in &record.fields {
                if !seen.contains(&&field.name) {
                    seen.push(&field.name);
                    self.field(&field.name, &field.ctype);
                }
            }
        }
    }

    /// The pattern of each variant of what is matched, then the words.
    pub(super) fn pattern(&mut self, subject: Option<SyntaxNode>) {
        let ty = subject.and_then(|subject| self.type_of(&subject));
        for variant in ty.as_ref().map(variants).unwrap_or_default() {
            let pattern = match variant {
                CType::Record(record) if !record.fields.is_empty() => {
                    let names: Vec<_> = record.fields.iter().map(|field| field.name.as_str()).collect();
                    format!("{{ {} }}", names.join(", "))
                }
                other => format!("is {other}"),
            };
            let snippet = format!("{} -> $0", snippet_text(&pattern));
            let offered = self.offer(Rank::Own, CompletionKind::Value, &pattern);
            offered.detail = variant.to_string();
            offered.snippet = Some(snippet);
        }
        self.word("is", "is ${1:Type} -> $0", "Values of a type.");
        self.word("_", "_ -> $0", "All other values.");
    }

    fn field(&mut self, name: &str, ty: &CType) {
        let rank = self.rank(Some(ty), Rank::Near);
        let offered = self.offer(rank, CompletionKind::Field, name);
        offered.detail = ty.to_string();
        offered.documentation = show::code(&format!("{name}: {}", show::pretty(ty)));
    }

    /// The type of an expression of the probe.
    pub(super) fn type_of(&self, of: &SyntaxNode) -> Option<CType> {
        let mut of = of.clone();
        loop {
            if let Some(ty) = self.probe.analysis.type_of(span(&of)) {
                return Some((**ty).clone());
            }
            // An expression in parentheses may be known under its own place alone.
            of = crate::ide::tree::expression(&of).filter(|_| of.kind() == SyntaxKind::ParenExpr)?;
        }
    }
}

fn variants(ty: &CType) -> Vec<&CType> {
    match ty {
        CType::Union(variants) => variants.iter().collect(),
        other => vec![other],
    }
}

fn records(ty: &CType) -> Vec<&Record> {
    let mut records = Vec::new();
    for variant in variants(ty) {
        if let CType::Record(record) = variant {
            records.push(record);
        }
    }
    records
}

/// Text as it stands in a snippet.
pub(super) fn snippet_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('}', "\\}")
}
