//! What others may ask of the supervisor. Cheap to clone; owns no process and decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use protocol::component::{ComponentEvent, ComponentView};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::config::{ComponentConfig, Kind};
use crate::error::Error;
use crate::host::{Part, SessionChange};
use crate::line::Line;
use crate::logs::LogReader;
use crate::output::Ring;
use crate::usage;

/// The way to every component. Ends to work when the service has ended: components are stopped then, and requests answer
/// `host.stopping`.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// What the service and its handles share.
pub(crate) struct Shared {
    pub(crate) entries: BTreeMap<Arc<str>, Arc<Entry>>,
    pub(crate) events: broadcast::Sender<Arc<ComponentEvent>>,
    pub(crate) parts: watch::Sender<Arc<[Part]>>,
    /// Closed when the service is over.
    pub(crate) alive: watch::Receiver<()>,
}

/// One component, as its task shows it to everybody else.
pub(crate) struct Entry {
    pub(crate) id: Arc<str>,
    pub(crate) config: Arc<ComponentConfig>,
    pub(crate) view: ArcSwap<ComponentView>,
    /// Where invocations go; none while it takes none.
    pub(crate) line: ArcSwapOption<Line>,
    pub(crate) ring: Ring,
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) requests: mpsc::Sender<Request>,
    /// Unbounded as a type, so that nobody who learns of a session waits here. Bounded by the sessions of the registry.
    pub(crate) sessions: mpsc::UnboundedSender<SessionChange>,
}

/// What a component's task is asked.
pub(crate) struct Request {
    pub(crate) order: Order,
    pub(crate) done: oneshot::Sender<Result<Arc<ComponentView>, Error>>,
}

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Start,
    Stop,
    Restart,
}

impl Handle {
    /// All components in the order of their ids, as of now, without `usage`. Waits for nobody.
    #[must_use]
    pub fn components(&self) -> Vec<Arc<ComponentView>> {
        self.shared.entries.values().map(|entry| entry.now()).collect()
    }

    /// One component as of now, without `usage`. Waits for nobody.
    ///
    /// # Errors
    /// `component.unknown`.
    pub fn component(&self, id: &str) -> Result<Arc<ComponentView>, Error> {
        self.entry(id).map(|entry| entry.now())
    }

    /// One component with what its processes use. Costs a look at each process of the machine.
    ///
    /// # Errors
    /// `component.unknown`.
    pub async fn inspect(&self, id: &str) -> Result<ComponentView, Error> {
        let mut view = ComponentView::clone(&*self.component(id)?);
        if let Some(pid) = view.pid {
            // Files of /proc do not block for long, but there is one per process.
            view.usage = tokio::task::spawn_blocking(move || usage::of(pid)).await.ok().flatten();
        }
        Ok(view)
    }

    /// Starts a component, with a new budget of restarts, and waits until it is ready. One that is callable is left as it is.
    ///
    /// # Errors
    /// `component.unknown`; the fault of the start; `component.stopped` when somebody stops it meanwhile;
    /// `component.readiness.timeout` when it still is on its way after its start-up time and a bound for its restarts;
    /// `host.stopping`.
    pub async fn start(&self, id: &str) -> Result<Arc<ComponentView>, Error> {
        self.order(id, Order::Start).await
    }

    /// Stops a component: no new invocations, those that run get the drain time, then SIGTERM, the grace, SIGKILL. Waits until no
    /// process of it is left.
    ///
    /// # Errors
    /// `component.unknown`, `component.readiness.timeout` when even SIGKILL did not end it in time, `host.stopping`.
    pub async fn stop(&self, id: &str) -> Result<Arc<ComponentView>, Error> {
        self.order(id, Order::Stop).await
    }

    /// Stops a component as [`stop`](Self::stop) does, then starts it as [`start`](Self::start) does: at no time are there two of it,
    /// and in between it takes no calls.
    ///
    /// # Errors
    /// Those of both.
    pub async fn restart(&self, id: &str) -> Result<Arc<ComponentView>, Error> {
        self.order(id, Order::Restart).await
    }

    /// The latest `tail` lines that a component wrote (0: all that are kept), and with `follow` what it writes from now on.
    ///
    /// # Errors
    /// `component.unknown`.
    pub fn logs(&self, id: &str, tail: usize, follow: bool) -> Result<LogReader, Error> {
        self.entry(id).map(|entry| LogReader::new(&entry.ring, self.shared.alive.clone(), tail, follow))
    }

    /// What happens from now on. A reader that is more than [`Options::event_backlog`](crate::Options::event_backlog) behind misses the
    /// oldest and is told so; the present state is in [`components`](Self::components).
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<ComponentEvent>> {
        self.shared.events.subscribe()
    }

    /// Asks a component: `body` is an envelope as JSON, the answer is what came back, not looked at. Ends by `deadline`, the
    /// component's `request_timeout_ms`, or with the answer. Dropping it gives the question up.
    ///
    /// # Errors
    /// `component.unknown`; at once `component.not_ready`; `middleware.timeout`, `middleware.response.too_large`,
    /// `middleware.response.invalid` for a status other than 200 and 204 (or an exit code other than 0), `middleware.refused`,
    /// `middleware.unreachable`.
    pub async fn invoke(&self, id: &str, body: Bytes, deadline: Instant) -> Result<Bytes, Error> {
        let entry = self.entry(id)?;
        if entry.config.kind == Kind::GrpcLocal {
            return Err(Error::NotCallable { id: Arc::clone(&entry.id) });
        }
        let flight = entry.line.load().as_ref().and_then(Line::take_off);
        let Some(flight) = flight else {
            return Err(Error::NotReady { id: Arc::clone(&entry.id), state: entry.view.load().state });
        };
        flight.ask(body, deadline.into()).await
    }

    /// Counts an invocation: whether it was answered with a decision that was accepted. Unknown ids are ignored.
    pub fn invoked(&self, id: &str, ok: bool) {
        if let Some(entry) = self.shared.entries.get(id) {
            let count = if ok { &entry.answered } else { &entry.failed };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells of a session that a component serves; only `grpc_local` has any. Unknown ids are ignored. Waits for nobody.
    pub fn session(&self, id: &str, change: SessionChange) {
        if let Some(entry) = self.shared.entries.get(id) {
            // Without a receiver the component is stopped for good.
            let _ended = entry.sessions.send(change).is_err();
        }
    }

    /// The components that are asked as middleware now, in the order of their ids: those with hooks, but for those that are
    /// disabled or that an operator stopped. One that failed stays: `on_component_failure` says what its absence means.
    #[must_use]
    pub fn configs(&self) -> Arc<[Part]> {
        Arc::clone(&self.shared.parts.borrow())
    }

    /// As [`configs`](Self::configs), to wait for changes.
    #[must_use]
    pub fn watch_configs(&self) -> watch::Receiver<Arc<[Part]>> {
        self.shared.parts.subscribe()
    }

    fn entry(&self, id: &str) -> Result<&Arc<Entry>, Error> {
        self.shared.entries.get(id).ok_or_else(|| Error::Unknown { id: id.to_owned() })
    }

    async fn order(&self, id: &str, order: Order) -> Result<Arc<ComponentView>, Error> {
        let entry = self.entry(id)?;
        let (done, answer) = oneshot::channel();
        entry.requests.send(Request { order, done }).await.map_err(|_| Error::Stopping)?;
        // Bounded by the component's task, which answers every request or ends.
        answer.await.map_err(|_| Error::Stopping)?
    }
}

impl Entry {
    /// The view with the counts of now.
    pub(crate) fn now(&self) -> Arc<ComponentView> {
        let view = self.view.load_full();
        let (answered, failed) = (self.answered.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        if (view.answered, view.failed) == (answered, failed) {
            return view;
        }
        Arc::new(ComponentView { answered, failed, ..ComponentView::clone(&view) })
    }
}
