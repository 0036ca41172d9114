//! Every public operation. Holds no state of its own: reads a published picture, or asks the task that owns the state.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use protocol::{
    DataPlane, Error, ModuleName, ModuleSpec, Namespace, ProviderInfo, Registration, ServiceId, SessionId,
    SessionToken, Subject, codes,
};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::answer::{Connected, Heartbeat, Refused, Registered};
use crate::declaration::{Declaration, offers};
use crate::routes::Routes;
use crate::service::Request;
use crate::state;
use crate::watch::{Step, Subscription};

/// What the host serves itself.
#[derive(Debug, Clone)]
pub struct HostServes {
    /// The session; the same each time.
    pub session: SessionId,
    /// A namespace that no provider may have.
    pub namespace: Namespace,
    /// Who the host is among providers.
    pub service_id: ServiceId,
    /// Facts for people.
    pub info: ProviderInfo,
    /// All modules of the namespace, each name once.
    pub modules: Vec<ModuleSpec>,
}

/// Access to the registry. Cheap to clone, usable from any task.
///
/// Operations that write wait for the task that owns the state, at most `Options::request_timeout`. They fail with
/// * `registry.busy` (retryable) at once when its queue is full, or when the wait is over,
/// * `host.stopping` when the service has stopped.
///
/// When an operation returns, [`Handle::routes`] shows what it did. A `register` or `connect` whose future is dropped, or whose
/// wait is over, before its turn came is not carried out; later than that, the session ends by its lease.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    /// Lossless, and bounded by the connections: each is lost once.
    pub(crate) departures: mpsc::UnboundedSender<state::Disconnect>,
    pub(crate) routes: Arc<ArcSwap<Routes>>,
    pub(crate) steps: broadcast::WeakSender<Step>,
    pub(crate) request_timeout: Duration,
}

impl Handle {
    /// What is registered now. Wait-free, one reference count; no staler than the last step that the owner finished.
    /// The picture does not change: take a new one for each call.
    #[must_use]
    pub fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// The present state and from then on what changes, without a gap. Costs nothing until it is read. A subscriber that
    /// falls behind is given the whole state again.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        // Without a sender the service is over: the state of the end is told, and then the end.
        let steps = self.steps.upgrade().map_or_else(|| broadcast::channel(1).1, |steps| steps.subscribe());
        Subscription::new(steps, Arc::clone(&self.routes))
    }

    /// Registers a provider. `owner` is whom its credential named, checked by the caller, namespace included.
    /// Compiles each type that is new before it waits for its turn, so that a large registration does not hold others up.
    ///
    /// # Errors
    /// Nothing is stored then. Of the request as a whole: `registry.namespace.reserved`, `registry.namespace.owned` (with the
    /// time until the owner's lease ends), `registry.registration.empty`, `registry.registration.too_large`,
    /// `registry.session.limit`, `registry.session.subject_limit`, `registry.module.limit`. Of modules, with a result for each: the module's own fault,
    /// `registry.module.duplicate`, `registry.schema.incompatible`, `registry.group.schema_mismatch` (also of the whole, when
    /// a module of the group is missing); the others have `registry.registration.aborted`.
    pub async fn register(
        &self,
        mut registration: Registration,
        owner: Option<Subject>,
    ) -> Result<Registered, Refused> {
        let (session, token) = (SessionId::random(), SessionToken::random());
        let modules = offers(&mut registration, &self.routes());
        let event = state::Register { registration, modules, owner, session, token };
        self.ask(|answer| Request::Register(Box::new(event), answer)).await?
    }

    /// Renews a lease and asks what the host wants of the provider. A token that is not known is no error: the answer says
    /// that the provider is to register again.
    ///
    /// # Errors
    /// As all operations that write.
    pub async fn heartbeat(&self, token: SessionToken) -> Result<Heartbeat, Error> {
        self.ask(|answer| Request::Heartbeat(state::Heartbeat { token }, answer)).await
    }

    /// Ends a session and gives its id. Its names are gone when this returns; calls that it has may still be answered.
    ///
    /// # Errors
    /// `registry.session.unknown`.
    pub async fn unregister(&self, token: SessionToken) -> Result<SessionId, Error> {
        self.ask(|answer| Request::Unregister(state::Unregister { token }, answer)).await?
    }

    /// Whose token it is. A connection is handed over to whoever carries calls before [`Handle::connect`] makes its session
    /// callable, so that no call finds a session without a connection; this names the session for the first of the two.
    ///
    /// # Errors
    /// `registry.session.unknown`.
    pub async fn find(&self, token: SessionToken) -> Result<SessionId, Error> {
        self.ask(|answer| Request::Find(state::Find { token }, answer)).await?
    }

    /// Notes that a session opened its attach or link connection; from now on calls may be sent down it. The caller must
    /// call [`Handle::disconnect`] when the connection closes, once.
    ///
    /// # Errors
    /// `registry.session.unknown`, `registry.session.attached` where it has a connection already,
    /// `registry.plane.unsupported` where it was registered without that plane, and for the unary plane, which has no connection.
    pub async fn connect(&self, token: SessionToken, plane: DataPlane) -> Result<Connected, Error> {
        self.ask(|answer| Request::Connect(state::Connect { token, plane }, answer)).await?
    }

    /// Notes that the connection of a session closed, which ends the session. Never waits and is never lost, so that a
    /// guard may call it when it is dropped; does nothing for a session that is over.
    pub fn disconnect(&self, session: SessionId) {
        // When the service is over, so are all sessions.
        drop(self.departures.send(state::Disconnect { session }));
    }

    /// Notes that a provider takes no new calls. Its connection and its names stay.
    ///
    /// # Errors
    /// As all operations that write.
    pub async fn provider_drain(&self, session: SessionId) -> Result<(), Error> {
        self.ask(|answer| Request::ProviderDrain(state::ProviderDrain { session }, answer)).await
    }

    /// Asks a provider to finish its calls within `grace` and to leave: no new calls are routed to it, its connection is told
    /// by [`crate::SessionEvent::Drain`], its next heartbeat by [`crate::Command::Drain`]. Does nothing when it was asked before.
    ///
    /// # Errors
    /// `registry.session.unknown`.
    pub async fn request_drain(&self, session: SessionId, grace: Duration) -> Result<(), Error> {
        self.ask(|answer| Request::HostDrain(state::HostDrain { session, grace }, answer)).await?
    }

    /// Says which modules the host serves itself in a namespace that is reserved for it; those that are not among them go. The first
    /// time a session begins, which has no lease and no connection and ends with the registry. Compiles each type that is new before
    /// it waits for its turn. A module that differs from the one of its name becomes its next revision.
    ///
    /// # Errors
    /// As all operations that write; `registry.schema.invalid`.
    pub async fn serve(&self, host: HostServes) -> Result<(), Error> {
        let HostServes { session, namespace, service_id, info, modules } = host;
        let routes = self.routes();
        let compile = |spec: ModuleSpec| {
            let live = routes.get(ModuleName::new(&namespace, &spec.name).as_str());
            let name = spec.name.clone();
            Ok((name, Declaration::compile(spec, live.map(|route| &*route.module))?))
        };
        let modules = modules.into_iter().map(compile).collect::<Result<_, Error>>()?;
        let token = SessionToken::random();
        let event = state::HostModules { namespace, service_id, info, modules, session, token };
        self.ask(|answer| Request::HostModules(Box::new(event), answer)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(request(answer)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => busy("the registry's queue is full"),
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        match tokio::time::timeout(self.request_timeout, answered).await {
            Ok(answer) => answer.map_err(|_| stopping()),
            Err(_) => Err(busy("the registry did not answer in time")),
        }
    }
}

fn busy(message: &str) -> Error {
    Error::of(codes::REGISTRY_BUSY, message).retry_after(Duration::from_millis(200))
}

fn stopping() -> Error {
    Error::of(codes::HOST_STOPPING, "the registry has stopped")
}
