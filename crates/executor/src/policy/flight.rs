//! One execution for equal calls that are made at the same time, and its output for those that come later. Whoever waits
//! drives it, so that it goes on when the call that began it is given up, and ends when all are.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use protocol::Error;
use protocol::frame::Execute;
use registry::Route;
use tokio::time::Instant;

use crate::connection::deadline_exceeded;
use crate::handle::{Call, Handle};
use crate::policy::cache::{Cache, Key};
use crate::policy::retry::may_pass;
use crate::policy::{CachePolicy, CallFacts, Policy};

/// An execution that several calls may wait for.
pub(crate) struct Flight {
    course: Arc<Course>,
    end: Shared<BoxFuture<'static, Arc<Landed>>>,
}

/// What is executed, how, and where its output goes.
struct Course {
    cache: Arc<Cache>,
    key: Key,
    ttl: Duration,
    route: Arc<Route>,
    execute: Execute,
    deadline: Instant,
    policy: Policy,
}

/// How an execution ended.
struct Landed {
    result: Result<Bytes, Error>,
    facts: CallFacts,
}

impl Drop for Flight {
    /// Nobody waits for it any more.
    fn drop(&mut self) {
        let mut flights = self.course.cache.flights();
        if flights.get(&self.course.key).is_some_and(|flight| flight.strong_count() == 0) {
            flights.remove(&self.course.key);
        }
    }
}

impl Handle {
    /// The output that is kept, that of an equal call in flight, or that of an execution of its own, which is then kept. The input
    /// of the call is canonical.
    pub(super) async fn cached(
        &self,
        route: &Arc<Route>,
        call: Call,
        policy: &Policy,
        CachePolicy { ttl, backend }: &CachePolicy,
        facts: &mut CallFacts,
    ) -> Result<Bytes, Error> {
        let cache = self.policies.caches.get(backend)?;
        let key = Key { module: route.name.clone(), revision: route.revision, input: call.input.clone() };
        let counters = self.metrics.policies_of(route, &self.registry);
        if let Some(output) = cache.get(&key, *ttl).await {
            counters.cache_hit();
            *facts = CallFacts::kept(route.revision);
            return Ok(output);
        }
        let deadline = call.deadline;
        let execute = self.sendable(route, call)?;
        loop {
            let course = || Course {
                cache: Arc::clone(cache),
                key: key.clone(),
                ttl: *ttl,
                route: Arc::clone(route),
                execute: execute.clone(),
                deadline,
                policy: policy.clone(),
            };
            let (flight, own) = self.flight(cache, &key, course);
            let Ok(landed) = tokio::time::timeout_at(deadline, flight.end.clone()).await else {
                return Err(deadline_exceeded());
            };
            if own {
                if landed.facts.cached {
                    counters.cache_hit()
                } else {
                    counters.cache_miss()
                }
                *facts = landed.facts.clone();
                return landed.result.clone();
            }
            match &landed.result {
                Err(error) if may_pass(error) && flight.is_outdone_by(deadline, policy) => {}
                result => {
                    counters.cache_shared();
                    *facts = CallFacts { cached: result.is_ok(), ..CallFacts::kept(landed.facts.revision) };
                    return result.clone();
                }
            }
        }
    }

    /// The execution of that key that is in flight, or a new one; and whether it is new.
    fn flight(&self, cache: &Cache, key: &Key, course: impl FnOnce() -> Course) -> (Arc<Flight>, bool) {
        let mut flights = cache.flights();
        if let Some(flight) = flights.get(key).and_then(Weak::upgrade) {
            return (flight, false);
        }
        let course = Arc::new(course());
        let (handle, flown) = (self.clone(), Arc::clone(&course));
        let fly = async move {
            let landed = handle.fly(&flown).await;
            // From now on the output is found where it is kept, and a failure is nobody else's.
            flown.cache.flights().remove(&flown.key);
            Arc::new(landed)
        };
        let flight = Arc::new(Flight { course, end: fly.boxed().shared() });
        flights.insert(key.clone(), Arc::downgrade(&flight));
        (flight, true)
    }

    async fn fly(&self, course: &Course) -> Landed {
        let Course { cache, key, ttl, route, execute, deadline, policy } = course;
        // It may have been kept since it was looked for, by the execution before this one.
        if let Some(output) = cache.get(key, *ttl).await {
            return Landed { result: Ok(output), facts: CallFacts::kept(key.revision) };
        }
        let mut facts = CallFacts::default();
        let result = self.in_turn(route, execute, *deadline, policy, &mut facts).await;
        if let Ok(output) = &result {
            // What another revision answered, which took the module's place meanwhile, is that one's.
            cache.keep(&Key { revision: facts.revision, ..key.clone() }, output, *ttl).await;
        }
        Landed { result, facts }
    }
}

impl Flight {
    /// Whether a call with that deadline and that policy may do better than this execution.
    fn is_outdone_by(&self, deadline: Instant, policy: &Policy) -> bool {
        deadline > self.course.deadline || *policy != self.course.policy
    }
}

impl CallFacts {
    /// Of a call that another one answered.
    fn kept(revision: u64) -> Self {
        Self { revision, cached: true, ..Self::default() }
    }
}
