//! Where the invocations of one start of a component go, and how many are on their way. Decides nothing: its owner closes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::command::{Command, Question};
use crate::error::Error;
use crate::http::{Client, Fault};

/// The way to one start of a component.
pub(crate) struct Line {
    id: Arc<str>,
    way: Way,
    request_timeout: Duration,
    flights: AtomicUsize,
    is_closed: AtomicBool,
    landed: Notify,
}

/// How it is asked.
pub(crate) enum Way {
    Http { client: Box<Client>, path: Uri },
    Command(Arc<Command>),
}

/// One invocation on its way; counts as running until it is dropped.
pub(crate) struct Flight(Arc<Line>);

impl Line {
    pub(crate) fn new(id: Arc<str>, way: Way, request_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            id,
            way,
            request_timeout,
            flights: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            landed: Notify::new(),
        })
    }

    /// Begins an invocation; none when the line is closed.
    pub(crate) fn take_off(self: &Arc<Self>) -> Option<Flight> {
        // Counted first, so that whoever closes the line either sees this flight or is seen by it.
        self.flights.fetch_add(1, Ordering::SeqCst);
        let flight = Flight(Arc::clone(self));
        (!self.is_closed.load(Ordering::SeqCst)).then_some(flight)
    }

    /// From now on nothing takes off.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    /// Waits until nothing is on its way; for a closed line. Its end depends on the invocations: each has a deadline.
    pub(crate) async fn drained(&self) {
        loop {
            let landed = self.landed.notified();
            if self.flights.load(Ordering::SeqCst) == 0 {
                return;
            }
            landed.await;
        }
    }
}

impl Flight {
    /// Asks and waits for the answer, until `deadline` or for the component's own time.
    pub(crate) async fn ask(self, body: Bytes, deadline: Instant) -> Result<Bytes, Error> {
        let line = &*self.0;
        let now = Instant::now();
        let deadline = deadline.min(now + line.request_timeout);
        match &line.way {
            Way::Http { client, path } => {
                let answer = client.send(&Method::POST, path, body, deadline).await;
                let answer = answer.map_err(|fault| line.error(fault))?;
                match answer.status {
                    StatusCode::OK | StatusCode::NO_CONTENT => Ok(answer.body),
                    status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                        Err(Error::Refused { id: Arc::clone(&line.id), status: status.as_u16() })
                    }
                    status => Err(Error::Invalid { id: Arc::clone(&line.id), what: format!("with status {status}") }),
                }
            }
            Way::Command(command) => {
                let answer = command.ask(Question::Invoke, body, deadline).await;
                answer.map_err(|fault| fault.into_error(&line.id))
            }
        }
    }
}

impl Line {
    fn error(&self, fault: Fault) -> Error {
        let id = Arc::clone(&self.id);
        match fault {
            Fault::Timeout { within } => Error::Timeout { id, within },
            Fault::TooLarge { limit } => Error::TooLarge { id, limit },
            fault => Error::Unreachable { id, reason: fault.to_string() },
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.0.flights.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_closed.load(Ordering::SeqCst) {
            self.0.landed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Arc<Line> {
        let client = Client::new("127.0.0.1:1".parse().expect("an address"), http::HeaderMap::new(), 64);
        let way = Way::Http { client: Box::new(client), path: Uri::from_static("/") };
        Line::new("a".into(), way, Duration::from_secs(1))
    }

    #[tokio::test]
    async fn a_closed_line_lets_nothing_take_off_and_is_drained_when_the_last_has_landed() {
        let line = line();
        let (first, second) = (line.take_off().expect("it is open"), line.take_off().expect("it is open"));
        line.close();
        assert!(line.take_off().is_none());
        let mut drained = begun(line.drained()).await;
        drop(first);
        assert!(now(drained.as_mut()).await.is_none(), "one is on its way");
        drop(second);
        drained.await;
        line.drained().await;
    }

    async fn begun<F: Future<Output = ()>>(future: F) -> std::pin::Pin<Box<F>> {
        let mut future = Box::pin(future);
        assert!(now(future.as_mut()).await.is_none());
        future
    }

    async fn now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = future;
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
