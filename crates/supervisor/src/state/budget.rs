//! How often a component may still be started again by policy, and when. Starts nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::{RestartMode, RestartPolicy};

/// Longest delay of a restart.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The restarts of the present window.
#[derive(Debug)]
pub(super) struct Budget {
    policy: RestartPolicy,
    restarts: VecDeque<Instant>,
}

/// What the policy says after a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Again, after so long.
    Again(Duration),
    /// Not again, because the mode is `never`.
    Never,
    /// Not again: so many were in the window.
    Exhausted(usize),
}

impl Budget {
    pub(super) fn new(policy: RestartPolicy) -> Self {
        Self { policy, restarts: VecDeque::new() }
    }

    /// What follows a failure now.
    pub(super) fn ask(&mut self, now: Instant) -> Verdict {
        if self.policy.mode == RestartMode::Never {
            return Verdict::Never;
        }
        let used = self.used(now);
        if used >= self.policy.max_restarts as usize {
            return Verdict::Exhausted(used);
        }
        let factor = 1_u32.checked_shl(u32::try_from(used).unwrap_or(u32::MAX)).unwrap_or(u32::MAX);
        Verdict::Again(Duration::from_millis(self.policy.delay_ms).saturating_mul(factor).min(LONGEST_DELAY))
    }

    /// Counts a restart that happens now.
    pub(super) fn count(&mut self, now: Instant) {
        self.restarts.push_back(now);
    }

    /// Restarts that the window counts now.
    pub(super) fn used(&mut self, now: Instant) -> usize {
        let window = Duration::from_secs(self.policy.window_sec);
        while self.restarts.front().is_some_and(|at| now.saturating_duration_since(*at) >= window) {
            self.restarts.pop_front();
        }
        self.restarts.len()
    }

    /// An operator begins anew.
    pub(super) fn reset(&mut self) {
        self.restarts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_the_window_and_end_at_thirty_seconds() {
        let policy = RestartPolicy { mode: RestartMode::OnFailure, max_restarts: 40, window_sec: 60, delay_ms: 200 };
        let mut budget = Budget::new(policy);
        let now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..40 {
            let Verdict::Again(delay) = budget.ask(now) else { panic!("the budget holds") };
            delays.push(delay.as_millis());
            budget.count(now);
        }
        assert_eq!(delays[..9], [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
        assert_eq!((delays[39], budget.ask(now)), (30_000, Verdict::Exhausted(40)));
        assert_eq!(budget.ask(now + Duration::from_secs(60)), Verdict::Again(Duration::from_millis(200)));
    }
}
