//! Bounds of the executor. Every number here ends a wait or a queue.

use std::time::Duration;

use protocol::dial::Dialer;

/// Bounds of the executor; see each field for its unit.
#[derive(Debug, Clone)]
pub struct Options {
    /// Largest message in either direction, in bytes.
    pub message_bytes: usize,
    /// Calls that one provider works on at once.
    pub in_flight_per_provider: usize,
    /// Calls that wait for one provider beyond those; one more is refused with `executor.overloaded`.
    pub queued_per_provider: usize,
    /// Where a `service_url` may lead to.
    pub dialer: Dialer,
    /// Time to establish a connection to a `service_url`.
    pub connect_timeout: Duration,
    /// Time that a connection which takes no new calls is kept for those that run.
    pub drain_timeout: Duration,
    /// Time that one write to a provider may take before the provider counts as lost.
    pub write_timeout: Duration,
    /// Bytes that the cache [`DEFAULT_CACHE`](crate::DEFAULT_CACHE) holds at most.
    pub cache_bytes: u64,
    /// Further caches that a policy may name.
    pub caches: Vec<NamedCache>,
}

/// A cache for outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCache {
    /// Its name. A later one of the same name replaces the earlier, and the default one any.
    pub name: String,
    /// Bytes that it holds at most.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            message_bytes: 4 << 20,
            in_flight_per_provider: 1024,
            queued_per_provider: 1024,
            dialer: Dialer::default(),
            connect_timeout: Duration::from_secs(2),
            drain_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            cache_bytes: 64 << 20,
            caches: Vec::new(),
        }
    }
}
