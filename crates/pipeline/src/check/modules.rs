//! What the name of a function means: levels of resolution over modules and the standard library. Checks no arguments.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use type_schema::CType;

use crate::ast::QName;
use crate::catalog::ModuleSignature;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::facts::FactKind;
use crate::stdlib::{self, Function};

use super::Checker;
use super::types::Ty;

/// What the `use`s of a source say.
#[derive(Debug, Default)]
pub(super) struct Uses<'a> {
    /// Namespaces that are there, each once.
    pub(super) plain: Vec<String>,
    /// By their short names.
    pub(super) aliases: HashMap<&'a str, Alias>,
    /// Whether a `use` without alias names a namespace that is not there.
    pub(super) missing: bool,
}

/// A short name of a namespace.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) namespace: String,
    pub(super) span: Span,
    /// Whether there is such a namespace.
    pub(super) known: bool,
}

/// What a name of a function may mean.
#[derive(Debug, Clone)]
pub(super) enum Target<'a> {
    Module(&'a Arc<ModuleSignature>),
    Std(&'static Function),
}

impl Target<'_> {
    pub(super) fn name(&self) -> String {
        match self {
            Target::Module(module) => module.name.to_string(),
            Target::Std(function) => function.qualified(),
        }
    }
}

/// A module with its types looked up.
#[derive(Debug)]
pub(super) struct Callee {
    pub(super) module: Arc<ModuleSignature>,
    pub(super) input: Ty,
    pub(super) output: Ty,
    pub(super) parameters: Vec<Parameter>,
    /// Whether the parameters are the fields of the input; else there is one, which is the input.
    pub(super) by_field: bool,
}

/// A parameter of a module.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) ty: Ty,
    /// Whether it may be left out.
    pub(super) optional: bool,
}

impl<'a> Checker<'a> {
    /// The function of that name, told where there is none or more than one.
    pub(super) fn function(&mut self, name: &'a QName) -> Option<Target<'a>> {
        let text = name.text();
        if let Some(known) = self.functions.get(&text) {
            let known = known.clone();
            self.function_facts(name, &known);
            return Some(known);
        }
        let mut found = self.qualified(&text).into_iter().collect::<Vec<_>>();
        if found.is_empty() {
            found = self.used(&text);
        }
        if found.is_empty() && name.parts.len() == 1 {
            found = self.anywhere(&text);
        }
        match &found[..] {
            [] => {
                self.undefined_function(name, &text);
                None
            }
            [one] => {
                let one = one.clone();
                self.function_facts(name, &one);
                self.functions.insert(text, one.clone());
                Some(one)
            }
            several => {
                let names: Vec<String> = several.iter().map(Target::name).collect();
                self.ambiguous(name, &text, &names);
                None
            }
        }
    }

    /// Whether a name alone would be a function.
    pub(super) fn is_function(&self, name: &str) -> bool {
        stdlib::with_local_name(name).is_some() || !self.catalog.with_local_name(name).is_empty()
    }

    pub(super) fn has_namespace(&self, namespace: &str) -> bool {
        self.catalog.has_namespace(namespace) || stdlib::NAMESPACES.contains(&namespace)
    }

    pub(super) fn namespaces(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.catalog.namespaces().chain(stdlib::NAMESPACES.iter().copied())
    }

    /// The module with its types, looked up once.
    pub(super) fn callee(&mut self, module: &'a Arc<ModuleSignature>) -> Rc<Callee> {
        if let Some(callee) = self.callees.get(&*module.name) {
            return Rc::clone(callee);
        }
        let (input, output) = (self.types.part(&module.input), self.types.part(&module.output));
        let parameters: Vec<Parameter> = match &module.input {
            CType::Record(record) => record
                .fields
                .iter()
                .map(|field| Parameter {
                    name: field.name.clone(),
                    ty: self.types.part(&field.ctype),
                    optional: field.ctype.is_option(),
                })
                .collect(),
            other => vec![Parameter { name: "input".into(), ty: input, optional: other.is_option() }],
        };
        let by_field = matches!(module.input, CType::Record(_));
        let callee = Rc::new(Callee { module: Arc::clone(module), input, output, parameters, by_field });
        self.callees.insert(&module.name, Rc::clone(&callee));
        callee
    }

    fn qualified(&self, text: &str) -> Option<Target<'a>> {
        match self.catalog.get(text) {
            Some(module) => Some(Target::Module(module)),
            None => stdlib::function(text).map(Target::Std),
        }
    }

    /// Through `use ns`, or `use ns as a` with the name behind the alias.
    fn used(&self, text: &str) -> Vec<Target<'a>> {
        let mut names: Vec<String> = self.uses.plain.iter().map(|namespace| format!("{namespace}.{text}")).collect();
        if let Some((first, rest)) = text.split_once('.')
            && let Some(alias) = self.uses.aliases.get(first)
        {
            names.push(format!("{}.{rest}", alias.namespace));
        }
        names.sort();
        names.dedup();
        names.iter().filter_map(|name| self.qualified(name)).collect()
    }

    /// In any namespace.
    fn anywhere(&self, text: &str) -> Vec<Target<'a>> {
        let modules = self.catalog.with_local_name(text).iter().map(Target::Module);
        modules.chain(stdlib::with_local_name(text).map(Target::Std)).collect()
    }

    fn function_facts(&mut self, name: &QName, target: &Target<'a>) {
        let (namespace, kind) = match target {
            Target::Module(module) => (module.namespace().to_owned(), FactKind::Module(Arc::clone(module))),
            Target::Std(function) => (
                function.namespace.to_owned(),
                FactKind::Function {
                    name: function.qualified(),
                    signature: function.signature.to_owned(),
                    description: function.description.to_owned(),
                },
            ),
        };
        if let Some((last, before)) = name.parts.split_last() {
            if let (Some(first), Some(end)) = (before.first(), before.last()) {
                self.fact(first.span.to(end.span), FactKind::Namespace { name: namespace });
            }
            self.fact(last.span, kind);
        }
    }

    fn ambiguous(&mut self, name: &QName, text: &str, names: &[String]) {
        let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let diagnostic =
            Diagnostic::new(Code::AmbiguousName, name.span(), format!("`{text}` may mean {}", listed.join(" or ")))
                .label(format!("{} functions have this name", names.len()))
                .help(format!("write the one that is meant with its namespace, e.g. `{}(…)`", names[0]));
        self.error(diagnostic);
    }

    fn undefined_function(&mut self, name: &QName, text: &str) {
        // The name may come from a namespace of which it was told that it is not there.
        let Some(first) = name.parts.first().map(|part| &part.text) else { return };
        let alias_is_missing =
            name.parts.len() > 1 && self.uses.aliases.get(first.as_str()).is_some_and(|alias| !alias.known);
        let may_be_there = self.uses.missing && (name.parts.len() == 1 || !self.has_namespace(first));
        if may_be_there || alias_is_missing {
            self.failed = true;
            return;
        }
        let Some((namespace, local)) = text.rsplit_once('.') else {
            return self.undefined_local(name, text);
        };
        let namespace = self.meant_namespace(namespace);
        if !self.has_namespace(&namespace) {
            let span = name.parts[0].span.to(name.parts[name.parts.len() - 2].span);
            let diagnostic =
                Diagnostic::new(Code::UndefinedNamespace, span, format!("no module is in the namespace `{namespace}`"))
                    .label("not found");
            let aliases = self.uses.aliases.keys().copied();
            let (mut diagnostic, found) = self.offer(diagnostic, &namespace, self.namespaces().chain(aliases));
            if !found && let Some(definition) = self.definition(first) {
                diagnostic = diagnostic
                    .related(definition, format!("`{first}` is a value, which has no functions"))
                    .help(format!("give it as an argument: `{local}({first})`"));
            }
            return self.error(diagnostic);
        }
        let message = format!("the namespace `{namespace}` has no module `{local}`");
        let last = name.parts.last().map_or(name.span(), |part| part.span);
        let diagnostic = Diagnostic::new(Code::UndefinedModule, last, message).label("not found");
        let prefix = format!("{namespace}.");
        let modules = self.catalog.modules().filter_map(|module| module.name.strip_prefix(&*prefix));
        let functions =
            stdlib::FUNCTIONS.iter().filter(|function| function.namespace == namespace).map(|function| function.name);
        let (mut diagnostic, found) = self.offer(diagnostic, local, modules.chain(functions));
        if !found && let [elsewhere, ..] = &self.anywhere(local)[..] {
            diagnostic = diagnostic.help(format!("there is `{}`", elsewhere.name()));
        }
        self.error(diagnostic);
    }

    fn undefined_local(&mut self, name: &QName, text: &str) {
        let mut diagnostic =
            Diagnostic::new(Code::UndefinedModule, name.span(), format!("no module is called `{text}`"))
                .label("not found");
        if let Some(definition) = self.definition(text) {
            diagnostic = diagnostic.related(definition, format!("`{text}` is a value, which cannot be called"));
        } else if matches!(text, "window") {
            diagnostic =
                Diagnostic::new(Code::Streaming, name.span(), format!("`{text}` belongs to streaming pipelines"))
                    .label("not supported");
        } else {
            let modules = self.catalog.modules().map(|module| module.local());
            let functions = stdlib::FUNCTIONS.iter().map(|function| function.name);
            diagnostic = self.offer(diagnostic, text, functions.chain(modules)).0;
        }
        self.error(diagnostic);
    }

    /// A namespace with its alias resolved.
    fn meant_namespace(&self, written: &str) -> String {
        let (first, rest) = written.split_once('.').map_or((written, None), |(first, rest)| (first, Some(rest)));
        match (self.uses.aliases.get(first), rest) {
            (Some(alias), None) => alias.namespace.clone(),
            (Some(alias), Some(rest)) => format!("{}.{rest}", alias.namespace),
            (None, _) => written.to_owned(),
        }
    }
}
