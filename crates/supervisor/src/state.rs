//! The life of one component, of any kind: what happens, and what follows from it. Has no clock, starts nothing and asks nobody;
//! `service` carries the effects out and tells what came of them.
//!
//! Invariants, which `state/tests.rs` draws sequences of events against:
//! * Nothing is ready without a report that was accepted in this start (`grpc_local`: without a session).
//! * Nothing is started by policy more often than the budget allows within its window.
//! * There is one process at most, and after a stop there is none: each that was started has exited or is being killed.
//! * Whatever waits has a deadline ([`Machine::next_deadline`]); what belongs to an earlier start is ignored.

mod budget;
mod end;
mod event;
mod facts;
mod orders;
mod start;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use protocol::codes;
use protocol::component::{ComponentFault, ComponentState};

use crate::config::{ComponentConfig, Kind};

use self::budget::Budget;
pub(crate) use self::event::{At, Effect, Event, Question};
pub(crate) use self::facts::{Facts, Fault, Probe};

/// How long a start-up poll waits at most after the one before.
const SLOWEST_POLL: Duration = Duration::from_millis(100);
/// How long a killed process may take to be gone before it is killed again.
const KILL_AGAIN: Duration = Duration::from_secs(10);
/// What the wait for a drain has beyond the drain itself, for whoever reports its end.
const DRAIN_MARGIN: Duration = Duration::from_millis(250);

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
    config: Arc<ComponentConfig>,
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
    pub(crate) fn new(config: Arc<ComponentConfig>, now: SystemTime) -> Self {
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

    fn note(&mut self, fault: &Fault, now: At) {
        self.facts.last_error =
            Some(ComponentFault { code: fault.code.name, message: fault.message.clone(), at: now.wall });
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
