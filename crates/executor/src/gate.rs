//! Places that are given by priority, first come first served within one. Knows no deadlines: who waits no longer drops the wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// So much longer waiting is worth one point of priority, so that nobody waits for ever: a call of priority 100 overtakes those of
/// priority 0 that came up to 10 s before it.
const POINT: Duration = Duration::from_millis(100);

/// When somebody who waits gets a turn: in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    round: u64,
    order: i64,
    number: u64,
}

/// Gives turns: by priority and arrival. Cheap; one per queue.
#[derive(Debug)]
pub(crate) struct Turns {
    epoch: Instant,
    round: u64,
    number: u64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { epoch: Instant::now(), round: 0, number: 0 }
    }
}

impl Turns {
    pub(crate) fn next(&mut self, priority: i32) -> Turn {
        self.number += 1;
        let arrived = i64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let worth = i64::from(priority).saturating_mul(i64::try_from(POINT.as_nanos()).unwrap_or(i64::MAX));
        Turn { round: self.round, order: arrived.saturating_sub(worth), number: self.number }
    }

    /// A turn behind everybody who waits and before everybody who is still to come.
    fn last(&mut self) -> Turn {
        self.round += 1;
        let turn = self.next(0);
        self.round += 1;
        turn
    }
}

/// So many places. Taking and leaving one costs a few atomic operations while nobody waits.
#[derive(Debug)]
pub(crate) struct Gate {
    places: usize,
    free: AtomicUsize,
    /// How many wait. Changes under the lock alone.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    turns: Turns,
    entries: BTreeMap<Turn, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    wants: usize,
    granted: oneshot::Sender<()>,
}

/// Some places of a gate. Dropped, they are free for the next.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    places: usize,
}

impl Gate {
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, free: places.into(), waiting: 0.into(), queue: Mutex::default() })
    }

    /// How many wait; a moment's view.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place at once, where one is free and nobody waits.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Permit> {
        let free = self.waiting.load(Ordering::SeqCst) == 0 && self.subtract(1);
        free.then(|| Permit { gate: Arc::clone(self), places: 1 })
    }

    /// A place, in turn.
    pub(crate) async fn take(self: &Arc<Self>, priority: i32) -> Permit {
        match self.try_take() {
            Some(permit) => permit,
            None => self.wait(1, |turns| turns.next(priority)).await,
        }
    }

    /// All places, once those who wait now had theirs; who comes later waits for this one too.
    pub(crate) async fn take_all(self: &Arc<Self>) -> Permit {
        self.wait(self.places, Turns::last).await
    }

    async fn wait(self: &Arc<Self>, wants: usize, turn: impl FnOnce(&mut Turns) -> Turn) -> Permit {
        let mut waiting = {
            let mut queue = self.queue();
            let (granted, grant) = oneshot::channel();
            let turn = turn(&mut queue.turns);
            queue.entries.insert(turn, Waiter { wants, granted });
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // Whoever left a place before it could see that somebody waits.
            self.serve(&mut queue);
            Waiting { gate: self, turn, wants, grant, done: false }
        };
        (&mut waiting.grant).await.expect("a gate drops a waiter only after its grant");
        waiting.done = true;
        Permit { gate: Arc::clone(self), places: wants }
    }

    fn subtract(&self, wants: usize) -> bool {
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(wants)).is_ok()
    }

    /// Gives free places to those whose turn it is.
    fn serve(&self, queue: &mut Queue) {
        while let Some(first) = queue.entries.first_entry()
            && self.subtract(first.get().wants)
        {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            // Who waits keeps its end until it has taken itself out of the queue.
            let _there = first.remove().granted.send(());
        }
    }

    fn leave(&self, places: usize) {
        self.free.fetch_add(places, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.serve(&mut self.queue());
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.leave(self.places);
    }
}

/// One that waits. Dropped early, it leaves the queue, or what it has just been given.
struct Waiting<'a> {
    gate: &'a Gate,
    turn: Turn,
    wants: usize,
    grant: oneshot::Receiver<()>,
    done: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut queue = self.gate.queue();
        if queue.entries.remove(&self.turn).is_some() {
            self.gate.waiting.fetch_sub(1, Ordering::SeqCst);
            // It may have been the one that wanted more than there was.
            self.gate.serve(&mut queue);
        } else {
            drop(queue);
            self.gate.leave(self.wants);
        }
    }
}

#[cfg(test)]
mod tests;
