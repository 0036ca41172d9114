//! The task that owns who is admitted: does what the supervisor asks of its host, and tells the supervisor of the sessions that its
//! components serve. Runs no component and routes no call.

use std::sync::Arc;
use std::time::Duration;

use protocol::{Error, SessionId, Subject, codes};
use supervisor::{HostRequest, SessionChange};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::access::Principal;
use crate::components::admitted::{Admitted, Picture, Start};
use crate::components::grants::{self, Offers};
use crate::config::NamespaceGrant;

/// Facts that may wait.
const FACTS: usize = 1024;
/// How often the calls of a provider that drains are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long a provider that drains has to be without calls: a call that was routed before the drain has reached it by then.
const SETTLED: Duration = Duration::from_millis(100);

/// What happened to a session.
#[derive(Debug)]
pub(crate) enum Fact {
    /// A component registered; told back when everybody knows whose session it is.
    Registered { session: SessionId, start: Arc<Start>, is_callable: bool, known: oneshot::Sender<()> },
    /// Calls reach it from now on.
    Callable(SessionId),
    /// It is over.
    Ended(SessionId),
}

/// Tells the keeper what happened to sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    facts: mpsc::Sender<Fact>,
    admitted: Admitted,
}

impl Facts {
    /// The start of a component registered a session. Returns when the session's token is known as the component's.
    ///
    /// # Errors
    /// `host.stopping`.
    pub(crate) async fn registered(
        &self,
        session: SessionId,
        start: Arc<Start>,
        is_callable: bool,
    ) -> Result<(), Error> {
        let (known, answer) = oneshot::channel();
        let stopping = || Error::of(codes::HOST_STOPPING, "the host is shutting down");
        let fact = Fact::Registered { session, start, is_callable, known };
        self.facts.send(fact).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }

    /// Calls reach a session from now on.
    pub(crate) async fn callable(&self, session: SessionId) {
        self.tell(session, Fact::Callable(session)).await;
    }

    /// A session is over.
    pub(crate) async fn ended(&self, session: SessionId) {
        self.tell(session, Fact::Ended(session)).await;
    }

    async fn tell(&self, session: SessionId, fact: Fact) {
        if self.admitted.of_session(session).is_some() {
            // Without a keeper the host is over.
            let _over = self.facts.send(fact).await.is_err();
        }
    }
}

/// Owns the picture of who is admitted.
pub(crate) struct Keeper {
    requests: mpsc::Receiver<HostRequest>,
    facts: mpsc::Receiver<Fact>,
    published: watch::Sender<Arc<Picture>>,
    admitted: Admitted,
    supervisor: supervisor::Handle,
    registry: registry::Handle,
    executor: executor::Handle,
    offers: Offers,
    /// Sessions that the supervisor was told of.
    up: Vec<SessionId>,
}

impl Keeper {
    pub(crate) fn new(
        requests: mpsc::Receiver<HostRequest>,
        supervisor: supervisor::Handle,
        registry: registry::Handle,
        executor: executor::Handle,
        offers: Offers,
    ) -> (Self, Facts) {
        let (published, admitted) = Admitted::new();
        let (tell, facts) = mpsc::channel(FACTS);
        let told = Facts { facts: tell, admitted: admitted.clone() };
        (Self { requests, facts, published, admitted, supervisor, registry, executor, offers, up: Vec::new() }, told)
    }

    /// Who is admitted, for those who ask whose a token is.
    pub(crate) fn admitted(&self) -> Admitted {
        self.admitted.clone()
    }

    /// Runs until `stop`, which comes after the supervisor has ended.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut drains = JoinSet::new();
        let mut supervised = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                request = self.requests.recv(), if supervised => match request {
                    Some(request) => self.answer(request, &mut drains),
                    None => supervised = false,
                },
                Some(fact) = self.facts.recv() => self.note(fact),
                Some(_) = drains.join_next() => {}
            }
        }
        drains.shutdown().await;
    }

    fn answer(&mut self, request: HostRequest, drains: &mut JoinSet<()>) {
        match request {
            HostRequest::Admit { id, start, token, grants, namespaces, reply } => {
                let capabilities = self.offers.capabilities(&grants);
                let subject = format!("component {id}");
                let start = Start {
                    principal: Principal::component(&id, &subject, grants::scopes(&grants)),
                    subject: Subject::new(&subject),
                    // One that is no pattern was refused with the configuration.
                    namespaces: namespaces.as_deref().and_then(NamespaceGrant::parse),
                    component: id,
                    number: start,
                    token,
                };
                self.change(|picture| picture.starts.push(Arc::new(start)));
                // Whoever does not wait any more revokes the start, too.
                let _gone = reply.send(Ok(capabilities)).is_err();
            }
            HostRequest::Revoke { id, start } => self.revoke(&id, start),
            HostRequest::Drain { id, within, done } => {
                let draining =
                    self.published.borrow().starts.iter().filter(|start| start.component == id).cloned().collect();
                self.change(|picture| picture.draining = [std::mem::take(&mut picture.draining), draining].concat());
                let drain = Drain {
                    admitted: self.admitted.clone(),
                    registry: self.registry.clone(),
                    executor: self.executor.clone(),
                };
                drains.spawn(async move {
                    if tokio::time::timeout(within, drain.until_idle(&id, within)).await.is_err() {
                        tracing::warn!(component = %id, "calls run on at a component that was to drain within {within:?}");
                    }
                    // The supervisor may wait no longer.
                    let _gone = done.send(()).is_err();
                });
            }
        }
    }

    fn note(&mut self, fact: Fact) {
        match fact {
            Fact::Registered { session, start, is_callable, known } => {
                let lives = self.published.borrow().starts.iter().any(|one| Arc::ptr_eq(one, &start));
                if lives {
                    self.change(|picture| {
                        picture.sessions.insert(session, start);
                    });
                }
                // A provider that left meanwhile does not wait.
                let _gone = known.send(()).is_err();
                if is_callable {
                    self.up(session);
                }
            }
            Fact::Callable(session) => self.up(session),
            Fact::Ended(session) => {
                self.down(session);
                self.change(|picture| {
                    picture.sessions.remove(&session);
                });
            }
        }
    }

    fn revoke(&mut self, id: &str, number: u64) {
        let is_over = |start: &Arc<Start>| &*start.component == id && start.number == number;
        let sessions = self.published.borrow().sessions.clone();
        for session in sessions.iter().filter(|(_, start)| is_over(start)).map(|(session, _)| *session) {
            self.down(session);
        }
        self.change(|picture| {
            picture.starts.retain(|start| !is_over(start));
            picture.draining.retain(|start| !is_over(start));
            picture.sessions.retain(|_, start| !is_over(start));
        });
    }

    fn up(&mut self, session: SessionId) {
        let Some(start) = self.admitted.of_session(session) else { return };
        if !self.up.contains(&session) {
            self.up.push(session);
            self.supervisor.session(&start.component, SessionChange::Up(session.to_string()));
        }
    }

    fn down(&mut self, session: SessionId) {
        let Some(start) = self.admitted.of_session(session) else { return };
        if let Some(place) = self.up.iter().position(|up| *up == session) {
            self.up.swap_remove(place);
            self.supervisor.session(&start.component, SessionChange::Down(session.to_string()));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Picture)) {
        self.published.send_modify(|picture| change(Arc::make_mut(picture)));
    }
}

/// What it takes to drain a component.
struct Drain {
    admitted: Admitted,
    registry: registry::Handle,
    executor: executor::Handle,
}

impl Drain {
    /// Asks the sessions of a component to leave, and waits until none is left or none has a call any more.
    async fn until_idle(self, component: &str, within: Duration) {
        let sessions = self.admitted.sessions_of(component);
        for session in &sessions {
            if let Err(error) = self.registry.request_drain(*session, within).await
                && error.code() != codes::SESSION_UNKNOWN.name
            {
                tracing::warn!(%session, %error, "a component that is about to end is still routed");
            }
        }
        let (executor, mut admitted) = (self.executor, self.admitted);
        let settled = async {
            let mut look = interval(LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut idle_since = None;
            loop {
                let now = look.tick().await;
                let busy = sessions.iter().any(|session| executor.load_of(*session) > 0);
                let since: Instant = *idle_since.insert(idle_since.filter(|_| !busy).unwrap_or(now));
                if !busy && now.duration_since(since) >= SETTLED {
                    return;
                }
            }
        };
        tokio::select! {
            () = settled => {}
            () = admitted.without_sessions(component) => {}
        }
    }
}
