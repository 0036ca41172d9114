//! How long to wait before an attempt is made again. Waits for nothing itself.

use std::time::Duration;

/// How the time between attempts grows. What is waited lies between that time and a quarter more, so that calls which failed
/// together do not come back together, and never grows over 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Backoff {
    /// Always the same.
    #[default]
    Fixed,
    /// Once, twice, three times…
    Linear,
    /// Once, twice, four times…
    Exponential,
}

/// Nothing grows over this; a delay that is longer from the start stays as it is.
const MOST: Duration = Duration::from_secs(30);

impl Backoff {
    /// The time before extra attempt `retry`, counted from 0. `random` chooses within what the jitter allows.
    pub(crate) fn wait(self, delay: Duration, retry: u32, random: u64) -> Duration {
        let factor = match self {
            Self::Fixed => 1,
            Self::Linear => retry.saturating_add(1),
            Self::Exponential => 1_u32.checked_shl(retry).unwrap_or(u32::MAX),
        };
        let most = MOST.max(delay.saturating_add(delay / 4));
        let grown = delay.saturating_mul(factor).min(most);
        let jitter = (grown / 4).mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64);
        // At the end of the growth there is no room above.
        if grown.saturating_add(grown / 4) > most { grown - jitter } else { grown + jitter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(backoff: Backoff, delay_ms: u64, retry: u32, least_ms: u64, most_ms: u64) {
        for random in [0, u64::MAX / 2, u64::MAX] {
            let waited = backoff.wait(Duration::from_millis(delay_ms), retry, random);
            let within = Duration::from_millis(least_ms)..=Duration::from_millis(most_ms);
            assert!(within.contains(&waited), "{backoff:?} {delay_ms} {retry}: {waited:?}");
        }
    }

    #[test]
    fn a_fixed_delay_stays() {
        check(Backoff::Fixed, 100, 0, 100, 125);
        check(Backoff::Fixed, 100, 9, 100, 125);
        check(Backoff::Fixed, 60_000, 3, 60_000, 75_000);
    }

    #[test]
    fn a_linear_delay_grows_by_itself() {
        check(Backoff::Linear, 100, 0, 100, 125);
        check(Backoff::Linear, 100, 4, 500, 625);
    }

    #[test]
    fn an_exponential_delay_doubles_up_to_half_a_minute() {
        check(Backoff::Exponential, 100, 0, 100, 125);
        check(Backoff::Exponential, 100, 3, 800, 1000);
        check(Backoff::Exponential, 100, 8, 19_200, 25_600);
        check(Backoff::Exponential, 100, 40, 22_500, 30_000);
        check(Backoff::Linear, 1000, u32::MAX, 22_500, 30_000);
    }

    #[test]
    fn calls_that_failed_together_do_not_come_back_together() {
        let waits = [0, 1 << 62, u64::MAX].map(|random| Backoff::Fixed.wait(Duration::from_secs(1), 0, random));
        assert!(waits.is_sorted() && waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
    }

    #[test]
    fn no_delay_is_none() {
        check(Backoff::Exponential, 0, 7, 0, 0);
    }
}
