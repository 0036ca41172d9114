//! One attach or link connection of a provider: who waits for which answer, and what goes out next.
//!
//! The task that drives a connection owns its [`Calls`](calls::Calls); callers reach it by channels and never share its
//! state. It also keeps their deadlines, so that a call needs no timer of its own. `link` and `attach` differ only in how
//! messages travel. Knows nothing of modules, types and routes.

pub(crate) mod attach;
pub(crate) mod calls;
pub(crate) mod driver;
pub(crate) mod link;
pub(crate) mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use protocol::frame::{Answer, CallId, Execute};
use protocol::{Error, SessionId, codes};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::target::Place;
use window::Window;

/// Asks the task that drives a connection to send a call and to deliver what comes of it. Dropped unanswered, nothing of it
/// reached the provider.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) call: CallId,
    pub(crate) deadline: Instant,
    pub(crate) work: Work,
}

/// What is to be sent, and who waits for what comes of it.
#[derive(Debug)]
pub(crate) enum Work {
    Call(Execute, oneshot::Sender<Outcome<Answer>>),
    Batch(Vec<Execute>, oneshot::Sender<Outcome<BatchAnswer>>),
    /// The place at the provider is free again when the stream is over there, however long its items wait to be read.
    Stream(Execute, Sink, Place),
}

/// What a batch came to: an answer for each element, or what failed them all.
pub(crate) type BatchAnswer = Result<Vec<Answer>, Error>;

/// What became of a call that was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome<T> {
    /// The provider answered.
    Answered(T),
    /// The deadline passed first.
    Late,
    /// The connection ended first.
    Lost(Error),
}

/// What comes of a stream, in order. Nothing follows anything but an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Item(Bytes),
    End,
    /// The provider said so, or broke the bounds of a stream.
    Failed(Error),
    /// The deadline passed first.
    Late,
    /// The provider went away.
    Lost(Error),
    /// The provider broke the stream off, and is still there.
    BrokenOff(Error),
    /// Nothing reached the provider.
    NotSent(Error),
}

/// Where the items of one stream go. Has room for all that the provider was permitted to send, so that nobody waits for a
/// reader.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) events: mpsc::Sender<Event>,
    /// Bytes of items that nobody has read yet.
    pub(crate) unread: Arc<AtomicUsize>,
}

/// What the service asks of the task that drives a connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Tell the provider that no new calls come; close when nothing runs any more, at the latest after this time.
    Drain(Duration),
    /// Fail what runs with this error and close.
    Close(Error),
}

/// What a caller tells while its call runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice {
    /// The caller is gone: stop the call.
    Left(CallId),
    /// The reader of a stream took items: permit so many more.
    Credit(CallId, u32),
}

/// The callers' end of a connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    starts: mpsc::Sender<Start>,
    /// Unbounded as a type, so that the service never waits for a provider that does not read. The service gives a few orders
    /// in the life of a session.
    orders: mpsc::UnboundedSender<Order>,
    /// Unbounded as a type; its length is bounded by the calls in flight, each of which is left at most once, and by the items
    /// that were read.
    notices: mpsc::UnboundedSender<Notice>,
    next_call: Arc<AtomicU64>,
}

/// The driving task's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) starts: mpsc::Receiver<Start>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
}

/// Calls that may wait to be taken; more callers wait in turn, each with its own deadline.
const START_QUEUE: usize = 1024;

pub(crate) fn channel() -> (Connection, Inbox) {
    let (starts_tx, starts) = mpsc::channel(START_QUEUE);
    let (orders_tx, orders) = mpsc::unbounded_channel();
    let (notices_tx, notices) = mpsc::unbounded_channel();
    let connection = Connection {
        starts: starts_tx,
        orders: orders_tx,
        notices: notices_tx,
        next_call: Arc::new(AtomicU64::new(1)),
    };
    (connection, Inbox { starts, orders, notices })
}

impl Connection {
    /// Sends one call and waits for its answer, at the longest until the deadline. Dropping the future cancels the
    /// call at the provider, and so does the deadline.
    ///
    /// # Errors
    /// [`NotSent`] when the connection was gone, or took no new calls, before it took this one.
    pub(crate) async fn call(&self, execute: Execute, deadline: Instant) -> Result<Outcome<Answer>, NotSent> {
        self.ask(deadline, |outcome| Work::Call(execute, outcome)).await
    }

    /// Sends several calls that are answered together; see [`Connection::call`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn batch(&self, calls: Vec<Execute>, deadline: Instant) -> Result<Outcome<BatchAnswer>, NotSent> {
        self.ask(deadline, |outcome| Work::Batch(calls, outcome)).await
    }

    async fn ask<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(oneshot::Sender<Outcome<T>>) -> Work,
    ) -> Result<Outcome<T>, NotSent> {
        let (outcome, answered) = oneshot::channel();
        let Some(call) = self.start(deadline, work(outcome)).await? else { return Ok(Outcome::Late) };
        // The deadline is the driver's business, so that no call has a timer.
        let mut caller = Caller { leaving: Leaving { connection: self, call }, answered };
        let outcome = (&mut caller.answered).await.map_err(|_| NotSent);
        std::mem::forget(caller.leaving);
        outcome
    }

    /// Starts a stream; its events come as they come, and the first items are permitted.
    ///
    /// # Errors
    /// As for [`Connection::call`].
    pub(crate) async fn stream(
        &self,
        execute: Execute,
        place: Place,
        deadline: Instant,
    ) -> Result<Option<Incoming>, NotSent> {
        let (events_tx, events) = mpsc::channel(Window::MOST as usize + 1);
        let unread = Arc::new(AtomicUsize::new(0));
        let sink = Sink { events: events_tx, unread: Arc::clone(&unread) };
        let started = self.start(deadline, Work::Stream(execute, sink, place)).await?;
        Ok(started.map(|call| Incoming { connection: self.clone(), call, events, unread, window: Window::default() }))
    }

    /// `None` when the deadline passed before there was room.
    async fn start(&self, deadline: Instant, work: Work) -> Result<Option<CallId>, NotSent> {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        match self.starts.try_send(Start { call, deadline, work }) {
            Ok(()) => Ok(Some(call)),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(NotSent),
            Err(mpsc::error::TrySendError::Full(start)) => {
                match tokio::time::timeout_at(deadline, self.starts.send(start)).await {
                    Ok(Ok(())) => Ok(Some(call)),
                    Ok(Err(_)) => Err(NotSent),
                    Err(_) => Ok(None),
                }
            }
        }
    }

    /// Lets what runs be answered, then closes.
    pub(crate) fn drain(&self, grace: Duration) {
        // A closed channel means that the connection is gone, which is what was asked for.
        let _gone = self.orders.send(Order::Drain(grace)).is_err();
    }

    /// Fails what runs with `error`, then closes.
    pub(crate) fn close(&self, error: Error) {
        // As above.
        let _gone = self.orders.send(Order::Close(error)).is_err();
    }

    fn tell(&self, notice: Notice) {
        // When the connection is gone the call is gone with it.
        let _gone = self.notices.send(notice).is_err();
    }
}

/// Nothing of the call reached the provider.
#[derive(Debug)]
pub(crate) struct NotSent;

/// The wait for an answer; dropped early, it abandons the call.
struct Caller<'a, T> {
    /// Closed first: the driver then sees that the caller left whichever of the two channels it reads first.
    answered: oneshot::Receiver<Outcome<T>>,
    leaving: Leaving<'a>,
}

/// Tells, when it is dropped, that the caller left.
struct Leaving<'a> {
    connection: &'a Connection,
    call: CallId,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.connection.tell(Notice::Left(self.call));
    }
}

/// The reader's end of one stream. Dropped early, it cancels the stream at the provider.
#[derive(Debug)]
pub(crate) struct Incoming {
    connection: Connection,
    call: CallId,
    events: mpsc::Receiver<Event>,
    unread: Arc<AtomicUsize>,
    window: Window,
}

impl Incoming {
    /// The next event, and permission for as many items as it makes room for. After the last one, and when the connection was
    /// gone before anything was sent, [`Event::NotSent`].
    pub(crate) fn poll_next(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Event> {
        self.events.poll_recv(cx).map(|event| match event {
            Some(Event::Item(item)) => {
                self.unread.fetch_sub(item.len(), Ordering::Relaxed);
                if let Some(more) = self.window.took(item.len()) {
                    self.connection.tell(Notice::Credit(self.call, more));
                }
                Event::Item(item)
            }
            Some(event) => event,
            None => Event::NotSent(just_left()),
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.events.close();
        self.connection.tell(Notice::Left(self.call));
    }
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// As the service asked, or after a drain.
    Asked,
    /// The provider closed it, or it broke.
    Lost(Error),
    /// The provider broke the rules; it was told so.
    Malformed(Error),
}

/// What a connection's task tells the service while it runs.
#[derive(Debug)]
pub(crate) struct ProviderDrains(pub(crate) SessionId);

pub(crate) fn lost(message: &str) -> Error {
    Error::of(codes::PROVIDER_LOST, message)
}

pub(crate) fn just_left() -> Error {
    unavailable("the provider has just left")
}

/// Nobody takes the call now; nothing of it was sent.
pub(crate) fn unavailable(message: impl Into<String>) -> Error {
    Error::of(codes::PROVIDER_UNAVAILABLE, message).retry_after(Duration::from_millis(200))
}

pub(crate) fn deadline_exceeded() -> Error {
    Error::of(codes::DEADLINE_EXCEEDED, "the call's time was over before the module answered")
}
