//! Counts runs that are over by the stored pipeline that ran: how they ended, how long they took. Knows no format in which that
//! is told, and no run that goes on.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Upper bounds of the buckets of a run's duration.
pub(crate) const BUCKETS: [Duration; 16] = [
    Duration::from_micros(250),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    Cancelled,
}

/// What was counted of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountedRuns {
    /// The stored pipeline; empty for all sources together.
    pub(crate) pipeline: String,
    /// Runs that go on.
    pub(crate) running: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    /// Sum of the durations of all runs that are over.
    pub(crate) total: Duration,
    /// Runs that are over by duration: one count for each of [`BUCKETS`], and one for those beyond, not cumulative.
    pub(crate) durations: Vec<u64>,
}

impl CountedRuns {
    pub(crate) fn none_of(pipeline: &str) -> Self {
        Self {
            pipeline: pipeline.to_owned(),
            running: 0,
            succeeded: 0,
            failed: 0,
            cancelled: 0,
            total: Duration::ZERO,
            durations: vec![0; BUCKETS.len() + 1],
        }
    }
}

/// The counts by pipeline, at most so many: the one whose last run ended first goes.
#[derive(Debug)]
pub(crate) struct Counts {
    most: usize,
    by_name: HashMap<String, (CountedRuns, Instant)>,
}

impl Counts {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, by_name: HashMap::new() }
    }

    pub(crate) fn count(&mut self, pipeline: &str, outcome: Outcome, took: Duration) {
        let now = Instant::now();
        if !self.by_name.contains_key(pipeline) {
            if self.by_name.len() >= self.most {
                let oldest = self.by_name.iter().min_by_key(|(_, (_, last))| *last).map(|(name, _)| name.clone());
                oldest.and_then(|name| self.by_name.remove(&name));
            }
            self.by_name.insert(pipeline.to_owned(), (CountedRuns::none_of(pipeline), now));
        }
        let Some((counted, last)) = self.by_name.get_mut(pipeline) else { return };
        *last = now;
        match outcome {
            Outcome::Succeeded => counted.succeeded += 1,
            Outcome::Failed => counted.failed += 1,
            Outcome::Cancelled => counted.cancelled += 1,
        }
        counted.total += took;
        counted.durations[BUCKETS.partition_point(|bound| *bound < took)] += 1;
    }

    /// Forgets the pipelines that are not wanted, and gives the others.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &CountedRuns> {
        self.by_name.retain(|name, _| wanted(name));
        self.by_name.values().map(|(counted, _)| counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pipeline_that_ran_last_longest_ago_goes_where_there_is_no_room() {
        let mut counts = Counts::new(2);
        for name in ["a", "b", "a", "c"] {
            counts.count(name, Outcome::Succeeded, Duration::from_millis(1));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let mut left: Vec<_> = counts.retain(|_| true).map(|of| (of.pipeline.clone(), of.succeeded)).collect();
        left.sort();
        assert_eq!(left, [("a".to_owned(), 2), ("c".to_owned(), 1)]);
    }

    #[test]
    fn a_run_counts_by_its_outcome_and_in_the_first_bucket_that_holds_it() {
        let mut counts = Counts::new(1);
        counts.count("a", Outcome::Failed, Duration::from_millis(1));
        counts.count("a", Outcome::Cancelled, Duration::from_secs(301));
        let all: Vec<_> = counts.retain(|_| true).cloned().collect();
        let mut durations = vec![0; BUCKETS.len() + 1];
        (durations[1], durations[BUCKETS.len()]) = (1, 1);
        let total = Duration::from_millis(301_001);
        assert_eq!(all, [CountedRuns { failed: 1, cancelled: 1, total, durations, ..CountedRuns::none_of("a") }]);
    }
}
