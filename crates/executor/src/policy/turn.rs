//! The turn of a call: its place among so many at once, then the rate of its module. A turn is for all attempts of a call.

use std::time::Duration;

use protocol::{Error, codes};
use registry::Route;
use tokio::time::Instant;

use crate::connection::deadline_exceeded;
use crate::gate::{Gate, Permit};
use crate::handle::Handle;
use crate::policy::by_module::Remembers;
use crate::policy::throttle::Throttle;
use crate::policy::{CallFacts, Policy, Rate};

/// Most calls that wait for the places of one number.
const MOST_WAITING: usize = 10_000;

impl Handle {
    /// Waits for the turn of a call, at the longest until the deadline. The place comes first, so that a call which passed the rate
    /// is made at once.
    pub(super) async fn turn(
        &self,
        route: &Route,
        deadline: Instant,
        policy: &Policy,
        facts: &mut CallFacts,
    ) -> Result<Option<Permit>, Error> {
        let place = match policy.concurrency {
            Some(limit) => Some(self.one_of(route, limit.max(1), deadline, policy.priority, facts).await?),
            None => None,
        };
        if let Some(rate) = policy.throttle {
            self.at(route, rate, deadline, policy.priority, facts).await?;
        }
        Ok(place)
    }

    async fn one_of(
        &self,
        route: &Route,
        limit: u32,
        deadline: Instant,
        priority: i32,
        facts: &mut CallFacts,
    ) -> Result<Permit, Error> {
        let places = usize::try_from(limit).unwrap_or(usize::MAX);
        let gate = self.policies.limits.get(route.name.as_str(), limit, || Gate::new(places));
        if let Some(place) = gate.try_take() {
            return Ok(place);
        }
        if gate.waiting() >= MOST_WAITING {
            let message = format!("{MOST_WAITING} calls wait for one of {limit} places already");
            return Err(Error::of(codes::OVERLOADED, message).retry_after(Duration::from_millis(100)));
        }
        self.metrics.policies_of(route, &self.registry).limited();
        let began = Instant::now();
        let place = tokio::time::timeout_at(deadline, gate.take(priority)).await;
        facts.queued += began.elapsed();
        place.map_err(|_| deadline_exceeded())
    }

    async fn at(
        &self,
        route: &Route,
        rate: Rate,
        deadline: Instant,
        priority: i32,
        facts: &mut CallFacts,
    ) -> Result<(), Error> {
        let throttle = self.policies.throttles.get(route.name.as_str(), rate, || Throttle::new(rate));
        if throttle.try_pass() {
            return Ok(());
        }
        let counted = self.metrics.policies_of(route, &self.registry);
        counted.throttled();
        let began = Instant::now();
        let passed = throttle.pass(priority, deadline).await;
        facts.queued += began.elapsed();
        if passed.is_err() {
            counted.throttle_exceeded();
        }
        passed
    }
}

impl Remembers for Gate {
    /// Who has a place, or waits for one, holds the gate.
    fn is_as_new(&self) -> bool {
        true
    }
}
