//! A component as operators see it, on its way to the wire. Owns no process.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::generated::host::v1 as pb;

/// How a component is run and called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComponentKind {
    /// The host runs it and calls it by HTTP.
    HttpLocalJson,
    /// Somebody else runs it; the host calls it by HTTP.
    LocalHttpJson,
    /// The host runs it; it is a provider that registers by itself.
    GrpcLocal,
    /// The host runs one process per invocation.
    CommandStdio,
}

impl ComponentKind {
    /// As it is configured.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpLocalJson => "http_local_json",
            Self::LocalHttpJson => "local_http_json",
            Self::GrpcLocal => "grpc_local",
            Self::CommandStdio => "command_stdio",
        }
    }

    /// Wire form.
    #[must_use]
    pub fn to_proto(self) -> pb::ComponentKind {
        match self {
            Self::HttpLocalJson => pb::ComponentKind::HttpLocalJson,
            Self::LocalHttpJson => pb::ComponentKind::LocalHttpJson,
            Self::GrpcLocal => pb::ComponentKind::GrpcLocal,
            Self::CommandStdio => pb::ComponentKind::CommandStdio,
        }
    }
}

/// Where a component is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ComponentState {
    /// Known, not started.
    Configured,
    /// On its way to ready.
    Starting,
    /// Initialised, its report checked; calls reach it.
    Ready,
    /// It was ready and its health fails; calls reach it still.
    Degraded,
    /// Takes no new calls, and ends.
    Stopping,
    /// Ended on request.
    Stopped,
    /// Not running, and not started again until an operator does.
    Failed,
}

impl ComponentState {
    /// All, in the order of a life.
    pub const ALL: [Self; 7] =
        [Self::Configured, Self::Starting, Self::Ready, Self::Degraded, Self::Stopping, Self::Stopped, Self::Failed];

    /// Lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether calls reach it.
    #[must_use]
    pub fn is_callable(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }

    /// Wire form.
    #[must_use]
    pub fn to_proto(self) -> pb::ComponentState {
        match self {
            Self::Configured => pb::ComponentState::Configured,
            Self::Starting => pb::ComponentState::Starting,
            Self::Ready => pb::ComponentState::Ready,
            Self::Degraded => pb::ComponentState::Degraded,
            Self::Stopping => pb::ComponentState::Stopping,
            Self::Stopped => pb::ComponentState::Stopped,
            Self::Failed => pb::ComponentState::Failed,
        }
    }
}

/// What an operator sees of a component at one moment; the fields are those of `modrack.host.v1.Component`.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentView {
    /// As configured, e.g. `dator-http`.
    pub id: String,
    /// Name of its module.
    pub module_id: String,
    /// Name of the component, e.g. `middleware.dator`.
    pub component_id: String,
    /// How it is run and called.
    pub kind: ComponentKind,
    /// Whether the host starts it by itself.
    pub enabled: bool,
    /// Where it is in its life.
    pub state: ComponentState,
    /// Since when.
    pub since: SystemTime,
    /// Process that runs the component and leads the group of that number.
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u64,
    /// Restarts by policy.
    pub restarts: u64,
    /// Of these, those in the present window.
    pub restarts_in_window: u32,
    /// When the next one is due.
    pub next_restart: Option<SystemTime>,
    /// Last question whether it is ready.
    pub readiness: Option<ProbeResult>,
    /// Last question for its health.
    pub health: Option<ProbeResult>,
    /// What went wrong last.
    pub last_error: Option<ComponentFault>,
    /// What it said of itself.
    pub report: Option<middleware::ModuleReport>,
    /// What holds its process in.
    pub sandbox: Option<SandboxReport>,
    /// Processor time and memory; only where somebody asked for this component.
    pub usage: Option<ProcessUsage>,
    /// Where it is called; empty without such an address.
    pub endpoint: String,
    /// Hooks that it is asked at.
    pub hooks: Vec<middleware::Hook>,
    /// Sessions that it serves.
    pub sessions: Vec<String>,
    /// Invocations with an accepted decision.
    pub answered: u64,
    /// Other invocations.
    pub failed: u64,
    /// Configuration in force as JSON, without secrets.
    pub config_json: String,
    /// Where it comes from.
    pub layers: Vec<String>,
    /// What the bundle states of itself.
    pub bundle: BTreeMap<String, String>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// Whether the answer was what it has to be.
    pub ok: bool,
    /// When.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What was found, in a line.
    pub message: String,
    /// So many of the same result in a row.
    pub in_a_row: u32,
}

/// What went wrong with a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFault {
    /// Stable.
    pub code: &'static str,
    /// In a line.
    pub message: String,
    /// When.
    pub at: SystemTime,
}

/// What holds a process in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxReport {
    /// `none` or `module-restricted`.
    pub profile: String,
    /// One per measure, in a fixed order.
    pub measures: Vec<Measure>,
}

/// One measure of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// E.g. `address_space`; see the proto.
    pub name: String,
    /// How far the kernel goes along.
    pub state: MeasureState,
    /// What is enforced, or why it is not.
    pub detail: String,
}

/// How far the kernel goes along with a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureState {
    /// All of it.
    Enforced,
    /// Some of it.
    Partial,
    /// None of it.
    Unavailable,
}

impl MeasureState {
    /// Lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Partial => "partial",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What a process group uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUsage {
    /// User and system.
    pub cpu: Duration,
    /// Resident, in bytes.
    pub memory: u64,
    /// Processes.
    pub processes: u32,
}

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Rises by one with each line; starts at 1.
    pub number: u64,
    /// When it was read.
    pub at: SystemTime,
    /// Whether it was written to standard error.
    pub is_stderr: bool,
    /// Without its line end.
    pub text: String,
    /// Which start of the component wrote it; from 1.
    pub start: u64,
}

/// A change in the life of a component.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentEvent {
    /// As it is after the change.
    pub component: ComponentView,
    /// What it was before; none in events that tell the present state.
    pub previous: Option<ComponentState>,
    /// Why, in a line.
    pub reason: String,
}

impl ComponentView {
    /// Wire form.
    #[must_use]
    pub fn to_proto(&self) -> pb::Component {
        pb::Component {
            id: self.id.clone(),
            module_id: self.module_id.clone(),
            component_id: self.component_id.clone(),
            kind: self.kind.to_proto().into(),
            enabled: self.enabled,
            state: self.state.to_proto().into(),
            since: Some(self.since.into()),
            pid: self.pid.unwrap_or_default(),
            starts: self.starts,
            restarts: self.restarts,
            restarts_in_window: self.restarts_in_window,
            next_restart: self.next_restart.map(Into::into),
            readiness: self.readiness.as_ref().map(ProbeResult::to_proto),
            health: self.health.as_ref().map(ProbeResult::to_proto),
            last_error: self.last_error.as_ref().map(|fault| pb::ComponentFault {
                code: fault.code.to_owned(),
                message: fault.message.clone(),
                at: Some(fault.at.into()),
            }),
            report: self.report.as_ref().map(report),
            sandbox: self.sandbox.as_ref().map(SandboxReport::to_proto),
            usage: self.usage.map(|usage| pb::ProcessUsage {
                cpu_ms: u64::try_from(usage.cpu.as_millis()).unwrap_or(u64::MAX),
                memory_bytes: usage.memory,
                processes: usage.processes,
            }),
            endpoint: self.endpoint.clone(),
            hooks: self.hooks.iter().map(|hook| hook.as_str().to_owned()).collect(),
            sessions: self.sessions.clone(),
            invocations: Some(pb::InvocationCounts { answered: self.answered, failed: self.failed }),
            config_json: self.config_json.clone(),
            layers: self.layers.clone(),
            bundle: self.bundle.clone().into_iter().collect(),
        }
    }
}

impl ProbeResult {
    fn to_proto(&self) -> pb::ProbeResult {
        pb::ProbeResult {
            ok: self.ok,
            at: Some(self.at.into()),
            duration_us: u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            message: self.message.clone(),
            in_a_row: self.in_a_row,
        }
    }
}

impl SandboxReport {
    fn to_proto(&self) -> pb::SandboxReport {
        let measure = |measure: &Measure| pb::SandboxMeasure {
            name: measure.name.clone(),
            state: measure.state.as_str().to_owned(),
            detail: measure.detail.clone(),
        };
        pb::SandboxReport { profile: self.profile.clone(), measures: self.measures.iter().map(measure).collect() }
    }
}

impl LogLine {
    /// Wire form.
    #[must_use]
    pub fn to_proto(&self) -> pb::LogLine {
        let stream = if self.is_stderr { pb::LogStream::Stderr } else { pb::LogStream::Stdout };
        pb::LogLine {
            number: self.number,
            at: Some(self.at.into()),
            stream: stream.into(),
            text: self.text.clone(),
            start: self.start,
        }
    }
}

impl ComponentEvent {
    /// Wire form; without what changes at every moment and what is long.
    #[must_use]
    pub fn to_proto(&self) -> pb::ComponentEvent {
        let component =
            pb::Component { config_json: String::new(), layers: Vec::new(), usage: None, ..self.component.to_proto() };
        pb::ComponentEvent {
            component: Some(component),
            previous: self.previous.map_or(pb::ComponentState::Unspecified, ComponentState::to_proto).into(),
            reason: self.reason.clone(),
        }
    }
}

fn report(report: &middleware::ModuleReport) -> pb::ModuleReport {
    let capability = |capability: &middleware::Capability| pb::ReportedCapability {
        id: capability.id.clone(),
        class: capability.class.as_str().to_owned(),
        description: capability.description.clone(),
        output_contract: capability.output_contract.clone().unwrap_or_default(),
    };
    pb::ModuleReport {
        module_name: report.module_name.clone(),
        description: report.description.clone(),
        version: report.version.clone(),
        contract_version: report.contract_version.clone(),
        host_api_version: report.expected_host_api_version.clone(),
        capabilities: report.capabilities.iter().map(capability).collect(),
    }
}
