//! From the order to begin until a component is ready: what it is asked, and what its answers lead to.

use std::time::{Duration, Instant};

use middleware::ModuleReport;
use protocol::codes;
use protocol::component::SandboxReport;

use crate::config::Kind;
use crate::report;

use super::facts;
use super::{At, Effect, Fault, Machine, Phase, Probe, Question, SLOWEST_POLL, Then};

impl Machine {
    /// A new start. Nothing of the one before is left.
    pub(super) fn begin(&mut self, now: At, reason: &str) {
        self.start += 1;
        self.facts.starts += 1;
        self.facts.next_restart = None;
        self.facts.ended();
        self.effects.push(Effect::Begin { start: self.start });
        self.enter(Phase::Beginning { until: now.instant + self.startup_time() }, now, reason);
    }

    pub(super) fn begun(&mut self, pid: Option<u32>, sandbox: Option<SandboxReport>, endpoint: String, now: At) {
        match self.phase.clone() {
            Phase::Beginning { until } => {
                self.facts.pid = pid;
                self.facts.sandbox = sandbox;
                self.facts.endpoint = endpoint;
                match self.config.kind {
                    Kind::CommandStdio => self.initialise(until, now),
                    Kind::GrpcLocal if !self.sessions.is_empty() => self.up(now),
                    Kind::GrpcLocal => self.phase = Phase::Probing { until, asked: 0 },
                    Kind::HttpLocalJson | Kind::LocalHttpJson => {
                        self.phase = Phase::Probing { until, asked: 0 };
                        self.ask(Question::Readiness, Duration::ZERO);
                    }
                }
            }
            // It was given up while it began.
            Phase::Killing { then, .. } if !self.has_process() => self.ended(then, now),
            Phase::Killing { .. } => {
                self.facts.pid = pid;
                self.effects.push(Effect::Kill { start: self.start });
            }
            _ => {}
        }
    }

    pub(super) fn not_begun(&mut self, fault: Fault, now: At) {
        match self.phase.clone() {
            // What the system lacks may be there again; what the operator has to mend is not.
            Phase::Beginning { .. } if fault.code == codes::COMPONENT_SPAWN_FAILED => {
                self.ended(Then::Retry(fault), now)
            }
            Phase::Beginning { .. } => {
                self.note(&fault, now);
                self.ended(Then::Fail, now);
            }
            Phase::Killing { then, .. } => self.ended(then, now),
            _ => {}
        }
    }

    pub(super) fn ask(&mut self, question: Question, after: Duration) {
        self.effects.push(Effect::Ask { start: self.start, question, after });
    }

    pub(super) fn initialise(&mut self, until: Instant, now: At) {
        let within = until.saturating_duration_since(now.instant);
        self.effects.push(Effect::Init { start: self.start, within });
        self.phase = Phase::Initialising { until };
    }

    pub(super) fn probed(&mut self, question: Question, probe: Probe, now: At) {
        let is_ok = probe.is_ok;
        let last = match question {
            Question::Readiness => &mut self.facts.readiness,
            Question::Health => &mut self.facts.health,
        };
        let message = probe.message.clone();
        *last = Some(facts::next(last.as_ref(), probe, now.wall));

        match (self.phase.clone(), question) {
            (Phase::Probing { until, .. }, Question::Readiness) if is_ok => self.initialise(until, now),
            (Phase::Probing { until, asked }, Question::Readiness) => {
                self.phase = Phase::Probing { until, asked: asked.saturating_add(1) };
                // 10, 15, 22, … ms: a component that needs a moment is seen soon, a slow one is not pestered.
                let after = Duration::from_millis(10).mul_f64(1.5_f64.powi(i32::try_from(asked.min(32)).unwrap_or(32)));
                self.ask(Question::Readiness, after.min(SLOWEST_POLL));
            }
            (Phase::Away { init_until: None }, Question::Readiness) if is_ok => {
                let within = self.startup_time();
                self.effects.push(Effect::Init { start: self.start, within });
                self.phase = Phase::Away { init_until: Some(now.instant + within) };
            }
            (Phase::Away { init_until: None }, Question::Readiness) => self.look_later(),
            (Phase::Up(up), Question::Health) => self.health(up, is_ok, &message, now),
            _ => {}
        }
    }

    pub(super) fn look_later(&mut self) {
        self.ask(Question::Readiness, Duration::from_millis(self.config.health.interval_ms));
    }

    pub(super) fn answered(&mut self, answer: Result<ModuleReport, Fault>, now: At) {
        if !matches!(self.phase, Phase::Initialising { .. } | Phase::Away { init_until: Some(_) }) {
            return;
        }
        let accepted = answer.and_then(|report| report::check(&report, &self.config.module_id).map(|()| report));
        match accepted {
            Ok(report) => {
                self.facts.report = Some(report);
                self.up(now);
            }
            // Somebody else starts and stops it; it may have gone just now.
            Err(fault) if self.config.kind == Kind::LocalHttpJson && fault.code == codes::COMPONENT_INIT_FAILED => {
                self.away(&fault, now);
            }
            Err(fault) => self.give_up_for_good(&fault, now),
        }
    }

    pub(super) fn away(&mut self, fault: &Fault, now: At) {
        self.note(fault, now);
        self.enter(Phase::Away { init_until: None }, now, &fault.message);
        self.look_later();
    }

    pub(super) fn not_ready_in_time(&mut self, now: At) {
        let found = match (&self.facts.readiness, self.config.kind) {
            (_, Kind::GrpcLocal) => "no session of it can be called".to_owned(),
            (Some(probe), _) if !probe.ok => probe.message.clone(),
            _ => "it did not answer".to_owned(),
        };
        let message = format!("it was not ready within {} ms: {found}", self.startup_time().as_millis());
        let fault = Fault::new(codes::COMPONENT_READINESS_TIMEOUT, message);
        match (self.config.kind, &self.phase) {
            (Kind::LocalHttpJson, Phase::Probing { .. }) => self.away(&fault, now),
            (_, Phase::Beginning { .. }) => {
                self.note(&fault, now);
                self.kill(Then::Fail, now, &fault.message);
            }
            _ => self.give_up_for_good(&fault, now),
        }
    }
}
