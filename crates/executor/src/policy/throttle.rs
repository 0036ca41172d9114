//! So many calls in a time: those that come too early wait, by priority and arrival. Counts nothing and knows no module.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use protocol::{Error, codes};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::gate::{Turn, Turns};
use crate::policy::Rate;
use crate::policy::by_module::Remembers;

/// Longest time of a rate; a longer one counts as this.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Most calls that wait for one rate.
const MOST_WAITING: usize = 10_000;

/// Passes calls at a rate: a bucket of `count` that fills evenly, so that many may pass at once after a pause.
#[derive(Debug)]
pub(crate) struct Throttle {
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
    clock: SinceStart,
    quota: Quota,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    turns: Turns,
    /// Who waits; the first looks at the clock, the others wait to be the first.
    entries: BTreeMap<Turn, Arc<Notify>>,
    /// When a call passed last.
    last: Option<Instant>,
}

/// The clock of the runtime, which tests can pause.
#[derive(Debug, Clone, Copy)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Throttle {
    pub(crate) fn new(rate: Rate) -> Arc<Self> {
        let count = NonZeroU32::new(rate.count).unwrap_or(NonZeroU32::MIN);
        let each = (rate.per.min(LONGEST) / count.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).expect("the time is not nothing").allow_burst(count);
        let clock = SinceStart(Instant::now());
        Arc::new(Self { limiter: RateLimiter::direct_with_clock(quota, clock), clock, quota, queue: Mutex::default() })
    }

    /// Whether a call passes at once; then it counts.
    pub(crate) fn try_pass(&self) -> bool {
        let mut queue = self.queue();
        queue.entries.is_empty() && self.check(&mut queue).is_ok()
    }

    /// Waits for the call's turn, at the longest until the deadline.
    ///
    /// # Errors
    /// `executor.throttle.exceeded`, as soon as it is known that the turn comes too late.
    pub(crate) async fn pass(&self, priority: i32, deadline: Instant) -> Result<(), Error> {
        let place = self.enter(priority, deadline)?;
        loop {
            match self.look(place.turn) {
                Look::Passed => return Ok(()),
                Look::At(when) if when > deadline => return Err(self.exceeded(when.duration_since(Instant::now()))),
                Look::At(when) => {
                    // Woken early when one of greater priority came first and left again.
                    let _woken = tokio::time::timeout_at(when, place.notify.notified()).await.is_ok();
                }
                Look::NotFirst => {
                    if tokio::time::timeout_at(deadline, place.notify.notified()).await.is_err() {
                        return Err(self.exceeded(self.quota.replenish_interval()));
                    }
                }
            }
        }
    }

    fn enter(&self, priority: i32, deadline: Instant) -> Result<Place<'_>, Error> {
        let mut queue = self.queue();
        let turn = queue.turns.next(priority);
        let before = queue.entries.range(..turn).count();
        // Each of those before takes at least so long, but for the first, which may be about to pass.
        let least = self.quota.replenish_interval().saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        let too_late = Instant::now().checked_add(least).is_none_or(|earliest| earliest > deadline);
        if too_late || queue.entries.len() >= MOST_WAITING {
            drop(queue);
            return Err(self.exceeded(least));
        }
        let notify = Arc::<Notify>::default();
        queue.entries.insert(turn, Arc::clone(&notify));
        Ok(Place { throttle: self, turn, notify })
    }

    fn look(&self, turn: Turn) -> Look {
        let mut queue = self.queue();
        if queue.entries.first_key_value().is_none_or(|(first, _)| *first != turn) {
            return Look::NotFirst;
        }
        match self.check(&mut queue) {
            Ok(()) => Look::Passed,
            Err(when) => Look::At(when),
        }
    }

    fn check(&self, queue: &mut Queue) -> Result<(), Instant> {
        self.limiter.check().map_err(|until| self.clock.0 + until.earliest_possible())?;
        queue.last = Some(Instant::now());
        Ok(())
    }

    fn exceeded(&self, wait: Duration) -> Error {
        let (count, per) = (self.quota.burst_size(), self.quota.burst_size_replenished_in());
        let message = format!("{count} calls in {per:?} are taken, and the call's time is over before its turn");
        Error::of(codes::THROTTLE_EXCEEDED, message).retry_after(wait)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembers for Throttle {
    fn is_as_new(&self) -> bool {
        self.queue().last.is_none_or(|last| last.elapsed() >= self.quota.burst_size_replenished_in())
    }
}

enum Look {
    Passed,
    /// First, and not before then.
    At(Instant),
    NotFirst,
}

/// A place in the queue, left when it is dropped.
struct Place<'a> {
    throttle: &'a Throttle,
    turn: Turn,
    notify: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.throttle.queue();
        queue.entries.remove(&self.turn);
        if let Some((_, first)) = queue.entries.first_key_value() {
            first.notify_one();
        }
    }
}
