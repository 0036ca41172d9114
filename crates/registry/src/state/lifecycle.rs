//! The life of a session after its registration: heartbeats, connections, drain, and every way to end.

use std::sync::Arc;
use std::time::Duration;

use protocol::{DataPlane, Error, ModuleName, Namespace, SessionId, SessionToken, codes};

use crate::answer::{Command, Connected, EndReason, Heartbeat as HeartbeatAnswer};

use super::session::{Drain, Phase};
use super::{At, Effect, Event, State};

/// A provider says that it is alive.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) token: SessionToken,
}

/// A provider leaves.
#[derive(Debug)]
pub(crate) struct Unregister {
    pub(crate) token: SessionToken,
}

/// A connection shows a token and wants to know whose it is. Changes nothing.
#[derive(Debug)]
pub(crate) struct Find {
    pub(crate) token: SessionToken,
}

/// A provider opened its attach or link connection.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) token: SessionToken,
    pub(crate) plane: DataPlane,
}

/// The attach or link connection of a session closed.
#[derive(Debug)]
pub(crate) struct Disconnect {
    pub(crate) session: SessionId,
}

/// A provider takes no new calls.
#[derive(Debug)]
pub(crate) struct ProviderDrain {
    pub(crate) session: SessionId,
}

/// The host wants a provider to leave.
#[derive(Debug)]
pub(crate) struct HostDrain {
    pub(crate) session: SessionId,
    pub(crate) grace: Duration,
}

/// Time passed.
#[derive(Debug)]
pub(crate) struct Tick;

impl Event for Heartbeat {
    type Answer = HeartbeatAnswer;

    fn happen(self, state: &mut State, at: At) -> HeartbeatAnswer {
        let Some(&id) = state.tokens.get(&self.token) else {
            return HeartbeatAnswer { lease: None, command: Some(Command::Reregister) };
        };
        state.renew(id, at);
        let session = &state.sessions[&id];
        let leaves = session.is_retiring() || matches!(session.drain, Some(Drain::Host { .. }));
        HeartbeatAnswer {
            lease: Some(session.deadline().saturating_duration_since(at.instant)),
            command: leaves.then_some(Command::Drain),
        }
    }
}

impl Event for Unregister {
    type Answer = Result<SessionId, Error>;

    fn happen(self, state: &mut State, _: At) -> Self::Answer {
        let id = *state.tokens.get(&self.token).ok_or_else(session_unknown)?;
        state.end(id, EndReason::Unregistered);
        Ok(id)
    }
}

impl Event for Find {
    type Answer = Result<SessionId, Error>;

    fn happen(self, state: &mut State, _: At) -> Self::Answer {
        let live = |id: &&SessionId| state.sessions.get(id).is_some_and(|session| !session.is_retiring());
        state.tokens.get(&self.token).filter(live).copied().ok_or_else(session_unknown)
    }
}

impl Event for Connect {
    type Answer = Result<Connected, Error>;

    fn happen(self, state: &mut State, at: At) -> Self::Answer {
        let id = *state.tokens.get(&self.token).ok_or_else(session_unknown)?;
        let session =
            state.sessions.get_mut(&id).filter(|session| !session.is_retiring()).ok_or_else(session_unknown)?;
        if self.plane == DataPlane::Unary || !session.reach.offers(self.plane) {
            let message = format!("the session was registered without the {} plane", self.plane.as_str());
            return Err(Error::of(codes::PLANE_UNSUPPORTED, message));
        }
        if matches!(session.plane, Some(DataPlane::Attach | DataPlane::Link)) {
            let message = format!("session {id} already has a connection");
            return Err(Error::of(codes::SESSION_ATTACHED, message).retry_after(Duration::from_millis(100)));
        }
        session.plane = Some(self.plane);
        let was_pending = std::mem::replace(&mut session.phase, Phase::Active) != Phase::Active;
        let predecessor = session.replaces.take();
        let namespace = session.namespace.clone();
        let connected = Connected { session: id, service_id: session.service_id.clone(), namespace: namespace.clone() };
        if let Some(Drain::Host { grace }) = session.drain {
            state.effects.push(Effect::Drain { session: id, grace });
        }
        state.renew(id, at);
        if was_pending {
            state.install(id);
        }
        if let Some(predecessor) = predecessor {
            state.retire(predecessor, at);
        }
        state.mark(namespace, EndReason::Replaced);
        Ok(connected)
    }
}

impl Event for Disconnect {
    type Answer = ();

    fn happen(self, state: &mut State, _: At) {
        state.end(self.session, EndReason::LinkLost);
    }
}

impl Event for ProviderDrain {
    type Answer = ();

    fn happen(self, state: &mut State, _: At) {
        if let Some(session) = state.sessions.get_mut(&self.session)
            && session.drain.is_none()
            && !session.is_retiring()
        {
            session.drain = Some(Drain::Provider);
            let namespace = session.namespace.clone();
            state.mark(namespace, EndReason::Replaced);
        }
    }
}

impl Event for HostDrain {
    type Answer = Result<(), Error>;

    fn happen(self, state: &mut State, _: At) -> Self::Answer {
        let session = state.sessions.get_mut(&self.session).ok_or_else(session_unknown)?;
        // Who retires or was asked before has been told already.
        if session.is_retiring() || matches!(session.drain, Some(Drain::Host { .. })) {
            return Ok(());
        }
        session.drain = Some(Drain::Host { grace: self.grace });
        let namespace = session.namespace.clone();
        // A pending one has nobody to tell; it is told when it connects.
        if session.is_active() {
            state.effects.push(Effect::Drain { session: self.session, grace: self.grace });
        }
        state.mark(namespace, EndReason::Replaced);
        Ok(())
    }
}

impl Event for Tick {
    type Answer = ();

    fn happen(self, state: &mut State, at: At) {
        while let Some(id) = state.deadlines.pop_due(at.instant) {
            let Some(session) = state.sessions.get(&id) else { continue };
            let deadline = session.deadline();
            if deadline > at.instant {
                state.deadlines.add(deadline, id);
                continue;
            }
            let late_to_attach = matches!(session.phase, Phase::Pending { until } if until <= at.instant);
            state.end(id, if late_to_attach { EndReason::AttachTimeout } else { EndReason::LeaseExpired });
        }
    }
}

impl State {
    /// Begins the lease of a session anew. Its place in `deadlines` is then early, which is allowed.
    fn renew(&mut self, id: SessionId, at: At) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.lease_until = session.lease_until.max(at.instant + self.options.lease);
        }
    }

    /// Notes that the routes of a namespace may have changed, and why names that vanish from it do.
    pub(super) fn mark(&mut self, namespace: Namespace, reason: EndReason) {
        self.dirty.insert(namespace, reason);
    }

    /// Makes the modules of a member the live ones of its namespace. A declaration that differs becomes the next revision,
    /// names that the member does not have go.
    pub(super) fn install(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(namespace) = self.namespaces.get_mut(&session.namespace) else { return };
        let mut before = std::mem::take(&mut namespace.modules);
        for (local, declaration) in &session.modules {
            let module = match before.remove(local) {
                Some(live) if declaration.is(&live) => live,
                Some(live) => Arc::new(declaration.module(live.name.clone(), live.revision + 1)),
                None => {
                    let name = ModuleName::new(&session.namespace, local);
                    let revision = self.revisions.begin(&name);
                    Arc::new(declaration.module(name, revision))
                }
            };
            namespace.modules.insert(local.clone(), module);
        }
        for gone in before.into_values() {
            self.revisions.remember(gone.name.clone(), gone.revision);
        }
        let changed = session.namespace.clone();
        self.mark(changed, EndReason::Replaced);
    }

    /// Takes the place of an active session away from it; the calls that it has may finish. Its successor is a member already.
    pub(super) fn retire(&mut self, id: SessionId, at: At) {
        let grace = self.options.drain_grace;
        let until = at.instant + grace;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.phase = Phase::Retiring { until };
        let told = matches!(session.drain, Some(Drain::Host { .. }));
        let namespace = session.namespace.clone();
        self.deadlines.add(session.deadline(), id);
        self.retiring.insert((until, id));
        if let Some(owner) = self.namespaces.get_mut(&namespace) {
            owner.members.retain(|member| *member != id);
        }
        if !told {
            self.effects.push(Effect::Drain { session: id, grace });
        }
        self.mark(namespace, EndReason::Replaced);
        // Replacements need no room among the sessions, so that this bounds how many are kept.
        if self.retiring.len() > self.options.limits.sessions
            && let Some(&(_, oldest)) = self.retiring.first()
        {
            self.end(oldest, EndReason::Replaced);
        }
    }

    /// Ends a session; one that is not known has ended before. The names go when it was the last one of its namespace.
    pub(super) fn end(&mut self, id: SessionId, reason: EndReason) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.tokens.remove(&session.token);
        if let Phase::Retiring { until } = session.phase {
            self.retiring.remove(&(until, id));
            self.effects.push(Effect::Ended { session: id, reason: EndReason::Replaced });
            return;
        }
        self.effects.push(Effect::Ended { session: id, reason });
        let namespace = session.namespace;
        self.mark(namespace.clone(), reason);
        let Some(owner) = self.namespaces.get_mut(&namespace) else { return };
        owner.members.retain(|member| *member != id);
        let mut newest = None;
        let mut active = false;
        for member in &owner.members {
            if let Some(session) = self.sessions.get_mut(member) {
                session.replaces = session.replaces.filter(|predecessor| *predecessor != id);
                active |= session.is_active();
                newest = Some(*member);
            }
        }
        match newest {
            None => {
                for module in
                    self.namespaces.remove(&namespace).into_iter().flat_map(|owner| owner.modules.into_values())
                {
                    self.revisions.remember(module.name.clone(), module.revision);
                }
            }
            // Nobody serves what is live any more, so that the next one's modules show, as pending.
            Some(newest) if !active => {
                self.install(newest);
                self.mark(namespace, reason);
            }
            Some(_) => {}
        }
    }
}

fn session_unknown() -> Error {
    Error::of(codes::SESSION_UNKNOWN, "the session is not known or over")
}
