//! One attach or link connection of a provider: who waits for which answer, and what goes out next.
//!
//! The task that drives a connection owns its [`Calls`]; callers reach it by two channels and never share its state.
//! `link` and `attach` differ only in how messages travel. Knows nothing of modules, types and routes.

pub(crate) mod attach;
pub(crate) mod calls;
pub(crate) mod driver;
pub(crate) mod link;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::frame::{Answer, CallId, CancelReason, Execute};
use protocol::{Error, SessionId, codes};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Asks the task that drives a connection to send a call and to deliver what comes of it. Dropped unanswered, nothing of it
/// reached the provider.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) call: CallId,
    pub(crate) execute: Execute,
    pub(crate) outcome: oneshot::Sender<Outcome>,
}

/// What became of a call that was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// The provider, or the deadline, answered.
    Answered(Answer),
    /// The connection ended first.
    Lost(Error),
}

/// What the service asks of the task that drives a connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Tell the provider that no new calls come; close when nothing runs any more, at the latest after this time.
    Drain(Duration),
    /// Fail what runs with this error and close.
    Close(Error),
}

/// Stops a call whose caller is gone.
#[derive(Debug)]
pub(crate) struct Abandoned {
    pub(crate) call: CallId,
    pub(crate) reason: CancelReason,
}

/// The callers' end of a connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    starts: mpsc::Sender<Start>,
    /// Unbounded as a type, so that the service never waits for a provider that does not read. The service gives a few orders
    /// in the life of a session.
    orders: mpsc::UnboundedSender<Order>,
    /// Unbounded as a type; its length is bounded by the calls in flight, each of which is abandoned at most once.
    abandoned: mpsc::UnboundedSender<Abandoned>,
    next_call: std::sync::Arc<AtomicU64>,
}

/// The driving task's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) starts: mpsc::Receiver<Start>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) abandoned: mpsc::UnboundedReceiver<Abandoned>,
}

/// Calls that may wait to be taken; more callers wait in turn, each with its own deadline.
const START_QUEUE: usize = 1024;

pub(crate) fn channel() -> (Connection, Inbox) {
    let (starts_tx, starts) = mpsc::channel(START_QUEUE);
    let (orders_tx, orders) = mpsc::unbounded_channel();
    let (abandoned_tx, abandoned) = mpsc::unbounded_channel();
    let connection = Connection {
        starts: starts_tx,
        orders: orders_tx,
        abandoned: abandoned_tx,
        next_call: std::sync::Arc::new(AtomicU64::new(1)),
    };
    (connection, Inbox { starts, orders, abandoned })
}

impl Connection {
    /// Sends one call and waits for its answer, at the longest until the deadline. Dropping the future cancels the
    /// call at the provider, and so does the deadline.
    ///
    /// # Errors
    /// [`NotSent`] when the connection was gone, or took no new calls, before it took this one.
    pub(crate) async fn call(&self, execute: Execute, deadline: Instant) -> Result<Outcome, NotSent> {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        let (outcome, answered) = oneshot::channel();
        let late = || Outcome::Answered(Answer { result: Err(deadline_exceeded()), handler_time: None });
        match tokio::time::timeout_at(deadline, self.starts.send(Start { call, execute, outcome })).await {
            Ok(Ok(())) => {}
            Ok(Err(mpsc::error::SendError(_))) => return Err(NotSent),
            Err(_) => return Ok(late()),
        }
        let mut caller = Caller { connection: self, call, answered, leaves: Some(CancelReason::Caller) };
        match tokio::time::timeout_at(deadline, &mut caller.answered).await {
            Ok(outcome) => {
                caller.leaves = None;
                outcome.map_err(|_| NotSent)
            }
            Err(_) => {
                caller.leaves = Some(CancelReason::Deadline);
                Ok(late())
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
}

/// Nothing of the call reached the provider.
#[derive(Debug)]
pub(crate) struct NotSent;

/// The wait for an answer; dropped early, it abandons the call.
struct Caller<'a> {
    connection: &'a Connection,
    call: CallId,
    answered: oneshot::Receiver<Outcome>,
    /// Why the call is abandoned when this is dropped; `None` once it is answered.
    leaves: Option<CancelReason>,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        if let Some(reason) = self.leaves {
            // Closed first: the driver then sees it whichever of the two channels it reads first.
            self.answered.close();
            let abandoned = Abandoned { call: self.call, reason };
            // When the connection is gone the call is gone with it.
            let _gone = self.connection.abandoned.send(abandoned).is_err();
        }
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

pub(crate) fn deadline_exceeded() -> Error {
    Error::of(codes::DEADLINE_EXCEEDED, "the call's time was over before the module answered")
}
