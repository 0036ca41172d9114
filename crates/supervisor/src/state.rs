//! The life of one component, of any kind: what happens, and what follows from it. Has no clock, starts nothing and asks nobody;
//! `service` carries the effects out and tells what came of them.
//!
//! Invariants, which `state/tests.rs` draws sequences of events against:
//! * Nothing is ready without a report that was accepted in this start (`grpc_local`: without a session).
//! * Nothing is started by policy more often than the budget allows within its window.
//! * There is one process at most, and after a stop there is none: each that was started has exited or is being killed.
//! * Whatever waits has a deadline ([`Machine::next_deadline`]); what belongs to an earlier start is ignored.

mod budget;
mod facts;
mod orders;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use middleware::ModuleReport;
use protocol::codes;
use protocol::component::{ComponentFault, ComponentState, SandboxReport};

use crate::config::{ComponentConfig, Kind};
use crate::handle::Order;
use crate::host::SessionChange;
use crate::report;

use self::budget::{Budget, Verdict};
pub(crate) use self::facts::{Facts, Fault, Probe};

/// How long a start-up poll waits at most after the one before.
const SLOWEST_POLL: Duration = Duration::from_millis(100);
/// How long a killed process may take to be gone before it is killed again.
const KILL_AGAIN: Duration = Duration::from_secs(10);
/// What the wait for a drain has beyond the drain itself, for whoever reports its end.
const DRAIN_MARGIN: Duration = Duration::from_millis(250);

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) instant: Instant,
    pub(crate) wall: SystemTime,
}

/// What happens. Facts carry the number of the start that they belong to.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Somebody wants something.
    Order(Order),
    /// It has begun: its process runs, or, for a kind without one, everything is there to ask it.
    Begun { start: u64, pid: Option<u32>, sandbox: Option<SandboxReport>, endpoint: String },
    /// It could not begin; nothing of it runs.
    NotBegun { start: u64, fault: Fault },
    /// No process of it is left. `is_port_taken`: somebody else listens where the host had chosen a free port for it.
    Exited { start: u64, how: String, is_port_taken: bool },
    /// The answer to [`Effect::Ask`].
    Probed { start: u64, question: Question, probe: Probe },
    /// The answer to [`Effect::Init`].
    Answered { start: u64, answer: Result<ModuleReport, Fault> },
    /// A session came or went.
    Session(SessionChange),
    /// The answer to [`Effect::Drain`].
    Drained { start: u64 },
    /// Time has passed.
    Tick,
}

/// What a probe is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Readiness,
    Health,
}

/// What follows. Each `Begin` is answered by `NotBegun`, or by `Begun` and, where there is a process, later by `Exited`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Begin: look at its files, make its tokens, start its process if its kind has one.
    Begin { start: u64 },
    /// Ask once, after a while.
    Ask { start: u64, question: Question, after: Duration },
    /// Tell it the init and take its report, within this time.
    Init { start: u64, within: Duration },
    /// Calls may reach it.
    Open { start: u64 },
    /// No new calls reach it.
    Close,
    /// Wait until none runs, at most so long.
    Drain { start: u64, within: Duration },
    /// Ask its process to end.
    Terminate { start: u64 },
    /// End all its processes. Without one, nothing.
    Kill { start: u64 },
    /// The start is over: its tokens are good for nothing, nobody asks it any more.
    Retire { start: u64 },
    /// Something happened that operators want to know.
    Tell { previous: ComponentState, reason: String },
}

/// What becomes of it once it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Then {
    Stop,
    Start,
    /// The policy decides.
    Retry(Fault),
    Fail,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Configured,
    /// A restart by policy waits for its time.
    Delayed {
        due: Instant,
        is_counted: bool,
    },
    /// `Begin` is under way.
    Beginning {
        until: Instant,
    },
    /// It has to become ready; `grpc_local`: to have a session.
    Probing {
        until: Instant,
        asked: u32,
    },
    /// It has the init.
    Initialising {
        until: Instant,
    },
    Up(Up),
    /// `local_http_json` alone: it does not answer; it is looked for until it does, and then told the init anew.
    Away {
        init_until: Option<Instant>,
    },
    Draining {
        until: Instant,
        then: Then,
    },
    Terminating {
        until: Instant,
        then: Then,
    },
    Killing {
        until: Instant,
        then: Then,
    },
    Stopped,
    Failed,
}

/// Its health while it is up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Up {
    is_degraded: bool,
    good: u32,
    bad: u32,
    /// `grpc_local` without a session: when it is given up.
    given_up: Option<Instant>,
}

/// One component.
#[derive(Debug)]
pub(crate) struct Machine {
    config: std::sync::Arc<ComponentConfig>,
    phase: Phase,
    facts: Facts,
    /// Number of the latest start.
    start: u64,
    budget: Budget,
    sessions: BTreeSet<String>,
    is_open: bool,
    /// Whether this series of starts had its free retry for a port that was taken in the wrong moment.
    had_port_retry: bool,
    effects: Vec<Effect>,
}

impl Machine {
    pub(crate) fn new(config: std::sync::Arc<ComponentConfig>, now: SystemTime) -> Self {
        Self {
            budget: Budget::new(config.restart_policy.clone()),
            config,
            phase: Phase::Configured,
            facts: Facts::new(now),
            start: 0,
            sessions: BTreeSet::new(),
            is_open: false,
            had_port_retry: false,
            effects: Vec::new(),
        }
    }

    /// Takes what happened; answers what follows, in order.
    pub(crate) fn apply(&mut self, event: Event, now: At) -> Vec<Effect> {
        match event {
            Event::Order(order) => self.ordered(order, now),
            Event::Begun { start, pid, sandbox, endpoint } if start == self.start => {
                self.begun(pid, sandbox, endpoint, now);
            }
            Event::NotBegun { start, fault } if start == self.start => self.not_begun(fault, now),
            Event::Exited { start, how, is_port_taken } if start == self.start => self.exited(&how, is_port_taken, now),
            Event::Probed { start, question, probe } if start == self.start => self.probed(question, probe, now),
            Event::Answered { start, answer } if start == self.start => self.answered(answer, now),
            Event::Drained { start } if start == self.start => {
                if let Phase::Draining { then, .. } = self.phase.clone() {
                    self.terminate(then, now);
                }
            }
            Event::Session(change) => self.session(change, now),
            Event::Tick => self.tick(now),
            // Late news of an earlier start.
            _ => {}
        }
        self.facts.restarts_in_window = u32::try_from(self.budget.used(now.instant)).unwrap_or(u32::MAX);
        std::mem::take(&mut self.effects)
    }

    /// When [`Event::Tick`] is due; a component that waits for something always has such a time.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Delayed { due, .. } => Some(*due),
            Phase::Beginning { until }
            | Phase::Probing { until, .. }
            | Phase::Initialising { until }
            | Phase::Draining { until, .. }
            | Phase::Terminating { until, .. }
            | Phase::Killing { until, .. } => Some(*until),
            Phase::Up(up) => up.given_up,
            Phase::Away { init_until } => *init_until,
            Phase::Configured | Phase::Stopped | Phase::Failed => None,
        }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = &String> {
        self.sessions.iter()
    }

    /// Whether its part in the chain is in force: nobody disabled or stopped it.
    pub(crate) fn is_wanted(&self) -> bool {
        match &self.phase {
            Phase::Configured | Phase::Stopped => false,
            Phase::Draining { then, .. } | Phase::Terminating { then, .. } | Phase::Killing { then, .. } => {
                *then != Then::Stop
            }
            _ => true,
        }
    }

    /// Whether somebody who waits for it to be ready can be told.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    fn has_process(&self) -> bool {
        matches!(self.config.kind, Kind::HttpLocalJson | Kind::GrpcLocal)
    }

    fn startup_time(&self) -> Duration {
        let millis = match self.config.kind {
            Kind::GrpcLocal => self.config.grpc.clone().unwrap_or_default().startup_timeout_ms,
            Kind::CommandStdio => self.config.command.clone().unwrap_or_default().request_timeout_ms,
            Kind::HttpLocalJson | Kind::LocalHttpJson => {
                self.config.http.as_ref().map_or(0, |http| http.startup_timeout_ms)
            }
        };
        Duration::from_millis(millis)
    }

    /// A new start. Nothing of the one before is left.
    fn begin(&mut self, now: At, reason: &str) {
        self.start += 1;
        self.facts.starts += 1;
        self.facts.next_restart = None;
        self.facts.ended();
        self.effects.push(Effect::Begin { start: self.start });
        self.enter(Phase::Beginning { until: now.instant + self.startup_time() }, now, reason);
    }

    fn begun(&mut self, pid: Option<u32>, sandbox: Option<SandboxReport>, endpoint: String, now: At) {
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

    fn not_begun(&mut self, fault: Fault, now: At) {
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

    fn exited(&mut self, how: &str, is_port_taken: bool, now: At) {
        match self.phase.clone() {
            Phase::Probing { .. } | Phase::Beginning { .. } if is_port_taken && !self.had_port_retry => {
                self.had_port_retry = true;
                let message = format!("somebody took the port that the host had chosen; it {how}");
                self.note(&Fault::new(codes::COMPONENT_PORT_TAKEN, message), now);
                self.retire();
                self.enter(Phase::Delayed { due: now.instant, is_counted: false }, now, "its port was taken");
            }
            Phase::Beginning { .. } | Phase::Probing { .. } | Phase::Initialising { .. } => {
                let fault = Fault::new(codes::COMPONENT_EXITED, format!("it {how} before it was ready"));
                self.ended(Then::Retry(fault), now);
            }
            Phase::Up(_) => {
                let fault = Fault::new(codes::COMPONENT_EXITED, format!("it {how}"));
                self.ended(Then::Retry(fault), now);
            }
            Phase::Draining { then, .. } | Phase::Terminating { then, .. } | Phase::Killing { then, .. } => {
                self.ended(then, now);
            }
            Phase::Configured | Phase::Delayed { .. } | Phase::Away { .. } | Phase::Stopped | Phase::Failed => {}
        }
    }

    fn ask(&mut self, question: Question, after: Duration) {
        self.effects.push(Effect::Ask { start: self.start, question, after });
    }

    fn initialise(&mut self, until: Instant, now: At) {
        let within = until.saturating_duration_since(now.instant);
        self.effects.push(Effect::Init { start: self.start, within });
        self.phase = Phase::Initialising { until };
    }

    fn probed(&mut self, question: Question, probe: Probe, now: At) {
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

    fn look_later(&mut self) {
        self.ask(Question::Readiness, Duration::from_millis(self.config.health.interval_ms));
    }

    fn health(&mut self, mut up: Up, is_ok: bool, message: &str, now: At) {
        let health = &self.config.health;
        let interval = Duration::from_millis(health.interval_ms);
        if is_ok {
            up.bad = 0;
            up.good = up.good.saturating_add(1);
        } else {
            up.good = 0;
            up.bad = up.bad.saturating_add(1);
        }
        let reason = format!("its health is bad: {message}");
        if self.config.kind == Kind::LocalHttpJson && up.bad >= health.degraded_after {
            self.note(&Fault::new(codes::COMPONENT_UNHEALTHY, reason.clone()), now);
            self.enter(Phase::Away { init_until: None }, now, &reason);
            self.look_later();
            return;
        }
        if up.bad >= health.restart_after {
            let fault = Fault::new(
                codes::COMPONENT_UNHEALTHY,
                format!("its health was bad {} times in a row: {message}", up.bad),
            );
            self.give_up(fault, now);
            return;
        }
        let is_degraded = if up.is_degraded { up.good < health.ready_after } else { up.bad >= health.degraded_after };
        let reason = match (up.is_degraded, is_degraded) {
            (true, false) => "its health is good again",
            _ => &reason,
        };
        up.is_degraded = is_degraded;
        self.enter(Phase::Up(up), now, reason);
        self.ask(Question::Health, interval);
    }

    fn answered(&mut self, answer: Result<ModuleReport, Fault>, now: At) {
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

    fn away(&mut self, fault: &Fault, now: At) {
        self.note(fault, now);
        self.enter(Phase::Away { init_until: None }, now, &fault.message);
        self.look_later();
    }

    fn up(&mut self, now: At) {
        let reason = match self.config.kind {
            Kind::GrpcLocal => "its session can be called",
            _ => "its report was accepted",
        };
        self.had_port_retry = false;
        if !self.is_open {
            self.is_open = true;
            self.effects.push(Effect::Open { start: self.start });
        }
        self.enter(Phase::Up(Up::default()), now, reason);
        if matches!(self.config.kind, Kind::HttpLocalJson | Kind::LocalHttpJson) {
            self.ask(Question::Health, Duration::from_millis(self.config.health.interval_ms));
        }
    }

    fn session(&mut self, change: SessionChange, now: At) {
        match change {
            SessionChange::Up(session) => self.sessions.insert(session),
            SessionChange::Down(session) => self.sessions.remove(&session),
        };
        if self.config.kind != Kind::GrpcLocal {
            return;
        }
        match (self.phase.clone(), self.sessions.is_empty()) {
            (Phase::Probing { .. }, false) => self.up(now),
            (Phase::Up(Up { given_up: None, .. }), true) => {
                let health = &self.config.health;
                let patience = Duration::from_millis(health.interval_ms).saturating_mul(health.restart_after);
                let up = Up { is_degraded: true, given_up: Some(now.instant + patience), ..Up::default() };
                self.enter(Phase::Up(up), now, "it has no session that can be called");
            }
            (Phase::Up(Up { given_up: Some(_), .. }), false) => self.up(now),
            _ => {}
        }
    }

    fn tick(&mut self, now: At) {
        if self.next_deadline().is_none_or(|deadline| deadline > now.instant) {
            return;
        }
        match self.phase.clone() {
            Phase::Delayed { is_counted, .. } => {
                if is_counted {
                    self.budget.count(now.instant);
                }
                self.facts.restarts += 1;
                self.begin(now, "it is started again by its restart policy");
            }
            Phase::Beginning { .. } | Phase::Probing { .. } => self.not_ready_in_time(now),
            Phase::Initialising { .. } | Phase::Away { .. } => {
                let fault =
                    Fault::new(codes::COMPONENT_INIT_FAILED, "it did not answer its init within its start-up time");
                if self.config.kind == Kind::LocalHttpJson {
                    self.away(&fault, now)
                } else {
                    self.give_up_for_good(&fault, now)
                }
            }
            Phase::Up(_) => {
                let message = "it had no session that can be called for too long";
                self.give_up(Fault::new(codes::COMPONENT_UNHEALTHY, message), now);
            }
            Phase::Draining { then, .. } => self.terminate(then, now),
            Phase::Terminating { then, .. } => {
                let grace = self.config.stop.grace_ms;
                self.kill(then, now, &format!("it did not end within {grace} ms and is killed"));
            }
            Phase::Killing { then, .. } => self.kill(then, now, "it did not end although it was killed"),
            Phase::Configured | Phase::Stopped | Phase::Failed => {}
        }
    }

    fn not_ready_in_time(&mut self, now: At) {
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

    /// Ends it for a fault that no further start would mend.
    fn give_up_for_good(&mut self, fault: &Fault, now: At) {
        self.note(fault, now);
        self.terminate(Then::Fail, now);
    }

    /// Ends it, and lets the policy decide.
    fn give_up(&mut self, fault: Fault, now: At) {
        self.note(&fault, now);
        self.terminate(Then::Retry(fault), now);
    }

    /// Ends it, with a word of warning where it has a process.
    fn terminate(&mut self, then: Then, now: At) {
        self.close();
        if !self.has_process() {
            self.ended(then, now);
            return;
        }
        let reason = self.reason_to_stop(&then);
        self.effects.push(Effect::Terminate { start: self.start });
        let until = now.instant + Duration::from_millis(self.config.stop.grace_ms);
        self.enter(Phase::Terminating { until, then }, now, &reason);
    }

    fn kill(&mut self, then: Then, now: At, reason: &str) {
        self.close();
        self.effects.push(Effect::Kill { start: self.start });
        self.enter(Phase::Killing { until: now.instant + KILL_AGAIN, then }, now, reason);
    }

    /// Nothing of the start is left.
    fn ended(&mut self, then: Then, now: At) {
        self.retire();
        match then {
            Then::Stop => self.enter(Phase::Stopped, now, "it was stopped"),
            Then::Start => self.begin(now, "it is started again on request"),
            Then::Fail => {
                let reason = self.last_message();
                self.enter(Phase::Failed, now, &reason);
            }
            Then::Retry(fault) => self.retry(&fault, now),
        }
    }

    fn retry(&mut self, fault: &Fault, now: At) {
        self.note(fault, now);
        match self.budget.ask(now.instant) {
            Verdict::Again(delay) => {
                self.facts.next_restart = Some(now.wall + delay);
                let reason = format!("{}; it is started again in {} ms", fault.message, delay.as_millis());
                self.enter(Phase::Delayed { due: now.instant + delay, is_counted: true }, now, &reason);
            }
            Verdict::Never => self.enter(Phase::Failed, now, &fault.message),
            Verdict::Exhausted(used) => {
                let window = self.config.restart_policy.window_sec;
                let message =
                    format!("it was started again {used} times within {window} s; the last time {}", fault.message);
                let fault = Fault::new(codes::COMPONENT_RESTARTS_EXHAUSTED, message);
                self.note(&fault, now);
                self.enter(Phase::Failed, now, &fault.message);
            }
        }
    }

    fn retire(&mut self) {
        self.close();
        // What the registry still has of a process that is gone will be told down; it serves nothing.
        self.sessions.clear();
        self.facts.ended();
        self.effects.push(Effect::Retire { start: self.start });
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.effects.push(Effect::Close);
        }
    }

    fn note(&mut self, fault: &Fault, now: At) {
        self.facts.last_error =
            Some(ComponentFault { code: fault.code.name, message: fault.message.clone(), at: now.wall });
    }

    fn last_message(&self) -> String {
        self.facts.last_error.as_ref().map_or_else(String::new, |fault| fault.message.clone())
    }

    fn reason_to_stop(&self, then: &Then) -> String {
        match then {
            Then::Stop => "it is stopped on request".to_owned(),
            Then::Start => "it is restarted on request".to_owned(),
            Then::Retry(fault) => fault.message.clone(),
            Then::Fail => self.last_message(),
        }
    }

    /// Operators are told where the state changes, and of each restart that was set.
    fn enter(&mut self, phase: Phase, now: At, reason: &str) {
        let is_notable = matches!(phase, Phase::Delayed { .. });
        self.phase = phase;
        let previous = self.facts.state;
        let state = self.public();
        if state != previous {
            self.facts.state = state;
            self.facts.since = now.wall;
        }
        if state != previous || is_notable {
            self.effects.push(Effect::Tell { previous, reason: reason.to_owned() });
        }
    }

    fn public(&self) -> ComponentState {
        match &self.phase {
            Phase::Configured => ComponentState::Configured,
            Phase::Delayed { .. } | Phase::Beginning { .. } | Phase::Probing { .. } | Phase::Initialising { .. } => {
                ComponentState::Starting
            }
            Phase::Up(Up { is_degraded: false, .. }) => ComponentState::Ready,
            Phase::Up(_) | Phase::Away { .. } => ComponentState::Degraded,
            Phase::Draining { .. } | Phase::Terminating { .. } | Phase::Killing { .. } => ComponentState::Stopping,
            Phase::Stopped => ComponentState::Stopped,
            Phase::Failed => ComponentState::Failed,
        }
    }
}
