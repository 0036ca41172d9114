//! The task of one component: carries out what its [`Machine`] decides and tells it what came of that. Decides nothing itself.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use protocol::component::{ComponentEvent, ComponentState, ComponentView};
use serde_json::Map;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::handle::{Entry, Order, Request, Shared};
use crate::host::{HostRequest, SessionChange};
use crate::process::Process;
use crate::state::{At, Effect, Event, Machine, Question};

use super::ask;
use super::begin::{self, Asked, Begun, Place};
use super::parts;
use super::port;
use super::view::Fixed;
use super::waiting::Waiting;
use super::work::{News, Work};

/// How long the last output of a process that has ended may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One component with everything that belongs to it.
pub(super) struct Component {
    place: Arc<Place>,
    entry: Arc<Entry>,
    shared: Arc<Shared>,
    fixed: Fixed,
    machine: Machine,
    requests: mpsc::Receiver<Request>,
    sessions: mpsc::UnboundedReceiver<SessionChange>,
    waiting: Vec<Waiting>,
    begun: Option<Begun>,
    work: Work,
}

impl Component {
    pub(super) fn new(
        place: Place,
        entry: Arc<Entry>,
        shared: Arc<Shared>,
        fixed: Fixed,
        machine: Machine,
        requests: mpsc::Receiver<Request>,
        sessions: mpsc::UnboundedReceiver<SessionChange>,
    ) -> Self {
        Self {
            place: Arc::new(place),
            entry,
            shared,
            fixed,
            machine,
            requests,
            sessions,
            waiting: Vec::new(),
            begun: None,
            work: Work::default(),
        }
    }

    /// Lives until `shutdown`, and until nothing of it is left.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        if self.place.config.enabled {
            self.apply(Event::Order(Order::Start)).await;
        }
        let mut is_ending = false;
        loop {
            let state = self.machine.facts().state;
            if is_ending
                && matches!(state, ComponentState::Configured | ComponentState::Stopped | ComponentState::Failed)
            {
                break;
            }
            let deadline = self.deadline();
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled(), if !is_ending => {
                    is_ending = true;
                    // Who waits for it to be ready is told now.
                    self.requests.close();
                    self.apply(Event::Order(Order::Stop)).await;
                }
                Some(request) = self.requests.recv(), if !is_ending => self.order(request).await,
                Some(change) = self.sessions.recv() => self.apply(Event::Session(change)).await,
                news = self.work.next() => self.learn(news).await,
                () = due => self.apply(Event::Tick).await,
            }
        }
    }

    /// When to look at the clock again: for the machine, or for somebody who waits.
    fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|waiting| waiting.until);
        waiting.chain(self.machine.next_deadline()).min()
    }

    async fn order(&mut self, Request { order, done }: Request) {
        self.waiting.push(Waiting::new(order, &self.place.config, done));
        self.apply(Event::Order(order)).await;
    }

    async fn learn(&mut self, news: News) {
        let event = match news {
            News::Event(event) => event,
            News::Begun(start, begun) => match *begun {
                Err(fault) => Event::NotBegun { start, fault },
                Ok(mut begun) => {
                    let process = begun.process.take();
                    let event = Event::Begun {
                        start,
                        pid: process.as_ref().map(|process| process.pid),
                        sandbox: process.as_ref().map(|process| process.sandbox.clone()),
                        endpoint: begun.endpoint.clone(),
                    };
                    if let Some(process) = process {
                        begun.process = self.watch(process, start, begun.chosen);
                    }
                    self.begun = Some(begun);
                    event
                }
            },
        };
        self.apply(event).await;
    }

    /// Keeps what a process writes, and learns of its end.
    fn watch(
        &mut self,
        process: Arc<Process>,
        start: u64,
        chosen: Option<std::net::SocketAddr>,
    ) -> Option<Arc<Process>> {
        let mut process = process;
        let mut output = JoinSet::new();
        // Nobody else has it yet.
        if let Some(process) = Arc::get_mut(&mut process) {
            let ring = &self.place.ring;
            if let Some(stdout) = process.stdout.take() {
                let ring = ring.clone();
                output.spawn(async move { ring.drain(stdout, false, start).await });
            }
            if let Some(stderr) = process.stderr.take() {
                let ring = ring.clone();
                output.spawn(async move { ring.drain(stderr, true, start).await });
            }
        }
        let watched = Arc::clone(&process);
        self.work.exit = Some(Box::pin(async move {
            let exit = watched.exited().await;
            // So that its last words are there when somebody reads that it is gone.
            let _late =
                tokio::time::timeout(LAST_WORDS, async { while output.join_next().await.is_some() {} }).await.is_err();
            let is_port_taken = chosen.is_some_and(port::is_taken);
            News::Event(Event::Exited { start, how: exit.to_string(), is_port_taken })
        }));
        Some(process)
    }

    async fn apply(&mut self, event: Event) {
        let was_wanted = self.machine.is_wanted();
        let now = At { instant: Instant::now(), wall: SystemTime::now() };
        let effects = self.machine.apply(event, now);
        let mut told = Vec::new();
        for effect in effects {
            match effect {
                Effect::Tell { previous, reason } => told.push((previous, reason)),
                effect => self.carry_out(effect).await,
            }
        }
        let runtime = self.begun.as_ref().map_or_else(Map::new, |begun| begun.runtime.clone());
        let mut view = self.fixed.view(&self.machine, runtime);
        if let Some(Begun { way: Asked::Command { command, .. }, .. }) = &self.begun {
            view.sandbox = command.sandbox.get().cloned();
        }
        let view = Arc::new(view);
        self.entry.view.store(Arc::clone(&view));
        if was_wanted != self.machine.is_wanted() {
            parts::change(&self.shared.parts, &self.place.id, &self.place.config, self.machine.is_wanted());
        }
        for (previous, reason) in told {
            self.tell(previous, reason);
        }
        self.answer();
    }

    fn tell(&self, previous: ComponentState, reason: String) {
        let component = ComponentView::clone(&self.entry.now());
        let (id, state) = (&*self.place.id, component.state.as_str());
        match component.state {
            ComponentState::Failed | ComponentState::Degraded => {
                warn!(component = id, state, %reason, "component changed")
            }
            _ => info!(component = id, state, %reason, "component changed"),
        }
        // Without a reader nobody is told.
        let _unread =
            self.shared.events.send(Arc::new(ComponentEvent { component, previous: Some(previous), reason })).is_err();
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Begin { start } => {
                let place = Arc::clone(&self.place);
                self.work.begin =
                    Some(Box::pin(async move { News::Begun(start, Box::new(begin::begin(place, start).await)) }));
            }
            Effect::Ask { start, question, after } => self.ask(start, question, after),
            Effect::Init { start, within } => self.init(start, within),
            Effect::Open { .. } => {
                if let Some(Begun { way: Asked::Http { line, .. } | Asked::Command { line, .. }, .. }) = &self.begun {
                    self.entry.line.store(Some(Arc::clone(line)));
                }
            }
            Effect::Close => {
                if let Some(line) = self.entry.line.swap(None) {
                    line.close();
                }
            }
            Effect::Drain { start, within } => self.drain(start, within),
            Effect::Terminate { .. } => {
                if let Some(process) = self.process() {
                    process.terminate();
                }
            }
            Effect::Kill { .. } => {
                if let Some(process) = self.process() {
                    process.kill();
                }
            }
            Effect::Retire { start } => {
                self.work = Work::default();
                if self.begun.take().is_some() {
                    self.place.revoke(start).await;
                }
            }
            Effect::Tell { .. } => {}
        }
    }

    fn process(&self) -> Option<&Arc<Process>> {
        self.begun.as_ref().and_then(|begun| begun.process.as_ref())
    }

    fn ask(&mut self, start: u64, question: Question, after: Duration) {
        let config = &self.place.config;
        let (Some(http), Some(Begun { way: Asked::Http { client, .. }, .. })) = (&config.http, &self.begun) else {
            return;
        };
        let path = match question {
            Question::Readiness => &http.ready_path,
            Question::Health => &http.health_path,
        };
        let Ok(path) = begin::path(path) else { return };
        let (client, timeout) = (Arc::clone(client), Duration::from_millis(config.health.timeout_ms));
        self.work.ask = Some(Box::pin(async move {
            tokio::time::sleep(after).await;
            News::Event(Event::Probed { start, question, probe: ask::probe(client, path, timeout).await })
        }));
    }

    fn init(&mut self, start: u64, within: Duration) {
        let Some(begun) = &self.begun else { return };
        let config = &self.place.config;
        let body = ask::init(config, &self.place.options, &begun.capabilities);
        self.work.init = match (&begun.way, &config.http) {
            (Asked::Http { client, .. }, Some(http)) => {
                let Ok(path) = begin::path(&http.init_path) else { return };
                let client = Arc::clone(client);
                Some(Box::pin(async move {
                    let answer = ask::init_by_http(client, path, body, within).await;
                    News::Event(Event::Answered { start, answer })
                }))
            }
            (Asked::Command { command, .. }, _) => {
                let command = Arc::clone(command);
                Some(Box::pin(async move {
                    let answer = ask::init_by_command(command, body, within).await;
                    News::Event(Event::Answered { start, answer })
                }))
            }
            _ => None,
        };
    }

    fn drain(&mut self, start: u64, within: Duration) {
        let Some(begun) = &self.begun else { return };
        let drained = News::Event(Event::Drained { start });
        self.work.drain = Some(match &begun.way {
            Asked::Http { line, .. } | Asked::Command { line, .. } => {
                let line = Arc::clone(line);
                line.close();
                Box::pin(async move {
                    let _late = tokio::time::timeout(within, line.drained()).await.is_err();
                    drained
                })
            }
            Asked::Never => {
                let (done, told) = oneshot::channel();
                let request = HostRequest::Drain { id: Arc::clone(&self.place.id), within, done };
                let host = self.place.host.clone();
                Box::pin(async move {
                    let draining = async {
                        if host.send(request).await.is_ok() {
                            // A host that does not say so has nothing left to drain.
                            let _gone = told.await.is_err();
                        }
                    };
                    let _late = tokio::time::timeout(within, draining).await.is_err();
                    drained
                })
            }
        });
    }

    /// Tells those who wait for what has come true, or cannot any more.
    fn answer(&mut self) {
        let now = Instant::now();
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting.outcome(&self.entry, &self.machine, now) {
                // Who asked may have given up.
                Some(outcome) => drop(waiting.done.send(outcome)),
                None => self.waiting.push(waiting),
            }
        }
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        // Also when the task is given up: nothing is asked any more.
        if let Some(line) = self.entry.line.swap(None) {
            line.close();
        }
    }
}
