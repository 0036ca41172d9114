//! `[pipelines]` and `[[caches]]`: bounds of runs and of what is kept of them. Runs nothing.

use std::time::Duration;

use executor::DEFAULT_CACHE;

use crate::config::fault::FaultCode;
use crate::config::read::{Reader, Refusal};

const DAY_MS: u64 = 24 * 3_600_000;
const GIB: usize = 1 << 30;

/// `[pipelines]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipelines {
    /// Deadline of a run whose caller names none. `run_timeout_ms`, default 5 min.
    pub run_timeout: Duration,
    /// Longest deadline of a run; longer ones are cut to it. `max_run_timeout_ms`, default 1 h.
    pub max_run_timeout: Duration,
    /// Time for each attempt of a call that has no `timeout` of its own. `call_timeout_ms`, default 30 s.
    pub call_timeout: Duration,
    /// Elements of a `map` and its like at once, where no `concurrency` says otherwise. Default 64.
    pub each_concurrency: usize,
    /// Runs at once, those aside that other runs began. Default 1024.
    pub max_runs: usize,
    /// Runs whose records are kept after their end. Default 256.
    pub kept_runs: usize,
    /// Pipelines that may be stored. Default 1000.
    pub max_stored: usize,
    /// Size of the cache `memory`, in bytes. Default 64 MiB.
    pub cache_bytes: usize,
    /// Further caches that `cache_backend` may name.
    pub caches: Vec<Cache>,
}

/// One entry of `[[caches]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// What `cache_backend` calls it.
    pub name: String,
    /// The most that its outputs take, in bytes.
    pub max_bytes: usize,
}

/// Reads both.
pub(super) fn read(r: &mut Reader<'_>) -> Pipelines {
    let pipelines = Pipelines {
        run_timeout: r.millis("pipelines.run_timeout_ms", 300_000, 1..=DAY_MS),
        max_run_timeout: r.millis("pipelines.max_run_timeout_ms", 3_600_000, 1..=DAY_MS),
        call_timeout: r.millis("pipelines.call_timeout_ms", 30_000, 1..=DAY_MS),
        each_concurrency: r.count("pipelines.each_concurrency", 64, 1..=10_000),
        max_runs: r.count("pipelines.max_runs", 1024, 1..=1_000_000),
        kept_runs: r.count("pipelines.kept_runs", 256, 0..=100_000),
        max_stored: r.count("pipelines.max_stored", 1000, 0..=100_000),
        cache_bytes: r.count("pipelines.cache_bytes", 64 << 20, 0..=64 * GIB),
        caches: caches(r),
    };
    if pipelines.run_timeout > pipelines.max_run_timeout {
        r.conflict(
            ["pipelines.run_timeout_ms", "pipelines.max_run_timeout_ms"],
            format!(
                "`pipelines.run_timeout_ms` is {}, more than `pipelines.max_run_timeout_ms`, {}",
                pipelines.run_timeout.as_millis(),
                pipelines.max_run_timeout.as_millis()
            ),
            "raise `pipelines.max_run_timeout_ms`, or lower `pipelines.run_timeout_ms`",
        );
    }
    pipelines
}

/// Entries with a fault are left out.
fn caches(r: &mut Reader<'_>) -> Vec<Cache> {
    let mut caches: Vec<Cache> = Vec::new();
    for i in 0.. {
        let prefix = format!("caches[{i}]");
        if !r.has(&prefix) {
            return caches;
        }
        r.known(&prefix);
        let [name_key, bytes_key] = ["name", "max_bytes"].map(|key| format!("{prefix}.{key}"));
        let mut complete = true;
        for key in [&name_key, &bytes_key] {
            if !r.has(key) {
                complete = false;
                let (origin, hint) = (r.origin(&prefix), "an entry of `[[caches]]` has `name` and `max_bytes`");
                r.fault(key, origin, Refusal::new(FaultCode::KeyMissing, format!("`{key}` is missing"), hint));
            }
        }
        let name = r.text(&name_key, "", |text| {
            let usable = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
            let message = format!("`{name_key}` cannot be `{}`", text.escape_debug());
            let hint = "a cache's name has 1 to 64 bytes and no control characters";
            usable.then_some(()).ok_or_else(|| Refusal::new(FaultCode::ValueInvalid, message, hint))
        });
        let max_bytes = r.count(&bytes_key, 1 << 20, 1024..=64 * GIB);
        if complete && (name == DEFAULT_CACHE || caches.iter().any(|cache| cache.name == name)) {
            let (origin, message) = (r.origin(&name_key), format!("there is another cache `{name}`"));
            let hint =
                "give each cache a name of its own; `memory` is always there, `pipelines.cache_bytes` is its size";
            r.fault(&name_key, origin, Refusal::new(FaultCode::ValueConflict, message, hint));
        } else if complete && !name.is_empty() {
            caches.push(Cache { name, max_bytes });
        }
    }
    caches
}
