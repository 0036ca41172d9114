//! Calls whose output is a stream: its start, and its items as the caller takes them. Does not choose a provider.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use protocol::frame::{Execute, ExecutionId};
use protocol::{DataPlane, Error, SessionId};
use registry::Route;
use tokio::time::Instant;

use crate::attempts::{Served, Unwatched, Work};
use crate::check;
use crate::connection::{Event, deadline_exceeded};
use crate::handle::{Call, Handle};
use crate::metrics::Measured;
use crate::source::Source;
use crate::target::{Attempt, Place, Target};

/// The items of one stream: canonical MessagePack of the declared output type, checked one by one. An error is the last thing
/// that comes. The provider is permitted more items only as these are taken, so that about 1 MiB, or one item, waits here.
///
/// Dropping it cancels the handler; so do the deadline and an item of a wrong type.
#[derive(Debug)]
pub struct ItemStream {
    /// Revision of the module that answers.
    pub revision: u64,
    /// Which session answers.
    pub session: SessionId,
    /// By which plane.
    pub plane: DataPlane,
    /// How many attempts it took until the first item.
    pub attempts: u32,
    execution_id: ExecutionId,
    route: Route,
    deadline: Instant,
    first: Option<Event>,
    /// `None` when the stream is over.
    running: Option<(Source, Measured)>,
}

/// Starts one stream, and waits for its first event.
struct Start(Execute);

impl Work for Start {
    type Output = Result<(Source, Event), Error>;

    async fn attempt(&self, target: &Target, number: u32, place: Place, deadline: Instant) -> Attempt<Self::Output> {
        let mut source = match target.stream(self.0.sent_now(number, deadline), place, deadline).await {
            Attempt::Answered(source) => source,
            Attempt::Late => return Attempt::Late,
            Attempt::NotSent(error) => return Attempt::NotSent(error),
            Attempt::Lost(error) => return Attempt::Lost(error),
            Attempt::BrokenOff(error) => return Attempt::BrokenOff(error),
        };
        match source.next().await {
            first @ (Event::Item(_) | Event::End) => Attempt::Answered(Ok((source, first))),
            Event::Failed(error) => Attempt::Answered(Err(error)),
            Event::Late => Attempt::Late,
            Event::Lost(error) => Attempt::Lost(error),
            Event::BrokenOff(error) => Attempt::BrokenOff(error),
            Event::NotSent(error) => Attempt::NotSent(error),
        }
    }

    fn failure(output: &Self::Output) -> Option<&Error> {
        output.as_ref().err()
    }
}

impl Handle {
    /// Calls a module whose output is a stream, and waits for the first item or the end. Until then the call is tried elsewhere
    /// by the rules of [`Handle::call`]; from then on a loss ends it. The deadline is that of the whole stream.
    ///
    /// # Errors
    /// `executor.stream.unsupported`, and those of [`Handle::call`], here or as the last item.
    pub async fn stream(&self, route: &Route, call: Call) -> Result<ItemStream, Error> {
        let (execution_id, deadline) = (call.execution_id, call.deadline);
        let mut measured = self.metrics.begin(route, &self.registry);
        match self.start(route, call, &mut measured).await {
            Ok(Served { output: (source, first), target, revision, attempts }) => Ok(ItemStream {
                revision,
                session: target.session,
                plane: target.plane,
                attempts,
                execution_id,
                route: route.clone(),
                deadline,
                first: Some(first),
                running: Some((source, measured)),
            }),
            Err(error) => {
                measured.end(&Err::<(), _>(error.clone()));
                Err(error.traced(&execution_id.to_string()))
            }
        }
    }

    async fn start(
        &self,
        route: &Route,
        call: Call,
        measured: &mut Measured,
    ) -> Result<Served<(Source, Event)>, Error> {
        self.is_running()?;
        check::streaming(route)?;
        let deadline = call.deadline;
        let start = Start(self.execute(route, call)?);
        let Served { output, target, revision, attempts } =
            self.serve(route, &start, deadline, measured, &mut Unwatched::default()).await?;
        Ok(Served { output: output?, target, revision, attempts })
    }
}

impl Stream for ItemStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some((source, _)) = &mut this.running else { return Poll::Ready(None) };
        let event = match this.first.take() {
            Some(first) => first,
            // A reader that sleeps is woken at the deadline by whoever feeds the source; this is for one that was slow.
            None if Instant::now() >= this.deadline => Event::Late,
            None => ready!(source.poll_next(cx)),
        };
        let end = match event {
            Event::Item(item) => match check::output(&this.route, item) {
                Ok(item) => return Poll::Ready(Some(Ok(item))),
                Err(error) => Err(error),
            },
            Event::End => Ok(()),
            Event::Late => Err(deadline_exceeded()),
            Event::Failed(error) | Event::Lost(error) | Event::BrokenOff(error) | Event::NotSent(error) => Err(error),
        };
        if let Some((source, measured)) = this.running.take() {
            drop(source);
            measured.end(&end);
        }
        Poll::Ready(end.err().map(|error| Err(error.traced(&this.execution_id.to_string()))))
    }
}
