//! Who was admitted: the tokens of the present starts of components, and the sessions that they serve. A picture that one task
//! publishes; decides nothing.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::{Error, Registration, Secret, SessionId, Subject, codes};
use tokio::sync::watch;

use crate::access::Principal;
use crate::config::NamespaceGrant;

/// One start of a component, from its admission to its end.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) component: Arc<str>,
    pub(crate) number: u64,
    pub(crate) token: Secret,
    /// What it may ask for.
    pub(crate) principal: Principal,
    /// Who it is among providers.
    pub(crate) subject: Subject,
    /// Which namespaces it may serve; none for one that is no provider.
    pub(crate) namespaces: Option<NamespaceGrant>,
}

/// All that there are now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picture {
    pub(crate) starts: Vec<Arc<Start>>,
    /// Starts that take no new sessions, by component.
    pub(crate) draining: Vec<Arc<Start>>,
    /// Sessions that are not over.
    pub(crate) sessions: HashMap<SessionId, Arc<Start>>,
}

/// The picture as it is now. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admitted(watch::Receiver<Arc<Picture>>);

impl Admitted {
    pub(crate) fn new() -> (watch::Sender<Arc<Picture>>, Self) {
        let (published, picture) = watch::channel(Arc::default());
        (published, Self(picture))
    }

    /// Whose token it is. All are compared, whichever fits, so that the time tells nothing.
    pub(crate) fn by_token(&self, shown: &str) -> Option<Arc<Start>> {
        let picture = Arc::clone(&self.0.borrow());
        picture
            .starts
            .iter()
            .fold(None, |found, start| if start.token.is(shown) { Some(Arc::clone(start)) } else { found })
    }

    /// Who serves a session, if a component does.
    pub(crate) fn of_session(&self, session: SessionId) -> Option<Arc<Start>> {
        self.0.borrow().sessions.get(&session).cloned()
    }

    /// The component that a registration comes from; none where its credential is that of no component.
    ///
    /// # Errors
    /// `registry.namespace.denied`, `registry.busy` while the component is about to end.
    pub(crate) fn provider(&self, registration: &Registration) -> Result<Option<Arc<Start>>, Error> {
        let Some(start) = registration.credential.as_ref().and_then(|shown| self.by_token(shown.expose())) else {
            return Ok(None);
        };
        if !start.namespaces.as_ref().is_some_and(|grant| grant.covers(&registration.namespace)) {
            let message =
                format!("`{}` may not serve `{}`; see its `module_id`", start.subject, registration.namespace);
            return Err(Error::of(codes::NAMESPACE_DENIED, message));
        }
        if self.0.borrow().draining.iter().any(|draining| Arc::ptr_eq(draining, &start)) {
            let message = format!("`{}` is being stopped", start.subject);
            return Err(Error::of(codes::REGISTRY_BUSY, message).retry_after(std::time::Duration::from_millis(500)));
        }
        Ok(Some(start))
    }

    /// Waits until no session of a component is left.
    pub(crate) async fn without_sessions(&mut self, component: &str) {
        let none = |picture: &Arc<Picture>| picture.sessions.values().all(|start| &*start.component != component);
        // Without a publisher the host is over, and so are its sessions.
        let _over = self.0.wait_for(none).await.is_err();
    }

    /// Sessions of a component that are not over.
    pub(crate) fn sessions_of(&self, component: &str) -> Vec<SessionId> {
        let picture = self.0.borrow();
        let own = picture.sessions.iter().filter(|(_, start)| &*start.component == component);
        own.map(|(session, _)| *session).collect()
    }
}
