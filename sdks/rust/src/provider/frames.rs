//! The provider's side of the frames that attach and link share: starts and stops calls, answers pings, gathers answers into messages.
//! Moves no bytes: see `link` and `attach`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use crate::error::{Category, Error, ModuleError};
use crate::generated::provider::v1::execute_response::Result as Outcome;
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::{
    AttachRequest, AttachResponse, Drain, ExecuteRequest, ExecuteResponse, Hello, Ping, Pong, ProviderFrame,
};
use crate::provider::Task;
use crate::provider::calls::Calls;
use crate::provider::plane::Event;

/// Answers that may wait for the writer before handlers wait too.
const OUTBOX: usize = 1024;
/// Frames that one message holds at most.
const MAX_BATCH: usize = 512;
/// What a frame and a message add to an answer, at most.
const OVERHEAD: usize = 64;
/// How long a leaving provider waits for the host's pong.
const PONG_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a closing connection may take to send what is answered and to see the host's end of it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that carries frames.
pub(crate) struct Framed {
    shared: Arc<Shared>,
    reader: Task<()>,
    writer: Task<()>,
}

/// What the reader and the calls of a connection share.
pub(crate) struct Shared {
    calls: Arc<Calls>,
    /// Calls that can be cancelled, by call id.
    running: Mutex<HashMap<u64, AbortHandle>>,
    /// Where answers wait for the writer; taken when the connection closes.
    outbox: Mutex<Option<mpsc::Sender<ProviderFrame>>>,
    events: mpsc::Sender<Event>,
    /// Told of each pong.
    pong: Notify,
    max_message: usize,
}

/// What waits to be sent, in messages.
pub(crate) struct Batches {
    outbox: mpsc::Receiver<ProviderFrame>,
    /// Frames that were taken and did not fit the previous message, in order.
    waiting: std::collections::VecDeque<ProviderFrame>,
    taken: Vec<ProviderFrame>,
    max_message: usize,
}

impl Framed {
    pub(crate) fn new(shared: Arc<Shared>, reader: JoinHandle<()>, writer: JoinHandle<()>) -> Self {
        Self { shared, reader: Task(reader), writer: Task(writer) }
    }

    /// Says that no new calls are taken, and returns when those that were on their way have arrived. What runs will still be answered.
    pub(crate) async fn drain(&self) {
        self.shared.send(0, FromProvider::Drain(Drain { grace_ms: 0 })).await;
        // Frames keep their order, so what the host sent before it heard of the drain comes before its pong.
        self.shared.send(0, FromProvider::Ping(Ping { number: 0 })).await;
        if tokio::time::timeout(PONG_TIMEOUT, self.shared.pong.notified()).await.is_err() {
            tracing::debug!("the host did not answer a ping within {PONG_TIMEOUT:?}");
        }
    }

    /// Sends what is answered, cancels the rest, and closes.
    pub(crate) async fn close(mut self) {
        self.shared.end();
        let finished = async {
            // The writer ends its direction; the host, having read everything, ends the other. To leave before that can
            // throw away what is still on its way. That a task was aborted or panicked is no reason to stay.
            drop((&mut self.writer.0).await);
            drop((&mut self.reader.0).await);
        };
        if tokio::time::timeout(FLUSH_TIMEOUT, finished).await.is_err() {
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
    pub(crate) fn new(calls: Arc<Calls>, events: mpsc::Sender<Event>, max_message: usize) -> (Arc<Self>, Batches) {
        let (tx, rx) = mpsc::channel(OUTBOX);
        let shared = Self {
            calls,
            running: Mutex::default(),
            outbox: Mutex::new(Some(tx)),
            events,
            pong: Notify::new(),
            max_message,
        };
        let batches = Batches { outbox: rx, waiting: Default::default(), taken: Vec::new(), max_message };
        (Arc::new(shared), batches)
    }

    /// Takes the first message of the host: a `welcome`, and what travelled with it.
    pub(crate) async fn open(self: &Arc<Self>, message: AttachResponse) -> Result<(), Error> {
        let mut frames = message.frames.into_iter();
        match frames.next().and_then(|frame| frame.frame) {
            Some(FromHost::Welcome(_)) => self.take(AttachResponse { frames: frames.collect() }).await,
            Some(FromHost::Error(error)) => Err(Error::from_wire(error)),
            _ => Err(malformed("the host did not begin with a welcome")),
        }
    }

    /// Carries out what the host sent.
    pub(crate) async fn take(self: &Arc<Self>, message: AttachResponse) -> Result<(), Error> {
        for frame in message.frames {
            match frame.frame.ok_or_else(|| malformed("a frame without content"))? {
                FromHost::Execute(request) => self.start(frame.call_id, request),
                FromHost::Cancel(_) => {
                    if let Some(call) = self.running().remove(&frame.call_id) {
                        call.abort();
                    }
                }
                FromHost::Ping(ping) => self.send(0, FromProvider::Pong(Pong { number: ping.number })).await,
                FromHost::Drain(drain) => {
                    let grace = Duration::from_millis(drain.grace_ms.into());
                    // Nobody to hear it means that the provider is leaving already.
                    drop(self.events.send(Event::HostDrains(grace)).await);
                }
                FromHost::Error(error) => return Err(Error::from_wire(error)),
                FromHost::Welcome(_) => return Err(malformed("a second welcome")),
                FromHost::Pong(_) => self.pong.notify_one(),
                // Neither streams nor batches are declared by this provider.
                FromHost::Credit(_) => {}
                FromHost::ExecuteStream(_) | FromHost::ExecuteBatch(_) => {
                    return Err(malformed("a stream or batch of a module that has none"));
                }
            }
        }
        Ok(())
    }

    /// Tells the session why the connection ended, and stops its calls: their callers have been answered by the host.
    pub(crate) async fn lost(&self, error: Error) {
        self.end();
        self.pong.notify_one();
        drop(self.events.send(Event::Lost(error)).await);
    }

    fn start(self: &Arc<Self>, call_id: u64, request: ExecuteRequest) {
        let counted = self.calls.count();
        let shared = Arc::clone(self);
        // Held until the call is entered, so that it cannot end before.
        let mut running = self.running();
        let task = tokio::spawn(async move {
            let response = shared.calls.execute(request).await;
            shared.running().remove(&call_id);
            shared.send(call_id, FromProvider::Result(bounded(response, shared.max_message))).await;
            drop(counted);
        });
        running.insert(call_id, task.abort_handle());
    }

    async fn send(&self, call_id: u64, frame: FromProvider) {
        let outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(outbox) = outbox {
            // A closed outbox belongs to a connection that is gone, and so is who waits for this.
            drop(outbox.send(ProviderFrame { call_id, frame: Some(frame) }).await);
        }
    }

    fn end(&self) {
        for (_, call) in self.running().drain() {
            call.abort();
        }
        drop(self.outbox.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn running(&self) -> MutexGuard<'_, HashMap<u64, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batches {
    /// All that waits, as one message; `None` when the connection closes.
    pub(crate) async fn next(&mut self) -> Option<AttachRequest> {
        if self.waiting.is_empty() {
            if self.outbox.recv_many(&mut self.taken, MAX_BATCH).await == 0 {
                return None;
            }
            self.waiting.extend(self.taken.drain(..));
        }
        let mut size = 0;
        let mut frames = Vec::with_capacity(self.waiting.len());
        while let Some(frame) = self.waiting.front() {
            size += frame.encoded_len() + OVERHEAD / 4;
            if size > self.max_message && !frames.is_empty() {
                break;
            }
            frames.extend(self.waiting.pop_front());
        }
        Some(AttachRequest { frames })
    }
}

/// The answer, or why it cannot be sent: a message beyond the limit would end the connection, and every other call on it.
pub(crate) fn bounded(response: ExecuteResponse, max_message: usize) -> ExecuteResponse {
    let len = response.encoded_len();
    if len.saturating_add(OVERHEAD) <= max_message {
        return response;
    }
    let message = format!("the output of {len} bytes does not fit a message of {max_message} bytes");
    let error = ModuleError::new(Category::UpstreamError, "module.output_too_large", message);
    ExecuteResponse { result: Some(Outcome::Error(error.into_envelope().into_wire())), metrics: response.metrics }
}

pub(crate) fn malformed(what: &str) -> Error {
    Error::new(Category::InvalidArgument, "protocol.frame.malformed", what)
}
