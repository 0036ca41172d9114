//! The part of `/metrics` that tells of pipelines: their runs, what the options of calls did, and the caches. Counts nothing itself.
//!
//! The labels are bounded: a name is that of a pipeline that is stored, of a module that is registered, or of a cache in the
//! configuration.

use std::fmt;

use executor::{BATCH_BUCKETS, CountedCache, CountedPolicies};
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::http::metrics::{NO_EXEMPLAR, histogram};
use crate::pipelines::{BUCKETS, CountedRuns};
use crate::surface::client::ClientSurface;

/// What there is to tell.
#[derive(Debug)]
pub(super) struct Pipelines {
    pub(super) runs: Vec<CountedRuns>,
    pub(super) policies: Vec<CountedPolicies>,
    pub(super) caches: Vec<CountedCache>,
}

impl Pipelines {
    pub(super) async fn of(client: &ClientSurface) -> Self {
        let shelf = client.pipelines.stored.shelf();
        Self {
            runs: client.pipelines.runs.counted(|name| shelf.contains_key(name)),
            policies: client.executor.counted_policies(),
            caches: client.executor.counted_caches().await,
        }
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.runs(encoder)?;
        self.policies(encoder)?;
        self.caches(encoder)
    }

    fn runs(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Runs of pipelines that are over, by what they came to";
        let mut metric = encoder.encode_descriptor("modrack_pipeline_runs", help, None, MetricType::Counter)?;
        for of in &self.runs {
            for (outcome, count) in [("succeeded", of.succeeded), ("failed", of.failed), ("cancelled", of.cancelled)] {
                let labels = [("pipeline", of.pipeline.as_str()), ("outcome", outcome)];
                metric.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        let help = "Time from a run's start to its end";
        let unit = Some(&Unit::Seconds);
        let mut metric =
            encoder.encode_descriptor("modrack_pipeline_run_duration", help, unit, MetricType::Histogram)?;
        for of in &self.runs {
            let bounds = BUCKETS.iter().map(std::time::Duration::as_secs_f64);
            let labels = [("pipeline", of.pipeline.as_str())];
            histogram(&mut metric.encode_family(&labels)?, bounds, of.total.as_secs_f64(), &of.durations)?;
        }
        let help = "Runs of pipelines that go on";
        let mut metric = encoder.encode_descriptor("modrack_pipeline_runs_in_flight", help, None, MetricType::Gauge)?;
        for of in &self.runs {
            metric.encode_family(&[("pipeline", of.pipeline.as_str())])?.encode_gauge(&of.running)?;
        }
        Ok(())
    }

    fn policies(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls with a cache: hit, miss, or shared with an equal call in flight";
        let mut metric = encoder.encode_descriptor("modrack_cache_calls", help, None, MetricType::Counter)?;
        for of in &self.policies {
            for (result, count) in [("hit", of.cache_hits), ("miss", of.cache_misses), ("shared", of.cache_shared)] {
                let labels = [("module", of.module.as_str()), ("result", result)];
                metric.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        type Count = fn(&CountedPolicies) -> u64;
        let counters: [(&str, &str, Count); 4] = [
            ("modrack_throttle_waits", "Calls that waited for a rate", |of| of.throttled),
            ("modrack_throttle_refusals", "Calls that a rate left too little time", |of| of.throttle_exceeded),
            ("modrack_concurrency_waits", "Calls that waited for one of so many places", |of| of.limited),
            ("modrack_retries", "Attempts behind the first one of their call", |of| of.retries),
        ];
        for (name, help, count) in counters {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for of in &self.policies {
                let labels = [("module", of.module.as_str())];
                metric.encode_family(&labels)?.encode_counter(&count(of), NO_EXEMPLAR)?;
            }
        }
        let help = "Calls that travelled together";
        let mut metric = encoder.encode_descriptor("modrack_batch_size", help, None, MetricType::Histogram)?;
        for of in &self.policies {
            let bounds = BATCH_BUCKETS.iter().map(|bound| f64::from(u32::try_from(*bound).unwrap_or(u32::MAX)));
            let labels = [("module", of.module.as_str())];
            // As all counters of the format: exact up to 2^53.
            #[allow(clippy::cast_precision_loss)]
            let sum = of.batched as f64;
            histogram(&mut metric.encode_family(&labels)?, bounds, sum, &of.batch_sizes)?;
        }
        Ok(())
    }

    fn caches(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Size = fn(&CountedCache) -> u64;
        let gauges: [(&str, &str, Option<Unit>, Size); 3] = [
            ("modrack_cache", "What a cache holds", Some(Unit::Bytes), |of| of.bytes),
            ("modrack_cache_max", "What a cache holds at most", Some(Unit::Bytes), |of| of.max_bytes),
            ("modrack_cache_entries", "Outputs in a cache", None, |of| of.entries),
        ];
        for (name, help, unit, size) in gauges {
            let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for of in &self.caches {
                metric.encode_family(&[("cache", of.name.as_str())])?.encode_gauge(&size(of))?;
            }
        }
        Ok(())
    }
}
