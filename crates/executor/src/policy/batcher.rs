//! Calls of one module that travel together: at once while nothing is under way, else what gathers meanwhile. Whoever waits
//! drives the batch, which ends when all have left. Does not know what the calls are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use protocol::Error;
use protocol::frame::{Answer, Execute};
use registry::Route;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::batch::{ENVELOPE, Part};
use crate::check;
use crate::connection::deadline_exceeded;
use crate::gate::{Turn, Turns};
use crate::handle::Handle;
use crate::policy::by_module::Remembers;
use crate::policy::retry::Watched;
use crate::policy::{BatchPolicy, CallFacts, Policy};

/// Calls with the same of this, and of one module, may travel together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BatchKey {
    revision: u64,
    batch: BatchPolicy,
    timeout: Option<Duration>,
}

/// Where the calls of one key gather.
pub(crate) struct Batcher {
    key: BatchKey,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    turns: Turns,
    entries: BTreeMap<Turn, Element>,
    /// Batches that are under way.
    under_way: usize,
}

/// A call that waits to be sent.
struct Element {
    route: Arc<Route>,
    execute: Execute,
    deadline: Instant,
    priority: i32,
    seat: oneshot::Sender<Seat>,
}

/// The calls of one batch, from when they are taken out of the queue.
type Load = (Vec<Element>, UnderWay);

/// A batch on its way.
type Ride = Shared<BoxFuture<'static, Arc<Arrived>>>;

/// A call's place in a batch.
struct Seat {
    ride: Ride,
    number: usize,
}

/// What a batch came to.
struct Arrived {
    answers: Result<Vec<Answer>, Error>,
    facts: CallFacts,
}

impl Handle {
    /// Makes one attempt of a call, in a batch with others.
    pub(super) async fn together(
        &self,
        route: &Arc<Route>,
        execute: &Execute,
        deadline: Instant,
        policy: &Policy,
        batch: BatchPolicy,
        facts: &mut CallFacts,
    ) -> Result<Bytes, Error> {
        let key = BatchKey { revision: route.revision, batch, timeout: policy.timeout };
        let batcher = self.policies.batchers.get(route.name.as_str(), key, || Batcher::new(key));
        let made = u32::try_from(facts.attempts.len()).unwrap_or(u32::MAX);
        let (seat, seated) = oneshot::channel();
        let element = Element {
            route: Arc::clone(route),
            execute: Execute { attempt: made, ..execute.clone() },
            deadline,
            priority: policy.priority,
            seat,
        };
        let began = Instant::now();
        let seat = batcher.seat(self, element, seated).await;
        let Some(Seat { ride, number }) = seat else {
            facts.queued += began.elapsed();
            return Err(deadline_exceeded());
        };
        let Ok(arrived) = tokio::time::timeout_at(deadline, ride).await else { return Err(deadline_exceeded()) };
        let sent = arrived.facts.attempts.first().map_or_else(|| Instant::now().into_std(), |first| first.started);
        facts.queued += sent.saturating_duration_since(began.into_std());
        facts.attempts.extend_from_slice(&arrived.facts.attempts);
        facts.revision = arrived.facts.revision;
        let answers = arrived.answers.as_ref().map_err(Error::clone)?;
        check::output(route, answers[number].result.clone()?)
    }

    /// Sends a batch and waits for what comes of it.
    async fn carry(&self, elements: Vec<Element>, timeout: Option<Duration>) -> Arrived {
        let last = elements.iter().map(|element| element.deadline).max();
        let most = elements.iter().map(|element| element.priority).max();
        // Any of them does: they are of one revision. The one that came last knows the latest endpoints.
        let (Some(deadline), Some(priority), Some(Element { route, .. })) = (last, most, elements.last()) else {
            return Arrived { answers: Ok(Vec::new()), facts: CallFacts::default() };
        };
        let route = Arc::clone(route);
        self.metrics.policies_of(&route, &self.registry).batch(elements.len());
        let id = elements[0].execute.execution_id;
        // To its provider a batch is of one execution, whoever the calls are of.
        let calls = elements.into_iter().map(|element| Execute { execution_id: id, ..element.execute });
        let part = Part(calls.collect());
        let mut facts = CallFacts::default();
        let mut measured = self.metrics.begin(&route, &self.registry);
        let mut watched = Watched::new(&mut facts, priority, timeout, deadline);
        let result = self.serve(&route, &part, deadline, &mut measured, &mut watched).await;
        let answers = match result {
            Ok(served) => {
                facts.revision = served.revision;
                served.output
            }
            Err(error) => Err(error),
        };
        measured.end(&answers);
        Arrived { answers, facts }
    }
}

impl Batcher {
    fn new(key: BatchKey) -> Arc<Self> {
        Arc::new(Self { key, queue: Mutex::default() })
    }

    fn size(&self) -> usize {
        usize::try_from(self.key.batch.size).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until the call is sent; `None` when its deadline passed before.
    async fn seat(
        self: &Arc<Self>,
        handle: &Handle,
        element: Element,
        mut seated: oneshot::Receiver<Seat>,
    ) -> Option<Seat> {
        let (deadline, full_at) = (element.deadline, Instant::now().checked_add(self.key.batch.wait));
        let mut full = Vec::new();
        let waits = {
            let mut queue = self.queue();
            let turn = queue.turns.next(element.priority);
            queue.entries.insert(turn, element);
            if queue.entries.len() >= self.size() {
                full.extend(self.load(&mut queue, handle));
            }
            Waits { batcher: self, turn }
        };
        self.send_all(handle, full);
        // Those that come in the same wake are to come along.
        tokio::task::yield_now().await;
        self.send_until(handle, waits.turn, |queue| queue.under_way == 0 || self.key.batch.wait.is_zero());
        let gathered = full_at.map_or(deadline, |full_at| full_at.min(deadline));
        if let Ok(seat) = tokio::time::timeout_at(gathered, &mut seated).await {
            return seat.ok();
        }
        if Instant::now() >= deadline {
            return None;
        }
        self.send_until(handle, waits.turn, |_| true);
        seated.await.ok()
    }

    /// Sends batches until the call of that turn is in one, if `now` says so.
    fn send_until(self: &Arc<Self>, handle: &Handle, turn: Turn, now: impl FnOnce(&Queue) -> bool) {
        let mut loads = Vec::new();
        {
            let mut queue = self.queue();
            if now(&queue) {
                while queue.entries.contains_key(&turn) {
                    loads.extend(self.load(&mut queue, handle));
                }
            }
        }
        self.send_all(handle, loads);
    }

    /// Takes the calls of one batch out of the queue: in turn, as many as fit. From now on it is under way.
    fn load(self: &Arc<Self>, queue: &mut Queue, handle: &Handle) -> Option<Load> {
        let mut elements: Vec<Element> = Vec::new();
        let mut bytes = ENVELOPE;
        while elements.len() < self.size()
            && let Some(first) = queue.entries.first_entry()
        {
            bytes += first.get().execute.size_bound();
            if !elements.is_empty() && bytes > handle.options.message_bytes {
                break;
            }
            elements.push(first.remove());
        }
        if elements.is_empty() {
            return None;
        }
        queue.under_way += 1;
        Some((elements, UnderWay { batcher: Arc::clone(self), handle: handle.clone() }))
    }

    /// Sends batches in their order, before any of their calls wakes.
    fn send_all(&self, handle: &Handle, loads: Vec<Load>) {
        for load in loads {
            let _not_yet = self.seat_all(handle, load).now_or_never();
        }
    }

    /// Gives the calls of a batch their seats; whoever of them wakes first drives it. Not under the lock: a batch that nobody waits
    /// for is over at once, and then locks.
    fn seat_all(&self, handle: &Handle, (mut elements, under_way): Load) -> Ride {
        let timeout = self.key.timeout;
        let seats: Vec<_> =
            elements.iter_mut().map(|element| std::mem::replace(&mut element.seat, oneshot::channel().0)).collect();
        let handle = handle.clone();
        let ride = async move {
            let arrived = handle.carry(elements, timeout).await;
            drop(under_way);
            Arc::new(arrived)
        };
        let ride = ride.boxed().shared();
        for (number, seat) in seats.into_iter().enumerate() {
            // Who left meanwhile is answered by nobody.
            let _left = seat.send(Seat { ride: ride.clone(), number }).is_err();
        }
        ride
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembers for Batcher {
    /// Whose calls gather or are under way holds it.
    fn is_as_new(&self) -> bool {
        true
    }
}

/// A call that waits to be sent, or was; dropped, it is not sent any more.
struct Waits<'a> {
    batcher: &'a Batcher,
    turn: Turn,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let left = self.batcher.queue().entries.remove(&self.turn);
        drop(left);
    }
}

/// A batch that is under way. Dropped when it is over, it sends what has gathered.
struct UnderWay {
    batcher: Arc<Batcher>,
    handle: Handle,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let gathered = {
            let mut queue = self.batcher.queue();
            queue.under_way -= 1;
            if queue.under_way == 0 { self.batcher.load(&mut queue, &self.handle) } else { None }
        };
        if let Some(load) = gathered {
            drop(self.batcher.seat_all(&self.handle, load));
        }
    }
}
