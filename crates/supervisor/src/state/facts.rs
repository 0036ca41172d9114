//! What is known of a component besides its phase: what operators see, and nothing that decides.

use std::time::{Duration, SystemTime};

use middleware::ModuleReport;
use protocol::codes::Code;
use protocol::component::{ComponentFault, ComponentState, ProbeResult, SandboxReport};

/// A fault before it has its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) is_ok: bool,
    pub(crate) took: Duration,
    pub(crate) message: String,
}

/// What is known of a component.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) state: ComponentState,
    pub(crate) since: SystemTime,
    pub(crate) pid: Option<u32>,
    pub(crate) starts: u64,
    pub(crate) restarts: u64,
    pub(crate) restarts_in_window: u32,
    pub(crate) next_restart: Option<SystemTime>,
    pub(crate) readiness: Option<ProbeResult>,
    pub(crate) health: Option<ProbeResult>,
    pub(crate) last_error: Option<ComponentFault>,
    pub(crate) report: Option<ModuleReport>,
    pub(crate) sandbox: Option<SandboxReport>,
    pub(crate) endpoint: String,
}

impl Facts {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            state: ComponentState::Configured,
            since: now,
            pid: None,
            starts: 0,
            restarts: 0,
            restarts_in_window: 0,
            next_restart: None,
            readiness: None,
            health: None,
            last_error: None,
            report: None,
            sandbox: None,
            endpoint: String::new(),
        }
    }

    /// Forgets what belongs to a process that is no more.
    pub(super) fn ended(&mut self) {
        self.pid = None;
        self.sandbox = None;
        self.endpoint.clear();
    }
}

/// The next result of a kind of probe, after the last of that kind.
pub(super) fn next(last: Option<&ProbeResult>, probe: Probe, at: SystemTime) -> ProbeResult {
    let in_a_row = last.filter(|last| last.ok == probe.is_ok).map_or(0, |last| last.in_a_row).saturating_add(1);
    ProbeResult { ok: probe.is_ok, at, took: probe.took, message: probe.message, in_a_row }
}
