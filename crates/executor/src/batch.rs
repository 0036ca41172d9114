//! Several inputs for one module under one deadline: by frames that hold many, where the module offers that, else one by one.
//! Does not choose a provider.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use protocol::frame::{Execute, ExecutionId, TraceContext};
use protocol::{DataPlane, Error, SessionId, codes};
use registry::Route;
use tokio::time::Instant;

use crate::attempts::{Served, Unwatched, Work};
use crate::check;
use crate::connection::BatchAnswer;
use crate::handle::{Call, Handle};
use crate::metrics::Measured;
use crate::target::{Attempt, Place, Target};

/// Most elements of one batch.
pub const MOST_ELEMENTS: usize = 10_000;

/// Elements that run at once where the module offers no batches.
const AT_ONCE: usize = 64;

/// What a message holds beside its calls, and each call beside its own bound, in bytes.
pub(crate) const ENVELOPE: usize = 64;

/// Several inputs for one module.
#[derive(Debug, Clone)]
pub struct Batch {
    /// One per element. What a surface could not read stands here as its error, and fails alone.
    pub inputs: Vec<Result<BatchInput, Error>>,
    /// When the caller stops waiting for all of them.
    pub deadline: Instant,
    /// As in [`Call`].
    pub node_id: String,
    /// Trace of the caller.
    pub trace: TraceContext,
    /// Names the batch; see [`Handle::next_execution_id`].
    pub execution_id: ExecutionId,
}

/// One input of a batch.
#[derive(Debug, Clone)]
pub struct BatchInput {
    /// As in [`Call`].
    pub input: Bytes,
    /// As in [`Call`].
    pub idempotency_key: String,
}

/// What a batch came to.
#[derive(Debug, Clone)]
pub struct BatchReply {
    /// One per input, in their order: canonical MessagePack of the declared output type, or why there is none.
    pub outputs: Vec<Result<Bytes, Error>>,
    /// Who answered the last part that was answered; `None` when nothing was.
    pub answered: Option<Answered>,
}

/// Who answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// Revision of the module.
    pub revision: u64,
    /// Which session.
    pub session: SessionId,
    /// By which plane.
    pub plane: DataPlane,
    /// How many attempts it took.
    pub attempts: u32,
}

/// Sends one part of a batch. The attempts of its calls are counted on from those made before, of which each tells.
pub(crate) struct Part(pub(crate) Vec<Execute>);

impl Work for Part {
    type Output = BatchAnswer;

    async fn attempt(&self, target: &Target, number: u32, place: Place, deadline: Instant) -> Attempt<BatchAnswer> {
        let calls = self.0.iter().map(|call| call.sent_now(call.attempt + number, deadline)).collect();
        let attempt = target.batch(calls, deadline).await;
        drop(place);
        attempt
    }

    fn failure(answer: &BatchAnswer) -> Option<&Error> {
        answer.as_ref().err()
    }
}

impl Handle {
    /// Calls a module once per input. An input that is refused, and an element that fails, fails alone. A module with the
    /// capability `batch` gets as many elements in one message as fit, and each such part is one call to its provider's
    /// bounds and to the rules of [`Handle::call`]; any other module is called element by element, 64 at once.
    /// Dropping the future cancels what runs.
    ///
    /// # Errors
    /// Of the batch as a whole: `executor.batch.too_large`, `executor.stream.required`, `host.stopping`. Of an element:
    /// those of [`Handle::call`].
    pub async fn call_batch(&self, route: &Route, batch: Batch) -> Result<BatchReply, Error> {
        let id = batch.execution_id.to_string();
        let traced = |error: Error| error.traced(&id);
        self.accepts(route, &batch).map_err(traced)?;
        let mut reply = if route.spec.capabilities.batch {
            self.in_parts(route, batch).await
        } else {
            self.one_by_one(route, batch).await
        };
        for output in &mut reply.outputs {
            if let Err(error) = output {
                *error = error.clone().traced(&id);
            }
        }
        Ok(reply)
    }

    fn accepts(&self, route: &Route, batch: &Batch) -> Result<(), Error> {
        self.is_running()?;
        check::plain(route)?;
        if batch.inputs.len() > MOST_ELEMENTS {
            let message = format!("a batch of {} elements; at most {MOST_ELEMENTS}", batch.inputs.len());
            return Err(Error::of(codes::BATCH_TOO_LARGE, message));
        }
        Ok(())
    }

    async fn one_by_one(&self, route: &Route, batch: Batch) -> BatchReply {
        let Batch { inputs, deadline, node_id, trace, execution_id } = batch;
        let at_once = AT_ONCE.min(self.options.in_flight_per_provider).max(1);
        let calls = inputs.into_iter().map(|input| {
            let (node_id, trace) = (node_id.clone(), trace.clone());
            async move {
                let BatchInput { input, idempotency_key } = input?;
                self.call(route, Call { input, deadline, idempotency_key, node_id, trace, execution_id }).await
            }
        });
        let replies: Vec<_> = stream::iter(calls).buffered(at_once).collect().await;
        let answered = replies.iter().rev().find_map(|reply| reply.as_ref().ok()).map(|reply| Answered {
            revision: reply.revision,
            session: reply.session,
            plane: reply.plane,
            attempts: reply.attempts,
        });
        BatchReply { outputs: replies.into_iter().map(|reply| reply.map(|reply| reply.output)).collect(), answered }
    }

    async fn in_parts(&self, route: &Route, batch: Batch) -> BatchReply {
        let Batch { inputs, deadline, node_id, trace, execution_id } = batch;
        // What is sent has no output until its part is answered.
        let mut outputs = Vec::with_capacity(inputs.len());
        let mut calls = Vec::new();
        for input in inputs {
            let execute = input.and_then(|BatchInput { input, idempotency_key }| {
                let (node_id, trace) = (node_id.clone(), trace.clone());
                self.execute(route, Call { input, deadline, idempotency_key, node_id, trace, execution_id })
            });
            outputs.push(match execute {
                Ok(execute) => {
                    calls.push(execute);
                    None
                }
                Err(error) => Some(Err(error)),
            });
        }
        let mut answered = None;
        let mut results = Vec::with_capacity(calls.len());
        for part in parts(calls, self.options.message_bytes) {
            let sent = part.0.len();
            let mut measured = self.metrics.begin(route, &self.registry);
            let result = self.part(route, part, deadline, &mut measured, &mut answered).await;
            measured.end(&result);
            results.extend(result.unwrap_or_else(|error| vec![Err(error); sent]));
        }
        let mut results = results.into_iter();
        let outputs = outputs.into_iter().map(|output| {
            output.unwrap_or_else(|| results.next().expect("a part has a result for each of its elements"))
        });
        BatchReply { outputs: outputs.collect(), answered }
    }

    async fn part(
        &self,
        route: &Route,
        part: Part,
        deadline: Instant,
        measured: &mut Measured,
        answered: &mut Option<Answered>,
    ) -> Result<Vec<Result<Bytes, Error>>, Error> {
        let Served { output, target, revision, attempts } =
            self.serve(route, &part, deadline, measured, &mut Unwatched::default()).await?;
        *answered = Some(Answered { revision, session: target.session, plane: target.plane, attempts });
        let outputs = output?.into_iter().map(|answer| check::output(route, answer.result?));
        Ok(outputs.collect())
    }
}

/// Divides calls into parts that fit a message each.
fn parts(calls: Vec<Execute>, message_bytes: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut size = 0;
    for call in calls {
        let bound = call.size_bound();
        match parts.last_mut() {
            Some(part) if size + bound <= message_bytes => {
                part.0.push(call);
                size += bound;
            }
            _ => {
                parts.push(Part(vec![call]));
                size = ENVELOPE + bound;
            }
        }
    }
    parts
}
