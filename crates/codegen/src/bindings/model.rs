//! What all languages see of a lock: namespaces, their modules, and the types in them that need a name. Names nothing itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use type_schema::{CType, Field, Lock, LockedModule};

use super::names::{Unique, upper_camel};

/// One namespace; has at least one module.
pub(super) struct Namespace<'l> {
    /// E.g. `ml.sentiment`.
    pub(super) name: &'l str,
    /// In ascending order of their names.
    pub(super) modules: Vec<Module<'l>>,
}

/// One module.
pub(super) struct Module<'l> {
    /// `namespace.Name`.
    pub(super) qualified: &'l str,
    /// `Name`.
    pub(super) local: &'l str,
    /// Its types and what else is known.
    pub(super) locked: &'l LockedModule,
}

/// How a module is given its input.
pub(super) enum Input<'l> {
    /// A record without fields: there is nothing to give.
    Nothing,
    /// A record: its fields.
    Fields(&'l [Field]),
    /// Anything else.
    Value(&'l CType),
}

impl Module<'_> {
    pub(super) fn input(&self) -> Input<'_> {
        match &self.locked.signature.input {
            CType::Record(record) if record.fields.is_empty() => Input::Nothing,
            CType::Record(record) => Input::Fields(&record.fields),
            other => Input::Value(other),
        }
    }

    /// What a module with this name calls its input.
    pub(super) fn input_name(&self) -> String {
        format!("{}Input", upper_camel(self.local))
    }

    /// What a module with this name calls its output.
    pub(super) fn output_name(&self) -> String {
        format!("{}Output", upper_camel(self.local))
    }
}

/// The namespaces of a lock in ascending order.
pub(super) fn namespaces(lock: &Lock) -> Vec<Namespace<'_>> {
    let mut found: BTreeMap<&str, Vec<Module<'_>>> = BTreeMap::new();
    for (qualified, locked) in &lock.modules {
        let (namespace, local) = qualified.rsplit_once('.').unwrap_or(("", qualified));
        found.entry(namespace).or_default().push(Module { qualified, local, locked });
    }
    found.into_iter().map(|(name, modules)| Namespace { name, modules }).collect()
}

/// The named types of one module: equal types have one name.
pub(super) struct Named<'l> {
    /// In an order in which what is used stands before what uses it.
    pub(super) types: Vec<(String, &'l CType)>,
    names: HashMap<&'l CType, String>,
}

impl<'l> Named<'l> {
    pub(super) fn new() -> Self {
        Self { types: Vec::new(), names: HashMap::new() }
    }

    /// Names every type below, itself included, for which `needs_name` is true, after the place where it stands first.
    pub(super) fn add(
        &mut self,
        ctype: &'l CType,
        place: &str,
        needs_name: &dyn Fn(&CType) -> bool,
        unique: &mut Unique,
    ) {
        if self.names.contains_key(ctype) {
            return;
        }
        // Taken before what is below, so that the outer of two gets the plain name.
        let name = needs_name(ctype).then(|| unique.take(place));
        for (step, child) in children(ctype) {
            self.add(child, &format!("{place}{step}"), needs_name, unique);
        }
        if let Some(name) = name {
            self.types.push((name.clone(), ctype));
            self.names.insert(ctype, name);
        }
    }

    /// The name of a type that was given one.
    pub(super) fn name(&self, ctype: &CType) -> Option<&str> {
        self.names.get(ctype).map(String::as_str)
    }

    /// Those that occur in a type, itself included, in the order of `types`.
    pub(super) fn within(&self, ctypes: &[&CType]) -> Vec<&(String, &'l CType)> {
        let mut seen = HashSet::new();
        for ctype in ctypes {
            visit(ctype, &mut |part| {
                seen.insert(part.clone());
            });
        }
        self.types.iter().filter(|(_, ctype)| seen.contains(*ctype)).collect()
    }
}

/// Calls a function with a type and every type in it.
pub(super) fn visit(ctype: &CType, each: &mut dyn FnMut(&CType)) {
    each(ctype);
    for (_, child) in children(ctype) {
        visit(child, each);
    }
}

/// The parts of a type, each with what it adds to the name of the whole.
fn children(ctype: &CType) -> Vec<(String, &CType)> {
    match ctype {
        CType::List(item) | CType::Option(item) | CType::Map(_, item) => vec![(String::new(), item)],
        CType::Record(record) => record.fields.iter().map(|field| (upper_camel(&field.name), &field.ctype)).collect(),
        CType::Union(variants) => {
            variants.iter().enumerate().map(|(i, variant)| (format!("Variant{i}"), variant)).collect()
        }
        CType::String | CType::Int | CType::Float | CType::Bool | CType::Bytes | CType::Any => Vec::new(),
    }
}
