//! One provider that takes calls: its transport, and how many calls it may have. Does not choose among providers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use protocol::frame::{Answer, Execute};
use protocol::unary::{UnaryClient, UnaryOutcome};
use protocol::{DataPlane, Error, SessionId, codes};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connection::calls::counted;
use crate::connection::{BatchAnswer, Connection, NotSent, Outcome, deadline_exceeded, just_left, lost};
use crate::gate::{Gate, Permit};
use crate::health::{Health, Trial, Verdict};
use crate::inside::Inside;
use crate::metrics::Measured;
use crate::options::Options;
use crate::source::Source;

/// When to come back to a provider that has too much to do and ended no call yet.
const UNKNOWN_WAIT: Duration = Duration::from_millis(100);
/// The least and the most that anybody is told to wait.
const LEAST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Places of a target that has as many as are asked for.
const UNBOUNDED: usize = u32::MAX as usize;

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
    /// Inside this process.
    Host(Arc<dyn Inside>),
}

/// One session that takes calls.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) session: SessionId,
    pub(crate) plane: DataPlane,
    pub(crate) transport: Transport,
    /// Tells apart two transports of one session, one after the other.
    pub(crate) generation: u64,
    pub(crate) health: Arc<Health>,
    slots: Arc<Gate>,
    max_in_flight: usize,
    /// Set when the session is over. A connection tells its calls itself; those of the unary plane learn it here.
    over: watch::Sender<Option<Error>>,
    max_queued: usize,
    queued: AtomicUsize,
    load: Arc<Load>,
}

/// A call's place among those that a provider works on at once. Dropped, it is free for the next.
#[derive(Debug)]
pub(crate) struct Place {
    _slot: Permit,
    load: Loaded,
    since: Instant,
}

/// What became of one attempt.
#[derive(Debug)]
pub(crate) enum Attempt<T> {
    /// The provider answered.
    Answered(T),
    /// The deadline passed first.
    Late,
    /// Nothing reached the provider: another one may be tried whatever the module is.
    NotSent(Error),
    /// The provider went away while it had the call.
    Lost(Error),
    /// The provider broke this call off, and is still there.
    BrokenOff(Error),
}

#[cfg(test)]
impl Place {
    /// A place at no provider.
    pub(crate) fn outside(slot: Permit) -> Self {
        Self::new(slot, Loaded::enter(&Arc::default()))
    }
}

impl Target {
    pub(crate) fn new(
        session: SessionId,
        plane: DataPlane,
        transport: Transport,
        generation: u64,
        health: Arc<Health>,
        options: &Options,
    ) -> Self {
        let Options { in_flight_per_provider, queued_per_provider: max_queued, .. } = *options;
        // Calls inside the host may need others of the same target: who has a place would wait for a place.
        let max_in_flight = if plane == DataPlane::Host { UNBOUNDED } else { in_flight_per_provider };
        Self {
            session,
            plane,
            transport,
            generation,
            health,
            slots: Gate::new(max_in_flight),
            max_in_flight,
            over: watch::Sender::new(None),
            max_queued,
            queued: AtomicUsize::new(0),
            load: Arc::default(),
        }
    }

    /// Calls that run or wait here; a moment's view.
    pub(crate) fn load(&self) -> usize {
        self.load.calls.load(Ordering::Relaxed)
    }

    /// A place for one call, at the longest until the deadline. Of those who wait, the greater priority goes first.
    ///
    /// # Errors
    /// `executor.overloaded` when the queue is full, `executor.deadline.exceeded` when the time ends in it.
    pub(crate) async fn place(&self, deadline: Instant, priority: i32, measured: &Measured) -> Result<Place, Error> {
        let load = Loaded::enter(&self.load);
        if let Some(slot) = self.slots.try_take() {
            return Ok(Place::new(slot, load));
        }
        let waits = Counted::enter(&self.queued);
        if waits.before >= self.max_queued {
            let message = format!("{} calls wait for this provider already", self.max_queued);
            return Err(Error::of(codes::OVERLOADED, message).retry_after(self.time_of_queue()));
        }
        let _counted = measured.waits();
        match tokio::time::timeout_at(deadline, self.slots.take(priority)).await {
            Ok(slot) => Ok(Place::new(slot, load)),
            Err(_) => Err(deadline_exceeded()),
        }
    }

    /// How long the calls that may wait here take, going by those of late.
    fn time_of_queue(&self) -> Duration {
        let each = self.load.occupied_us.load(Ordering::Relaxed);
        if each == 0 {
            return UNKNOWN_WAIT;
        }
        let rounds = (self.max_queued + 1).div_ceil(self.max_in_flight.max(1));
        Duration::from_micros(each.saturating_mul(rounds as u64)).clamp(LEAST_WAIT, LONGEST_WAIT)
    }

    /// Takes into account how an attempt went.
    pub(crate) fn judge(&self, verdict: Verdict, trial: Option<Trial>) {
        if self.plane == DataPlane::Host {
            // The host is well as long as it runs.
            return;
        }
        let answers_pings = self.plane != DataPlane::Unary;
        match trial {
            Some(trial) => trial.judge(verdict, answers_pings),
            None => self.health.judge(verdict, answers_pings),
        }
    }

    /// Sends one call and waits for its answer, at the longest until the deadline.
    pub(crate) async fn call(&self, execute: Execute, deadline: Instant) -> Attempt<Answer> {
        match &self.transport {
            Transport::Connection(connection) => connection.call(execute, deadline).await.into(),
            Transport::Unary { client, .. } => self.unary(deadline, client.execute(execute)).await,
            Transport::Host(inside) => inside_of(&**inside, execute, deadline).await,
        }
    }

    /// Sends several calls that are answered together; an answer for each, or what failed them all.
    pub(crate) async fn batch(&self, calls: Vec<Execute>, deadline: Instant) -> Attempt<BatchAnswer> {
        match &self.transport {
            Transport::Connection(connection) => connection.batch(calls, deadline).await.into(),
            Transport::Unary { client, .. } => {
                let sent = calls.len();
                match self.unary(deadline, client.execute_batch(calls)).await {
                    Attempt::Answered(Ok(answers)) => Attempt::Answered(counted(sent, answers)),
                    attempt => attempt,
                }
            }
            Transport::Host(inside) => {
                let all = calls.into_iter().map(|call| inside.call(call, deadline));
                let all = tokio::time::timeout_at(deadline, futures::future::join_all(all)).await;
                all.map_or(Attempt::Late, |answers| Attempt::Answered(Ok(answers)))
            }
        }
    }

    /// Starts a stream, which keeps the place until it is over at the provider.
    pub(crate) async fn stream(&self, execute: Execute, place: Place, deadline: Instant) -> Attempt<Source> {
        match &self.transport {
            Transport::Connection(connection) => match connection.stream(execute, place, deadline).await {
                Ok(Some(incoming)) => Attempt::Answered(Source::from(incoming)),
                Ok(None) => Attempt::Late,
                Err(NotSent) => Attempt::NotSent(just_left()),
            },
            Transport::Unary { client, .. } => {
                let client = UnaryClient::clone(client);
                Attempt::Answered(Source::unary(client, execute, place, self.over.subscribe(), deadline))
            }
            // Checked before: none of these modules gives a stream.
            Transport::Host(_) => Attempt::NotSent(just_left()),
        }
    }

    async fn unary<T>(&self, deadline: Instant, request: impl Future<Output = UnaryOutcome<T>>) -> Attempt<T> {
        let mut over = self.over.subscribe();
        if over.borrow().is_some() {
            return Attempt::NotSent(just_left());
        }
        tokio::select! {
            outcome = tokio::time::timeout_at(deadline, request) => outcome.map_or(Attempt::Late, Attempt::from),
            error = ended(&mut over) => Attempt::Lost(error),
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
        // What still runs after that is failed by who asked.
        let _late = tokio::time::timeout(grace, self.slots.take_all()).await.is_err();
    }
}

/// One call inside this process.
async fn inside_of(inside: &dyn Inside, execute: Execute, deadline: Instant) -> Attempt<Answer> {
    let answer = tokio::time::timeout_at(deadline, inside.call(execute, deadline)).await;
    answer.map_or(Attempt::Late, Attempt::Answered)
}

/// Waits until a session is over, and says why.
pub(crate) async fn ended(over: &mut watch::Receiver<Option<Error>>) -> Error {
    let unsaid = || lost("the session of the provider is over");
    over.wait_for(Option::is_some).await.map_or_else(|_| unsaid(), |error| error.clone().unwrap_or_else(unsaid))
}

impl<T> From<Result<Outcome<T>, NotSent>> for Attempt<T> {
    fn from(outcome: Result<Outcome<T>, NotSent>) -> Self {
        match outcome {
            Ok(Outcome::Answered(answer)) => Self::Answered(answer),
            Ok(Outcome::Late) => Self::Late,
            Ok(Outcome::Lost(error)) => Self::Lost(error),
            Err(NotSent) => Self::NotSent(just_left()),
        }
    }
}

impl<T> From<UnaryOutcome<T>> for Attempt<T> {
    fn from(outcome: UnaryOutcome<T>) -> Self {
        match outcome {
            UnaryOutcome::Answered(answer) => Self::Answered(answer),
            UnaryOutcome::Late => Self::Late,
            UnaryOutcome::Unreachable(error) => Self::NotSent(error),
            UnaryOutcome::Lost(error) => Self::Lost(error),
            UnaryOutcome::BrokenOff(error) => Self::BrokenOff(error),
        }
    }
}

/// What the calls of one provider are to it now and were of late; on its own, since a stream outlives the call that started it.
#[derive(Debug, Default)]
struct Load {
    /// Calls that run or wait.
    calls: AtomicUsize,
    /// How long a call occupies its place: a mean that forgets, in microseconds; 0 before the first.
    occupied_us: AtomicU64,
}

/// Counts a call in for as long as it lives.
#[derive(Debug)]
struct Loaded(Arc<Load>);

impl Loaded {
    fn enter(load: &Arc<Load>) -> Self {
        load.calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    fn new(slot: Permit, load: Loaded) -> Self {
        Self { _slot: slot, load, since: Instant::now() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let took = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        let mean = &self.load.0.occupied_us;
        let before = mean.load(Ordering::Relaxed);
        // Of two that end together one may be forgotten, which does no harm.
        mean.store(if before == 0 { took } else { before - before / 8 + took / 8 }, Ordering::Relaxed);
    }
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
