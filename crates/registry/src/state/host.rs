//! Modules that the host serves itself, in a namespace of its own: they come and go as the host says, without lease and
//! connection. Decides nothing about what they do.

use std::sync::Arc;

use protocol::registration::Reach;
use protocol::{DataPlane, LocalName, Namespace, ProviderInfo, ServiceId, SessionId, SessionToken};

use crate::answer::EndReason;
use crate::declaration::Declaration;

use super::session::{Phase, Session};
use super::{At, Event, State};

/// The host says which modules it serves in a namespace, which is reserved for it.
#[derive(Debug)]
pub(crate) struct HostModules {
    pub(crate) namespace: Namespace,
    /// Who the host is among providers.
    pub(crate) service_id: ServiceId,
    pub(crate) info: ProviderInfo,
    /// All of them; those that are not here go.
    pub(crate) modules: Vec<(LocalName, Declaration)>,
    /// The session, which has no end. The same each time.
    pub(crate) session: SessionId,
    /// Its token when it begins; nobody is told.
    pub(crate) token: SessionToken,
}

impl Event for HostModules {
    type Answer = ();

    fn happen(self, state: &mut State, at: At) {
        let Self { namespace, service_id, info, modules, session: id, token } = self;
        let modules = modules.into_iter().collect();
        match state.sessions.get_mut(&id) {
            Some(session) => session.modules = modules,
            None => {
                let session = Session {
                    id,
                    token: token.clone(),
                    service_id,
                    namespace: namespace.clone(),
                    group_id: None,
                    subject: None,
                    reach: Reach { service_url: None, attach: false, link: false },
                    plane: Some(DataPlane::Host),
                    phase: Phase::Active,
                    drain: None,
                    modules,
                    replaces: None,
                    // Never looked at: it has no place among the deadlines.
                    lease_until: at.instant,
                    registered_at: at.wall,
                    lifecycle: false,
                    info: Arc::new(info),
                };
                state.sessions.insert(id, session);
                state.hosted += 1;
                state.tokens.insert(token, id);
                state.namespaces.entry(namespace.clone()).or_default().members.push(id);
            }
        }
        state.install(id);
        state.mark(namespace, EndReason::Unregistered);
    }
}
