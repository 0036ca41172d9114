//! What a source declares: its names, each once, and the order in which bindings can be checked. Looks into no type and no expression
//! but for the names that it needs.

use crate::ast::{Decl, File, Name};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::facts::FactKind;

use super::declare::TypeDeclaration;
use super::modules::Alias;
use super::needs::needs;
use super::order::order;
use super::scope::{Global, GlobalKind};
use super::types::Ty;
use super::{Checker, Value};

/// Longest name of a field, and so of an input or output, in bytes.
const MAX_NAME: usize = type_schema::MAX_FIELD_NAME;

impl<'a> Checker<'a> {
    /// Takes in every declaration, so that names may be used before the place of their declaration.
    pub(super) fn collect(&mut self, file: &'a File) {
        for decl in &file.decls {
            match decl {
                Decl::Type { name, ty } => self.collect_type(name, ty),
                Decl::In { name, ty, .. } => {
                    self.check_name(name, "an input");
                    self.collect_global(name, GlobalKind::Input(ty));
                }
                Decl::Bind { name, value } => self.collect_global(name, GlobalKind::Binding(value)),
                Decl::Use { namespace, alias } => self.collect_use(namespace, alias.as_ref()),
                Decl::Out { .. } => {}
            }
        }
    }

    fn collect_type(&mut self, name: &'a Name, ty: &'a crate::ast::Type) {
        if super::declare::is_of_language(&name.text) {
            let message = format!("the type `{}` belongs to the language", name.text);
            self.error(Diagnostic::new(Code::DuplicateName, name.span, message).label("declare it by another name"));
        } else if let Some(&first) = self.type_names.get(name.text.as_str()) {
            self.duplicate("type", name, self.type_declarations[first].name.span);
        } else {
            self.type_names.insert(&name.text, self.type_declarations.len());
        }
        // One that lost its name is looked at nevertheless, for its own faults.
        self.type_declarations.push(TypeDeclaration { name, ty, meaning: Ty::UNKNOWN });
    }

    fn collect_global(&mut self, name: &'a Name, kind: GlobalKind<'a>) {
        if let Some(&first) = self.global_names.get(name.text.as_str()) {
            self.duplicate("name", name, self.globals[first].name.span);
        } else {
            self.global_names.insert(&name.text, self.globals.len());
        }
        self.globals.push(Global { name, kind, value: Value::UNKNOWN, needed: false });
    }

    fn collect_use(&mut self, namespace: &'a crate::ast::QName, alias: Option<&'a Name>) {
        let name = namespace.text();
        let known = self.has_namespace(&name);
        if known {
            self.fact(namespace.span(), FactKind::Namespace { name: name.clone() });
        } else {
            let diagnostic = Diagnostic::new(
                Code::UndefinedNamespace,
                namespace.span(),
                format!("no module is in the namespace `{name}`"),
            )
            .label("not found");
            let diagnostic = self.offer(diagnostic, &name, self.namespaces()).0;
            self.error(diagnostic);
        }
        let Some(alias) = alias else {
            self.uses.missing |= !known;
            if known && !self.uses.plain.contains(&name) {
                self.uses.plain.push(name);
            }
            return;
        };
        if let Some(first) = self.uses.aliases.get(alias.text.as_str()) {
            return self.duplicate("alias", alias, first.span);
        }
        if known {
            self.fact(alias.span, FactKind::Namespace { name: name.clone() });
        }
        self.uses.aliases.insert(&alias.text, Alias { namespace: name, span: alias.span, known });
    }

    pub(super) fn duplicate(&mut self, what: &str, name: &Name, first: Span) {
        let diagnostic =
            Diagnostic::new(Code::DuplicateName, name.span, format!("the {what} `{}` is declared twice", name.text))
                .label("declared again")
                .related(first, "declared first here")
                .help("rename one of them");
        self.error(diagnostic);
    }

    /// The names of inputs, outputs and fields are those of fields in the types of the pipeline.
    pub(super) fn check_name(&mut self, name: &Name, what: &str) {
        if name.text.len() > MAX_NAME {
            let message = format!("the name of {what} has at most {MAX_NAME} bytes");
            self.error(
                Diagnostic::new(Code::BadField, name.span, message).label(format!("this has {}", name.text.len())),
            );
        }
    }

    /// Checks the bindings, each behind those that it needs.
    pub(super) fn bind(&mut self, file: &'a File) {
        let needs = self.needs_of_globals();
        let ordered = order(&needs);
        for cycle in &ordered.cycles {
            let names: Vec<&'a Name> = cycle.iter().map(|&at| self.globals[at].name).collect();
            self.cycle("the value of", &names);
        }
        for at in ordered.order {
            if let Global { name, kind: GlobalKind::Binding(value), .. } = self.globals[at] {
                let value = self.binding(name, value);
                self.globals[at].value = value;
            }
        }
        self.mark_needed(file, &needs);
    }

    fn needs_of_globals(&self) -> Vec<Vec<usize>> {
        let find = |name: &str| self.global_names.get(name).copied();
        let of = |global: &Global<'a>| match global.kind {
            GlobalKind::Input(_) => Vec::new(),
            GlobalKind::Binding(value) => needs(value, find),
        };
        self.globals.iter().map(of).collect()
    }

    /// Tells declarations that need themselves.
    pub(super) fn cycle(&mut self, what: &str, names: &[&'a Name]) {
        let Some((first, rest)) = names.split_first() else { return };
        let mut chain: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
        chain.push(&first.text);
        let shown = match chain.len() {
            0..=12 => chain.join(" → "),
            len => format!("{} → … {} more … → {}", chain[..10].join(" → "), len - 11, first.text),
        };
        let mut diagnostic = Diagnostic::new(Code::Cycle, first.span, format!("{what} `{}` needs itself", first.text))
            .label(if rest.is_empty() { "needs itself" } else { "the chain begins and ends here" })
            .help(format!("the chain is {shown}"));
        for name in rest.iter().take(10) {
            diagnostic = diagnostic.related(name.span, format!("through `{}`", name.text));
        }
        self.error(diagnostic);
    }

    fn binding(&mut self, name: &'a Name, value: &'a crate::ast::Expr) -> Value {
        let checked = self.expr(value, super::expr::Goal::ANYTHING);
        if !self.failed && !matches!(value.kind, crate::ast::ExprKind::Var(_)) {
            self.builder.name(checked.node, &name.text);
        }
        self.variable_fact(name.span, &name.text, name.span, checked.ty);
        checked
    }

    fn mark_needed(&mut self, file: &'a File, needs: &[Vec<usize>]) {
        let outputs = file.decls.iter().filter_map(|decl| match decl {
            Decl::Out { name } => self.global_names.get(name.text.as_str()).copied(),
            _ => None,
        });
        let mut open: Vec<usize> = outputs.collect();
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut self.globals[at].needed, true) {
                open.extend(&needs[at]);
            }
        }
    }
}
