//! The items of a stream as a caller reads them. Begins no stream: see `client`.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;

use crate::client::wire::{Answers, grace};
use crate::client::{ModuleInfo, no_output, too_late};
use crate::error::Error;
use crate::generated::host::v1::call_stream_response::Event;
use crate::telemetry::Observed;

/// Reads an item; the module is not known where the caller vouches for its types.
pub(crate) type ReadItem<T> = fn(Option<&ModuleInfo>, &[u8]) -> Result<T, Error>;

/// The items of a call whose output is a stream, which [`Client::stream`](crate::Client::stream) began.
///
/// A [`Stream`] as well, for the adapters of `futures` and `tokio-stream`. The module produces only as fast as this is read, but for a small
/// number of items ahead. Dropping it cancels the call, down to the handler. An error is the last that comes.
pub struct CallStream<T> {
    answers: Answers,
    module: Option<Arc<ModuleInfo>>,
    read: ReadItem<T>,
    timeout: Duration,
    patience: Pin<Box<Sleep>>,
    is_over: bool,
    /// Taken when the stream is over.
    observed: Option<Observed>,
}

impl<T> CallStream<T> {
    pub(crate) fn new(
        answers: Answers,
        module: Option<Arc<ModuleInfo>>,
        read: ReadItem<T>,
        timeout: Duration,
        deadline: Instant,
        observed: Observed,
    ) -> Self {
        let patience = Box::pin(tokio::time::sleep_until(deadline + grace(timeout)));
        Self { answers, module, read, timeout, patience, is_over: false, observed: Some(observed) }
    }

    /// The next item; `None` when the stream is complete.
    ///
    /// # Errors
    /// What the module failed with, also after items; the deadline of the call; `codec.…` for an item that is no `T`.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T> Stream for CallStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.is_over {
            let answer = match this.answers.as_mut().poll_next(cx) {
                // Items that are always there must not hide that the time is over.
                Poll::Ready(Some(Ok(_))) if this.patience.deadline() <= Instant::now() => {
                    Some(Err(too_late(this.timeout)))
                }
                Poll::Ready(answer) => answer,
                Poll::Pending => {
                    ready!(this.patience.as_mut().poll(cx));
                    Some(Err(too_late(this.timeout)))
                }
            };
            let item = match answer {
                Some(Ok(answer)) => match answer.event {
                    Some(Event::ItemData(item)) => (this.read)(this.module.as_deref(), &item),
                    Some(Event::ItemJson(_)) => Err(no_output()),
                    // What was called is told first; an event of a newer host is none of ours.
                    Some(Event::Info(_)) | None => continue,
                },
                Some(Err(error)) => Err(error),
                None => {
                    this.is_over = true;
                    if let Some(observed) = this.observed.take() {
                        observed.end(None);
                    }
                    return Poll::Ready(None);
                }
            };
            if let Err(error) = &item {
                this.is_over = true;
                if let Some(observed) = this.observed.take() {
                    observed.end(Some(error.code()));
                }
                // Nobody reads on, so the call ends here too.
                this.answers = Box::pin(tokio_stream::empty());
            }
            return Poll::Ready(Some(item));
        }
        Poll::Ready(None)
    }
}

impl<T> fmt::Debug for CallStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallStream").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}
