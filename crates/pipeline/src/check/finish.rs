//! The end of a check: outputs, what is not needed, and the plan. Checks no expression but the examples.

use std::collections::HashMap;

use crate::ast::{Decl, File};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::facts::Facts;
use crate::plan;

use super::scope::GlobalKind;
use super::types::Ty;
use super::{Checked, Checker, MAX_DIAGNOSTICS};

impl<'a> Checker<'a> {
    pub(super) fn finish(mut self, file: &'a File) -> Checked {
        let examples = self.examples(file);
        let outputs = self.outputs(file);
        self.warn_unused();
        let plan = (!self.failed).then(|| self.plan(file, examples, outputs));
        let facts = self.facts_in_order();
        Checked { plan, diagnostics: sorted(self.diagnostics), facts }
    }

    fn outputs(&mut self, file: &'a File) -> Vec<plan::Output> {
        let mut outputs = Vec::new();
        let mut fields: Vec<(String, Ty)> = Vec::new();
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut end = Span::default();
        for decl in &file.decls {
            let Decl::Out { name } = decl else { continue };
            end = name.span;
            self.check_name(name, "an output");
            if let Some(&first) = first.get(name.text.as_str()) {
                self.duplicate("output", name, first);
                continue;
            }
            first.insert(&name.text, name.span);
            let value = self.variable(&name.text, name.span);
            fields.push((name.text.clone(), value.ty));
            outputs.push(plan::Output { name: name.text.clone(), node: value.node, span: name.span });
        }
        if first.is_empty() {
            let diagnostic = Diagnostic::new(Code::ParseError, last_span(file), "a pipeline has at least one output")
                .label("nothing is put out up to here")
                .help("add `out name` with the name of a binding or input");
            self.error(diagnostic);
        }
        self.record_of(&fields, end, fields.is_empty());
        outputs
    }

    fn warn_unused(&mut self) {
        let unused: Vec<_> = self
            .globals
            .iter()
            .filter(|global| matches!(global.kind, GlobalKind::Binding(_)) && !global.needed)
            .map(|global| global.name)
            .collect();
        for name in unused {
            // A second one of a name was told already.
            if self.global_names.get(name.text.as_str()).is_some_and(|&at| self.globals[at].name.span != name.span) {
                continue;
            }
            let message = format!("no output needs `{}`, so that it never runs", name.text);
            let diagnostic = Diagnostic::new(Code::UnusedBinding, name.span, message)
                .label("not needed")
                .help(format!("remove it, or put it out: `out {}`", name.text));
            self.error(diagnostic);
        }
    }

    fn plan(&mut self, file: &'a File, examples: Vec<Vec<bytes::Bytes>>, outputs: Vec<plan::Output>) -> plan::Plan {
        let declared: Vec<_> = self.inputs().copied().collect();
        let mut inputs = Vec::with_capacity(declared.len());
        for (global, examples) in declared.iter().zip(examples) {
            let ty = self.types.plan(global.value.ty, &mut self.builder);
            inputs.push(plan::Input { name: global.name.text.clone(), ty, examples, span: global.name.span });
        }
        let builder = std::mem::take(&mut self.builder);
        builder.finish(inputs, outputs, file.description.clone())
    }

    fn facts_in_order(&mut self) -> Facts {
        let mut facts = std::mem::take(&mut self.facts);
        facts.sort_by_key(|fact| (fact.span.start, std::cmp::Reverse(fact.span.end)));
        Facts { facts }
    }
}

/// By place; warnings go first where there are too many.
fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| diagnostic.severity() == Severity::Warning);
    diagnostics.truncate(MAX_DIAGNOSTICS);
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.code));
    diagnostics
}

/// The last place of a file that is known.
fn last_span(file: &File) -> Span {
    match file.decls.last() {
        Some(Decl::Type { name, .. } | Decl::In { name, .. } | Decl::Out { name } | Decl::Bind { name, .. }) => {
            name.span
        }
        Some(Decl::Use { namespace, .. }) => namespace.span(),
        None => Span::default(),
    }
}
