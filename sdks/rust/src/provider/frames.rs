//! The provider's side of the frames that attach and link share: starts and stops calls, answers pings, puts answers into the outbox.
//! Moves no bytes: see `link` and `attach`.

pub(crate) mod batch;
pub(crate) mod coding;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use crate::error::{Category, Error, ModuleError};
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::{AttachRequest, Drain, ExecuteRequest, Hello, Ping, Pong, ProviderFrame};
use crate::provider::calls::{Calls, Step, micros, response};
use crate::provider::frames::coding::{Frame, Frames, ResultFrame};
use crate::provider::outbox::Outbox;
use crate::provider::plane::Event;
use crate::provider::request::Request;
use crate::provider::{Plane, Task};
use crate::run::Outcome;

/// What a frame and a message add to an answer, at most.
pub(crate) const OVERHEAD: usize = 64;
/// An input of so many bytes takes long to decode, so its call gets a task from the start.
const LONG_INPUT: usize = 64 * 1024;
/// How long a leaving provider waits for the host's pong.
const PONG_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a closing connection may take to send what is answered and to see the host's end of it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that carries frames.
pub(crate) struct Framed {
    shared: Arc<Shared>,
    /// Reads what the host sends until the connection ends; on the link it writes as well.
    driver: Task<()>,
}

/// What the driver and the calls of a connection share.
pub(crate) struct Shared {
    calls: Arc<Calls>,
    plane: Plane,
    /// Calls that can be cancelled, by call id; those that end at once never come here.
    running: Mutex<HashMap<u64, Running>>,
    outbox: Outbox,
    events: mpsc::Sender<Event>,
    /// Told of each pong.
    pong: Notify,
    max_message: usize,
}

/// A call in a task of its own.
struct Running {
    task: AbortHandle,
    /// How many items of a stream may be sent.
    credit: Option<Arc<Semaphore>>,
}

impl Framed {
    pub(crate) fn new(shared: Arc<Shared>, driver: JoinHandle<()>) -> Self {
        Self { shared, driver: Task(driver) }
    }

    /// Says that no new calls are taken, and returns when those that were on their way have arrived. What runs will still be answered.
    pub(crate) async fn drain(&self) {
        self.shared.send(0, FromProvider::Drain(Drain { grace_ms: 0 }));
        // Frames keep their order, so what the host sent before it heard of the drain comes before its pong.
        self.shared.send(0, FromProvider::Ping(Ping { number: 0 }));
        if tokio::time::timeout(PONG_TIMEOUT, self.shared.pong.notified()).await.is_err() {
            tracing::debug!("the host did not answer a ping within {PONG_TIMEOUT:?}");
        }
    }

    /// Sends what is answered, cancels the rest, and closes.
    pub(crate) async fn close(mut self) {
        self.shared.end();
        // Our direction ends first; the host, having read everything, ends the other. To leave before that can throw away what is still on its
        // way. That a task was aborted or panicked is no reason to stay.
        if tokio::time::timeout(FLUSH_TIMEOUT, &mut self.driver.0).await.is_err() {
            tracing::debug!("the host did not end the connection within {FLUSH_TIMEOUT:?}");
        }
    }
}

/// The first message of the provider.
pub(crate) fn hello(session_token: &str) -> AttachRequest {
    let hello = FromProvider::Hello(Hello { session_token: session_token.to_owned() });
    AttachRequest { frames: vec![ProviderFrame { call_id: 0, frame: Some(hello) }] }
}

impl Shared {
    pub(crate) fn new(calls: Arc<Calls>, plane: Plane, events: mpsc::Sender<Event>, max_message: usize) -> Arc<Self> {
        Arc::new(Self {
            calls,
            plane,
            running: Mutex::default(),
            outbox: Outbox::new(max_message),
            events,
            pong: Notify::new(),
            max_message,
        })
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes the first message of the host: a `welcome`, and what travelled with it.
    pub(crate) fn open(self: &Arc<Self>, message: &[u8]) -> Result<(), Error> {
        let mut frames = Frames::of(message);
        match frames.next().transpose().map_err(unparsed)? {
            Some(Frame::Other(frame)) => match frame.frame {
                Some(FromHost::Welcome(_)) => self.take_all(frames),
                Some(FromHost::Error(error)) => Err(Error::from_wire(error)),
                _ => Err(malformed("the host did not begin with a welcome")),
            },
            Some(Frame::Execute(..)) | None => Err(malformed("the host did not begin with a welcome")),
        }
    }

    /// Carries out what the host sent.
    pub(crate) fn take(self: &Arc<Self>, message: &[u8]) -> Result<(), Error> {
        self.take_all(Frames::of(message))
    }

    fn take_all(self: &Arc<Self>, frames: Frames<'_>) -> Result<(), Error> {
        for frame in frames {
            match frame.map_err(unparsed)? {
                Frame::Execute(call_id, request) => self.execute(call_id, &request),
                Frame::Other(frame) => {
                    let call_id = frame.call_id;
                    self.other(call_id, frame.frame.ok_or_else(|| malformed("a frame without content"))?)?;
                }
            }
        }
        Ok(())
    }

    fn other(self: &Arc<Self>, call_id: u64, frame: FromHost) -> Result<(), Error> {
        match frame {
            FromHost::Execute(request) => self.execute(call_id, &Request::from(&request)),
            FromHost::ExecuteStream(start) => self.stream(call_id, start),
            FromHost::ExecuteBatch(batch) => self.batch(call_id, batch),
            FromHost::Credit(credit) => {
                if let Some(credits) = self.running().get(&call_id).and_then(|call| call.credit.as_ref()) {
                    stream::grant(credits, credit.items);
                }
            }
            FromHost::Cancel(_) => {
                let call = self.running().remove(&call_id);
                if let Some(call) = call {
                    call.task.abort();
                }
            }
            FromHost::Ping(ping) => self.send(0, FromProvider::Pong(Pong { number: ping.number })),
            FromHost::Drain(drain) => {
                let grace = Duration::from_millis(drain.grace_ms.into());
                // Nobody to hear it means that the provider is leaving already, a full channel that it was told before.
                drop(self.events.try_send(Event::HostDrains(grace)));
            }
            FromHost::Error(error) => return Err(Error::from_wire(error)),
            FromHost::Pong(_) => self.pong.notify_one(),
            FromHost::Welcome(_) => return Err(malformed("a second welcome")),
        }
        Ok(())
    }

    /// Tells the session why the connection ended, and stops its calls: their callers have been answered by the host.
    pub(crate) async fn lost(&self, error: Error) {
        self.end();
        self.pong.notify_one();
        drop(self.events.send(Event::Lost(error)).await);
    }

    /// Runs a call here until it ends or waits, which saves the way to a task and back; calls that are known to take long are spared.
    fn execute(self: &Arc<Self>, call_id: u64, request: &Request<'_>) {
        let started = Instant::now();
        match self.calls.find(request.module_name) {
            Ok(module) if request.input_data.len() < LONG_INPUT && !module.cost.is_high() => {
                match self.calls.step(&module, request, Some(self.plane)) {
                    Step::Done(outcome) => self.answer(call_id, outcome, started),
                    Step::Waits(waiting) => self.spawn(call_id, None, |shared| async move {
                        let outcome = waiting.await;
                        move || shared.answer(call_id, outcome, started)
                    }),
                }
            }
            Ok(_) => {
                let request: ExecuteRequest = request.to_message();
                self.spawn(call_id, None, |shared| async move {
                    let outcome = shared.calls.execute(&request, Some(shared.plane)).await;
                    move || shared.answer(call_id, outcome, started)
                });
            }
            Err(error) => self.answer(call_id, Err(error.with_trace_id(request.trace_id())), started),
        }
    }

    /// Runs a call in a task, which can be cancelled until its answer goes out.
    fn spawn<F, A>(self: &Arc<Self>, call_id: u64, credit: Option<Arc<Semaphore>>, run: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = A> + Send + 'static,
        A: FnOnce() + Send,
    {
        let counted = self.calls.count();
        let work = run(Arc::clone(self));
        let shared = Arc::clone(self);
        // Held until the call is entered, so that it cannot end before.
        let mut running = self.running();
        let task = tokio::spawn(async move {
            let answer = work.await;
            shared.running().remove(&call_id);
            answer();
            drop(counted);
        });
        running.insert(call_id, Running { task: task.abort_handle(), credit });
    }

    /// Ends a call. A message beyond the limit would end the connection, and every other call on it.
    fn answer(&self, call_id: u64, outcome: Outcome, started: Instant) {
        match outcome {
            Ok(output) if output.len() + OVERHEAD <= self.max_message => {
                let frame = ResultFrame::new(call_id, &output, micros(started));
                self.outbox.put(frame.len(), |into| frame.write(into));
            }
            Ok(output) => self.answer(call_id, Err(too_large(output.len(), self.max_message)), started),
            Err(error) => self.send(call_id, FromProvider::Result(response(Err(error), started))),
        }
    }

    fn send(&self, call_id: u64, frame: FromProvider) {
        let frame = ProviderFrame { call_id, frame: Some(frame) };
        self.outbox.put(coding::field_len(frame.encoded_len()), |into| coding::put_other(&frame, into));
    }

    fn end(&self) {
        let calls: Vec<_> = self.running().drain().collect();
        for (_, call) in calls {
            call.task.abort();
        }
        self.outbox.close();
    }

    fn running(&self) -> MutexGuard<'_, HashMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An output that no message can carry.
pub(crate) fn too_large(len: usize, max_message: usize) -> ModuleError {
    let message = format!("the output of {len} bytes does not fit a message of {max_message} bytes");
    ModuleError::new(Category::UpstreamError, "module.output_too_large", message)
}

pub(crate) fn malformed(what: &str) -> Error {
    Error::new(Category::InvalidArgument, "protocol.frame.malformed", what)
}

fn unparsed(_: prost::DecodeError) -> Error {
    malformed("a message that does not parse")
}
