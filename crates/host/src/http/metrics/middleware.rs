//! The part of `/metrics` that tells of middleware: what components decided, how they failed, how long they took. Counts nothing
//! itself.
//!
//! The labels are bounded: a component is a configured one, hooks, decisions and codes are the contract's.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::http::metrics::{NO_EXEMPLAR, histogram};
use crate::middleware::{BUCKETS, CountedDecisions, Middleware};

/// What there is to tell.
#[derive(Debug)]
pub(super) struct Decisions {
    pub(super) counted: Vec<CountedDecisions>,
    pub(super) audits_dropped: u64,
}

impl Decisions {
    pub(super) fn of(middleware: &Middleware) -> Self {
        Self { counted: middleware.counted(), audits_dropped: middleware.audits_dropped() }
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Decisions of middleware that were accepted; at the hook audit, envelopes that were taken";
        let mut metric = encoder.encode_descriptor("modrack_middleware_decisions", help, None, MetricType::Counter)?;
        for of in &self.counted {
            for (decision, count) in &of.decisions {
                let labels =
                    [("component", of.component.as_str()), ("hook", of.hook.as_str()), ("decision", *decision)];
                metric.encode_family(&labels)?.encode_counter(count, NO_EXEMPLAR)?;
            }
        }
        let help = "Failures of middleware by their codes, those that failed no call included";
        let mut metric = encoder.encode_descriptor("modrack_middleware_failures", help, None, MetricType::Counter)?;
        for of in &self.counted {
            for (code, count) in &of.failures {
                let labels = [("component", of.component.as_str()), ("hook", of.hook.as_str()), ("code", *code)];
                metric.encode_family(&labels)?.encode_counter(count, NO_EXEMPLAR)?;
            }
        }
        let help = "Time from an envelope to its answer or failure";
        let unit = Some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor("modrack_middleware_duration", help, unit, MetricType::Histogram)?;
        for of in &self.counted {
            let labels = [("component", of.component.as_str()), ("hook", of.hook.as_str())];
            let bounds = BUCKETS.iter().map(Duration::as_secs_f64);
            histogram(&mut metric.encode_family(&labels)?, bounds, of.total.as_secs_f64(), &of.durations)?;
        }
        let help = "Audits that found no room in the queue";
        encoder
            .encode_descriptor("modrack_middleware_audits_dropped", help, None, MetricType::Counter)?
            .encode_counter(&self.audits_dropped, NO_EXEMPLAR)
    }
}
