//! The read side: an immutable picture of what is registered. Does not choose an endpoint and calls nobody.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::{DataPlane, GroupId, ModuleName, ModuleSpec, Namespace, ProviderInfo, ServiceId, ServiceUrl, SessionId};
use type_schema::Schema;

use crate::attachment::Attachment;
use crate::pattern::Pattern;

/// One revision of a module. Immutable; the schemas are compiled once.
#[derive(Debug)]
pub struct Module {
    /// The qualified name.
    pub name: ModuleName,
    /// What the provider declared.
    pub spec: Arc<ModuleSpec>,
    /// Rises with each change of the declaration, also over a removal; starts at 1.
    pub revision: u64,
    /// SHA-256 over both types as text, in hex.
    pub fingerprint: Arc<str>,
    /// The input type as text.
    pub input_text: Arc<str>,
    /// The output type as text.
    pub output_text: Arc<str>,
    /// The input type, compiled.
    pub input: Arc<Schema>,
    /// The output type, compiled.
    pub output: Arc<Schema>,
    /// What the executor counts of this module.
    pub attachment: Attachment,
}

/// A module and who serves it. Its fields are the [`Module`]'s.
#[derive(Debug, Clone)]
pub struct Route {
    /// The live revision.
    pub module: Arc<Module>,
    /// Who serves it, in the order of registration; at least one. The routes of a namespace share the list.
    pub endpoints: Arc<[Endpoint]>,
}

impl Deref for Route {
    type Target = Module;

    fn deref(&self) -> &Module {
        &self.module
    }
}

/// One live session that provides a module. A session keeps plane and address from the time it is ready, unless it
/// opens a connection later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The session.
    pub session: SessionId,
    /// Who the provider is.
    pub service_id: ServiceId,
    /// Its group, when it is a replica.
    pub group_id: Option<GroupId>,
    /// Whether it takes calls.
    pub state: EndpointState,
    /// How calls reach it; `None` while pending.
    pub plane: Option<DataPlane>,
    /// Where its `ModuleExecutor` listens, when it offered the unary plane.
    pub service_url: Option<ServiceUrl>,
    /// Whether it serves `ModuleLifecycle` at its `service_url`.
    pub lifecycle: bool,
    /// Facts about its process, for people.
    pub info: Arc<ProviderInfo>,
    /// When it registered, by the host's wall clock.
    pub registered_at: SystemTime,
}

/// Whether an endpoint takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointState {
    /// Registered, not connected yet.
    Pending,
    /// Takes calls.
    Ready,
    /// Takes no new calls.
    Draining,
}

impl EndpointState {
    /// `pending`, `ready` or `draining`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// All routes at one moment. Never changes; a later moment is another value that shares what is the same.
#[derive(Default)]
pub struct Routes {
    generation: u64,
    len: usize,
    shards: HashMap<Namespace, Arc<Shard>>,
}

/// The routes of one namespace.
#[derive(Default)]
pub(crate) struct Shard {
    /// In ascending order of the names.
    pub(crate) sorted: Vec<Arc<Route>>,
    by_name: HashMap<Arc<str>, Arc<Route>>,
}

impl Shard {
    /// `sorted` is in ascending order of the names, which are of one namespace.
    pub(crate) fn new(sorted: Vec<Arc<Route>>) -> Self {
        let by_name = sorted.iter().map(|route| (Arc::from(route.name.local()), Arc::clone(route))).collect();
        Self { sorted, by_name }
    }

    pub(crate) fn get(&self, local: &str) -> Option<&Arc<Route>> {
        self.by_name.get(local)
    }
}

/// Some routes in ascending order of their names.
#[derive(Debug, Clone)]
pub struct Page {
    /// The routes.
    pub routes: Vec<Arc<Route>>,
    /// Whether more match behind the last one.
    pub more: bool,
}

impl Routes {
    /// The route of a qualified name. Two hash look-ups, no allocation.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Route>> {
        let (namespace, local) = name.rsplit_once('.')?;
        self.shards.get(namespace)?.get(local)
    }

    /// At most `limit` routes that match, in ascending byte order of their names, that come behind the name `after`.
    /// Reads the matching part of each namespace once; costs no more than the names that share the pattern's prefix.
    #[must_use]
    pub fn page(&self, pattern: &Pattern, after: Option<&str>, limit: usize) -> Page {
        let mut routes = Vec::new();
        for route in self.matching(pattern, after) {
            if routes.len() == limit {
                return Page { routes, more: true };
            }
            routes.push(Arc::clone(route));
        }
        Page { routes, more: false }
    }

    /// All routes, in ascending byte order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.matching(&Pattern::new("*"), None)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rises with each change; orders two pictures of one registry.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn matching<'a>(
        &'a self,
        pattern: &Pattern,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<Route>> + use<'a> {
        let single = pattern.literal().map(|name| self.get(name).filter(|_| after.is_none_or(|after| after < name)));
        let merged = if single.is_some() { None } else { Some(Merge::new(self, pattern.clone(), after)) };
        single.into_iter().flatten().chain(merged.into_iter().flatten())
    }

    pub(crate) fn shard(&self, namespace: &Namespace) -> Option<&Arc<Shard>> {
        self.shards.get(namespace)
    }

    /// The picture after some namespaces changed; `None` stands for a namespace that is gone.
    pub(crate) fn with(&self, changed: Vec<(Namespace, Option<Shard>)>) -> Self {
        let (mut shards, mut len) = (self.shards.clone(), self.len);
        for (namespace, shard) in changed {
            let old = match shard {
                Some(shard) => {
                    len += shard.sorted.len();
                    shards.insert(namespace, Arc::new(shard))
                }
                None => shards.remove(&namespace),
            };
            len -= old.map_or(0, |old| old.sorted.len());
        }
        Self { generation: self.generation + 1, len, shards }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("generation", &self.generation).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Merges namespaces by name: `a.Z` and `a.b.C` interleave, so that one namespace after the other would not be in order.
struct Merge<'a> {
    pattern: Pattern,
    shards: Vec<&'a [Arc<Route>]>,
    next: BinaryHeap<Reverse<(&'a str, usize)>>,
}

impl<'a> Merge<'a> {
    fn new(routes: &'a Routes, pattern: Pattern, after: Option<&str>) -> Self {
        let prefix = pattern.prefix();
        let shards: Vec<&[Arc<Route>]> = routes
            .shards
            .values()
            .map(|shard| {
                let skipped = shard.sorted.partition_point(|route| {
                    let name = route.name.as_str();
                    name < prefix || after.is_some_and(|after| name <= after)
                });
                &shard.sorted[skipped..]
            })
            .collect();
        let next = shards
            .iter()
            .enumerate()
            .filter_map(|(i, shard)| Some(Reverse((shard.first()?.name.as_str(), i))))
            .filter(|Reverse((name, _))| name.starts_with(prefix))
            .collect();
        Self { pattern, shards, next }
    }
}

impl<'a> Iterator for Merge<'a> {
    type Item = &'a Arc<Route>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Reverse((name, i)) = self.next.pop()?;
            let (route, rest) = self.shards[i].split_first()?;
            self.shards[i] = rest;
            if let Some(following) = rest.first().map(|route| route.name.as_str())
                && following.starts_with(self.pattern.prefix())
            {
                self.next.push(Reverse((following, i)));
            }
            if self.pattern.matches(name) {
                return Some(route);
            }
        }
    }
}
