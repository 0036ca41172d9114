//! How a component ends, by itself or by the host, and whether it is started again.

use std::time::Duration;

use protocol::codes;

use super::budget::Verdict;
use super::{At, Effect, Fault, KILL_AGAIN, Machine, Phase, Then};

impl Machine {
    pub(super) fn exited(&mut self, how: &str, is_port_taken: bool, now: At) {
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

    /// Ends it for a fault that no further start would mend.
    pub(super) fn give_up_for_good(&mut self, fault: &Fault, now: At) {
        self.note(fault, now);
        self.terminate(Then::Fail, now);
    }

    /// Ends it, and lets the policy decide.
    pub(super) fn give_up(&mut self, fault: Fault, now: At) {
        self.note(&fault, now);
        self.terminate(Then::Retry(fault), now);
    }

    /// Ends it, with a word of warning where it has a process.
    pub(super) fn terminate(&mut self, then: Then, now: At) {
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

    pub(super) fn kill(&mut self, then: Then, now: At, reason: &str) {
        self.close();
        self.effects.push(Effect::Kill { start: self.start });
        self.enter(Phase::Killing { until: now.instant + KILL_AGAIN, then }, now, reason);
    }

    /// Nothing of the start is left.
    pub(super) fn ended(&mut self, then: Then, now: At) {
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

    pub(super) fn retry(&mut self, fault: &Fault, now: At) {
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

    pub(super) fn retire(&mut self) {
        self.close();
        // What the registry still has of a process that is gone will be told down; it serves nothing.
        self.sessions.clear();
        self.facts.ended();
        self.effects.push(Effect::Retire { start: self.start });
    }

    pub(super) fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.effects.push(Effect::Close);
        }
    }

    pub(super) fn last_message(&self) -> String {
        self.facts.last_error.as_ref().map_or_else(String::new, |fault| fault.message.clone())
    }

    pub(super) fn reason_to_stop(&self, then: &Then) -> String {
        match then {
            Then::Stop => "it is stopped on request".to_owned(),
            Then::Start => "it is restarted on request".to_owned(),
            Then::Retry(fault) => fault.message.clone(),
            Then::Fail => self.last_message(),
        }
    }
}
