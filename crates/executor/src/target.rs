//! One provider that takes calls: its transport, and how many calls it may have. Does not choose among providers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use protocol::frame::{Answer, Execute};
use protocol::unary::{UnaryClient, UnaryOutcome};
use protocol::{DataPlane, Error, SessionId, codes};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use crate::connection::{Connection, NotSent, Outcome, deadline_exceeded, lost};
use crate::metrics::Measured;

/// How calls travel to one session.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Attach or link.
    Connection(Connection),
    /// gRPC to a `service_url`.
    Unary {
        client: Box<UnaryClient>,
        /// Whether the provider serves `ModuleLifecycle` there.
        lifecycle: bool,
    },
}

/// One session that takes calls.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) session: SessionId,
    pub(crate) plane: DataPlane,
    pub(crate) transport: Transport,
    /// Tells apart two transports of one session, one after the other.
    pub(crate) generation: u64,
    slots: Semaphore,
    max_in_flight: usize,
    /// Set when the session is over. A connection tells its calls itself; those of the unary plane learn it here.
    over: watch::Sender<Option<Error>>,
    max_queued: usize,
    queued: AtomicUsize,
    /// Calls that run or wait.
    load: AtomicUsize,
}

/// What became of one attempt.
pub(crate) enum Attempt {
    /// The provider, or the deadline, answered.
    Answered(Answer),
    /// Nothing reached the provider: another one may be tried whatever the module is.
    NotSent(Error),
    /// The provider went away while it had the call.
    Lost(Error),
    /// The provider broke this call off, and is still there.
    BrokenOff(Error),
}

impl Target {
    pub(crate) fn new(
        session: SessionId,
        plane: DataPlane,
        transport: Transport,
        generation: u64,
        max_in_flight: usize,
        max_queued: usize,
    ) -> Self {
        Self {
            session,
            plane,
            transport,
            generation,
            slots: Semaphore::new(max_in_flight),
            max_in_flight,
            over: watch::Sender::new(None),
            max_queued,
            queued: AtomicUsize::new(0),
            load: AtomicUsize::new(0),
        }
    }

    /// Calls that run or wait here; a moment's view.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Runs one attempt within the deadline and the bounds of this provider.
    ///
    /// # Errors
    /// `executor.overloaded` when the queue is full, `executor.deadline.exceeded` when the time ends in it.
    pub(crate) async fn attempt(
        &self,
        mut execute: Execute,
        deadline: Instant,
        measured: &Measured,
    ) -> Result<Attempt, Error> {
        let _counted = Counted::enter(&self.load);
        let _slot = self.slot(deadline, measured).await?;
        let now = Instant::now();
        if now >= deadline {
            return Err(deadline_exceeded());
        }
        execute.timeout = deadline - now;
        match &self.transport {
            Transport::Connection(connection) => Ok(match connection.call(execute, deadline).await {
                Ok(Outcome::Answered(answer)) => Attempt::Answered(answer),
                Ok(Outcome::Lost(error)) => Attempt::Lost(error),
                Err(NotSent) => Attempt::NotSent(unavailable("the provider has just left")),
            }),
            Transport::Unary { client, .. } => {
                let mut over = self.over.subscribe();
                if over.borrow().is_some() {
                    return Ok(Attempt::NotSent(unavailable("the provider has just left")));
                }
                tokio::select! {
                    outcome = tokio::time::timeout_at(deadline, client.execute(execute)) => match outcome {
                        Ok(UnaryOutcome::Answered(answer)) => Ok(Attempt::Answered(answer)),
                        Ok(UnaryOutcome::Unreachable(error)) => Ok(Attempt::NotSent(error)),
                        Ok(UnaryOutcome::Lost(error)) => Ok(Attempt::Lost(error)),
                        Ok(UnaryOutcome::BrokenOff(error)) => Ok(Attempt::BrokenOff(error)),
                        Err(_) => Err(deadline_exceeded()),
                    },
                    Ok(error) = over.wait_for(Option::is_some) => {
                        let error = error.clone().unwrap_or_else(|| lost("the session of the provider is over"));
                        Ok(Attempt::Lost(error))
                    }
                }
            }
        }
    }

    /// Fails the calls that run on the unary plane; those that wait find nobody.
    pub(crate) fn fail(&self, error: Error) {
        self.over.send_if_modified(|over| {
            let first = over.is_none();
            over.get_or_insert(error);
            first
        });
    }

    /// Waits until nothing runs, at the longest for `grace`; calls that come meanwhile wait.
    pub(crate) async fn idle(&self, grace: Duration) {
        let all = u32::try_from(self.max_in_flight).unwrap_or(u32::MAX);
        // What still runs after that is failed by who asked.
        let _late = tokio::time::timeout(grace, self.slots.acquire_many(all)).await.is_err();
    }

    async fn slot(&self, deadline: Instant, measured: &Measured) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(permit) = self.slots.try_acquire() {
            return Ok(permit);
        }
        let waits = Counted::enter(&self.queued);
        if waits.before >= self.max_queued {
            let message = format!("{} calls wait for this provider already", self.max_queued);
            return Err(Error::of(codes::OVERLOADED, message).retry_after(Duration::from_millis(100)));
        }
        let _counted = measured.waits();
        match tokio::time::timeout_at(deadline, self.slots.acquire()).await {
            Ok(permit) => Ok(permit.expect("the semaphore of a target is never closed")),
            Err(_) => Err(deadline_exceeded()),
        }
    }
}

/// Nobody takes the call now; nothing of it was sent.
pub(crate) fn unavailable(message: impl Into<String>) -> Error {
    Error::of(codes::PROVIDER_UNAVAILABLE, message).retry_after(Duration::from_millis(200))
}

/// Counts itself in for as long as it lives.
struct Counted<'a> {
    counter: &'a AtomicUsize,
    before: usize,
}

impl<'a> Counted<'a> {
    fn enter(counter: &'a AtomicUsize) -> Self {
        Self { counter, before: counter.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}
