//! What the host asks of the executor. Every operation is bounded in time; none blocks a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::{FutureExt as _, Stream};
use protocol::frame::{Answer, Execute, ExecutionId, ProviderFrame, TraceContext};
use protocol::{DataPlane, Error, Origin, SessionId, codes};
use registry::{Endpoint, EndpointState, Route};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::connection::attach::{self, AttachIo};
use crate::connection::driver::Driver;
use crate::connection::link::{self, LinkBounds, LinkIo};
use crate::connection::{self, Ended, ProviderDrains};
use crate::metrics::{Counted, Measured, Metrics};
use crate::options::Options;
use crate::service::{End, Request, Targets};
use crate::target::{Attempt, Target, unavailable};

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

/// Pictures of the routes that one call may try: its own, and those after replacements that it met.
const ROUTES: usize = 3;

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
    options: Arc<Options>,
    registry: registry::Handle,
    targets: Arc<ArcSwap<Targets>>,
    requests: mpsc::Sender<Request>,
    drains: mpsc::UnboundedSender<ProviderDrains>,
    process: u64,
    calls: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
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
        Self {
            options,
            registry,
            targets,
            requests,
            drains,
            process,
            calls: Arc::new(AtomicU64::new(1)),
            metrics: Arc::default(),
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
        let bounds =
            LinkBounds { message_bytes: self.options.message_bytes, write_timeout: self.options.write_timeout };
        let driver = Driver::new(session, self.drains.clone());
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
            self.ask(|done| Request::Adopt { session, plane: DataPlane::Link, connection, drive, done }).await;
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
        let driver = Driver::new(session, self.drains.clone());
        let drive = attach::drive(driver, io, inbox, message_bytes, write_timeout).boxed();
        self.ask(|done| Request::Adopt { session, plane: DataPlane::Attach, connection, drive, done }).await?
    }

    /// How many calls run or wait at a session; a moment's view, 0 for one that has no transport.
    #[must_use]
    pub fn load_of(&self, session: SessionId) -> usize {
        self.targets.load().get(&session).map_or(0, |target| target.load())
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

    async fn run(&self, route: &Route, call: Call, measured: &mut Measured) -> Result<Reply, Error> {
        if self.requests.is_closed() {
            return Err(stopping());
        }
        let input = canonical(&route.input, call.input, codes::INPUT_INVALID, "input")?;
        let mut execute = Execute {
            module: route.spec.name.clone(),
            input,
            execution_id: call.execution_id,
            node_id: call.node_id,
            attempt: 0,
            idempotency_key: call.idempotency_key,
            trace: call.trace,
            // Set anew when the call is sent.
            timeout: call.deadline.saturating_duration_since(Instant::now()),
        };
        if execute.size_bound() > self.options.message_bytes {
            let message = format!(
                "an input of {} bytes does not fit a message of {}",
                execute.input.len(),
                self.options.message_bytes
            );
            return Err(Error::of(codes::INPUT_TOO_LARGE, message));
        }
        let mut route = route.clone();
        let mut tried: Vec<SessionId> = Vec::new();
        let mut last_failure = None;
        for _ in 0..ROUTES {
            while let Some(target) = self.choose(&route, &tried, call.deadline).await {
                execute.attempt += 1;
                measured.on(target.plane);
                match target.attempt(execute.clone(), call.deadline, measured).await? {
                    Attempt::Answered(answer) => return finish(&route, &target, execute.attempt, answer),
                    Attempt::NotSent(error) => {
                        self.report_unreachable(&target, &error);
                        last_failure = Some(error);
                    }
                    Attempt::Lost(error) => {
                        self.report_unreachable(&target, &error);
                        last_failure = Some(retryable(&route, error)?);
                    }
                    Attempt::BrokenOff(error) => last_failure = Some(retryable(&route, error)?),
                }
                tried.push(target.session);
            }
            match self.moved(&route, &tried) {
                Some(newer) if newer.fingerprint == route.fingerprint => route = newer,
                Some(newer) => {
                    let message = format!("the types of `{}` have just changed", newer.name);
                    return Err(Error::of(codes::SCHEMA_CHANGED, message));
                }
                None => break,
            }
        }
        Err(last_failure.unwrap_or_else(|| unavailable(format!("no provider of `{}` takes calls now", route.name))))
    }

    /// The present route, when it has an endpoint that this call did not know: providers change places while calls are on
    /// their way, and no call is to find a gap.
    fn moved(&self, route: &Route, tried: &[SessionId]) -> Option<Route> {
        let routes = self.registry.routes();
        let newer = routes.get(route.name.as_str())?;
        let ready = |endpoint: &&Endpoint| endpoint.state == EndpointState::Ready;
        let known = |session: &SessionId| {
            tried.contains(session) || route.endpoints.iter().filter(ready).any(|endpoint| endpoint.session == *session)
        };
        newer.endpoints.iter().filter(ready).any(|endpoint| !known(&endpoint.session)).then(|| Route::clone(newer))
    }

    /// The endpoint with the least to do of those that were not tried; a unary client is made when it is first needed.
    async fn choose(&self, route: &Route, tried: &[SessionId], deadline: Instant) -> Option<Arc<Target>> {
        let ready = |endpoint: &&Endpoint| endpoint.state == EndpointState::Ready && !tried.contains(&endpoint.session);
        let mut best: Option<Arc<Target>> = None;
        let targets = self.targets.load_full();
        // Replicas begin at another place each time, so that equal loads do not all go to the first.
        let start = usize::try_from(self.calls.load(Ordering::Relaxed)).unwrap_or(0) % route.endpoints.len().max(1);
        let rotated = route.endpoints[start..].iter().chain(&route.endpoints[..start]);
        for endpoint in rotated.filter(ready) {
            let target = match targets.get(&endpoint.session) {
                Some(target) => Arc::clone(target),
                None => match self.dial(route, endpoint, deadline).await {
                    Some(target) => target,
                    None => continue,
                },
            };
            if best.as_ref().is_none_or(|best| target.load() < best.load()) {
                best = Some(target);
            }
        }
        best
    }

    async fn dial(&self, route: &Route, endpoint: &Endpoint, deadline: Instant) -> Option<Arc<Target>> {
        let url = endpoint.service_url.clone()?;
        let (session, lifecycle, module) = (endpoint.session, endpoint.lifecycle, route.name.as_str().to_owned());
        let asked = self.ask(|done| Request::Dial { session, url, lifecycle, module, done });
        tokio::time::timeout_at(deadline, asked).await.ok()?.ok()?.ok()
    }

    fn report_unreachable(&self, target: &Target, error: &Error) {
        if target.plane == DataPlane::Unary {
            let request =
                Request::Unreachable { session: target.session, generation: target.generation, error: error.clone() };
            // One report is enough, and the next call makes another.
            let _unheard = self.requests.try_send(request).is_err();
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        self.requests.send(request(done)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

/// Whether a call that a provider may have begun can be tried elsewhere.
fn retryable(route: &Route, error: Error) -> Result<Error, Error> {
    if route.spec.capabilities.idempotent { Ok(error) } else { Err(error) }
}

fn stopping() -> Error {
    Error::of(codes::HOST_STOPPING, "the host is shutting down")
}

fn finish(route: &Route, target: &Target, attempts: u32, answer: Answer) -> Result<Reply, Error> {
    let output = canonical(&route.output, answer.result?, codes::OUTPUT_INVALID, "output")
        .map_err(|error| error.origin_is(Origin::Module).detail("module", route.name.as_str()))?;
    Ok(Reply { output, revision: route.revision, session: target.session, plane: target.plane, attempts })
}

/// Checks bytes against a type; copies only what is not canonical.
fn canonical(schema: &type_schema::Schema, bytes: Bytes, code: codes::Code, what: &str) -> Result<Bytes, Error> {
    match schema.canonicalize(&bytes) {
        Ok(std::borrow::Cow::Borrowed(_)) => Ok(bytes),
        Ok(std::borrow::Cow::Owned(canonical)) => Ok(canonical.into()),
        Err(error) => Err(Error::of(code, format!("the {what} is refused: {error}"))
            .detail("codec_code", error.code.as_str())
            .detail("path", error.path)),
    }
}
