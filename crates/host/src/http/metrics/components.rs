//! The part of `/metrics` that tells of components: where they are in their lives, what they use, what they were asked. Counts
//! nothing itself.
//!
//! The labels are bounded: a component is a configured one.

use std::fmt;

use futures::future::join_all;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use protocol::component::{ComponentState, ComponentView, ProbeResult};

use crate::components::Components as Known;
use crate::http::metrics::NO_EXEMPLAR;

/// What there is to tell.
#[derive(Debug)]
pub(super) struct Components {
    pub(super) views: Vec<ComponentView>,
    /// What each keeps at the host: values and bytes.
    pub(super) kept: Vec<(usize, usize)>,
}

type Count = fn(&ComponentView) -> u64;
type Probe = fn(&ComponentView) -> Option<&ProbeResult>;

impl Components {
    /// Costs a look at the processes of the machine for each component that runs.
    pub(super) async fn of(known: &Known) -> Self {
        let ids: Vec<_> = known.supervisor.components().iter().map(|view| view.id.clone()).collect();
        let views = join_all(ids.iter().map(|id| known.supervisor.inspect(id))).await;
        let views: Vec<_> = views.into_iter().flatten().collect();
        let kept = views.iter().map(|view| known.staging.of(&view.id)).map(|kept| (kept.entries, kept.bytes));
        Self { kept: kept.collect(), views }
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.lives(encoder)?;
        self.probes(encoder)?;
        self.processes(encoder)?;
        self.asked(encoder)
    }

    fn lives(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Where a component is in its life: 1 for its state, 0 for the others";
        let mut metric = encoder.encode_descriptor("modrack_component_state", help, None, MetricType::Gauge)?;
        for of in &self.views {
            for state in ComponentState::ALL {
                let labels = [("component", of.id.as_str()), ("state", state.as_str())];
                metric.encode_family(&labels)?.encode_gauge(&u32::from(of.state == state))?;
            }
        }
        let counts: [(&str, &str, Count); 2] = [
            ("modrack_component_starts", "Starts of a component, restarts among them", |of| of.starts),
            ("modrack_component_restarts", "Restarts of a component by its policy", |of| of.restarts),
        ];
        for (name, help, count) in counts {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for of in &self.views {
                metric.encode_family(&[("component", of.id.as_str())])?.encode_counter(&count(of), NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }

    fn probes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let probes: [(&str, Probe); 2] =
            [("readiness", |of| of.readiness.as_ref()), ("health", |of| of.health.as_ref())];
        let found = || {
            self.views
                .iter()
                .flat_map(|of| probes.iter().filter_map(|(name, probe)| Some((of.id.as_str(), *name, probe(of)?))))
        };
        let help = "Whether the last probe of a component was answered as it has to be";
        let mut metric = encoder.encode_descriptor("modrack_component_probe_ok", help, None, MetricType::Gauge)?;
        for (id, name, probe) in found() {
            metric.encode_family(&[("component", id), ("probe", name)])?.encode_gauge(&u32::from(probe.ok))?;
        }
        let help = "How long the last probe of a component took";
        let unit = Some(&Unit::Seconds);
        let mut metric =
            encoder.encode_descriptor("modrack_component_probe_duration", help, unit, MetricType::Gauge)?;
        for (id, name, probe) in found() {
            let labels = [("component", id), ("probe", name)];
            metric.encode_family(&labels)?.encode_gauge(&probe.took.as_secs_f64())?;
        }
        Ok(())
    }

    fn processes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether a process of a component runs";
        let mut metric = encoder.encode_descriptor("modrack_component_up", help, None, MetricType::Gauge)?;
        for of in &self.views {
            metric.encode_family(&[("component", of.id.as_str())])?.encode_gauge(&u32::from(of.pid.is_some()))?;
        }
        let used = || self.views.iter().filter_map(|of| Some((of.id.as_str(), of.usage?)));
        let help = "User and system time of a component's processes since its start";
        let unit = Some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor("modrack_component_cpu", help, unit, MetricType::Counter)?;
        for (id, usage) in used() {
            metric.encode_family(&[("component", id)])?.encode_counter(&usage.cpu.as_secs_f64(), NO_EXEMPLAR)?;
        }
        let help = "Memory of a component's processes that is in use";
        let unit = Some(&Unit::Bytes);
        let mut metric =
            encoder.encode_descriptor("modrack_component_resident_memory", help, unit, MetricType::Gauge)?;
        for (id, usage) in used() {
            metric.encode_family(&[("component", id)])?.encode_gauge(&usage.memory)?;
        }
        Ok(())
    }

    fn asked(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Invocations of a component: answered with a decision that was accepted, or failed";
        let mut metric = encoder.encode_descriptor("modrack_component_invocations", help, None, MetricType::Counter)?;
        for of in &self.views {
            for (outcome, count) in [("answered", of.answered), ("failed", of.failed)] {
                let labels = [("component", of.id.as_str()), ("outcome", outcome)];
                metric.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        let help = "Values that a component keeps at the host";
        let mut metric =
            encoder.encode_descriptor("modrack_component_staged_entries", help, None, MetricType::Gauge)?;
        for (of, (entries, _)) in self.views.iter().zip(&self.kept) {
            metric.encode_family(&[("component", of.id.as_str())])?.encode_gauge(entries)?;
        }
        let help = "What the values that a component keeps at the host take";
        let unit = Some(&Unit::Bytes);
        let mut metric = encoder.encode_descriptor("modrack_component_staged", help, unit, MetricType::Gauge)?;
        for (of, (_, bytes)) in self.views.iter().zip(&self.kept) {
            metric.encode_family(&[("component", of.id.as_str())])?.encode_gauge(bytes)?;
        }
        Ok(())
    }
}
