//! The task that owns the state: takes requests, knows the time, carries effects out. Decides nothing; that is `state`'s.

use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use protocol::{Error, SessionId};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, info};

use crate::answer::{Connected, Heartbeat, Refused, Registered, SessionEvent};
use crate::handle::Handle;
use crate::options::Options;
use crate::routes::Routes;
use crate::state::{self, At, Effect, Event, State};
use crate::watch::Step;

type Answer<T> = oneshot::Sender<T>;

/// An event with the way for its answer.
#[derive(Debug)]
pub(crate) enum Request {
    Register(Box<state::Register>, Answer<Result<Registered, Refused>>),
    Heartbeat(state::Heartbeat, Answer<Heartbeat>),
    Unregister(state::Unregister, Answer<Result<SessionId, Error>>),
    Find(state::Find, Answer<Result<SessionId, Error>>),
    Connect(state::Connect, Answer<Result<Connected, Error>>),
    ProviderDrain(state::ProviderDrain, Answer<()>),
    HostDrain(state::HostDrain, Answer<Result<(), Error>>),
    HostModules(Box<state::HostModules>, Answer<()>),
}

/// The registry before it runs. Made together with its [`Handle`] and its [`SessionEvents`].
pub struct Service {
    state: State,
    requests: mpsc::Receiver<Request>,
    departures: mpsc::UnboundedReceiver<state::Disconnect>,
    /// Bounded by the sessions that began: at most three events for each.
    session_events: mpsc::UnboundedSender<SessionEvent>,
    steps: broadcast::Sender<Step>,
    routes: Arc<ArcSwap<Routes>>,
}

/// What happens to sessions, for the one who holds their connections and calls. Complete and in order.
#[derive(Debug)]
pub struct SessionEvents(mpsc::UnboundedReceiver<SessionEvent>);

impl SessionEvents {
    /// The next event; `None` when the service is over, and with it every session. Cancel-safe. Whoever takes these must
    /// keep up: what waits is kept, at most three events for each session that began.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        self.0.recv().await
    }
}

impl Service {
    /// A registry without sessions. Requests wait in its queue until [`Service::run`] runs.
    #[must_use]
    pub fn new(options: Options) -> (Self, Handle, SessionEvents) {
        let (request_sender, requests) = mpsc::channel(options.queue.max(1));
        let (departure_sender, departures) = mpsc::unbounded_channel();
        let (session_events, events) = mpsc::unbounded_channel();
        let (steps, _) = broadcast::channel(options.watch_backlog.max(1));
        let request_timeout = options.request_timeout;
        let state = State::new(options);
        let routes = Arc::new(ArcSwap::new(Arc::clone(state.routes())));
        let handle = Handle {
            requests: request_sender,
            departures: departure_sender,
            routes: Arc::clone(&routes),
            steps: steps.downgrade(),
            request_timeout,
        };
        (Self { state, requests, departures, session_events, steps, routes }, handle, SessionEvents(events))
    }

    /// Runs until `shutdown` is ready or the last handle is gone. Requests that wait then are told `host.stopping`.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            let deadline = self.state.next_deadline();
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(Instant::from_std(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut shutdown => break,
                () = due => self.tick(),
                Some(departure) = self.departures.recv() => self.apply(departure),
                request = self.requests.recv() => match request {
                    Some(request) => self.carry_out(request),
                    None => break,
                },
            }
        }
        debug!("registry stopped");
    }

    /// Lets time pass. A heartbeat that waits in the queue came in time, however late this task is.
    fn tick(&mut self) {
        for _ in 0..self.requests.len() {
            let Ok(request) = self.requests.try_recv() else { break };
            self.carry_out(request);
        }
        self.apply(state::Tick);
    }

    fn carry_out(&mut self, request: Request) {
        match request {
            // The caller gave up while these waited; what they begin would have nobody to end it.
            Request::Register(_, answer) if answer.is_closed() => {}
            Request::Connect(_, answer) if answer.is_closed() => {}
            Request::Register(event, answer) => self.answer(*event, answer),
            Request::Heartbeat(event, answer) => self.answer(event, answer),
            Request::Unregister(event, answer) => self.answer(event, answer),
            Request::Find(event, answer) => self.answer(event, answer),
            Request::Connect(event, answer) => self.answer(event, answer),
            Request::ProviderDrain(event, answer) => self.answer(event, answer),
            Request::HostDrain(event, answer) => self.answer(event, answer),
            Request::HostModules(event, answer) => self.answer(*event, answer),
        }
    }

    fn answer<E: Event>(&mut self, event: E, answer: Answer<E::Answer>) {
        // Whoever gave up in this very moment leaves what was done to its lease.
        drop(answer.send(self.apply(event)));
    }

    fn apply<E: Event>(&mut self, event: E) -> E::Answer {
        let at = At { instant: Instant::now().into_std(), wall: SystemTime::now() };
        let (answer, effects) = self.state.apply(event, at);
        for effect in effects {
            self.carry_out_effect(effect);
        }
        answer
    }

    /// Routes come first among the effects of a step, so that an event finds the routes behind it.
    fn carry_out_effect(&self, effect: Effect) {
        let event = match effect {
            Effect::Routes { routes, changes } => {
                let generation = routes.generation();
                self.routes.store(routes);
                // Without a watcher nobody is told.
                drop(self.steps.send(Step { generation, changes }));
                return;
            }
            Effect::Drain { session, grace } => SessionEvent::Drain { session, grace },
            Effect::Ended { session, reason } => {
                info!(%session, %reason, "session ended");
                SessionEvent::Ended { session, reason }
            }
        };
        if self.session_events.send(event).is_err() {
            debug!(?event, "nobody holds calls or connections any more");
        }
    }
}
