//! The registry as a synchronous state machine: events in, answers and effects out. No clock, socket, await or randomness:
//! the time comes with each event, ids and tokens with the events that need them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use protocol::{Namespace, SessionId, SessionToken};

use crate::answer::EndReason;
use crate::options::Options;
use crate::routes::Routes;
use crate::watch::Change;

mod deadlines;
mod host;
mod lifecycle;
mod namespace;
mod publish;
mod register;
mod revisions;
mod session;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use deadlines::Deadlines;
pub(crate) use host::HostModules;
pub(crate) use lifecycle::{Connect, Disconnect, Find, Heartbeat, HostDrain, ProviderDrain, Tick, Unregister};
use namespace::NamespaceState;
pub(crate) use register::Register;
use revisions::Revisions;
use session::Session;

/// The moment of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// For leases and time-outs.
    pub(crate) instant: Instant,
    /// For people.
    pub(crate) wall: SystemTime,
}

/// Something that happens to the registry, with the type of its answer.
pub(crate) trait Event {
    type Answer;

    fn happen(self, state: &mut State, at: At) -> Self::Answer;
}

/// What is to be done outside, in this order.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// The routes changed. At most one in a step, and the first effect of it.
    Routes { routes: Arc<Routes>, changes: Arc<[Change]> },
    /// The session takes no new calls and its provider is to be told.
    Drain { session: SessionId, grace: Duration },
    /// The session is over.
    Ended { session: SessionId, reason: EndReason },
}

/// Every session, namespace and revision.
pub(crate) struct State {
    options: Options,
    sessions: HashMap<SessionId, Session>,
    /// Sessions by their token, those that retire included.
    tokens: HashMap<SessionToken, SessionId>,
    namespaces: HashMap<Namespace, NamespaceState>,
    /// Sessions of the host itself, which have no end and take nobody's place.
    hosted: usize,
    /// Sessions that lost their place and finish their calls, by the time when they end at the latest.
    retiring: BTreeSet<(Instant, SessionId)>,
    deadlines: Deadlines,
    revisions: Revisions,
    routes: Arc<Routes>,
    /// Effects of the step under way.
    effects: Vec<Effect>,
    /// Namespaces whose routes changed in the step under way, with the reason of names that vanish in it.
    dirty: HashMap<Namespace, EndReason>,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            revisions: Revisions::new(options.remembered_names),
            options,
            sessions: HashMap::new(),
            tokens: HashMap::new(),
            namespaces: HashMap::new(),
            hosted: 0,
            retiring: BTreeSet::new(),
            deadlines: Deadlines::default(),
            routes: Arc::default(),
            effects: Vec::new(),
            dirty: HashMap::new(),
        }
    }

    /// Carries an event out, completely or (where the answer is an error) not at all.
    pub(crate) fn apply<E: Event>(&mut self, event: E, at: At) -> (E::Answer, Vec<Effect>) {
        let answer = event.happen(self, at);
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(published) = self.publish() {
            effects.insert(0, published);
        }
        (answer, effects)
    }

    /// What is registered after the last step.
    pub(crate) fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// When the next [`Tick`] is due at the latest; `None` without sessions. May be early, is never late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }
}
