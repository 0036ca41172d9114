//! What is true after every event, as code. Used by the tests of the state; knows nothing of how events are drawn.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use protocol::{DataPlane, ModuleSpec, SessionId};

use crate::answer::EndReason;
use crate::routes::{EndpointState, Route};
use crate::watch::Change;

use super::session::{Phase, Session, agree};
use super::{Effect, State};

impl State {
    /// Panics where the state contradicts itself.
    pub(super) fn check(&self, now: Instant) {
        self.check_sessions(now);
        for namespace in self.namespaces.keys() {
            self.check_namespace(namespace);
        }
        self.check_routes();
    }

    fn check_sessions(&self, now: Instant) {
        assert_eq!(self.tokens.len(), self.sessions.len(), "a token without a session");
        let mut retiring = BTreeSet::new();
        for (id, session) in &self.sessions {
            assert_eq!((session.id, self.tokens.get(&session.token)), (*id, Some(id)));
            let member = self.namespaces.get(&session.namespace).is_some_and(|owner| owner.members.contains(id));
            assert_eq!(member, !session.is_retiring(), "{id} is a member exactly while it lives");
            if let Phase::Retiring { until } = session.phase {
                retiring.insert((until, *id));
            }
            assert_eq!(session.plane.is_none(), matches!(session.phase, Phase::Pending { .. }), "{id}");
            if session.plane == Some(DataPlane::Host) {
                // It has no lease.
                continue;
            }
            assert!(session.deadline() <= now + self.options.lease, "{id} has a lease beyond its length");
            assert!(
                self.next_deadline().is_some_and(|next| next <= session.deadline()),
                "{id} would be looked at late"
            );
        }
        assert_eq!(retiring, self.retiring);
        assert!(self.retiring.len() <= self.options.limits.sessions, "more retiring sessions than the bound");
        let settled = self.sessions.values().filter(|session| !session.is_retiring() && session.replaces.is_none());
        assert!(settled.count() <= self.options.limits.sessions, "more sessions than the limit");
        let names: usize = self.namespaces.values().map(|namespace| namespace.modules.len()).sum();
        assert!(names <= self.options.limits.modules, "more names than the limit");
    }

    fn check_namespace(&self, namespace: &protocol::Namespace) {
        let owner = &self.namespaces[namespace];
        assert!(!owner.members.is_empty(), "{namespace} has no owner");
        let of_host = |id: &SessionId| self.sessions[id].plane == Some(DataPlane::Host);
        assert!(!owner.modules.is_empty() || owner.members.iter().all(of_host), "{namespace} has no names");
        let members: Vec<&Session> = owner.members.iter().map(|id| &self.sessions[id]).collect();
        let ids: HashSet<SessionId> = owner.members.iter().copied().collect();
        assert_eq!(ids.len(), members.len(), "{namespace} has a member twice");
        for a in &members {
            assert_eq!(&a.namespace, namespace);
            for b in members.iter().filter(|b| b.id != a.id) {
                let lineage = a.replaces == Some(b.id) || b.replaces == Some(a.id);
                if !lineage {
                    assert!(a.group_id.is_some() && a.group_id == b.group_id, "{namespace} has two owners");
                    assert!(a.modules.keys().eq(b.modules.keys()), "{namespace}: {} and {} disagree", a.id, b.id);
                    for (name, declaration) in &a.modules {
                        assert!(agree(&declaration.spec, &b.modules[name].spec), "{} and {} disagree", a.id, b.id);
                    }
                }
                assert!(a.replaces.is_none() || a.replaces != b.replaces, "{} is replaced twice", b.id);
            }
            if let Some(predecessor) = a.replaces {
                assert!(ids.contains(&predecessor) && self.sessions[&predecessor].is_active());
                assert!(!a.is_active(), "{} serves and yet waits to", a.id);
            } else {
                assert!(
                    a.modules.keys().eq(owner.modules.keys()),
                    "{} serves other names than those of its namespace",
                    a.id
                );
                for (name, declaration) in &a.modules {
                    assert!(agree(&declaration.spec, &owner.modules[name].spec), "{} serves another `{name}`", a.id);
                }
            }
        }
    }

    fn check_routes(&self) {
        let routes: Vec<&Arc<Route>> = self.routes.iter().collect();
        assert!(routes.is_sorted_by(|a, b| a.name.as_str() < b.name.as_str()), "routes out of order");
        assert_eq!(routes.len(), self.routes.len());
        let live: usize = self.namespaces.values().map(|namespace| namespace.modules.len()).sum();
        assert_eq!(routes.len(), live, "a name without a route");
        for route in routes {
            let owner = self.namespaces.get(route.name.namespace()).expect("a route has an owner");
            assert!(Arc::ptr_eq(&owner.modules[route.name.local()], &route.module), "`{}` is stale", route.name);
            assert!(self.routes.get(route.name.as_str()).is_some_and(|found| Arc::ptr_eq(found, route)));
            assert!(!route.endpoints.is_empty(), "`{}` has no endpoint", route.name);
            for endpoint in route.endpoints.iter() {
                let session = self.sessions.get(&endpoint.session).expect("an endpoint has a session");
                assert!(owner.members.contains(&endpoint.session), "`{}` leads to a session that retires", route.name);
                assert_eq!(*endpoint, session.endpoint(), "`{}` has a stale endpoint", route.name);
                if endpoint.state == EndpointState::Ready {
                    assert!(session.is_active() && session.drain.is_none() && endpoint.plane.is_some());
                }
            }
            let shown = owner.members.iter().filter(|id| self.sessions[*id].replaces.is_none()).count();
            assert_eq!(route.endpoints.len(), shown, "`{}` lacks an endpoint", route.name);
        }
    }
}

/// What outsiders know from answers and effects alone, and what has to be true of it over time.
#[derive(Default)]
pub(super) struct Ledger {
    live: BTreeSet<SessionId>,
    pub(super) ended: BTreeMap<SessionId, EndReason>,
    /// What a watcher believes to be there.
    watched: BTreeMap<String, Arc<Route>>,
    /// The highest revision of each name and what it was.
    revisions: HashMap<String, (u64, Arc<ModuleSpec>)>,
}

impl Ledger {
    pub(super) fn begin(&mut self, session: SessionId) {
        assert!(!self.ended.contains_key(&session), "{session} comes back from the dead");
        self.live.insert(session);
    }

    pub(super) fn follow(&mut self, effects: &[Effect], state: &State) {
        for (i, effect) in effects.iter().enumerate() {
            match effect {
                Effect::Routes { changes, .. } => {
                    assert_eq!(i, 0, "routes are not the first effect");
                    self.watch(changes);
                }
                Effect::Drain { session, .. } => assert!(self.live.contains(session), "{session} drains and is dead"),
                Effect::Ended { session, reason } => {
                    assert!(self.live.remove(session), "{session} ends and did not live");
                    self.ended.insert(*session, *reason);
                }
            }
        }
        assert_eq!(self.live, state.sessions.keys().copied().collect(), "effects and state differ on who lives");
        let routes: BTreeMap<String, Arc<Route>> =
            state.routes().iter().map(|route| (route.name.as_str().to_owned(), Arc::clone(route))).collect();
        assert!(self.watched.keys().eq(routes.keys()), "a watcher missed a change");
        for (name, route) in &routes {
            assert!(Arc::ptr_eq(route, &self.watched[name]), "a watcher has a stale `{name}`");
            let (highest, spec) = self.revisions.entry(name.clone()).or_insert((0, Arc::clone(&route.spec)));
            assert!(route.revision >= *highest, "the revision of `{name}` fell from {highest} to {}", route.revision);
            if route.revision == *highest {
                assert_eq!(route.spec, *spec, "`{name}` changed under one revision");
            }
            (*highest, *spec) = (route.revision, Arc::clone(&route.spec));
        }
    }

    fn watch(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Added(route) => {
                    let name = route.name.as_str();
                    assert!(self.watched.insert(name.into(), Arc::clone(route)).is_none(), "`{name}` was added twice");
                    if let Some((highest, _)) = self.revisions.get(name) {
                        assert!(route.revision > *highest, "`{name}` came back under its old revision");
                    }
                }
                Change::Changed(route) => {
                    let name = route.name.as_str();
                    let old = self.watched.insert(name.into(), Arc::clone(route)).expect("what changes was there");
                    let same = Arc::ptr_eq(&old.module, &route.module) && old.endpoints == route.endpoints;
                    assert!(!same, "`{name}` did not change");
                }
                Change::Removed { name, .. } => {
                    assert!(self.watched.remove(name.as_str()).is_some(), "`{name}` was removed and not there");
                }
            }
        }
    }
}
