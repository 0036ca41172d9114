//! How long to wait before the next attempt: exponential, with full jitter. Does not wait itself.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(5);
/// Jitter may draw almost nothing; a loop of attempts must still let the machine breathe.
const LEAST: Duration = Duration::from_millis(20);

/// The waits of one series of attempts.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: between 20 ms and 100 ms, 200 ms, … 5 s, and never less than the host asked for, up to 5 s: a host that names the end of
    /// a lease says when an attempt succeeds at the latest.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let ceiling = FIRST.saturating_mul(2u32.saturating_pow(self.failures)).min(MOST);
        self.failures = self.failures.saturating_add(1);
        let drawn = ceiling.mul_f64(fastrand::f64()).max(LEAST);
        drawn.max(asked.unwrap_or_default().min(MOST))
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_ceiling_and_start_again_after_a_success() {
        let mut backoff = Backoff::default();
        for attempt in 0..40 {
            let wait = backoff.next(None);
            let ceiling = FIRST * 2u32.pow(attempt.min(10));
            assert!(wait >= LEAST && wait <= ceiling.min(MOST), "attempt {attempt} waits {wait:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }

    #[test]
    fn a_wait_is_never_shorter_than_the_host_asked_for() {
        assert!(Backoff::default().next(Some(Duration::from_secs(3))) >= Duration::from_secs(3));
        assert_eq!(Backoff::default().next(Some(Duration::from_secs(30))), MOST);
    }
}
