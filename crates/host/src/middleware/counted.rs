//! Counts what components decided, how they failed and how long they took. Knows no format in which that is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use middleware::{DecisionKind, Hook};

/// Upper bounds of the buckets of an answer's duration.
pub(crate) const BUCKETS: [Duration; 13] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// What was counted of one component at one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountedDecisions {
    pub(crate) component: String,
    pub(crate) hook: Hook,
    /// Valid decisions by their kind, those that came.
    pub(crate) decisions: BTreeMap<&'static str, u64>,
    /// Failures by their code.
    pub(crate) failures: BTreeMap<&'static str, u64>,
    /// Sum of the durations of all answers and failures.
    pub(crate) total: Duration,
    /// By duration: one count for each of [`BUCKETS`], and one for those beyond, not cumulative.
    pub(crate) durations: Vec<u64>,
}

/// Counters by component and hook: as many as components were ever configured.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<String, BTreeMap<Hook, CountedDecisions>>>);

impl Counters {
    /// `came` is the decision, or the code of the failure.
    pub(super) fn count(&self, component: &str, hook: Hook, came: Result<DecisionKind, &'static str>, took: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(component) {
            all.insert(component.to_owned(), BTreeMap::new());
        }
        let Some(hooks) = all.get_mut(component) else { return };
        let of = hooks.entry(hook).or_insert_with(|| CountedDecisions {
            component: component.to_owned(),
            hook,
            decisions: BTreeMap::new(),
            failures: BTreeMap::new(),
            total: Duration::ZERO,
            durations: vec![0; BUCKETS.len() + 1],
        });
        *match came {
            Ok(decision) => of.decisions.entry(decision.as_str()).or_default(),
            Err(code) => of.failures.entry(code).or_default(),
        } += 1;
        of.total += took;
        of.durations[BUCKETS.partition_point(|bound| *bound < took)] += 1;
    }

    pub(super) fn all(&self) -> Vec<CountedDecisions> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flat_map(BTreeMap::values).cloned().collect()
    }
}
