//! Where the events of one stream come from, whatever its plane. Checks nothing.

use std::task::{Context, Poll, ready};

use protocol::Error;
use protocol::frame::Execute;
use protocol::unary::{UnaryClient, UnaryItems, UnaryOutcome};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::connection::{Event, Incoming, just_left};
use crate::target::{Place, ended};

/// The events of one stream. Dropped, it cancels what still runs.
#[derive(Debug)]
pub(crate) enum Source {
    /// Attach or link.
    Connection(Incoming),
    /// The unary plane. A task reads for it, so that the provider's place is free at the deadline also when nobody reads.
    Unary { events: mpsc::Receiver<Event>, _reader: AbortOnDropHandle<()> },
}

impl From<Incoming> for Source {
    fn from(incoming: Incoming) -> Self {
        Self::Connection(incoming)
    }
}

impl Source {
    pub(crate) fn unary(
        client: UnaryClient,
        execute: Execute,
        place: Place,
        over: watch::Receiver<Option<Error>>,
        deadline: Instant,
    ) -> Self {
        // One item waits here; HTTP/2 holds the provider up for the others.
        let (sender, events) = mpsc::channel(1);
        let reader = AbortOnDropHandle::new(tokio::spawn(read(client, execute, place, over, deadline, sender)));
        Self::Unary { events, _reader: reader }
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        match self {
            Self::Connection(incoming) => incoming.poll_next(cx),
            Self::Unary { events, .. } => {
                Poll::Ready(ready!(events.poll_recv(cx)).unwrap_or_else(|| Event::NotSent(just_left())))
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Event {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

async fn read(
    client: UnaryClient,
    execute: Execute,
    place: Place,
    mut over: watch::Receiver<Option<Error>>,
    deadline: Instant,
    events: mpsc::Sender<Event>,
) {
    let end = if over.borrow().is_some() {
        Some(Event::NotSent(just_left()))
    } else {
        tokio::select! {
            end = forward(&client, execute, &events) => end,
            () = tokio::time::sleep_until(deadline) => Some(Event::Late),
            error = ended(&mut over) => Some(Event::Lost(error)),
        }
    };
    drop(place);
    if let Some(end) = end {
        // Waits for the reader to take the item before it; ends with the reader.
        let _left = events.send(end).await.is_err();
    }
}

/// Moves items as long as there are any; `None` when the reader left.
async fn forward(client: &UnaryClient, execute: Execute, events: &mpsc::Sender<Event>) -> Option<Event> {
    let mut items: UnaryItems = match client.execute_stream(execute).await {
        UnaryOutcome::Answered(Ok(items)) => items,
        outcome => return Some(outcome.map(|answer| answer.map(drop)).into()),
    };
    loop {
        let room = events.reserve().await.ok()?;
        match items.next().await {
            Some(UnaryOutcome::Answered(Ok(item))) => room.send(Event::Item(item)),
            Some(outcome) => return Some(outcome.map(|answer| answer.map(drop)).into()),
            None => return Some(Event::End),
        }
    }
}

impl From<UnaryOutcome<Result<(), Error>>> for Event {
    fn from(outcome: UnaryOutcome<Result<(), Error>>) -> Self {
        match outcome {
            UnaryOutcome::Answered(Ok(())) => Self::End,
            UnaryOutcome::Answered(Err(error)) => Self::Failed(error),
            UnaryOutcome::Late => Self::Late,
            UnaryOutcome::Unreachable(error) => Self::NotSent(error),
            UnaryOutcome::Lost(error) => Self::Lost(error),
            UnaryOutcome::BrokenOff(error) => Self::BrokenOff(error),
        }
    }
}
