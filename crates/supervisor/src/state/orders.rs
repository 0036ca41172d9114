//! What follows when somebody wants a component started, stopped or started anew, in each of its phases.

use std::time::Duration;

use crate::handle::Order;

use super::{At, DRAIN_MARGIN, Effect, Machine, Phase, Then};

impl Machine {
    pub(super) fn ordered(&mut self, order: Order, now: At) {
        if order != Order::Stop {
            // An operator who starts it has looked at it: the count begins anew.
            self.budget.reset();
            self.had_port_retry = false;
        }
        match order {
            Order::Start => self.start_ordered(now),
            Order::Stop => self.end_ordered(Then::Stop, now),
            Order::Restart => self.end_ordered(Then::Start, now),
        }
    }

    fn start_ordered(&mut self, now: At) {
        match &mut self.phase {
            Phase::Configured | Phase::Stopped | Phase::Failed | Phase::Delayed { .. } => {
                self.begin(now, "it is started");
            }
            Phase::Draining { then, .. } | Phase::Terminating { then, .. } | Phase::Killing { then, .. } => {
                *then = Then::Start
            }
            Phase::Beginning { .. }
            | Phase::Probing { .. }
            | Phase::Initialising { .. }
            | Phase::Up(_)
            | Phase::Away { .. } => {}
        }
    }

    fn end_ordered(&mut self, wanted: Then, now: At) {
        match &mut self.phase {
            Phase::Configured | Phase::Stopped | Phase::Failed | Phase::Delayed { .. } => {
                self.facts.next_restart = None;
                match wanted {
                    Then::Start => self.begin(now, "it is started"),
                    _ => self.enter(Phase::Stopped, now, "it was stopped"),
                }
            }
            Phase::Beginning { .. } => {
                let reason = self.reason_to_stop(&wanted);
                self.kill(wanted, now, &reason);
            }
            Phase::Probing { .. } | Phase::Initialising { .. } => self.terminate(wanted, now),
            Phase::Up(_) | Phase::Away { .. } => self.drain(wanted, now),
            Phase::Draining { then, .. } | Phase::Terminating { then, .. } | Phase::Killing { then, .. } => {
                *then = wanted
            }
        }
    }

    fn drain(&mut self, then: Then, now: At) {
        self.close();
        let within = Duration::from_millis(self.config.stop.drain_ms);
        let reason = self.reason_to_stop(&then);
        self.effects.push(Effect::Drain { start: self.start, within });
        self.enter(Phase::Draining { until: now.instant + within + DRAIN_MARGIN, then }, now, &reason);
    }
}
