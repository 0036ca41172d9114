//! The modules that a pipeline may call, as the checker sees them. Asks nobody: a host or a lock fills it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use type_schema::{CType, Lock, fingerprint};

/// One module as the checker sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleSignature {
    /// Qualified name, `namespace.Name`.
    pub name: Arc<str>,
    /// What the module does; may be empty.
    pub description: Arc<str>,
    /// Type of the input. A record gives one parameter per field in declared order, any other type one parameter `input`.
    pub input: CType,
    /// Type of the output.
    pub output: CType,
    /// SHA-256 over both types as text, in hex.
    pub fingerprint: Arc<str>,
    /// Takes several inputs at once.
    pub batch: bool,
    /// Gives a stream of outputs, so that no pipeline can call it.
    pub stream: bool,
    /// May be called again after a failure that left its effect unknown.
    pub idempotent: bool,
    /// Language of the provider, e.g. `python`; empty where it is not known.
    pub language: Arc<str>,
}

impl ModuleSignature {
    /// A plain module without description.
    #[must_use]
    pub fn new(name: &str, input: CType, output: CType) -> Self {
        let fingerprint = fingerprint(&input, &output).into();
        Self {
            name: name.into(),
            description: Arc::default(),
            input,
            output,
            fingerprint,
            batch: false,
            stream: false,
            idempotent: false,
            language: Arc::default(),
        }
    }

    /// The part of the name before the last dot.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.name.rsplit_once('.').map_or("", |(namespace, _)| namespace)
    }

    /// The part of the name behind the last dot.
    #[must_use]
    pub fn local(&self) -> &str {
        self.name.rsplit_once('.').map_or(&*self.name, |(_, local)| local)
    }
}

/// The modules at one moment, and what else a check depends on. Does not change; cheap to share behind an `Arc`. The functions of the
/// standard library are not in it. The default one knows of no module and no cache, for sources whose host is not known.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    by_name: BTreeMap<Arc<str>, Arc<ModuleSignature>>,
    by_local: HashMap<String, Vec<Arc<ModuleSignature>>>,
    namespaces: BTreeSet<String>,
    caches: BTreeSet<String>,
}

/// The cache that is always there.
pub const DEFAULT_CACHE: &str = "memory";

impl Catalog {
    /// A catalog of these modules, with the default cache only. A later module of one name replaces the earlier.
    #[must_use]
    pub fn new(modules: impl IntoIterator<Item = ModuleSignature>) -> Self {
        let mut by_name = BTreeMap::new();
        for module in modules {
            by_name.insert(Arc::clone(&module.name), Arc::new(module));
        }
        let mut by_local: HashMap<String, Vec<_>> = HashMap::new();
        let mut namespaces = BTreeSet::new();
        for module in by_name.values() {
            by_local.entry(module.local().to_owned()).or_default().push(Arc::clone(module));
            let mut namespace = module.namespace();
            // The prefixes too: `use ml` reaches `ml.sentiment.Score` as `sentiment.Score`.
            while !namespace.is_empty() && namespaces.insert(namespace.to_owned()) {
                namespace = namespace.rsplit_once('.').map_or("", |(above, _)| above);
            }
        }
        Self { by_name, by_local, namespaces, caches: BTreeSet::from([DEFAULT_CACHE.to_owned()]) }
    }

    /// The modules of a lock, of which no language is known.
    #[must_use]
    pub fn from_lock(lock: &Lock) -> Self {
        Self::new(lock.modules.iter().map(|(name, locked)| ModuleSignature {
            description: locked.description.as_str().into(),
            batch: locked.capabilities.batch,
            stream: locked.capabilities.stream,
            idempotent: locked.capabilities.idempotent,
            ..ModuleSignature::new(name, locked.signature.input.clone(), locked.signature.output.clone())
        }))
    }

    /// Adds a name that `cache_backend` may take.
    #[must_use]
    pub fn with_cache(mut self, name: impl Into<String>) -> Self {
        self.caches.insert(name.into());
        self
    }

    /// The module of a qualified name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<ModuleSignature>> {
        self.by_name.get(name)
    }

    /// The modules of any namespace with exactly that local name, in ascending order of their qualified names.
    #[must_use]
    pub fn with_local_name(&self, local: &str) -> &[Arc<ModuleSignature>] {
        self.by_local.get(local).map_or(&[], Vec::as_slice)
    }

    /// All modules, in ascending order of their names.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<ModuleSignature>> {
        self.by_name.values()
    }

    /// The namespaces and their prefixes, in ascending order.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().map(String::as_str)
    }

    /// Whether some module's namespace is that, or begins with it and a dot.
    #[must_use]
    pub fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.contains(namespace)
    }

    /// The names that `cache_backend` may take, in ascending order. Where there are none, caches are not known, and any name is taken.
    pub fn caches(&self) -> impl Iterator<Item = &str> {
        self.caches.iter().map(String::as_str)
    }
}
