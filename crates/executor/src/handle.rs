//! What the host asks of the executor. Every operation is bounded in time; none blocks a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::{FutureExt as _, Stream};
use protocol::frame::{Answer, Execute, ExecutionId, ProviderFrame, TraceContext};
use protocol::{DataPlane, Error, SessionId, codes};
use registry::Route;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::attempts::{Unwatched, Work};
use crate::check;
use crate::connection::attach::{self, AttachIo};
use crate::connection::driver::Driver;
use crate::connection::link::{self, LinkBounds, LinkIo};
use crate::connection::{self, Ended, ProviderDrains};
use crate::health::Health;
use crate::inside::Inside;
use crate::metrics::{Counted, Measured, Metrics};
use crate::options::Options;
use crate::policy::Policies;
use crate::pool::Random;
use crate::service::{End, Request, Targets};
use crate::target::{Attempt, Place, Target};

/// One call as the host has it.
#[derive(Debug, Clone)]
pub struct Call {
    /// MessagePack of the declared input type; need not be canonical.
    pub input: Bytes,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Equal for calls that must have one effect; empty where the caller gave none.
    pub idempotency_key: String,
    /// Step of the pipeline; empty for a single call.
    pub node_id: String,
    /// Trace of the caller.
    pub trace: TraceContext,
    /// Names the call; see [`Handle::next_execution_id`].
    pub execution_id: ExecutionId,
}

/// What a call came to.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Canonical MessagePack of the declared output type.
    pub output: Bytes,
    /// Revision of the module that answered; a later one than the route's where the module was replaced under the same types.
    pub revision: u64,
    /// Which session answered.
    pub session: SessionId,
    /// By which plane.
    pub plane: DataPlane,
    /// How many attempts it took.
    pub attempts: u32,
}

/// A link connection that was taken over and waits for its start. Dropping it closes it.
#[must_use = "nothing is written or read before the start"]
#[derive(Debug)]
pub struct AdoptedLink<R, W> {
    handover: oneshot::Sender<LinkIo<R, W>>,
    io: LinkIo<R, W>,
}

impl<R, W> AdoptedLink<R, W> {
    /// Sends the welcome, then whatever calls came meanwhile.
    pub fn start(self) {
        // The task ends early only with the service, and its connections with it.
        let _gone = self.handover.send(self.io).is_err();
    }

    /// Gives the connection back, as it was.
    pub fn give_back(self) -> LinkIo<R, W> {
        self.io
    }
}

/// A link connection that was not taken over, and why: its provider has yet to be told.
#[derive(Debug)]
pub struct NotAdopted<R, W> {
    /// Why.
    pub error: Error,
    /// The connection as it was.
    pub io: LinkIo<R, W>,
}

/// Cheap to clone; all clones reach the same service.
#[derive(Clone)]
pub struct Handle {
    pub(crate) options: Arc<Options>,
    pub(crate) registry: registry::Handle,
    pub(crate) targets: Arc<ArcSwap<Targets>>,
    pub(crate) requests: mpsc::Sender<Request>,
    drains: mpsc::UnboundedSender<ProviderDrains>,
    process: u64,
    pub(crate) calls: Arc<AtomicU64>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) policies: Arc<Policies>,
}

impl Handle {
    pub(crate) fn new(
        options: Arc<Options>,
        registry: registry::Handle,
        targets: Arc<ArcSwap<Targets>>,
        requests: mpsc::Sender<Request>,
        drains: mpsc::UnboundedSender<ProviderDrains>,
    ) -> Self {
        let process = getrandom::u64().expect("the operating system gives random numbers");
        let policies = Arc::new(Policies::new(&options));
        Self {
            options,
            registry,
            targets,
            requests,
            drains,
            process,
            calls: Arc::new(AtomicU64::new(1)),
            metrics: Arc::default(),
            policies,
        }
    }

    /// A fresh id for a run or a call: random per process, counted inside it.
    #[must_use]
    pub fn next_execution_id(&self) -> ExecutionId {
        ExecutionId::from_parts(self.process, self.calls.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes over the link connection of a session that showed its token. `Ok` means that calls can be sent on it; the
    /// caller then makes the session callable in the registry, and last starts the connection, so that a provider which
    /// reads its welcome can be called.
    ///
    /// # Errors
    /// `registry.session.attached` when the session has a connection, `host.stopping`; with the connection, on which
    /// nothing was written.
    pub async fn adopt_link<R, W>(
        &self,
        session: SessionId,
        io: LinkIo<R, W>,
    ) -> Result<AdoptedLink<R, W>, NotAdopted<R, W>>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (connection, inbox) = connection::channel();
        let health = Arc::<Health>::default();
        let bounds =
            LinkBounds { message_bytes: self.options.message_bytes, write_timeout: self.options.write_timeout };
        let driver = Driver::new(session, self.options.message_bytes, self.drains.clone(), Arc::clone(&health));
        // Handed over last: nothing is written before the session is callable, and a connection which is not taken can
        // still be told why.
        let (handover, handed_over) = oneshot::channel();
        let drive = async move {
            match handed_over.await {
                Ok(io) => link::drive(driver, io, inbox, bounds).await,
                Err(_) => Ended::Asked,
            }
        };
        let drive = drive.boxed();
        let adopted =
            self.ask(|done| Request::Adopt { session, plane: DataPlane::Link, connection, health, drive, done }).await;
        if let Err(error) = adopted.and_then(|adopted| adopted) {
            return Err(NotAdopted { error, io });
        }
        Ok(AdoptedLink { handover, io })
    }

    /// Takes over the attach stream of a session that showed its token; see [`Handle::adopt_link`].
    ///
    /// # Errors
    /// The same codes.
    pub async fn adopt_attach<S>(&self, session: SessionId, io: AttachIo<S>) -> Result<(), Error>
    where
        S: Stream<Item = Result<Vec<ProviderFrame>, Error>> + Unpin + Send + 'static,
    {
        let (connection, inbox) = connection::channel();
        let Options { message_bytes, write_timeout, .. } = *self.options;
        let health = Arc::<Health>::default();
        let driver = Driver::new(session, message_bytes, self.drains.clone(), Arc::clone(&health));
        let drive = attach::drive(driver, io, inbox, message_bytes, write_timeout).boxed();
        self.ask(|done| Request::Adopt { session, plane: DataPlane::Attach, connection, health, drive, done }).await?
    }

    /// Has the modules of a session served inside this process. Calls of them reach `inside` when this returns; the caller then
    /// makes them known to the registry.
    ///
    /// # Errors
    /// `host.stopping`.
    pub async fn serve_inside(&self, session: SessionId, inside: Arc<dyn Inside>) -> Result<(), Error> {
        self.ask(|done| Request::Inside { session, inside, done }).await
    }

    /// How many calls run or wait at a session; a moment's view, 0 for one that has no transport.
    #[must_use]
    pub fn load_of(&self, session: SessionId) -> usize {
        self.targets.load().get(&session).map_or(0, |target| target.load())
    }

    /// Whether a session gets no calls, or one at a time, because its calls failed or it fell silent; a moment's view.
    #[must_use]
    pub fn is_ejected(&self, session: SessionId) -> bool {
        self.targets.load().get(&session).is_some_and(|target| target.health.is_out())
    }

    /// How often a session was ejected since its transport was made.
    #[must_use]
    pub fn ejections_of(&self, session: SessionId) -> u32 {
        self.targets.load().get(&session).map_or(0, |target| target.health.ejections())
    }

    /// Ends the transport of a session. Returns when the order is given, not when it is carried out.
    pub async fn end(&self, session: SessionId, how: End) {
        // A service that is gone has ended everything.
        let _gone = self.requests.send(Request::End { session, how }).await.is_err();
    }

    /// Calls the module of a route: checks the input, chooses an endpoint, sends, waits at the longest until the deadline,
    /// checks the output. Dropping the future cancels the call at the provider. Costs one validation of the input, one of
    /// the output, and no copy of either where they are canonical.
    ///
    /// # Errors
    /// `executor.input.invalid`, `executor.input.too_large`, `executor.provider.*`, `executor.overloaded`,
    /// `executor.deadline.exceeded`, `executor.output.*`, `registry.schema.changed` where the module was replaced under other
    /// types before anything was sent, `host.stopping`, or what the module answered. Each carries the execution id.
    pub async fn call(&self, route: &Route, call: Call) -> Result<Reply, Error> {
        let id = call.execution_id;
        let mut measured = self.metrics.begin(route, &self.registry);
        let result = self.run(route, call, &mut measured).await;
        measured.end(&result);
        result.map_err(|error| error.traced(&id.to_string()))
    }

    /// What was counted of the calls of each registered module by plane, in order. Reads each counter that there is; a
    /// moment's view.
    #[must_use]
    pub fn counted(&self) -> Vec<Counted> {
        self.metrics.counted(&self.registry.routes())
    }

    pub(crate) async fn run(&self, route: &Route, call: Call, measured: &mut Measured) -> Result<Reply, Error> {
        self.is_running()?;
        check::plain(route)?;
        let deadline = call.deadline;
        let execute = self.execute(route, call)?;
        let served = self.serve(route, &execute, deadline, measured, &mut Unwatched::default()).await?;
        let output = check::output(route, served.output.result?)?;
        let (revision, attempts) = (served.revision, served.attempts);
        Ok(Reply { output, revision, session: served.target.session, plane: served.target.plane, attempts })
    }

    /// A call as it is sent, with a canonical input.
    pub(crate) fn execute(&self, route: &Route, call: Call) -> Result<Execute, Error> {
        let input = check::input(route, call.input)?;
        self.sendable(route, Call { input, ..call })
    }

    /// A call as it is sent, of an input that is canonical already.
    pub(crate) fn sendable(&self, route: &Route, call: Call) -> Result<Execute, Error> {
        let execute = Execute {
            module: route.spec.name.clone(),
            input: call.input,
            execution_id: call.execution_id,
            node_id: call.node_id,
            // Both are set anew when the call is sent.
            attempt: 0,
            timeout: Duration::ZERO,
            idempotency_key: call.idempotency_key,
            trace: call.trace,
        };
        check::fits(&execute, self.options.message_bytes)?;
        Ok(execute)
    }

    /// A number that differs from call to call, spread well enough for waits.
    pub(crate) fn random(&self) -> u64 {
        Random::from(self.process ^ self.calls.fetch_add(1, Ordering::Relaxed)).next()
    }

    /// # Errors
    /// `host.stopping`.
    pub(crate) fn is_running(&self) -> Result<(), Error> {
        if self.requests.is_closed() { Err(stopping()) } else { Ok(()) }
    }

    pub(crate) async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        self.requests.send(request(done)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

/// Sends one call.
impl Work for Execute {
    type Output = Answer;

    async fn attempt(&self, target: &Target, number: u32, place: Place, deadline: Instant) -> Attempt<Answer> {
        let attempt = target.call(self.sent_now(number, deadline), deadline).await;
        drop(place);
        attempt
    }

    fn failure(answer: &Answer) -> Option<&Error> {
        answer.result.as_ref().err()
    }
}

fn stopping() -> Error {
    Error::of(codes::HOST_STOPPING, "the host is shutting down")
}
