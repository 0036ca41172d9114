//! Bounds of runs. Reads no configuration.

use std::path::PathBuf;
use std::time::Duration;

use pipeline::catalog::DEFAULT_CACHE;

use crate::config::Config;

/// Runs inside one another, at the most.
pub(crate) const DEPTH: u32 = 32;
/// Calls of which a record tells one by one.
pub(crate) const RECORDED_CALLS: usize = 1000;
/// What the records of all runs that are over take, in bytes.
pub(crate) const RECORD_BYTES: usize = 32 << 20;

/// What the configuration says of pipelines.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) run_timeout: Duration,
    pub(crate) max_run_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) each_concurrency: usize,
    pub(crate) max_runs: usize,
    pub(crate) kept_runs: usize,
    pub(crate) max_stored: usize,
    /// Names that `cache_backend` may take besides the one that is always there.
    pub(crate) caches: Vec<String>,
    /// Where stored pipelines lie.
    pub(crate) directory: PathBuf,
}

impl Options {
    pub(crate) fn of(config: &Config) -> Self {
        let pipelines = &config.pipelines;
        Self {
            run_timeout: pipelines.run_timeout,
            max_run_timeout: pipelines.max_run_timeout,
            call_timeout: pipelines.call_timeout,
            each_concurrency: pipelines.each_concurrency,
            max_runs: pipelines.max_runs,
            kept_runs: pipelines.kept_runs,
            max_stored: pipelines.max_stored,
            caches: pipelines.caches.iter().map(|cache| cache.name.clone()).collect(),
            directory: config.data_dir.join("pipelines"),
        }
    }

    /// Names that `cache_backend` may take, ascending.
    pub(crate) fn cache_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.caches.iter().cloned().chain([DEFAULT_CACHE.to_owned()]).collect();
        names.sort_unstable();
        names
    }
}
