//! Calls, streams and batches of clients: from the wire to the executor and back. Does not say who may call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use executor::{Answered, Batch, BatchInput, BatchReply, Call, MOST_ELEMENTS};
use futures::{Stream, StreamExt as _, stream};
use prost::Message;
use protocol::frame::{ExecutionId, TraceContext};
use protocol::generated::host::v1 as pb;
use protocol::{Error, codes};
use registry::Route;
use tokio::time::Instant;
use tonic::Extensions;
use tonic::metadata::MetadataMap;

use crate::access::Principal;
use crate::coded::Arrived;
use crate::middleware::{Calling, Middleware};
use crate::surface::guarded::{self, About};
use crate::surface::timeout;

/// What a request says besides its message.
pub(crate) struct Asked {
    arrived: Instant,
    deadline: Instant,
    /// Of the caller, and then of the host.
    pub(crate) trace: TraceContext,
    /// Subject of the caller's token.
    pub(crate) caller: Arc<str>,
}

/// What calls are made with.
#[derive(Clone, Copy)]
pub(crate) struct With<'a> {
    pub(crate) executor: &'a executor::Handle,
    pub(crate) middleware: &'a Middleware,
}

/// How long callers wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// Where the caller names no deadline.
    pub(crate) default: Duration,
    /// A longer one is shortened to it.
    pub(crate) max: Duration,
}

impl Asked {
    pub(crate) fn of(metadata: &MetadataMap, extensions: &Extensions, waits: Waits) -> Self {
        let arrived = extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
        let timeout =
            timeout::of(metadata.as_ref()).map_or(waits.default, |asked| timeout::to_answer(asked.min(waits.max)));
        let caller = Principal::subject_of(extensions);
        Self { arrived, deadline: arrived + timeout, trace: trace(metadata), caller }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// # Errors
/// `registry.schema.changed` when the caller encoded its input for other types.
pub(crate) fn same_types(route: &Route, fingerprint: &str) -> Result<(), Error> {
    if fingerprint.is_empty() || *fingerprint == *route.fingerprint {
        return Ok(());
    }
    Err(Error::of(codes::SCHEMA_CHANGED, format!("the types of `{}` have changed", route.name)))
}

/// Runs one call.
pub(crate) async fn call(
    with: With<'_>,
    route: &Route,
    asked: Asked,
    request: pb::CallRequest,
) -> Result<pb::CallResponse, Error> {
    let (arrived, caller) = (asked.arrived, Arc::clone(&asked.caller));
    let (call, form) = read(with.executor, route, asked, request)?;
    let execution_id = call.execution_id;
    // What cannot be called like this is refused before anybody is asked about it.
    let guarded = !route.spec.capabilities.stream;
    let passage = guarded.then(|| guarded::passage(with.middleware, route, &caller, About::of(&call))).flatten();
    let _calling = calling(with.middleware, route, passage.is_some(), execution_id, &caller);
    let (output, by) = match passage {
        None => guarded::answered(with.executor.call(route, call).await?),
        Some(passage) => guarded::call(with.executor, passage, route, call).await?,
    };
    let output = match form {
        Form::MessagePack => pb::call_response::Output::OutputData(output),
        Form::Json => pb::call_response::Output::OutputJson(json(route, &output)?),
    };
    Ok(pb::CallResponse { output: Some(output), info: Some(info(execution_id, arrived, by)) })
}

/// Starts a stream; its messages come as the client reads them.
pub(crate) async fn call_stream(
    with: With<'_>,
    route: Arc<Route>,
    asked: Asked,
    request: pb::CallRequest,
    message_bytes: usize,
) -> Result<impl Stream<Item = Result<pb::CallStreamResponse, Error>> + Send + use<>, Error> {
    use pb::call_stream_response::Event;
    let (arrived, caller) = (asked.arrived, Arc::clone(&asked.caller));
    let (call, form) = read(with.executor, &route, asked, request)?;
    let execution_id = call.execution_id;
    let guarded = route.spec.capabilities.stream;
    let passage = guarded.then(|| guarded::passage(with.middleware, &route, &caller, About::of(&call))).flatten();
    let (by, items) = match passage {
        None => {
            let items = with.executor.stream(&route, call).await?;
            (Some(guarded::answering(&items)), items.left_stream())
        }
        Some(passage) => {
            let (by, items) = guarded::stream(with.executor, passage, &route, call).await?;
            (by, items.right_stream())
        }
    };
    let info = info(execution_id, arrived, by);
    let items = items.map(move |item| {
        let item = item?;
        let event = match form {
            Form::MessagePack => Event::ItemData(item.into()),
            Form::Json => Event::ItemJson(json(&route, &item)?),
        };
        fitting(pb::CallStreamResponse { event: Some(event) }, message_bytes)
            .map_err(|error| error.traced(&execution_id.to_string()))
    });
    // A failure is the last message, also one that the surface finds.
    let ends = items.scan(false, |over, message| {
        let message = (!*over).then_some(message);
        *over |= matches!(message, Some(Err(_)));
        std::future::ready(message)
    });
    let first = pb::CallStreamResponse { event: Some(Event::Info(info)) };
    Ok(stream::iter([Ok(first)]).chain(ends))
}

/// Runs a batch.
pub(crate) async fn call_batch(
    with: With<'_>,
    route: &Route,
    asked: Asked,
    inputs: Vec<pb::BatchInput>,
) -> Result<pb::CallBatchResponse, Error> {
    if inputs.is_empty() {
        return Err(Error::of(codes::FIELD_MISSING, "the batch has no inputs").detail("field", "inputs"));
    }
    let Asked { arrived, deadline, trace, caller } = asked;
    let mut forms = Vec::with_capacity(inputs.len());
    let inputs = inputs.into_iter().map(|element| {
        let (input, form) = batch_input(route, element.input);
        forms.push(form);
        Ok(BatchInput { input: input?, idempotency_key: element.idempotency_key })
    });
    let inputs: Vec<_> = inputs.collect();
    let execution_id = with.executor.next_execution_id();
    let _calling = calling(with.middleware, route, true, execution_id, &caller);
    let is_taken = inputs.len() <= MOST_ELEMENTS && !route.spec.capabilities.stream;
    let batch = Batch { inputs, deadline, node_id: String::new(), trace, execution_id };
    let BatchReply { outputs, answered } = if is_taken && guarded::is_wanted(with.middleware, route, &caller) {
        guarded::batch(with.executor, with.middleware, route, &caller, batch).await
    } else {
        with.executor.call_batch(route, batch).await?
    };
    let outputs = outputs.into_iter().zip(forms).map(|(output, form)| batch_output(route, output, form)).collect();
    Ok(pb::CallBatchResponse { outputs, info: Some(info(execution_id, arrived, answered)) })
}

/// Who calls is remembered where a stored pipeline may be what is called.
fn calling<'m>(
    middleware: &'m Middleware,
    route: &Route,
    may_route: bool,
    id: ExecutionId,
    caller: &Arc<str>,
) -> Option<Calling<'m>> {
    let stored = may_route || route.name.as_str().starts_with("pipeline.");
    if stored { middleware.calling(id, caller) } else { None }
}

/// # Errors
/// `protocol.message.too_large` for an answer that no message holds.
pub(crate) fn fitting<M: Message>(answer: M, message_bytes: usize) -> Result<M, Error> {
    let size = answer.encoded_len();
    if size <= message_bytes {
        return Ok(answer);
    }
    let message = format!("an answer of {size} bytes does not fit a message of {message_bytes}");
    Err(Error::of(codes::MESSAGE_TOO_LARGE, message))
}

/// In which form the output goes back.
#[derive(Debug, Clone, Copy)]
enum Form {
    MessagePack,
    Json,
}

fn read(
    executor: &executor::Handle,
    route: &Route,
    asked: Asked,
    request: pb::CallRequest,
) -> Result<(Call, Form), Error> {
    let (input, form) = match request.input {
        Some(pb::call_request::Input::InputData(data)) => (data, Form::MessagePack),
        Some(pb::call_request::Input::InputJson(text)) => (from_json(route, &text)?, Form::Json),
        None => return Err(no_input()),
    };
    let call = Call {
        input,
        deadline: asked.deadline,
        idempotency_key: request.idempotency_key,
        node_id: String::new(),
        trace: asked.trace,
        execution_id: executor.next_execution_id(),
    };
    Ok((call, form))
}

fn batch_input(route: &Route, input: Option<pb::batch_input::Input>) -> (Result<Bytes, Error>, Form) {
    match input {
        Some(pb::batch_input::Input::InputData(data)) => (Ok(data.into()), Form::MessagePack),
        Some(pb::batch_input::Input::InputJson(text)) => (from_json(route, &text), Form::Json),
        None => (Err(no_input()), Form::MessagePack),
    }
}

fn batch_output(route: &Route, output: Result<Bytes, Error>, form: Form) -> pb::BatchOutput {
    use pb::batch_output::Result::{Error as Failed, OutputData, OutputJson};
    let output = output.and_then(|output| {
        Ok(match form {
            Form::MessagePack => OutputData(output.into()),
            Form::Json => OutputJson(json(route, &output)?),
        })
    });
    pb::BatchOutput { result: Some(output.unwrap_or_else(|error| Failed(error.to_proto()))) }
}

fn from_json(route: &Route, text: &str) -> Result<Bytes, Error> {
    type_schema::json_to_msgpack(text, &route.input).map(Bytes::from).map_err(|error| {
        Error::of(codes::INPUT_INVALID, format!("the input is refused: {error}"))
            .detail("codec_code", error.code.as_str())
            .detail("path", error.path)
    })
}

fn json(route: &Route, output: &[u8]) -> Result<String, Error> {
    let value = type_schema::msgpack_to_json(output, &route.output);
    value.map(|value| value.to_string()).map_err(|error| Error::of(codes::INTERNAL, error.to_string()))
}

fn no_input() -> Error {
    Error::of(codes::FIELD_MISSING, "the call has no input").detail("field", "input")
}

/// Nobody is named where no module was called.
fn info(execution_id: ExecutionId, arrived: Instant, by: Option<Answered>) -> pb::CallInfo {
    let mut info = pb::CallInfo {
        execution_id: execution_id.to_string(),
        duration_us: micros(arrived),
        ..pb::CallInfo::default()
    };
    if let Some(by) = by {
        info.revision = by.revision;
        info.session_id = by.session.to_string();
        info.plane = by.plane.to_proto().into();
        info.attempts = by.attempts;
    }
    info
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn trace(metadata: &MetadataMap) -> TraceContext {
    let header = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    TraceContext { parent: header("traceparent"), state: header("tracestate"), attempts: false }
}
