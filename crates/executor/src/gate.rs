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
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::*;

    /// Takes a place, says its name and leaves.
    fn visit(
        gate: &Arc<Gate>,
        priority: i32,
        name: &'static str,
        says: &mpsc::UnboundedSender<&'static str>,
    ) -> JoinHandle<()> {
        let (gate, says) = (Arc::clone(gate), says.clone());
        tokio::spawn(async move {
            let _place = gate.take(priority).await;
            says.send(name).unwrap();
        })
    }

    async fn until_waiting(gate: &Gate, count: usize) {
        while gate.waiting() != count {
            tokio::task::yield_now().await;
        }
    }

    async fn heard(
        says: mpsc::UnboundedSender<&'static str>,
        mut hears: mpsc::UnboundedReceiver<&'static str>,
    ) -> Vec<&'static str> {
        drop(says);
        let mut names = Vec::new();
        while let Some(name) = hears.recv().await {
            names.push(name);
        }
        names
    }

    #[tokio::test(start_paused = true)]
    async fn the_greater_priority_goes_first_and_within_one_who_came_first() {
        let gate = Gate::new(1);
        let (says, hears) = mpsc::unbounded_channel();
        let held = gate.take(0).await;
        for (i, (priority, name)) in [(50, "a"), (0, "z"), (50, "b"), (100, "!"), (50, "c")].into_iter().enumerate() {
            visit(&gate, priority, name, &says);
            until_waiting(&gate, i + 1).await;
        }
        drop(held);
        assert_eq!(heard(says, hears).await, ["!", "a", "b", "c", "z"]);
        assert_eq!(gate.free.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_long_enough_goes_before_a_greater_priority() {
        let gate = Gate::new(1);
        let (says, hears) = mpsc::unbounded_channel();
        let held = gate.take(0).await;
        visit(&gate, 0, "patient", &says);
        until_waiting(&gate, 1).await;
        tokio::time::advance(100 * POINT + Duration::from_millis(1)).await;
        visit(&gate, 100, "urgent", &says);
        until_waiting(&gate, 2).await;
        drop(held);
        assert_eq!(heard(says, hears).await, ["patient", "urgent"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_who_comes_overtakes_those_who_wait() {
        let gate = Gate::new(1);
        let held = gate.take(0).await;
        let (says, _hears) = mpsc::unbounded_channel();
        let waits = visit(&gate, 0, "first", &says);
        until_waiting(&gate, 1).await;
        drop(held);
        // The place is spoken for, though it was not taken up yet.
        assert!(gate.try_take().is_none());
        waits.await.unwrap();
        assert!(gate.try_take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_leaves_its_place_to_the_next_also_after_the_grant() {
        let gate = Gate::new(1);
        let held = gate.take(0).await;
        let (says, hears) = mpsc::unbounded_channel();
        let leaves = visit(&gate, 100, "leaves", &says);
        until_waiting(&gate, 1).await;
        visit(&gate, 50, "stays", &says);
        until_waiting(&gate, 2).await;
        // Granted, and aborted before it could wake.
        drop(held);
        leaves.abort();
        assert_eq!(heard(says, hears).await, ["stays"]);
        assert_eq!((gate.free.load(Ordering::SeqCst), gate.waiting()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn all_places_are_given_behind_those_who_wait_and_before_those_to_come() {
        let gate = Gate::new(2);
        let (says, hears) = mpsc::unbounded_channel();
        let held = [gate.take(0).await, gate.take(0).await];
        visit(&gate, 0, "before", &says);
        until_waiting(&gate, 1).await;
        let all = tokio::spawn({
            let (gate, says) = (Arc::clone(&gate), says.clone());
            async move {
                let _all = gate.take_all().await;
                says.send("all").unwrap();
            }
        });
        until_waiting(&gate, 2).await;
        visit(&gate, 100, "after", &says);
        until_waiting(&gate, 3).await;
        drop(held);
        all.await.unwrap();
        assert_eq!(heard(says, hears).await, ["before", "all", "after"]);
    }

    #[test]
    fn no_place_is_lost_and_none_is_given_twice_whoever_meets() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
        runtime.block_on(async {
            let gate = Gate::new(3);
            let inside = Arc::new(AtomicU32::new(0));
            let visits: Vec<_> = (0..64)
                .map(|i| {
                    let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
                    tokio::spawn(async move {
                        for round in 0..300 {
                            let place = tokio::time::timeout(Duration::from_micros(round % 50), gate.take(i % 3)).await;
                            if place.is_ok() {
                                assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                                tokio::task::yield_now().await;
                                inside.fetch_sub(1, Ordering::SeqCst);
                            }
                        }
                    })
                })
                .collect();
            for visit in visits {
                visit.await.unwrap();
            }
            assert_eq!((gate.free.load(Ordering::SeqCst), gate.waiting()), (3, 0));
        });
    }
}
