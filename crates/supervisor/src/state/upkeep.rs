//! A component that is up: its health, its sessions.

use std::time::Duration;

use protocol::codes;

use crate::config::Kind;
use crate::host::SessionChange;

use super::{At, Effect, Fault, Machine, Phase, Question, Up};

impl Machine {
    pub(super) fn health(&mut self, mut up: Up, is_ok: bool, message: &str, now: At) {
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

    pub(super) fn up(&mut self, now: At) {
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

    pub(super) fn session(&mut self, change: SessionChange, now: At) {
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
}
