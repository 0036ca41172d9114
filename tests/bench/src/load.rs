//! A closed loop of callers: each calls again as soon as it has its answer. Knows nothing of what is called.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

/// What one run of the loop measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) calls: usize,
    pub(crate) elapsed: Duration,
}

impl Sample {
    pub(crate) fn calls_per_second(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs `in_flight` callers for a while and times each call from its start to its answer.
///
/// # Errors
/// The first call that failed: a benchmark of failures measures nothing.
pub(crate) async fn run<C, F>(call: C, in_flight: usize, lasting: Duration) -> Result<Sample>
where
    C: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..in_flight {
        let call = call.clone();
        callers.spawn(async move {
            let mut times = Vec::with_capacity(4096);
            loop {
                let start = Instant::now();
                call().await?;
                let end = Instant::now();
                times.push(end - start);
                if end - began >= lasting {
                    return anyhow::Ok(times);
                }
            }
        });
    }
    let mut times = Vec::new();
    while let Some(caller) = callers.join_next().await {
        times.extend(caller??);
    }
    let elapsed = began.elapsed();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Ok(Sample { p50: at(0.5), p99: at(0.99), calls: times.len(), elapsed })
}
