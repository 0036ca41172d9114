//! `/metrics`: what the executor and the runs of pipelines counted, and what the host is, as OpenMetrics text. Counts nothing
//! itself; each scrape takes a snapshot.
//!
//! The labels are bounded: a series belongs to a registered module, a stored pipeline or a configured component, and leaves with it.

mod components;
mod middleware;
mod pipelines;

use std::collections::HashSet;
use std::fmt;

use executor::{BUCKETS, Counted};
use http::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};
use protocol::DataPlane;
use tonic::body::Body;

use crate::http::answer;
use crate::http::metrics::components::Components;
use crate::http::metrics::middleware::Decisions;
use crate::http::metrics::pipelines::Pipelines;
use crate::http::process::Process;
use crate::listen::Door;
use crate::surface::client::ClientSurface;

/// The media type of OpenMetrics 1.0, which Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page. Costs time and memory in proportion to the modules that were called and the pipelines that ran.
pub(crate) async fn page(client: &ClientSurface, door: &Door) -> Response<Body> {
    let routes = client.registry.routes();
    let sessions: HashSet<_> = routes.iter().flat_map(|route| route.endpoints.iter()).map(|one| one.session).collect();
    let snapshot = Snapshot {
        calls: client.executor.counted(),
        pipelines: Pipelines::of(client).await,
        decisions: Decisions::of(&client.middleware),
        components: Components::of(&client.components).await,
        modules: routes.len(),
        sessions: sessions.len(),
        connections: door.open_connections(),
        process: Process::read(),
    };
    answer::of_type(OPEN_METRICS, snapshot.text())
}

#[derive(Debug)]
struct Snapshot {
    calls: Vec<Counted>,
    pipelines: Pipelines,
    decisions: Decisions,
    components: Components,
    modules: usize,
    sessions: usize,
    connections: usize,
    process: Option<Process>,
}

type Labels<'a> = Vec<(&'static str, &'a str)>;
const NO_EXEMPLAR: Option<&Exemplar<[(String, String); 0], f64>> = None;

fn labels(counted: &Counted) -> Labels<'_> {
    vec![("module", counted.module.as_str()), ("plane", counted.plane.map_or("none", DataPlane::as_str))]
}

/// `counts` has one for each bound and one for those beyond, not cumulative.
fn histogram(
    metric: &mut MetricEncoder<'_>,
    bounds: impl Iterator<Item = f64>,
    sum: f64,
    counts: &[u64],
) -> fmt::Result {
    let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts.iter().copied()).collect();
    metric.encode_histogram::<[(String, String); 0]>(sum, counts.iter().sum(), &buckets, None)
}

impl Snapshot {
    fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }

    fn each(
        &self,
        mut metric: MetricEncoder<'_>,
        write: impl Fn(MetricEncoder<'_>, &Counted) -> fmt::Result,
    ) -> fmt::Result {
        self.calls.iter().try_for_each(|counted| write(metric.encode_family(&labels(counted))?, counted))
    }

    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls that ended, by how: ok, or the category of the error";
        let mut metric = encoder.encode_descriptor("modrack_calls", help, None, MetricType::Counter)?;
        for counted in &self.calls {
            let failed = counted.failed.iter().map(|(category, count)| (category.as_str(), *count));
            for (result, count) in std::iter::once(("ok", counted.succeeded)).chain(failed) {
                let mut labels = labels(counted);
                labels.push(("result", result));
                metric.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        let help = "Time from a call's start in the executor to its end";
        let unit = Some(&Unit::Seconds);
        let metric = encoder.encode_descriptor("modrack_call_duration", help, unit, MetricType::Histogram)?;
        self.each(metric, |mut metric, counted| {
            let bounds = BUCKETS.iter().map(std::time::Duration::as_secs_f64);
            histogram(&mut metric, bounds, counted.total.as_secs_f64(), &counted.durations)
        })?;
        let help = "Calls that are with a provider or wait for one";
        let metric = encoder.encode_descriptor("modrack_calls_in_flight", help, None, MetricType::Gauge)?;
        self.each(metric, |mut metric, counted| metric.encode_gauge(&counted.in_flight))?;
        let help = "Calls that wait for a place at their provider";
        let metric = encoder.encode_descriptor("modrack_calls_queued", help, None, MetricType::Gauge)?;
        self.each(metric, |mut metric, counted| metric.encode_gauge(&counted.queued))
    }

    fn host(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in [
            ("modrack_modules", "Registered modules", self.modules),
            ("modrack_sessions", "Sessions that provide modules", self.sessions),
            ("modrack_connections", "Open connections of clients and of attached providers", self.connections),
        ] {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(process) = &self.process else { return Ok(()) };
        let help = "User and system time that the host took";
        let unit = Some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor("process_cpu", help, unit, MetricType::Counter)?;
        metric.encode_counter(&process.cpu.as_secs_f64(), NO_EXEMPLAR)?;
        let help = "Memory of the host that is in use";
        let unit = Some(&Unit::Bytes);
        let mut metric = encoder.encode_descriptor("process_resident_memory", help, unit, MetricType::Gauge)?;
        metric.encode_gauge(&process.resident_bytes)
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.calls(&mut encoder)?;
        self.pipelines.encode(&mut encoder)?;
        self.decisions.encode(&mut encoder)?;
        self.components.encode(&mut encoder)?;
        self.host(&mut encoder)?;
        self.process(&mut encoder)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, SystemTime};

    use ::middleware::Hook;
    use executor::{CountedCache, CountedPolicies};
    use protocol::Category;
    use protocol::component::{ComponentKind, ComponentState, ComponentView, ProbeResult, ProcessUsage};

    use super::*;
    use crate::middleware::CountedDecisions;
    use crate::pipelines::CountedRuns;

    fn pipelines() -> Pipelines {
        let mut durations = vec![0; crate::pipelines::BUCKETS.len() + 1];
        (durations[0], durations[2]) = (4, 1);
        let total = Duration::from_millis(3);
        let stored =
            CountedRuns { running: 2, succeeded: 4, failed: 1, total, durations, ..CountedRuns::none_of("Hot") };
        let mut batch_sizes = vec![0; executor::BATCH_BUCKETS.len() + 1];
        (batch_sizes[0], batch_sizes[3]) = (1, 2);
        let policies = CountedPolicies {
            module: "text.Upper".into(),
            cache_hits: 7,
            cache_misses: 6,
            cache_shared: 5,
            throttled: 4,
            throttle_exceeded: 3,
            limited: 2,
            retries: 1,
            batched: 15,
            batch_sizes,
        };
        let cache = CountedCache { name: "memory".into(), max_bytes: 1000, bytes: 90, entries: 3 };
        Pipelines { runs: vec![CountedRuns::none_of(""), stored], policies: vec![policies], caches: vec![cache] }
    }

    fn decisions() -> Decisions {
        let mut durations = vec![0; crate::middleware::BUCKETS.len() + 1];
        durations[3] = 5;
        let counted = CountedDecisions {
            component: "dator-http".into(),
            hook: Hook::PreInvoke,
            decisions: [("allow", 3), ("reject", 1)].into(),
            failures: [("middleware.timeout", 1)].into(),
            total: Duration::from_millis(9),
            durations,
        };
        Decisions { counted: vec![counted], audits_dropped: 2 }
    }

    fn components() -> Components {
        let probe = |ok| ProbeResult {
            ok,
            at: SystemTime::UNIX_EPOCH,
            took: Duration::from_millis(2),
            message: String::new(),
            in_a_row: 1,
        };
        let view = ComponentView {
            id: "dator-http".into(),
            module_id: "dator".into(),
            component_id: "middleware.dator".into(),
            kind: ComponentKind::HttpLocalJson,
            enabled: true,
            state: ComponentState::Degraded,
            since: SystemTime::UNIX_EPOCH,
            pid: Some(7),
            starts: 3,
            restarts: 2,
            restarts_in_window: 1,
            next_restart: None,
            readiness: Some(probe(true)),
            health: Some(probe(false)),
            last_error: None,
            report: None,
            sandbox: None,
            usage: Some(ProcessUsage { cpu: Duration::from_millis(1500), memory: 4096, processes: 2 }),
            endpoint: String::new(),
            hooks: Vec::new(),
            sessions: Vec::new(),
            answered: 5,
            failed: 1,
            config_json: String::new(),
            layers: Vec::new(),
            bundle: BTreeMap::new(),
        };
        Components { views: vec![view], kept: vec![(2, 30)] }
    }

    #[test]
    fn the_page_shows_each_module_and_plane() {
        let mut durations = vec![0; BUCKETS.len() + 1];
        (durations[0], durations[BUCKETS.len()]) = (2, 1);
        let counted = Counted {
            module: "text.Upper".into(),
            plane: Some(DataPlane::Link),
            in_flight: 3,
            queued: 1,
            succeeded: 2,
            failed: vec![(Category::NotFound, 1)],
            total: Duration::from_micros(120_000_100),
            durations,
        };
        let process = Process { cpu: Duration::from_millis(1500), resident_bytes: 4096 };
        let snapshot = Snapshot {
            calls: vec![counted],
            pipelines: pipelines(),
            decisions: decisions(),
            components: components(),
            modules: 1,
            sessions: 1,
            connections: 2,
            process: Some(process),
        };
        let text = snapshot.text();
        let shown: Vec<_> = text
            .lines()
            .filter(|line| !line.contains("_bucket") || line.contains("0.00005") || line.contains("Inf"))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        # HELP modrack_calls Calls that ended, by how: ok, or the category of the error
        # TYPE modrack_calls counter
        modrack_calls_total{module="text.Upper",plane="link",result="ok"} 2
        modrack_calls_total{module="text.Upper",plane="link",result="NOT_FOUND"} 1
        # HELP modrack_call_duration_seconds Time from a call's start in the executor to its end
        # TYPE modrack_call_duration_seconds histogram
        # UNIT modrack_call_duration_seconds seconds
        modrack_call_duration_seconds_sum{module="text.Upper",plane="link"} 120.0001
        modrack_call_duration_seconds_count{module="text.Upper",plane="link"} 3
        modrack_call_duration_seconds_bucket{le="0.00005",module="text.Upper",plane="link"} 2
        modrack_call_duration_seconds_bucket{le="+Inf",module="text.Upper",plane="link"} 3
        # HELP modrack_calls_in_flight Calls that are with a provider or wait for one
        # TYPE modrack_calls_in_flight gauge
        modrack_calls_in_flight{module="text.Upper",plane="link"} 3
        # HELP modrack_calls_queued Calls that wait for a place at their provider
        # TYPE modrack_calls_queued gauge
        modrack_calls_queued{module="text.Upper",plane="link"} 1
        # HELP modrack_pipeline_runs Runs of pipelines that are over, by what they came to
        # TYPE modrack_pipeline_runs counter
        modrack_pipeline_runs_total{pipeline="",outcome="succeeded"} 0
        modrack_pipeline_runs_total{pipeline="",outcome="failed"} 0
        modrack_pipeline_runs_total{pipeline="",outcome="cancelled"} 0
        modrack_pipeline_runs_total{pipeline="Hot",outcome="succeeded"} 4
        modrack_pipeline_runs_total{pipeline="Hot",outcome="failed"} 1
        modrack_pipeline_runs_total{pipeline="Hot",outcome="cancelled"} 0
        # HELP modrack_pipeline_run_duration_seconds Time from a run's start to its end
        # TYPE modrack_pipeline_run_duration_seconds histogram
        # UNIT modrack_pipeline_run_duration_seconds seconds
        modrack_pipeline_run_duration_seconds_sum{pipeline=""} 0.0
        modrack_pipeline_run_duration_seconds_count{pipeline=""} 0
        modrack_pipeline_run_duration_seconds_bucket{le="+Inf",pipeline=""} 0
        modrack_pipeline_run_duration_seconds_sum{pipeline="Hot"} 0.003
        modrack_pipeline_run_duration_seconds_count{pipeline="Hot"} 5
        modrack_pipeline_run_duration_seconds_bucket{le="+Inf",pipeline="Hot"} 5
        # HELP modrack_pipeline_runs_in_flight Runs of pipelines that go on
        # TYPE modrack_pipeline_runs_in_flight gauge
        modrack_pipeline_runs_in_flight{pipeline=""} 0
        modrack_pipeline_runs_in_flight{pipeline="Hot"} 2
        # HELP modrack_cache_calls Calls with a cache: hit, miss, or shared with an equal call in flight
        # TYPE modrack_cache_calls counter
        modrack_cache_calls_total{module="text.Upper",result="hit"} 7
        modrack_cache_calls_total{module="text.Upper",result="miss"} 6
        modrack_cache_calls_total{module="text.Upper",result="shared"} 5
        # HELP modrack_throttle_waits Calls that waited for a rate
        # TYPE modrack_throttle_waits counter
        modrack_throttle_waits_total{module="text.Upper"} 4
        # HELP modrack_throttle_refusals Calls that a rate left too little time
        # TYPE modrack_throttle_refusals counter
        modrack_throttle_refusals_total{module="text.Upper"} 3
        # HELP modrack_concurrency_waits Calls that waited for one of so many places
        # TYPE modrack_concurrency_waits counter
        modrack_concurrency_waits_total{module="text.Upper"} 2
        # HELP modrack_retries Attempts behind the first one of their call
        # TYPE modrack_retries counter
        modrack_retries_total{module="text.Upper"} 1
        # HELP modrack_batch_size Calls that travelled together
        # TYPE modrack_batch_size histogram
        modrack_batch_size_sum{module="text.Upper"} 15.0
        modrack_batch_size_count{module="text.Upper"} 3
        modrack_batch_size_bucket{le="+Inf",module="text.Upper"} 3
        # HELP modrack_cache_bytes What a cache holds
        # TYPE modrack_cache_bytes gauge
        # UNIT modrack_cache_bytes bytes
        modrack_cache_bytes{cache="memory"} 90
        # HELP modrack_cache_max_bytes What a cache holds at most
        # TYPE modrack_cache_max_bytes gauge
        # UNIT modrack_cache_max_bytes bytes
        modrack_cache_max_bytes{cache="memory"} 1000
        # HELP modrack_cache_entries Outputs in a cache
        # TYPE modrack_cache_entries gauge
        modrack_cache_entries{cache="memory"} 3
        # HELP modrack_middleware_decisions Decisions of middleware that were accepted; at the hook audit, envelopes that were taken
        # TYPE modrack_middleware_decisions counter
        modrack_middleware_decisions_total{component="dator-http",hook="pre_invoke",decision="allow"} 3
        modrack_middleware_decisions_total{component="dator-http",hook="pre_invoke",decision="reject"} 1
        # HELP modrack_middleware_failures Failures of middleware by their codes, those that failed no call included
        # TYPE modrack_middleware_failures counter
        modrack_middleware_failures_total{component="dator-http",hook="pre_invoke",code="middleware.timeout"} 1
        # HELP modrack_middleware_duration_seconds Time from an envelope to its answer or failure
        # TYPE modrack_middleware_duration_seconds histogram
        # UNIT modrack_middleware_duration_seconds seconds
        modrack_middleware_duration_seconds_sum{component="dator-http",hook="pre_invoke"} 0.009
        modrack_middleware_duration_seconds_count{component="dator-http",hook="pre_invoke"} 5
        modrack_middleware_duration_seconds_bucket{le="+Inf",component="dator-http",hook="pre_invoke"} 5
        # HELP modrack_middleware_audits_dropped Audits that found no room in the queue
        # TYPE modrack_middleware_audits_dropped counter
        modrack_middleware_audits_dropped_total 2
        # HELP modrack_component_state Where a component is in its life: 1 for its state, 0 for the others
        # TYPE modrack_component_state gauge
        modrack_component_state{component="dator-http",state="configured"} 0
        modrack_component_state{component="dator-http",state="starting"} 0
        modrack_component_state{component="dator-http",state="ready"} 0
        modrack_component_state{component="dator-http",state="degraded"} 1
        modrack_component_state{component="dator-http",state="stopping"} 0
        modrack_component_state{component="dator-http",state="stopped"} 0
        modrack_component_state{component="dator-http",state="failed"} 0
        # HELP modrack_component_starts Starts of a component, restarts among them
        # TYPE modrack_component_starts counter
        modrack_component_starts_total{component="dator-http"} 3
        # HELP modrack_component_restarts Restarts of a component by its policy
        # TYPE modrack_component_restarts counter
        modrack_component_restarts_total{component="dator-http"} 2
        # HELP modrack_component_probe_ok Whether the last probe of a component was answered as it has to be
        # TYPE modrack_component_probe_ok gauge
        modrack_component_probe_ok{component="dator-http",probe="readiness"} 1
        modrack_component_probe_ok{component="dator-http",probe="health"} 0
        # HELP modrack_component_probe_duration_seconds How long the last probe of a component took
        # TYPE modrack_component_probe_duration_seconds gauge
        # UNIT modrack_component_probe_duration_seconds seconds
        modrack_component_probe_duration_seconds{component="dator-http",probe="readiness"} 0.002
        modrack_component_probe_duration_seconds{component="dator-http",probe="health"} 0.002
        # HELP modrack_component_up Whether a process of a component runs
        # TYPE modrack_component_up gauge
        modrack_component_up{component="dator-http"} 1
        # HELP modrack_component_cpu_seconds User and system time of a component's processes since its start
        # TYPE modrack_component_cpu_seconds counter
        # UNIT modrack_component_cpu_seconds seconds
        modrack_component_cpu_seconds_total{component="dator-http"} 1.5
        # HELP modrack_component_resident_memory_bytes Memory of a component's processes that is in use
        # TYPE modrack_component_resident_memory_bytes gauge
        # UNIT modrack_component_resident_memory_bytes bytes
        modrack_component_resident_memory_bytes{component="dator-http"} 4096
        # HELP modrack_component_invocations Invocations of a component: answered with a decision that was accepted, or failed
        # TYPE modrack_component_invocations counter
        modrack_component_invocations_total{component="dator-http",outcome="answered"} 5
        modrack_component_invocations_total{component="dator-http",outcome="failed"} 1
        # HELP modrack_component_staged_entries Values that a component keeps at the host
        # TYPE modrack_component_staged_entries gauge
        modrack_component_staged_entries{component="dator-http"} 2
        # HELP modrack_component_staged_bytes What the values that a component keeps at the host take
        # TYPE modrack_component_staged_bytes gauge
        # UNIT modrack_component_staged_bytes bytes
        modrack_component_staged_bytes{component="dator-http"} 30
        # HELP modrack_modules Registered modules
        # TYPE modrack_modules gauge
        modrack_modules 1
        # HELP modrack_sessions Sessions that provide modules
        # TYPE modrack_sessions gauge
        modrack_sessions 1
        # HELP modrack_connections Open connections of clients and of attached providers
        # TYPE modrack_connections gauge
        modrack_connections 2
        # HELP process_cpu_seconds User and system time that the host took
        # TYPE process_cpu_seconds counter
        # UNIT process_cpu_seconds seconds
        process_cpu_seconds_total 1.5
        # HELP process_resident_memory_bytes Memory of the host that is in use
        # TYPE process_resident_memory_bytes gauge
        # UNIT process_resident_memory_bytes bytes
        process_resident_memory_bytes 4096
        # EOF
        "#);
    }
}
