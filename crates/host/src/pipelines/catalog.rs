//! The modules that pipelines may call, as the checker wants them: made of the registry's routes when those changed, and
//! shared. Checks nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pipeline::{Catalog, ModuleSignature};
use registry::{Module, Routes};

use crate::access::Principal;

/// A catalog and which one it is.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) catalog: Arc<Catalog>,
    /// Rises when what a check may depend on changed; endpoints that come and go are no such change.
    pub(crate) version: u64,
    /// Who sees it: equal for those who see the same.
    pub(crate) of: Option<String>,
}

/// A module and the language of its provider.
type Known = (Arc<Module>, Arc<str>);

/// Catalogs of the present routes.
pub(crate) struct Catalogs {
    caches: Vec<String>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    generation: Option<u64>,
    modules: Vec<Known>,
    version: u64,
    whole: Arc<Catalog>,
    /// What those see who may not list, by their scopes; of this version.
    narrow: HashMap<String, Arc<Catalog>>,
}

/// Narrow catalogs that are kept: one for each set of scopes.
const NARROW: usize = 64;

impl Catalogs {
    /// `caches` are the names that `cache_backend` may take besides the one that is always there.
    pub(crate) fn new(caches: Vec<String>) -> Self {
        Self { caches, held: Mutex::default() }
    }

    /// What there is now. Costs a comparison while the routes are the same, else a look at each route, and only where a
    /// module differs a catalog.
    pub(crate) fn whole(&self, routes: &Routes) -> Sight {
        let held = self.held(routes);
        Sight { catalog: Arc::clone(&held.whole), version: held.version, of: None }
    }

    /// What a caller may know of: everything where it may list, else the modules that it may call.
    pub(crate) fn seen_by(&self, principal: &Principal, routes: &Routes) -> Sight {
        let Some(scopes) = principal.sight().filter(|_| principal.may_list().is_err()) else {
            return self.whole(routes);
        };
        let mut held = self.held(routes);
        let version = held.version;
        if let Some(narrow) = held.narrow.get(&scopes) {
            return Sight { catalog: Arc::clone(narrow), version, of: Some(scopes) };
        }
        let callable = held.modules.iter().filter(|(module, _)| principal.may_call(&module.name).is_ok());
        let narrow = Arc::new(self.catalog(callable));
        if held.narrow.len() >= NARROW {
            held.narrow.clear();
        }
        held.narrow.insert(scopes.clone(), Arc::clone(&narrow));
        Sight { catalog: narrow, version, of: Some(scopes) }
    }

    /// What there is now without one module.
    pub(crate) fn without(&self, name: &str, routes: &Routes) -> Arc<Catalog> {
        let held = self.held(routes);
        Arc::new(self.catalog(held.modules.iter().filter(|(module, _)| module.name.as_str() != name)))
    }

    fn held(&self, routes: &Routes) -> std::sync::MutexGuard<'_, Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.generation.is_some_and(|known| known >= routes.generation()) {
            return held;
        }
        let modules: Vec<_> = routes
            .iter()
            .map(|route| {
                // Of a group in several languages always the same one.
                let language = route.endpoints.iter().map(|endpoint| endpoint.info.language.as_str());
                let language = language.filter(|language| !language.is_empty()).min().unwrap_or_default();
                (Arc::clone(&route.module), Arc::from(language))
            })
            .collect();
        let same = |(old, new): (&Known, &Known)| Arc::ptr_eq(&old.0, &new.0) && old.1 == new.1;
        let unchanged = held.generation.is_some()
            && modules.len() == held.modules.len()
            && held.modules.iter().zip(&modules).all(same);
        held.generation = Some(routes.generation());
        if !unchanged {
            held.whole = Arc::new(self.catalog(modules.iter()));
            held.modules = modules;
            held.narrow.clear();
            held.version += 1;
        }
        held
    }

    fn catalog<'m>(&self, modules: impl Iterator<Item = &'m Known>) -> Catalog {
        let catalog = Catalog::new(modules.map(|(module, language)| signature(module, language)));
        self.caches.iter().fold(catalog, |catalog, cache| catalog.with_cache(cache.as_str()))
    }
}

fn signature(module: &Module, language: &Arc<str>) -> ModuleSignature {
    let spec = &module.spec;
    ModuleSignature {
        name: module.name.as_str().into(),
        description: spec.description.as_str().into(),
        input: spec.input.clone(),
        output: spec.output.clone(),
        fingerprint: Arc::clone(&module.fingerprint),
        batch: spec.capabilities.batch,
        stream: spec.capabilities.stream,
        idempotent: spec.capabilities.idempotent,
        language: Arc::clone(language),
    }
}
