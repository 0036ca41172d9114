//! When to look at which session. Says when to look, not whether it is over: a lease that was renewed is found renewed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use protocol::SessionId;

/// A queue with at least one entry for each live session, not later than the session's own deadline. A renewal touches
/// nothing here; the entry that it leaves behind moves when it comes up.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Instant, SessionId)>>);

impl Deadlines {
    /// Has the session looked at, at this time.
    pub(super) fn add(&mut self, at: Instant, session: SessionId) {
        self.0.push(Reverse((at, session)));
    }

    /// Takes out the next session to look at, when its time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<SessionId> {
        let Reverse((at, session)) = *self.0.peek()?;
        (at <= now).then(|| {
            self.0.pop();
            session
        })
    }

    /// The time of the next entry.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }
}
