//! The span of a call that answers with a stream: it lasts as long as the stream. Changes no message.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt as _};
use protocol::Error;
use protocol::generated::host::v1::CallStreamResponse;
use protocol::generated::host::v1::call_stream_response::Event;
use tonic::Status;

use crate::telemetry::CallSpan;

/// A stream in its span. Dropped before its end, the caller left.
pub(crate) struct Traced<S> {
    messages: Pin<Box<S>>,
    span: Option<CallSpan>,
}

impl<S> Traced<S> {
    pub(crate) fn new(messages: S, span: CallSpan) -> Self {
        Self { messages: Box::pin(messages), span: Some(span) }
    }
}

impl<S: Stream<Item = Result<CallStreamResponse, Error>>> Stream for Traced<S> {
    type Item = Result<CallStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(self.messages.poll_next_unpin(ctx));
        Poll::Ready(match next {
            Some(Ok(message)) => {
                if let (Some(Event::Info(info)), Some(span)) = (&message.event, &mut self.span) {
                    span.note(Some(info));
                }
                Some(Ok(message))
            }
            Some(Err(error)) => Some(Err(match self.span.take() {
                Some(span) => span.fail(error).to_status(),
                None => error.to_status(),
            })),
            None => {
                if let Some(span) = self.span.take() {
                    span.succeed();
                }
                None
            }
        })
    }
}
