//! Calls of clients that middleware is asked about: the hook before, the call at the executor, the hook behind. Reads no wire.

use std::sync::Arc;

use bytes::Bytes;
use executor::{Answered, Batch, BatchInput, BatchReply, Call, ItemStream, Reply};
use futures::future::ready;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use middleware::{Correlation, SubjectKind};
use protocol::frame::{ExecutionId, TraceContext};
use protocol::{Error, codes};
use registry::Route;
use serde_json::Map;
use tokio::time::Instant;

use crate::middleware::{Asking, Elsewhere, Middleware, Passage, Step, Subject};

/// Elements of a batch about which components are asked at once.
const AT_ONCE: usize = 16;

/// An output, and who gave it: nobody, where a component answered.
pub(super) type Answer = (Bytes, Option<Answered>);

/// What middleware wants of a call of a client; `None` where it wants nothing.
pub(super) fn passage(middleware: &Middleware, route: &Route, caller: &str, call: About<'_>) -> Option<Passage> {
    let subject = Subject { kind: SubjectKind::Module, name: route.name.as_str(), caller };
    middleware.passage(subject, || Asking {
        revision: route.revision,
        correlation: Correlation {
            execution_id: call.execution_id.to_string(),
            idempotency_key: call.idempotency_key.to_owned(),
            ..Correlation::default()
        },
        trace: call.trace.clone(),
        deadline: call.deadline,
        input: Arc::clone(&route.input),
        output: Arc::clone(&route.output),
        streams: route.spec.capabilities.stream,
        annotations: Map::new(),
    })
}

/// What names a call.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    execution_id: ExecutionId,
    idempotency_key: &'a str,
    trace: &'a TraceContext,
    deadline: Instant,
}

impl<'a> About<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        let Call { execution_id, idempotency_key, trace, deadline, .. } = call;
        Self { execution_id: *execution_id, idempotency_key, trace, deadline: *deadline }
    }
}

pub(super) fn answered(reply: Reply) -> Answer {
    let Reply { output, revision, session, plane, attempts } = reply;
    (output, Some(Answered { revision, session, plane, attempts }))
}

pub(super) fn answering(items: &ItemStream) -> Answered {
    let ItemStream { revision, session, plane, attempts, .. } = *items;
    Answered { revision, session, plane, attempts }
}

/// Whether anybody wants to be asked about calls of a module by this caller.
pub(super) fn is_wanted(middleware: &Middleware, route: &Route, caller: &str) -> bool {
    middleware.is_wanted(Subject { kind: SubjectKind::Module, name: route.name.as_str(), caller })
}

/// Runs one call.
pub(super) async fn call(
    executor: &executor::Handle,
    mut passage: Passage,
    route: &Route,
    call: Call,
) -> Result<Answer, Error> {
    let result = through(executor, &mut passage, route, call).await;
    passage.end(result.as_ref().err());
    result
}

async fn through(
    executor: &executor::Handle,
    passage: &mut Passage,
    route: &Route,
    call: Call,
) -> Result<Answer, Error> {
    let (output, by) = match passage.before(call.input.clone()).await? {
        Step::Answered(output) => return Ok((output, None)),
        Step::Go(input) => answered(executor.call(route, Call { input, ..call }).await?),
        Step::Elsewhere(elsewhere) => call_elsewhere(executor, &elsewhere, call).await?,
    };
    behind(passage, output, by).await
}

async fn call_elsewhere(executor: &executor::Handle, elsewhere: &Elsewhere, call: Call) -> Result<Answer, Error> {
    let reply = executor.call(&elsewhere.route, Call { input: elsewhere.input.clone(), ..call }).await?;
    let (output, by) = answered(reply);
    Ok((elsewhere.back(output)?, by))
}

async fn behind(passage: &mut Passage, output: Bytes, by: Option<Answered>) -> Result<Answer, Error> {
    passage.took(by.as_ref().map_or(0, |by| by.attempts as usize));
    Ok((passage.after(output).await?, by))
}

/// The items of a stream, about each of which components are asked before it goes on.
struct Items {
    passage: Passage,
    items: BoxStream<'static, Result<Bytes, Error>>,
    /// Whether a module gives the items.
    asked: bool,
    elsewhere: Option<Elsewhere>,
}

/// Starts a stream; gives who answers it, and its items. An error is the last of them.
pub(super) async fn stream(
    executor: &executor::Handle,
    mut passage: Passage,
    route: &Route,
    call: Call,
) -> Result<(Option<Answered>, impl Stream<Item = Result<Bytes, Error>> + Send + use<>), Error> {
    match start(executor, &mut passage, route, call).await {
        Ok((by, items, elsewhere)) => {
            let items = Items { passage, items, asked: by.is_some(), elsewhere };
            Ok((by, stream::unfold(Some(items), next)))
        }
        Err(error) => {
            passage.end(Some(&error));
            Err(error)
        }
    }
}

type Started = (Option<Answered>, BoxStream<'static, Result<Bytes, Error>>, Option<Elsewhere>);

async fn start(
    executor: &executor::Handle,
    passage: &mut Passage,
    route: &Route,
    call: Call,
) -> Result<Started, Error> {
    let (items, elsewhere) = match passage.before(call.input.clone()).await? {
        Step::Answered(item) => return Ok((None, stream::once(ready(Ok(item))).boxed(), None)),
        Step::Go(input) => (executor.stream(route, Call { input, ..call }).await?, None),
        Step::Elsewhere(elsewhere) => {
            let call = Call { input: elsewhere.input.clone(), ..call };
            (executor.stream(&elsewhere.route, call).await?, Some(elsewhere))
        }
    };
    passage.took(items.attempts as usize);
    Ok((Some(answering(&items)), items.boxed(), elsewhere))
}

async fn next(items: Option<Items>) -> Option<(Result<Bytes, Error>, Option<Items>)> {
    let mut items = items?;
    let item = match items.items.next().await {
        Some(Ok(item)) => items.about(item).await,
        Some(Err(error)) => Err(error),
        None => {
            items.passage.end(None);
            return None;
        }
    };
    match item {
        Ok(item) => Some((Ok(item), Some(items))),
        Err(error) => {
            items.passage.end(Some(&error));
            Some((Err(error), None))
        }
    }
}

impl Items {
    async fn about(&mut self, item: Bytes) -> Result<Bytes, Error> {
        if !self.asked {
            return Ok(item);
        }
        let item = match &self.elsewhere {
            Some(elsewhere) => elsewhere.back(item)?,
            None => item,
        };
        self.passage.after_item(item).await
    }
}

/// One element of a batch between the hooks.
struct Element {
    /// `None` for one that nobody wants to be asked about.
    passage: Option<Passage>,
    /// What is known of it.
    came: Option<Result<Answer, Error>>,
}

/// Runs a batch. Components are asked about each element by itself, about some at once; what they refuse leaves the others as
/// they are.
pub(super) async fn batch(
    executor: &executor::Handle,
    middleware: &Middleware,
    route: &Route,
    caller: &str,
    batch: Batch,
) -> BatchReply {
    let Batch { inputs, deadline, node_id, trace, execution_id } = batch;
    let before = inputs.into_iter().map(|input| async {
        let BatchInput { input, idempotency_key } = input?;
        let about = About { execution_id, idempotency_key: &idempotency_key, trace: &trace, deadline };
        let mut passage = passage(middleware, route, caller, about);
        let step = match &mut passage {
            Some(passage) => passage.before(input).await,
            None => Ok(Step::Go(input)),
        };
        Ok::<_, Error>((passage, step, idempotency_key))
    });
    let before: Vec<_> = stream::iter(before).buffered(AT_ONCE).collect().await;
    let (mut elements, mut together, mut apart) = (Vec::with_capacity(before.len()), Vec::new(), Vec::new());
    for (place, asked) in before.into_iter().enumerate() {
        let (passage, step, idempotency_key) = match asked {
            Ok(asked) => asked,
            Err(error) => (None, Err(error), String::new()),
        };
        let came = match step {
            Ok(Step::Go(input)) => {
                together.push(Ok(BatchInput { input, idempotency_key }));
                None
            }
            Ok(Step::Elsewhere(elsewhere)) => {
                let (node_id, trace) = (node_id.clone(), trace.clone());
                let call = Call { input: Bytes::new(), deadline, idempotency_key, node_id, trace, execution_id };
                apart.push(async move { (place, call_elsewhere(executor, &elsewhere, call).await) });
                None
            }
            Ok(Step::Answered(output)) => Some(Ok((output, None))),
            Err(error) => Some(Err(error)),
        };
        elements.push(Element { passage, came });
    }
    let apart = stream::iter(apart).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let together =
        all_of(executor, route, Batch { inputs: together, deadline, node_id, trace: trace.clone(), execution_id });
    let (apart, (together, answered)) = futures::future::join(apart, together).await;
    for (place, came) in apart {
        elements[place].came = Some(came);
    }
    let mut together = together.into_iter();
    let behind = elements.into_iter().map(|Element { passage, came }| {
        let came = came.or_else(|| together.next());
        async move {
            let came = came.unwrap_or_else(|| Err(Error::of(codes::INTERNAL, "an element of a batch has no output")));
            let Some(mut passage) = passage else { return came.map(|(output, _)| output) };
            let result = match came {
                Ok((output, by @ Some(_))) => behind(&mut passage, output, by).await,
                came => came,
            };
            passage.end(result.as_ref().err());
            result.map(|(output, _)| output)
        }
    });
    // Made before the first is polled: they are taken in order.
    let behind: Vec<_> = behind.collect();
    BatchReply { outputs: stream::iter(behind).buffered(AT_ONCE).collect().await, answered }
}

/// The elements that go to the module that was asked for; a failure of the whole is that of each.
async fn all_of(
    executor: &executor::Handle,
    route: &Route,
    batch: Batch,
) -> (Vec<Result<Answer, Error>>, Option<Answered>) {
    let count = batch.inputs.len();
    if count == 0 {
        return (Vec::new(), None);
    }
    match executor.call_batch(route, batch).await {
        Ok(BatchReply { outputs, answered }) => {
            let by = answered;
            (outputs.into_iter().map(|output| Ok((output?, by))).collect(), answered)
        }
        Err(error) => (vec![Err(error); count], None),
    }
}
