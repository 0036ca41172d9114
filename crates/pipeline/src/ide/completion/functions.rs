//! Offers modules, functions of the standard library and namespaces, each by the shortest name that means it here.

use std::collections::BTreeSet;

use type_schema::CType;

use crate::catalog::{Catalog, ModuleSignature};
use crate::ide::names::{Sort, visible};
use crate::ide::tree::{behind, child, own_name};
use crate::ide::{hover, show};
use crate::stdlib::{self, Function};
use crate::syntax::{SyntaxKind, SyntaxNode};

use super::fields::snippet_text;
use super::{CompletionKind, Offers, Rank};

/// A `use` of the source.
struct Use {
    namespace: String,
    alias: Option<String>,
}

impl Offers<'_> {
    /// Everything that can be called, by whatever name means it here; then the namespaces.
    pub(super) fn functions(&mut self) {
        let uses = uses(&self.probe.analysis.root);
        let catalog = std::sync::Arc::clone(&self.typed.catalog);
        for module in catalog.modules().filter(|module| !module.stream) {
            let name = name_of(&catalog, &uses, module.namespace(), module.local());
            let rank = if name == *module.name { Rank::Far } else { Rank::Near };
            self.module(module, &name, rank);
        }
        for function in stdlib::FUNCTIONS {
            let name = name_of(&catalog, &uses, function.namespace, function.name);
            self.function(function, &name);
        }
        let aliases = uses.iter().filter_map(|used| Some((used.alias.clone()?, used.namespace.clone())));
        let tops = tops(&catalog).into_iter().map(|top| (top.clone(), top));
        for (label, namespace) in aliases.chain(tops) {
            self.namespace(&label, &namespace);
        }
    }

    /// What stands behind a dot: fields of a value, or what is in a namespace.
    pub(super) fn members(&mut self, of: Option<SyntaxNode>, path: &[String]) {
        let is_value = of.is_some_and(|of| self.fields_of(of)) || self.is_variable(path);
        if is_value || path.is_empty() {
            return;
        }
        let uses = uses(&self.probe.analysis.root);
        let catalog = std::sync::Arc::clone(&self.typed.catalog);
        for namespace in meant(&uses, path) {
            for module in catalog.modules().filter(|module| module.namespace() == namespace && !module.stream) {
                self.module(module, module.local(), Rank::Near);
            }
            for function in stdlib::FUNCTIONS.iter().filter(|function| function.namespace == namespace) {
                self.function(function, function.name);
            }
            self.namespaces_in(&catalog, &namespace);
        }
    }

    /// Namespaces behind `use`, part by part.
    pub(super) fn namespaces(&mut self, path: &[String]) {
        let catalog = std::sync::Arc::clone(&self.typed.catalog);
        if path.is_empty() {
            // Whole ones too: that is what is typed mostly.
            let all = catalog.namespaces().chain(stdlib::NAMESPACES.iter().copied());
            for namespace in all.collect::<BTreeSet<_>>() {
                self.namespace(namespace, namespace);
            }
        } else {
            self.namespaces_in(&catalog, &path.join("."));
        }
    }

    fn namespaces_in(&mut self, catalog: &Catalog, outer: &str) {
        let all = catalog.namespaces().chain(stdlib::NAMESPACES.iter().copied());
        let rest = all.filter_map(|one| one.strip_prefix(outer)?.strip_prefix('.'));
        let next: BTreeSet<&str> = rest.map(|rest| rest.split('.').next().unwrap_or(rest)).collect();
        for name in next {
            self.namespace(name, &format!("{outer}.{name}"));
        }
    }

    fn module(&mut self, module: &ModuleSignature, name: &str, otherwise: Rank) {
        let rank = self.rank(Some(&module.output), otherwise);
        let required: Vec<String> = show::parameters(module)
            .into_iter()
            .filter(|parameter| !parameter.ty.as_ref().is_some_and(CType::is_option))
            .map(|parameter| parameter.name)
            .collect();
        let snippet = self.call(name, &required);
        let offered = self.offer(rank, CompletionKind::Module, module.local());
        offered.insert = name.to_owned();
        offered.snippet = snippet;
        offered.detail = show::signature(module);
        offered.documentation = show::module(module);
        offered.namespace = Some(module.namespace().to_owned());
    }

    fn function(&mut self, function: &Function, name: &str) {
        let parameters: Vec<String> = function.parameters.iter().map(|one| (*one).to_owned()).collect();
        let snippet = self.call(name, &parameters);
        let offered = self.offer(Rank::Far, CompletionKind::Function, function.name);
        offered.insert = name.to_owned();
        offered.snippet = snippet;
        offered.detail = function.signature.to_owned();
        offered.documentation = show::std_function(function);
        offered.namespace = Some(function.namespace.to_owned());
    }

    fn namespace(&mut self, label: &str, namespace: &str) {
        let documentation = hover::namespace(self.typed, namespace);
        self.offer(Rank::Far, CompletionKind::Namespace, label).documentation = documentation;
    }

    /// The call with its arguments to fill in, where none are written yet.
    fn call(&self, name: &str, arguments: &[String]) -> Option<String> {
        if behind(&self.probe.token).is_some_and(|next| next.kind() == SyntaxKind::LParen) {
            return None;
        }
        let places = arguments.iter().zip(1..).map(|(argument, i)| format!("${{{i}:{}}}", snippet_text(argument)));
        Some(format!("{}({})", snippet_text(name), places.collect::<Vec<_>>().join(", ")))
    }

    fn is_variable(&self, path: &[String]) -> bool {
        let (Some(first), Some(from)) = (path.first(), self.probe.token.parent()) else { return false };
        visible(&from).iter().any(|named| named.sort != Sort::Type && named.declaration.text() == first)
    }
}

fn uses(root: &SyntaxNode) -> Vec<Use> {
    let decls = root.children().filter(|decl| decl.kind() == SyntaxKind::UseDecl);
    let read = |decl: SyntaxNode| {
        let namespace = child(&decl, SyntaxKind::QName)?.text().to_string();
        Some(Use { namespace, alias: own_name(&decl).map(|alias| alias.text().to_owned()) })
    };
    decls.filter_map(read).collect()
}

/// The shortest name by which a `use` brings a function in, else the qualified one.
fn name_of(catalog: &Catalog, uses: &[Use], namespace: &str, local: &str) -> String {
    let qualified = format!("{namespace}.{local}");
    // What a name means is looked for in every namespace that is used as it is, so that it may mean two things.
    let meanings = |name: &str| {
        let plain = uses.iter().filter(|used| used.alias.is_none());
        let names: BTreeSet<String> = plain.map(|used| format!("{}.{name}", used.namespace)).collect();
        names.iter().filter(|name| catalog.get(name).is_some() || stdlib::function(name).is_some()).count()
    };
    for used in uses {
        let rest = match qualified.strip_prefix(&used.namespace).and_then(|rest| rest.strip_prefix('.')) {
            Some(rest) => rest,
            None => continue,
        };
        match &used.alias {
            Some(alias) => return format!("{alias}.{rest}"),
            None if meanings(rest) == 1 => return rest.to_owned(),
            None => {}
        }
    }
    // The functions of the standard library are known by their names alone, unless a module has the same.
    let is_std = stdlib::with_local_name(local).is_some_and(|function| function.namespace == namespace);
    let is_unique = catalog.with_local_name(local).is_empty() && meanings(local) == 0;
    if is_std && is_unique { local.to_owned() } else { qualified }
}

/// The namespaces that a path may mean: that of an alias, those in what is used, and itself.
fn meant(uses: &[Use], path: &[String]) -> BTreeSet<String> {
    let whole = path.join(".");
    let rest = path[1..].iter().map(|part| format!(".{part}")).collect::<String>();
    let through = uses.iter().filter_map(|used| match &used.alias {
        Some(alias) if *alias == path[0] => Some(format!("{}{rest}", used.namespace)),
        Some(_) => None,
        None => Some(format!("{}.{whole}", used.namespace)),
    });
    through.chain([whole.clone()]).collect()
}

/// The first parts of all namespaces.
fn tops(catalog: &Catalog) -> BTreeSet<String> {
    let all = catalog.namespaces().chain(stdlib::NAMESPACES.iter().copied());
    all.map(|namespace| namespace.split('.').next().unwrap_or(namespace).to_owned()).collect()
}
