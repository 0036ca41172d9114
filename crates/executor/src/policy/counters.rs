//! Counts what policies do, per module. Knows no format in which that is told.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the buckets of a batch's size, in calls.
pub const BATCH_BUCKETS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// What was counted of the policies of one module's calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedPolicies {
    /// Qualified name.
    pub module: String,
    /// Calls whose output was kept from before.
    pub cache_hits: u64,
    /// Calls with a cache that were made.
    pub cache_misses: u64,
    /// Calls that took the output of an equal one in flight.
    pub cache_shared: u64,
    /// Calls that waited for the rate.
    pub throttled: u64,
    /// Of those, the ones that were refused since their time was too short.
    pub throttle_exceeded: u64,
    /// Calls that waited for one of so many places.
    pub limited: u64,
    /// Extra attempts.
    pub retries: u64,
    /// Calls that travelled in batches.
    pub batched: u64,
    /// Batches by size: one count for each of [`BATCH_BUCKETS`], and one for those beyond, not cumulative.
    pub batch_sizes: Vec<u64>,
}

/// The counters of one module.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
    cache_shared: AtomicU64,
    throttled: AtomicU64,
    throttle_exceeded: AtomicU64,
    limited: AtomicU64,
    retries: AtomicU64,
    batched: AtomicU64,
    batch_sizes: [AtomicU64; BATCH_BUCKETS.len() + 1],
}

impl Counters {
    pub(crate) fn cache_hit(&self) {
        add(&self.cache_hits, 1);
    }

    pub(crate) fn cache_miss(&self) {
        add(&self.cache_misses, 1);
    }

    pub(crate) fn cache_shared(&self) {
        add(&self.cache_shared, 1);
    }

    pub(crate) fn throttled(&self) {
        add(&self.throttled, 1);
    }

    pub(crate) fn throttle_exceeded(&self) {
        add(&self.throttle_exceeded, 1);
    }

    pub(crate) fn limited(&self) {
        add(&self.limited, 1);
    }

    pub(crate) fn retried(&self) {
        add(&self.retries, 1);
    }

    pub(crate) fn batch(&self, size: usize) {
        add(&self.batched, size as u64);
        add(&self.batch_sizes[BATCH_BUCKETS.partition_point(|bound| *bound < size)], 1);
    }

    pub(crate) fn counted(&self, module: &str) -> CountedPolicies {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CountedPolicies {
            module: module.to_owned(),
            cache_hits: load(&self.cache_hits),
            cache_misses: load(&self.cache_misses),
            cache_shared: load(&self.cache_shared),
            throttled: load(&self.throttled),
            throttle_exceeded: load(&self.throttle_exceeded),
            limited: load(&self.limited),
            retries: load(&self.retries),
            batched: load(&self.batched),
            batch_sizes: self.batch_sizes.iter().map(load).collect(),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
