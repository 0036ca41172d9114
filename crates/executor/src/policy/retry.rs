//! One call by as many attempts as its policy allows. Which provider each goes to, and whether it goes on to another, is the
//! business of `attempts`: all of that is one attempt here.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::frame::Execute;
use protocol::{Error, codes};
use registry::Route;
use tokio::time::Instant;

use crate::attempts::Watch;
use crate::check;
use crate::connection::deadline_exceeded;
use crate::handle::Handle;
use crate::policy::{AttemptFacts, CallFacts, Policy};
use crate::target::Target;

impl Handle {
    /// Makes attempts until one succeeds, fails for good, or none is left. A delay that would last beyond the deadline is not
    /// begun.
    pub(super) async fn with_retries(
        &self,
        route: &Arc<Route>,
        execute: &Execute,
        deadline: Instant,
        policy: &Policy,
        facts: &mut CallFacts,
    ) -> Result<Bytes, Error> {
        let mut retry = 0;
        loop {
            let error = match self.once(route, execute, deadline, policy, facts).await {
                Err(error) if retry < policy.retry && may_pass(&error) => error,
                end => return end,
            };
            let told = Duration::from_millis(error.retry_after_ms().into());
            let wait = policy.backoff.wait(policy.delay, retry, self.random()).max(told);
            if Instant::now().checked_add(wait).is_none_or(|next| next >= deadline) {
                return Err(error);
            }
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            retry += 1;
            self.metrics.policies_of(route, &self.registry).retried();
        }
    }

    async fn once(
        &self,
        route: &Arc<Route>,
        execute: &Execute,
        deadline: Instant,
        policy: &Policy,
        facts: &mut CallFacts,
    ) -> Result<Bytes, Error> {
        let (began, before) = (Instant::now(), facts.attempts.len());
        let result = match policy.batch {
            Some(batch) if route.spec.capabilities.batch => {
                self.together(route, execute, deadline, policy, batch, facts).await
            }
            _ => self.alone(route, execute, deadline, policy, facts).await,
        };
        if facts.attempts.len() == before {
            facts.attempts.push(AttemptFacts::of_nobody(began));
        }
        facts.end_attempt(result.as_ref().err());
        result
    }

    async fn alone(
        &self,
        route: &Route,
        execute: &Execute,
        deadline: Instant,
        policy: &Policy,
        facts: &mut CallFacts,
    ) -> Result<Bytes, Error> {
        let mut measured = self.metrics.begin(route, &self.registry);
        let mut watched = Watched::new(facts, policy.priority, policy.timeout, deadline);
        let result = match self.serve(route, execute, deadline, &mut measured, &mut watched).await {
            Ok(served) => {
                facts.revision = served.revision;
                served.output.result.and_then(|output| check::output(route, output))
            }
            Err(error) => Err(error),
        };
        measured.end(&result);
        result
    }
}

/// Whether the same call may do better. A route that is out of date stays so, and so does a host that stops.
pub(super) fn may_pass(error: &Error) -> bool {
    error.retryable() && error.code() != codes::SCHEMA_CHANGED.name && error.code() != codes::HOST_STOPPING.name
}

/// Keeps account of the attempts of one call or batch.
pub(super) struct Watched<'a> {
    facts: &'a mut CallFacts,
    priority: i32,
    timeout: Option<Duration>,
    call_deadline: Instant,
    waits_since: Option<Instant>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(
        facts: &'a mut CallFacts,
        priority: i32,
        timeout: Option<Duration>,
        call_deadline: Instant,
    ) -> Self {
        Self { facts, priority, timeout, call_deadline, waits_since: None }
    }
}

impl Watch for Watched<'_> {
    fn priority(&self) -> i32 {
        self.priority
    }

    fn waits(&mut self) {
        self.waits_since = Some(Instant::now());
    }

    fn begins(&mut self, target: &Target, now: Instant, deadline: Instant) -> (u32, Instant) {
        self.facts.queued += self.waits_since.take().map_or(Duration::ZERO, |since| now - since);
        self.facts.attempts.push(AttemptFacts {
            session: Some(target.session),
            plane: Some(target.plane),
            started: now.into_std(),
            duration: Duration::ZERO,
            code: None,
        });
        let number = u32::try_from(self.facts.attempts.len()).unwrap_or(u32::MAX);
        let own = self.timeout.and_then(|timeout| now.checked_add(timeout));
        (number, own.map_or(deadline, |own| own.min(deadline)))
    }

    fn ended(&mut self, failure: Option<&Error>) {
        if let Some(attempt) = self.facts.attempts.last_mut() {
            attempt.duration = Instant::now().into_std() - attempt.started;
        }
        self.facts.end_attempt(failure);
    }

    fn late(&self) -> Error {
        match self.timeout {
            Some(timeout) if Instant::now() < self.call_deadline => {
                let message = format!("the module did not answer within the timeout of {timeout:?}");
                Error::of(codes::DEADLINE_EXCEEDED, message)
            }
            _ => deadline_exceeded(),
        }
    }
}

impl AttemptFacts {
    /// An attempt that reached nobody and is over now.
    fn of_nobody(began: Instant) -> Self {
        Self { session: None, plane: None, started: began.into_std(), duration: began.elapsed(), code: None }
    }
}

impl CallFacts {
    /// Notes how the last attempt failed, where that is not known yet.
    fn end_attempt(&mut self, failure: Option<&Error>) {
        if let (Some(attempt), Some(error)) = (self.attempts.last_mut(), failure) {
            attempt.code.get_or_insert_with(|| Cow::Owned(error.code().to_owned()));
        }
    }
}
