//! Whether a provider is to get calls: ejects one that fails or falls silent, and lets it back by a probe. A synchronous state
//! machine behind a lock that is held for a few instructions; where all is well, a call costs two atomic loads. Does not choose
//! among providers and sends nothing.
//!
//! ```text
//!        failures in a row, or silence            its time is over and it answers: one call at a time
//!   in ───────────────────────────────▶ ejected ─────────────────────────────────────────────────▶ on trial
//!    ▲                                     ▲                                                       │   │
//!    │                                     └──────────── failure: twice as long ───────────────────┘   │
//!    └─────────────────────────────────────────────────── success ─────────────────────────────────────┘
//! ```

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that eject.
const FAILURES: u32 = 5;
/// How long the first ejection lasts; each one that follows on a failed trial lasts twice as long as the one before.
const FIRST: Duration = Duration::from_secs(1);
/// The longest ejection.
const LONGEST: Duration = Duration::from_secs(60);

/// The health of one provider, as its calls and its connection see it.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Mirrors of the state for those who only look.
    out: AtomicBool,
    failures: AtomicU32,
    quiet: AtomicBool,
    ejections: AtomicU32,
    state: Mutex<State>,
}

/// Whether a call may go to a provider now.
#[derive(Debug)]
pub(crate) enum Admission {
    /// As any other.
    Open,
    /// As the one call that tries whether the provider is well again.
    Trial(Trial),
    /// Not now.
    Ejected,
}

/// How a call went, for the health of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The provider answered, be it with a failure of its own.
    Well,
    /// It was not there, went away, or took longer than the call could wait.
    Badly,
}

/// How bad a provider is that should not be called and has to be: the least first.
pub(crate) type Badness = (bool, Option<Instant>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// `Some` while ejected or on trial.
    until: Option<Instant>,
    /// Of the present ejection.
    period: Duration,
    /// Its connection gave no sign of life since it was ejected.
    quiet: bool,
    trying: bool,
}

impl State {
    /// `risky` says that a call which fails here cannot be repeated elsewhere. It is used as a trial only where nobody else
    /// has tried for as long again.
    fn admit(&mut self, risky: bool, now: Instant) -> Option<Grant> {
        let Some(until) = self.until else { return Some(Grant::Open) };
        let from = if risky { until + self.period } else { until };
        if self.quiet || self.trying || now < from {
            return None;
        }
        self.trying = true;
        Some(Grant::Trial)
    }

    /// Says whether this ejected the provider.
    fn judge(&mut self, verdict: Verdict, trial: bool, answers_pings: bool, now: Instant) -> bool {
        if trial {
            self.trying = false;
        }
        match (verdict, self.until) {
            (Verdict::Well, None) => self.failures = 0,
            // An answer to a call that was sent before the ejection proves as much as a trial.
            (Verdict::Well, Some(_)) => *self = Self::default(),
            (Verdict::Badly, None) => {
                self.failures += 1;
                if self.failures >= FAILURES {
                    self.eject(FIRST, answers_pings, now);
                    return true;
                }
            }
            (Verdict::Badly, Some(_)) if trial => {
                self.eject((self.period * 2).min(LONGEST), answers_pings, now);
                return true;
            }
            // What was sent before the ejection says nothing new.
            (Verdict::Badly, Some(_)) => {}
        }
        false
    }

    /// The connection gave no answer to a ping. Says whether this ejected the provider.
    fn fell_silent(&mut self, now: Instant) -> bool {
        let ejected = self.until.is_none();
        if ejected {
            self.eject(FIRST, true, now);
        }
        self.quiet = true;
        ejected
    }

    fn eject(&mut self, period: Duration, answers_pings: bool, now: Instant) {
        self.failures = 0;
        self.period = period;
        self.until = Some(now + period);
        // Where it can be asked by a ping, its answer comes before any call.
        self.quiet = answers_pings;
    }
}

enum Grant {
    Open,
    Trial,
}

impl Health {
    /// Whether a call may go there now. See [`State::admit`] for `risky`.
    pub(crate) fn admit(self: &Arc<Self>, risky: bool, now: impl FnOnce() -> Instant) -> Admission {
        if !self.is_out() {
            return Admission::Open;
        }
        let grant = self.change(|state| state.admit(risky, now()));
        match grant {
            Some(Grant::Open) => Admission::Open,
            Some(Grant::Trial) => Admission::Trial(Trial(Some(Arc::clone(self)))),
            None => Admission::Ejected,
        }
    }

    /// Whether it is ejected or on trial.
    pub(crate) fn is_out(&self) -> bool {
        self.out.load(Ordering::Relaxed)
    }

    /// How often it was ejected.
    pub(crate) fn ejections(&self) -> u32 {
        self.ejections.load(Ordering::Relaxed)
    }

    pub(crate) fn badness(&self) -> Badness {
        let state = self.lock();
        (state.quiet, state.until)
    }

    /// Takes the verdict of a call that was no trial. `answers_pings` says whether its connection can be asked for a sign of life.
    pub(crate) fn judge(&self, verdict: Verdict, answers_pings: bool) {
        if verdict == Verdict::Well && !self.is_out() && self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.judged(verdict, false, answers_pings);
    }

    fn judged(&self, verdict: Verdict, trial: bool, answers_pings: bool) {
        let ejected = self.change(|state| state.judge(verdict, trial, answers_pings, Instant::now()));
        self.count(ejected);
    }

    /// Whether a sign of life is awaited.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    /// The connection gave no answer to a ping.
    pub(crate) fn fell_silent(&self) {
        let ejected = self.change(|state| state.fell_silent(Instant::now()));
        self.count(ejected);
    }

    /// The connection gave a sign of life.
    pub(crate) fn answers(&self) {
        if self.is_quiet() {
            self.change(|state| state.quiet = false);
        }
    }

    fn count(&self, ejected: bool) {
        if ejected {
            self.ejections.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        self.out.store(state.until.is_some(), Ordering::Relaxed);
        self.failures.store(state.failures, Ordering::Relaxed);
        self.quiet.store(state.quiet, Ordering::Relaxed);
        result
    }
}

/// The one call that tries an ejected provider. Dropped without a verdict, it leaves the place to another.
#[derive(Debug)]
pub(crate) struct Trial(Option<Arc<Health>>);

impl Trial {
    pub(crate) fn judge(mut self, verdict: Verdict, answers_pings: bool) {
        if let Some(health) = self.0.take() {
            health.judged(verdict, true, answers_pings);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(health) = self.0.take() {
            health.change(|state| state.trying = false);
        }
    }
}

#[cfg(test)]
mod tests;
