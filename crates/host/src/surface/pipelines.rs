//! What clients ask about pipelines: from the wire to `pipelines` and back. Checks and runs nothing itself.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use prost::Message as _;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::run_pipeline_stream_response::Event as Told;
use protocol::{Error, codes};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use crate::access::Principal;
use crate::pipelines::{Begin, Begun, Checked, Ended, Form, Prepared, diagnostics, from_bytes, from_text};
use crate::surface::calls::{self, Asked, Waits};
use crate::surface::client::ClientSurface;
use crate::surface::stored::module_of;
use crate::telemetry::{CallSpan, answered};

/// What a source is called when nobody says how.
const FILE: &str = "pipeline.cst";
/// Most runs of a listing, and how many where nobody says.
pub(crate) const MAX_RUNS: u32 = 1000;
const RUNS: u32 = 100;
/// Events that may wait for a client; those beyond are told by the record alone, and counted.
const EVENTS: usize = 4096;

pub(crate) type RunStream = Pin<Box<dyn Stream<Item = Result<pb::RunPipelineStreamResponse, Status>> + Send>>;

/// What is to run, found and allowed.
struct Found {
    prepared: Arc<Prepared>,
    /// The stored pipeline; empty for a source.
    pipeline: String,
}

impl ClientSurface {
    pub(crate) async fn checked(
        &self,
        request: Request<pb::CheckPipelineRequest>,
    ) -> Result<Response<pb::CheckPipelineResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let pb::CheckPipelineRequest { source, file } = request.into_inner();
        let checked = self.pipelines.checks.check(&source).await?;
        let file = if file.is_empty() { FILE } else { &file };
        Ok(self.fitting(check_response(&checked, file))?)
    }

    pub(crate) async fn run(
        &self,
        request: Request<pb::RunPipelineRequest>,
    ) -> Result<Response<pb::RunPipelineResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let mut asked = Asked::of(&metadata, &extensions, self.run_waits());
        let span = self.telemetry.begin_run(named(&request), &mut asked.trace);
        let header = span.header().map(str::to_owned);
        let answer = self.run_to_its_end(&Principal::of(&extensions), asked, request, span).await;
        answered(answer, header)
    }

    async fn run_to_its_end(
        &self,
        principal: &Principal,
        asked: Asked,
        request: pb::RunPipelineRequest,
        span: CallSpan,
    ) -> Result<pb::RunPipelineResponse, Error> {
        let (prepared, mut begun, form) = self.begin(principal, asked, request, span, None).await?;
        let Ended { outcome, record, .. } = begun.ended().await;
        let outputs = outcome?;
        let outputs = match form {
            Form::MessagePack => pb::run_pipeline_response::Outputs::OutputData(outputs.into()),
            Form::Json => pb::run_pipeline_response::Outputs::OutputJson(json(&prepared, &outputs)?),
        };
        let mut answer = pb::RunPipelineResponse { outputs: Some(outputs), record: None };
        let room = self.message_bytes.saturating_sub(answer.encoded_len());
        answer.record = Some(within(&record, room));
        calls::fitting(answer, self.message_bytes).map_err(|error| error.detail("run_id", record.run_id.as_str()))
    }

    pub(crate) async fn run_stream(
        &self,
        request: Request<pb::RunPipelineStreamRequest>,
    ) -> Result<Response<RunStream>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let mut asked = Asked::of(&metadata, &extensions, self.run_waits());
        let missing = || Error::of(codes::FIELD_MISSING, "there is nothing to run").detail("field", "run");
        let request = request.run.ok_or_else(missing)?;
        let span = self.telemetry.begin_run(named(&request), &mut asked.trace);
        let header = span.header().map(str::to_owned);
        let pipeline = named(&request).to_owned();
        let (events, told) = mpsc::channel(EVENTS);
        let begun = self.begin(&Principal::of(&extensions), asked, request, span, Some(events)).await;
        let messages = begun.map(|(prepared, begun, form)| {
            let first = Told::Started(pb::RunStarted {
                run_id: begun.run_id.to_string(),
                pipeline,
                plan: Some(prepared.view.clone()),
                nodes: prepared.nodes(),
            });
            Box::pin(messages(first, told, begun, prepared, form, self.message_bytes)) as RunStream
        });
        answered(messages, header)
    }

    /// Finds what is to run, reads its inputs, and begins it.
    async fn begin(
        &self,
        principal: &Principal,
        asked: Asked,
        request: pb::RunPipelineRequest,
        span: CallSpan,
        events: Option<mpsc::Sender<Told>>,
    ) -> Result<(Arc<Prepared>, Begun, Form), Error> {
        let found = async {
            let Found { prepared, pipeline } = self.find(principal, &request).await?;
            let hash = &prepared.view.hash;
            if !request.plan_hash.is_empty() && request.plan_hash != *hash {
                let message = "the plan is not the one that the request names";
                return Err(Error::of(codes::PLAN_CHANGED, message).detail("plan_hash", hash.as_str()));
            }
            let (inputs, form) = match request.inputs {
                Some(pb::run_pipeline_request::Inputs::InputData(data)) => {
                    (from_bytes(&prepared, data.into())?, Form::MessagePack)
                }
                Some(pb::run_pipeline_request::Inputs::InputJson(text)) => (from_text(&prepared, &text)?, Form::Json),
                None => return Err(Error::of(codes::FIELD_MISSING, "the run has no inputs").detail("field", "inputs")),
            };
            Ok((prepared, pipeline, inputs, form))
        };
        let (prepared, pipeline, inputs, form) = match found.await {
            Ok(found) => found,
            Err(error) => return Err(span.fail(error)),
        };
        let begin = Begin {
            id: self.executor.next_execution_id(),
            prepared: Arc::clone(&prepared),
            pipeline,
            caller: Arc::clone(&asked.caller),
            inputs,
            form,
            deadline: asked.deadline(),
            trace: asked.trace,
            span,
            parent: None,
            events,
        };
        Ok((prepared, self.pipelines.runs.begin(begin)?, form))
    }

    async fn find(&self, principal: &Principal, request: &pb::RunPipelineRequest) -> Result<Found, Error> {
        match &request.pipeline {
            Some(pb::run_pipeline_request::Pipeline::Source(source)) => {
                let prepared = self.pipelines.checks.runnable(principal, source).await?;
                Ok(Found { prepared, pipeline: String::new() })
            }
            Some(pb::run_pipeline_request::Pipeline::Name(name)) => {
                principal.may_call(&module_of(name)?)?;
                let entry = self.pipelines.stored.get(name)?;
                Ok(Found { prepared: Arc::clone(entry.runnable()?), pipeline: name.clone() })
            }
            None => Err(Error::of(codes::FIELD_MISSING, "there is no pipeline to run").detail("field", "pipeline")),
        }
    }

    fn run_waits(&self) -> Waits {
        let options = &self.pipelines.options;
        Waits { default: options.run_timeout, max: options.max_run_timeout }
    }

    pub(crate) fn run_record(
        &self,
        request: &Request<pb::GetRunRequest>,
    ) -> Result<Response<pb::GetRunResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let record = self.pipelines.runs.get(&request.get_ref().run_id)?;
        let record = within(&record, self.message_bytes.saturating_sub(MARGIN));
        Ok(self.fitting(pb::GetRunResponse { record: Some(record) })?)
    }

    pub(crate) fn run_records(
        &self,
        request: &Request<pb::ListRunsRequest>,
    ) -> Result<Response<pb::ListRunsResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let pb::ListRunsRequest { pipeline, limit } = request.get_ref();
        let limit = if *limit == 0 { RUNS } else { (*limit).min(MAX_RUNS) };
        let pipeline = (!pipeline.is_empty()).then_some(pipeline.as_str());
        let mut runs = self.pipelines.runs.list(pipeline, limit as usize);
        // As many as fit; those that ended first are left out.
        let mut room = self.message_bytes;
        let fits = |run: &pb::RunRecord| {
            let size = run.encoded_len() + MARGIN;
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        };
        let fitting = runs.iter().map(fits).take_while(|fits| *fits).count();
        runs.truncate(fitting);
        Ok(Response::new(pb::ListRunsResponse { runs }))
    }
}

/// Tag and length of a message in another one, in bytes.
const MARGIN: usize = 8;

/// The stored pipeline that a request names; empty for a source.
fn named(request: &pb::RunPipelineRequest) -> &str {
    match &request.pipeline {
        Some(pb::run_pipeline_request::Pipeline::Name(name)) => name,
        _ => "",
    }
}

fn json(prepared: &Prepared, outputs: &[u8]) -> Result<String, Error> {
    let value = type_schema::msgpack_to_json(outputs, &prepared.output);
    value.map(|value| value.to_string()).map_err(|error| Error::of(codes::INTERNAL, error.to_string()))
}

/// A record that takes at most so many bytes: without the single calls, then without nodes and partial outputs, where it is
/// too long.
fn within(record: &pb::RunRecord, room: usize) -> pb::RunRecord {
    if record.encoded_len() + MARGIN <= room {
        return record.clone();
    }
    let mut shorter = record.clone();
    shorter.nodes.iter_mut().for_each(|node| node.recorded.clear());
    if shorter.encoded_len() + MARGIN <= room {
        return shorter;
    }
    crate::pipelines::short(record)
}

/// What a client that listens is told. Dropping it cancels the run.
fn messages(
    first: Told,
    told: mpsc::Receiver<Told>,
    begun: Begun,
    prepared: Arc<Prepared>,
    form: Form,
    message_bytes: usize,
) -> impl Stream<Item = Result<pb::RunPipelineStreamResponse, Status>> + Send + use<> {
    let events = futures::stream::unfold((told, begun, false), move |(mut told, mut begun, over)| {
        let prepared = Arc::clone(&prepared);
        async move {
            if over {
                return None;
            }
            // The sender goes when the run is over, so that all events come before its end.
            match told.recv().await {
                Some(event) => Some((event, (told, begun, false))),
                None => {
                    let ended = end(begun.ended().await, &prepared, form, message_bytes);
                    Some((Told::Ended(ended), (told, begun, true)))
                }
            }
        }
    });
    let all = futures::stream::iter([first]).chain(events);
    all.map(|event| Ok(pb::RunPipelineStreamResponse { event: Some(event) }))
}

fn end(ended: Ended, prepared: &Prepared, form: Form, message_bytes: usize) -> pb::RunEnded {
    use pb::run_ended::Outputs;
    let Ended { outcome, record, missed } = ended;
    let outputs = outcome.and_then(|outputs| {
        Ok(match form {
            Form::MessagePack => Outputs::OutputData(outputs.into()),
            Form::Json => Outputs::OutputJson(json(prepared, &outputs)?),
        })
    });
    let outputs = outputs.unwrap_or_else(|error| Outputs::Error(error.to_proto()));
    let mut ended = pb::RunEnded { outputs: Some(outputs), record: None, events_missed: missed };
    let size = ended.encoded_len() + MARGIN;
    if size > message_bytes {
        let message = format!("outputs of {size} bytes do not fit a message of {message_bytes}");
        let error = Error::of(codes::MESSAGE_TOO_LARGE, message).detail("run_id", record.run_id.as_str());
        ended.outputs = Some(Outputs::Error(error.to_proto()));
    }
    ended.record = Some(within(&record, message_bytes.saturating_sub(ended.encoded_len() + MARGIN)));
    ended
}

fn check_response(checked: &Checked, file: &str) -> pb::CheckPipelineResponse {
    pb::CheckPipelineResponse {
        diagnostics: diagnostics(&checked.lines, &checked.diagnostics),
        rendered: checked.rendered(file),
        plan: checked.prepared.as_ref().map(|prepared| prepared.view.clone()),
    }
}
