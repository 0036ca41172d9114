//! The chain of components: who is asked at a hook, in which order, and what becomes of the call. Asks nobody itself: the host
//! carries each [`Ask`] to its component and brings the answer back.

use std::sync::Arc;

use type_schema::Schema;

use crate::envelope::WorkflowEnvelope;
use crate::filter::{Facts, Filter};
use crate::hook::Hook;
use crate::policy::Changeable;
use crate::settings::{OnFailure, Settings};

mod course;
mod rules;
mod verdict;

pub use course::{Ask, Course};
pub use verdict::{End, Failed, RouteTypes, Traced, Verdict};

/// One component of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its id.
    pub id: Arc<str>,
    /// Its part in the chain; [`Settings::check`] found nothing wrong with it.
    pub settings: Settings,
}

/// All components that are asked, in their order. Cheap to clone, never changed: a new configuration is a new chain.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    members: Arc<Members>,
}

#[derive(Debug, Default)]
struct Members {
    all: Vec<Member>,
    /// Positions of those that are asked at each hook.
    by_hook: [Vec<usize>; Hook::ALL.len()],
}

/// A link, ready to be asked.
#[derive(Debug)]
struct Member {
    id: Arc<str>,
    filter: Option<Filter>,
    changeable: Changeable,
    may_answer: bool,
    routes: Vec<String>,
    on_failure: [OnFailure; Hook::ALL.len()],
}

/// What is known of a call or run before its envelope is made.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Of the subject; empty for a pipeline that is not stored.
    pub name: &'a str,
    /// Of the subject.
    pub namespace: &'a str,
    /// Subject of the caller.
    pub caller: &'a str,
    /// The component that began it, if one did: it never meets its own.
    pub skip: Option<&'a str>,
}

/// Types that hold at the hook.
#[derive(Debug, Clone)]
pub struct Types {
    /// Of the payload.
    pub payload: Arc<Schema>,
    /// Of the answer, before the call or run: what a `return` must give, and what a module that is routed to must give. None: there is
    /// no `return` and no `route`.
    pub answer: Option<Arc<Schema>>,
}

impl Chain {
    /// The chain of these components, in this order.
    #[must_use]
    pub fn new(links: Vec<Link>) -> Self {
        let mut members = Members::default();
        for link in links {
            for hook in Hook::ALL.into_iter().filter(|hook| link.settings.hooks.contains(hook)) {
                members.by_hook[hook as usize].push(members.all.len());
            }
            members.all.push(Member::from(link));
        }
        Self { members: Arc::new(members) }
    }

    /// Whether nobody is asked at the hook, whatever the call.
    #[must_use]
    pub fn is_empty(&self, hook: Hook) -> bool {
        self.members.by_hook[hook as usize].is_empty()
    }

    /// Whether somebody may want to be asked: false spares making an envelope. True also where a filter looks at the payload, which
    /// decides only later. Allocates nothing.
    #[must_use]
    pub fn wants(&self, hook: Hook, about: &About<'_>) -> bool {
        let asked = &self.members.by_hook[hook as usize];
        if asked.is_empty() {
            return false;
        }
        let facts = Facts { hook, name: about.name, namespace: about.namespace, caller: about.caller, payload: None };
        asked.iter().any(|&position| self.members.all[position].wants(facts, about.skip) != Some(false))
    }

    /// Begins the way of one envelope through the chain, at the envelope's hook. `skip` is that of [`About`].
    #[must_use]
    pub fn begin(&self, envelope: WorkflowEnvelope, types: Types, skip: Option<&str>) -> Course {
        Course::new(self.members.clone(), envelope, types, skip)
    }
}

impl Member {
    /// None: the payload decides.
    fn wants(&self, facts: Facts<'_>, skip: Option<&str>) -> Option<bool> {
        if skip == Some(&*self.id) {
            return Some(false);
        }
        self.filter.as_ref().map_or(Some(true), |filter| filter.holds(facts))
    }
}

impl From<Link> for Member {
    fn from(Link { id, settings }: Link) -> Self {
        let on_failure = |hook| settings.on_component_failure.get(&hook).copied().unwrap_or(OnFailure::FailClosed);
        Self {
            id,
            changeable: Changeable::from(&settings.field_policy),
            on_failure: Hook::ALL.map(on_failure),
            may_answer: settings.field_policy.answer,
            routes: settings.field_policy.route,
            filter: settings.filter,
        }
    }
}
