//! Turns what changed in a step into the next picture of the routes and the list of changes. Changes nothing itself.

use std::sync::Arc;

use protocol::{Namespace, SessionId};

use crate::answer::EndReason;
use crate::routes::{Endpoint, Route, Shard};
use crate::watch::Change;

use super::session::Session;
use super::{Effect, State};

impl State {
    /// Builds the routes of the namespaces that changed. `None` when no route is different.
    pub(super) fn publish(&mut self) -> Option<Effect> {
        if self.dirty.is_empty() {
            return None;
        }
        let mut changed = Vec::new();
        let mut changes = Vec::new();
        for (namespace, reason) in std::mem::take(&mut self.dirty) {
            let before = changes.len();
            let shard = self.shard(&namespace, reason, &mut changes);
            if changes.len() > before {
                changed.push((namespace, shard));
            }
        }
        if changed.is_empty() {
            return None;
        }
        changes.sort_by(|a, b| name(a).cmp(name(b)));
        self.routes = Arc::new(self.routes.with(changed));
        Some(Effect::Routes { routes: Arc::clone(&self.routes), changes: changes.into() })
    }

    /// The routes of a namespace as they are to be, and how they differ from those that are published. Routes that do not
    /// differ are shared.
    fn shard(&self, namespace: &Namespace, reason: EndReason, changes: &mut Vec<Change>) -> Option<Shard> {
        let old = self.routes.shard(namespace);
        let live = self.namespaces.get(namespace);
        let mut endpoints: Arc<[Endpoint]> = live.map(|live| self.endpoints(&live.members)).unwrap_or_default();
        if let Some(same) = old.and_then(|old| old.sorted.first()).filter(|route| route.endpoints == endpoints) {
            endpoints = Arc::clone(&same.endpoints);
        }
        let sorted: Vec<Arc<Route>> = live
            .into_iter()
            .flat_map(|live| live.modules.values())
            .map(|module| {
                let before = old.and_then(|old| old.get(module.name.local()));
                if let Some(route) = before
                    && Arc::ptr_eq(&route.module, module)
                    && Arc::ptr_eq(&route.endpoints, &endpoints)
                {
                    return Arc::clone(route);
                }
                let route = Arc::new(Route { module: Arc::clone(module), endpoints: Arc::clone(&endpoints) });
                changes.push(match before {
                    Some(_) => Change::Changed(Arc::clone(&route)),
                    None => Change::Added(Arc::clone(&route)),
                });
                route
            })
            .collect();
        let shard = live.map(|_| Shard::new(sorted));
        let gone = old
            .into_iter()
            .flat_map(|old| &old.sorted)
            .filter(|route| shard.as_ref().is_none_or(|shard| shard.get(route.name.local()).is_none()));
        changes.extend(gone.map(|route| Change::Removed { name: route.name.clone(), reason }));
        shard
    }

    /// The members that show. A replacement does not before it takes over, because until then its modules are not the live ones.
    fn endpoints(&self, members: &[SessionId]) -> Arc<[Endpoint]> {
        members
            .iter()
            .filter_map(|id| self.sessions.get(id))
            .filter(|session| session.replaces.is_none())
            .map(Session::endpoint)
            .collect()
    }
}

fn name(change: &Change) -> &str {
    match change {
        Change::Added(route) | Change::Changed(route) => route.name.as_str(),
        Change::Removed { name, .. } => name.as_str(),
    }
}
