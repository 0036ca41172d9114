//! The events of a run as a caller reads them. Begins no run: see `pipelines`.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;
use tonic::Streaming;

use crate::client::pipelines::Read;
use crate::client::pipelines::records::{CallRecord, PipelineNode, RunEvent, RunRecord};
use crate::client::pipelines::which::Plan;
use crate::client::wire::grace;
use crate::client::{no_output, too_late};
use crate::error::Error;
use crate::generated::host::v1 as wire;
use crate::generated::host::v1::run_ended::Outputs;
use crate::generated::host::v1::run_pipeline_stream_response::Event;
use crate::telemetry::Observed;

/// The events of a run that [`Client::stream_pipeline`](crate::Client::stream_pipeline) began.
///
/// A [`Stream`] as well. Dropping it cancels the run. An error means that no more is known of the run, and is the last that comes; the failure of the
/// run itself is in [`RunEvent::Ended`].
pub struct RunStream<O> {
    answers: Option<Streaming<wire::RunPipelineStreamResponse>>,
    /// What was read before the caller had the stream.
    read_ahead: VecDeque<wire::RunPipelineStreamResponse>,
    plan: Arc<Plan>,
    read: Read<O>,
    timeout: Duration,
    patience: Pin<Box<Sleep>>,
    /// Taken when the run is over.
    observed: Option<Observed>,
}

impl<O> RunStream<O> {
    pub(super) fn new(
        (first, answers): (wire::RunPipelineStreamResponse, Streaming<wire::RunPipelineStreamResponse>),
        plan: Arc<Plan>,
        read: Read<O>,
        timeout: Duration,
        deadline: Instant,
        observed: Observed,
    ) -> Self {
        let patience = Box::pin(tokio::time::sleep_until(deadline + grace(timeout)));
        let read_ahead = VecDeque::from([first]);
        Self { answers: Some(answers), read_ahead, plan, read, timeout, patience, observed: Some(observed) }
    }

    /// The next event; `None` behind [`RunEvent::Ended`].
    ///
    /// # Errors
    /// The time that the run may take, a host that went away, `codec.…` for outputs that are no `O`.
    pub async fn next(&mut self) -> Option<Result<RunEvent<O>, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn over(&mut self, failure: Option<&str>) {
        self.answers = None;
        if let Some(observed) = self.observed.take() {
            observed.end(failure);
        }
    }

    /// What a message tells; `None` for what only a newer host knows.
    fn told(&self, event: Event) -> Result<Option<RunEvent<O>>, Error> {
        Ok(Some(match event {
            Event::Started(started) => RunEvent::Started {
                run_id: started.run_id,
                pipeline: started.pipeline,
                plan_hash: started.plan.map(|plan| plan.hash).unwrap_or_default(),
                nodes: started.nodes.into_iter().map(PipelineNode::from_wire).collect(),
            },
            Event::NodeStarted(started) => RunEvent::NodeStarted {
                node: started.node,
                call: started.call,
                bytes_in: started.bytes_in,
                at: Duration::from_micros(started.at_us),
            },
            Event::NodeEnded(ended) => {
                RunEvent::NodeEnded { node: ended.node, call: CallRecord::from_wire(ended.call.unwrap_or_default()) }
            }
            Event::Ended(ended) => {
                let outputs = match ended.outputs {
                    Some(Outputs::OutputData(data)) => Ok((self.read)(&data, &self.plan.output)?),
                    Some(Outputs::Error(error)) => Err(Error::from_wire(error)),
                    Some(Outputs::OutputJson(_)) | None => return Err(no_output()),
                };
                let record = RunRecord::from_wire(ended.record.unwrap_or_default(), Some(&self.plan.output))?;
                RunEvent::Ended { outputs, record }
            }
        }))
    }
}

impl<O> Stream for RunStream<O> {
    type Item = Result<RunEvent<O>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(answers) = &mut this.answers else { return Poll::Ready(None) };
            let message = match this.read_ahead.pop_front() {
                Some(message) => Ok(Some(message)),
                None => match Pin::new(answers).poll_next(cx) {
                    Poll::Ready(Some(Ok(message))) => Ok(Some(message)),
                    Poll::Ready(Some(Err(status))) => Err(Error::from_status(&status)),
                    Poll::Ready(None) => Ok(None),
                    Poll::Pending => {
                        ready!(this.patience.as_mut().poll(cx));
                        Err(too_late(this.timeout))
                    }
                },
            };
            let event = match message {
                Ok(Some(wire::RunPipelineStreamResponse { event: Some(event) })) => this.told(event),
                Ok(Some(wire::RunPipelineStreamResponse { event: None })) => continue,
                // The run's end is told before the stream's.
                Ok(None) => Err(no_output()),
                Err(error) => Err(error),
            };
            match event {
                Ok(Some(event)) => {
                    if let RunEvent::Ended { outputs, .. } = &event {
                        let failure = outputs.as_ref().err().map(|error| error.code().to_owned());
                        this.over(failure.as_deref());
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                Ok(None) => {}
                Err(error) => {
                    this.over(Some(error.code()));
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl<O> fmt::Debug for RunStream<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStream").field("is_over", &self.answers.is_none()).finish_non_exhaustive()
    }
}
