//! Owns the transports of all sessions: adopts connections, opens unary clients, ends them. Does not decide who is
//! registered: the host tells it when a session is over, and it tells the host when a connection is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::unary::UnaryClient;
use protocol::{DataPlane, Error, ServiceUrl, SessionId, codes};
use registry::EndpointState;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::connection::{Connection, Ended, ProviderDrains, lost};
use crate::handle::Handle;
use crate::health::Health;
use crate::inside::Inside;
use crate::options::Options;
use crate::target::{Target, Transport};

/// Who can be called now; readers take a snapshot and never wait.
pub(crate) type Targets = HashMap<SessionId, Arc<Target>>;

/// What the service is asked.
pub(crate) enum Request {
    /// Take over a connection that passed its hello.
    Adopt {
        session: SessionId,
        plane: DataPlane,
        connection: Connection,
        health: Arc<Health>,
        drive: BoxFuture<'static, Ended>,
        done: oneshot::Sender<Result<(), Error>>,
    },
    /// Serve the modules of a session inside this process.
    Inside { session: SessionId, inside: Arc<dyn Inside>, done: oneshot::Sender<()> },
    /// Make the unary client of a session, unless there is one.
    Dial {
        session: SessionId,
        url: ServiceUrl,
        lifecycle: bool,
        module: String,
        done: oneshot::Sender<Result<Arc<Target>, Error>>,
    },
    /// End what a session has.
    End { session: SessionId, how: End },
    /// A unary provider could not be reached, or broke off.
    Unreachable { session: SessionId, generation: u64, error: Error },
}

/// How the transport of a session ends.
#[derive(Debug, Clone)]
pub enum End {
    /// The provider is told that no new calls come; those that run may be answered for so long, then they fail.
    Drain(Duration),
    /// Calls that run fail at once with this error.
    Fail(Error),
}

/// What the service tells the host, once each.
#[derive(Debug)]
pub enum Event {
    /// A session's connection is gone, or its address refuses connections; its calls have failed.
    Lost {
        /// Which session.
        session: SessionId,
        /// Why, for the log.
        error: Error,
    },
    /// A session's connection closed as it should after a drain.
    Closed {
        /// Which session.
        session: SessionId,
    },
    /// A provider said that it takes no new calls.
    ProviderDrains {
        /// Which session.
        session: SessionId,
    },
}

/// Requests that may wait; senders wait in turn.
const REQUESTS: usize = 1024;

/// The task behind a [`Handle`].
pub struct Service {
    options: Arc<Options>,
    registry: registry::Handle,
    targets: Arc<ArcSwap<Targets>>,
    requests: mpsc::Receiver<Request>,
    drains: mpsc::UnboundedReceiver<ProviderDrains>,
    /// Unbounded as a type, so that the service never waits for the host while the host waits for it. Its length is bounded
    /// by the transports: each tells at most that it drains and that it is gone.
    events: mpsc::UnboundedSender<Event>,
    tasks: JoinSet<(SessionId, u64, Ended)>,
    /// Providers of the unary plane that drain; each ends within its grace.
    draining: JoinSet<()>,
    next_generation: u64,
}

impl Service {
    /// A service with its handle and the events for the host. Nothing runs before [`Service::run`].
    #[must_use]
    pub fn new(options: Options, registry: registry::Handle) -> (Self, Handle, mpsc::UnboundedReceiver<Event>) {
        let options = Arc::new(options);
        let targets = Arc::new(ArcSwap::from_pointee(Targets::new()));
        let (requests_tx, requests) = mpsc::channel(REQUESTS);
        let (drains_tx, drains) = mpsc::unbounded_channel();
        let (events, events_rx) = mpsc::unbounded_channel();
        let handle = Handle::new(Arc::clone(&options), registry.clone(), Arc::clone(&targets), requests_tx, drains_tx);
        let service = Self {
            options,
            registry,
            targets,
            requests,
            drains,
            events,
            tasks: JoinSet::new(),
            draining: JoinSet::new(),
            next_generation: 0,
        };
        (service, handle, events_rx)
    }

    /// Runs until `shutdown`; then every connection drains within [`Options::drain_timeout`] and closes.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(request) = self.requests.recv() => self.serve(request),
                Some(ProviderDrains(session)) = self.drains.recv() => self.tell(Event::ProviderDrains { session }),
                Some(_) = self.draining.join_next() => {}
                Some(ended) = self.tasks.join_next() => {
                    if let Some(event) = self.ended(ended) { self.tell(event) }
                }
            }
        }
        self.stop().await;
    }

    /// Never waits: a provider that does not read holds nobody else up.
    fn serve(&mut self, request: Request) {
        match request {
            Request::Adopt { session, plane, connection, health, drive, done } => {
                let result = self.adopt(session, plane, connection, health, drive);
                // Who asked may have given up; the connection then ends by itself when its socket does.
                let _gone = done.send(result).is_err();
            }
            Request::Inside { session, inside, done } => {
                self.insert(session, DataPlane::Host, Transport::Host(inside), Arc::default());
                let _gone = done.send(()).is_err();
            }
            Request::Dial { session, url, lifecycle, module, done } => {
                let _gone = done.send(self.dial(session, &url, lifecycle, &module)).is_err();
            }
            Request::End { session, how } => self.end(session, how),
            Request::Unreachable { session, generation, error } => {
                let current =
                    self.targets.load().get(&session).filter(|target| target.generation == generation).cloned();
                if let Some(target) = current {
                    self.remove(session, generation);
                    target.fail(lost("the connection of the provider broke"));
                    self.tell(Event::Lost { session, error });
                }
            }
        }
    }

    fn adopt(
        &mut self,
        session: SessionId,
        plane: DataPlane,
        connection: Connection,
        health: Arc<Health>,
        drive: BoxFuture<'static, Ended>,
    ) -> Result<(), Error> {
        if let Some(target) = self.targets.load().get(&session)
            && matches!(target.transport, Transport::Connection(_))
        {
            return Err(Error::of(codes::SESSION_ATTACHED, format!("session `{session}` has a connection already")));
        }
        let generation = self.insert(session, plane, Transport::Connection(connection), health);
        self.tasks.spawn(async move {
            // A fault of the host ends this connection as a loss, so that the session does not stay without one.
            let ended = std::panic::AssertUnwindSafe(drive).catch_unwind().await;
            (session, generation, ended.unwrap_or_else(|_| Ended::Lost(lost("the connection's task failed"))))
        });
        Ok(())
    }

    fn dial(
        &mut self,
        session: SessionId,
        url: &ServiceUrl,
        lifecycle: bool,
        module: &str,
    ) -> Result<Arc<Target>, Error> {
        if let Some(target) = self.targets.load().get(&session) {
            return Ok(Arc::clone(target));
        }
        // The routes change before a session's end is told, so a session that is still routed has not been ended here.
        let routed = self.registry.routes().get(module).is_some_and(|route| {
            route.endpoints.iter().any(|endpoint| endpoint.session == session && endpoint.state == EndpointState::Ready)
        });
        if !routed {
            return Err(Error::of(codes::PROVIDER_UNAVAILABLE, "the provider has just left"));
        }
        let client =
            UnaryClient::new(url, &self.options.dialer, self.options.connect_timeout, self.options.message_bytes)?;
        let transport = Transport::Unary { client: Box::new(client), lifecycle };
        self.insert(session, DataPlane::Unary, transport, Arc::default());
        Ok(Arc::clone(self.targets.load().get(&session).expect("it was inserted")))
    }

    fn insert(&mut self, session: SessionId, plane: DataPlane, transport: Transport, health: Arc<Health>) -> u64 {
        self.next_generation += 1;
        let generation = self.next_generation;
        let target = Target::new(session, plane, transport, generation, health, &self.options);
        self.change(|targets| {
            targets.insert(session, Arc::new(target));
        });
        generation
    }

    fn remove(&mut self, session: SessionId, generation: u64) {
        self.change(|targets| {
            if targets.get(&session).is_some_and(|target| target.generation == generation) {
                targets.remove(&session);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Targets)) {
        let mut targets = Targets::clone(&self.targets.load());
        change(&mut targets);
        self.targets.store(Arc::new(targets));
    }

    fn end(&mut self, session: SessionId, how: End) {
        let Some(target) = self.targets.load().get(&session).cloned() else { return };
        match (&target.transport, how) {
            (Transport::Connection(connection), End::Drain(grace)) => connection.drain(grace),
            (Transport::Connection(connection), End::Fail(error)) => connection.close(error),
            (Transport::Unary { .. }, End::Fail(error)) => {
                self.remove(session, target.generation);
                target.fail(error);
            }
            (Transport::Unary { client, lifecycle }, End::Drain(grace)) => {
                self.remove(session, target.generation);
                let told = lifecycle.then(|| UnaryClient::clone(client));
                self.draining.spawn(drain_unary(Arc::clone(&target), told, grace));
            }
            (Transport::Host(_), _) => self.remove(session, target.generation),
        }
    }

    fn ended(&mut self, task: Result<(SessionId, u64, Ended), tokio::task::JoinError>) -> Option<Event> {
        let (session, generation, ended) = match task {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "the task of a connection was cut off");
                return None;
            }
        };
        self.remove(session, generation);
        Some(match ended {
            Ended::Asked => Event::Closed { session },
            Ended::Lost(error) | Ended::Malformed(error) => Event::Lost { session, error },
        })
    }

    fn tell(&self, event: Event) {
        // A host that stopped listening is shutting down.
        let _gone = self.events.send(event).is_err();
    }

    async fn stop(mut self) {
        // Whoever asks from now on, or asked and was not heard, is told that the host stops.
        self.requests.close();
        while self.requests.try_recv().is_ok() {}
        let grace = self.options.drain_timeout;
        let targets = self.targets.load_full();
        for target in targets.values() {
            match &target.transport {
                Transport::Connection(connection) => connection.drain(grace),
                Transport::Unary { .. } => drop(self.draining.spawn(drain_unary(Arc::clone(target), None, grace))),
                // Its calls end with those who made them, or were waited for before.
                Transport::Host(_) => {}
            }
        }
        let drained = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Some(event) = self.ended(ended) {
                    self.tell(event);
                }
            }
            while self.draining.join_next().await.is_some() {}
        };
        if tokio::time::timeout(grace + MARGIN, drained).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections did not drain in time");
            self.tasks.shutdown().await;
        }
        self.targets.store(Arc::new(Targets::new()));
    }
}

/// Longer than a grace: what an orderly end takes after it.
const MARGIN: Duration = Duration::from_secs(2);

/// Lets the calls of a unary provider be answered within the grace; those that still run then fail.
async fn drain_unary(target: Arc<Target>, told: Option<UnaryClient>, grace: Duration) {
    let tell = async {
        if let Some(client) = told {
            tell_to_drain(target.session, client, grace).await;
        }
    };
    let answered = async {
        target.idle(grace).await;
        target.fail(lost("the provider did not answer before its session ended"));
    };
    tokio::join!(tell, answered);
}

/// Best effort: a provider that does not hear it is told by its next heartbeat.
async fn tell_to_drain(session: SessionId, client: UnaryClient, grace: Duration) {
    match tokio::time::timeout(grace + MARGIN, client.drain(grace)).await {
        Ok(Ok(in_flight)) => tracing::debug!(%session, in_flight, "the provider drained"),
        Ok(Err(error)) => tracing::info!(%session, %error, "the provider did not drain"),
        Err(_) => tracing::info!(%session, "the provider did not say that it drained"),
    }
}
