//! What a [`Client`] does with pipelines: runs, checks and stores them. Calls no single module: see `sending`.
//!
//! The types of a pipeline come with its plan, which is asked for at its first run and kept. Inputs are encoded for them, and the host is
//! told which plan that was: when it is no longer that one, nothing has run, and the plan is asked for once more.

pub(crate) mod info;
pub(crate) mod records;
pub(crate) mod stream;
pub(crate) mod which;

use std::sync::Arc;
use std::time::Duration;

use crate::client::options::{DEFAULT_TIMEOUT, LEAST, PutOptions, RunOptions};
use crate::client::pipelines::info::{PipelineCheck, StoredPipeline};
use crate::client::pipelines::records::{PipelineRun, RunRecord};
use crate::client::pipelines::stream::RunStream;
use crate::client::pipelines::which::{Pipeline, Plan, Source, Which};
use crate::client::{Client, no_output, too_late, typed, wire};
use crate::codec::{self, CodecError, Decode, Encode};
use crate::error::{Category, Error};
use crate::generated::host::v1::run_pipeline_request::Inputs;
use crate::generated::host::v1::run_pipeline_response::Outputs;
use crate::generated::host::v1::{
    CheckPipelineRequest, DeletePipelineRequest, GetPipelineRequest, GetRunRequest, ListPipelinesRequest,
    ListRunsRequest, PutPipelineRequest, RunPipelineRequest, RunPipelineStreamRequest,
};
use crate::telemetry;
use crate::types::CType;
use crate::value::Value;

/// Reads outputs of the declared type.
pub(crate) type Read<O> = fn(&[u8], &CType) -> Result<O, Error>;

impl Client {
    /// Runs a pipeline within 300 s: a source text, the name of a stored one, or a [`Pipeline`]. A source is checked at its first run, and its
    /// types are kept.
    ///
    /// # Errors
    /// `pipeline.check.failed`, with all diagnostics as text in the detail `rendered`; what a node failed with, where the details name `run_id`, `node`,
    /// `module`, `line` and `column`; what the host refused; `codec.…` for inputs or outputs that do not fit.
    pub async fn run_pipeline<I, O>(&self, pipeline: impl Into<Pipeline>, inputs: &I) -> Result<PipelineRun<O>, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.run_pipeline_with(pipeline, inputs, RunOptions::default()).await
    }

    /// As [`Client::run_pipeline`], with options.
    ///
    /// # Errors
    /// As [`Client::run_pipeline`].
    pub async fn run_pipeline_with<I, O>(
        &self,
        pipeline: impl Into<Pipeline>,
        inputs: &I,
        options: RunOptions,
    ) -> Result<PipelineRun<O>, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.run_as(pipeline.into().0, encoded(inputs), typed::receive::<O>, options).await
    }

    /// As [`Client::run_pipeline_with`], for types known only at run time.
    ///
    /// # Errors
    /// As [`Client::run_pipeline`].
    pub async fn run_pipeline_value_with(
        &self,
        pipeline: impl Into<Pipeline>,
        inputs: &Value,
        options: RunOptions,
    ) -> Result<PipelineRun<Value>, Error> {
        let encode = |ty: &CType| codec::value_to_bytes(ty, inputs);
        let read: Read<Value> = |outputs, ty| Ok(codec::value_from_bytes(ty, outputs)?);
        self.run_as(pipeline.into().0, encode, read, options).await
    }

    /// Runs a pipeline with inputs as JSON, which the host reads by their types; the outputs are JSON as well. Nothing is asked before.
    ///
    /// # Errors
    /// As [`Client::run_pipeline`]; `pipeline.inputs.invalid` for inputs that do not fit.
    pub async fn run_pipeline_json(
        &self,
        pipeline: impl Into<Pipeline>,
        inputs: &str,
        options: RunOptions,
    ) -> Result<PipelineRun<String>, Error> {
        let which = pipeline.into().0;
        let request = which.request(Inputs::InputJson(inputs.to_owned()), String::new());
        let observed = self.wire.observed(&which.title());
        let sent = telemetry::within(&observed, self.send_run(request, self.time(options.timeout)?)).await;
        observed.end(sent.as_ref().err().map(Error::code));
        match sent? {
            (Outputs::OutputJson(outputs), record) => {
                Ok(PipelineRun { outputs, record: RunRecord::from_wire(record, None)? })
            }
            (Outputs::OutputData(_), _) => Err(no_output()),
        }
    }

    /// Runs a pipeline and tells what happens as it happens; returns when the run has begun. Dropping the stream cancels the run.
    ///
    /// # Errors
    /// As [`Client::run_pipeline`], for what keeps the run from beginning.
    pub async fn stream_pipeline<I, O>(
        &self,
        pipeline: impl Into<Pipeline>,
        inputs: &I,
        options: RunOptions,
    ) -> Result<RunStream<O>, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        let which = pipeline.into().0;
        let deadline = tokio::time::Instant::now() + self.wire.bounded(options.timeout);
        let begin = |request, left: Duration| async move {
            let message = RunPipelineStreamRequest { run: Some(request) };
            let send = |mut grpc: wire::Grpc, request| async move { grpc.run_pipeline_stream(request).await };
            let mut answers = self.wire.unary(message, Some(left), send).await?;
            // What runs comes first, or why nothing does.
            let first = tokio::time::timeout(left + wire::grace(left), answers.message()).await;
            match first.map_err(|_| too_late(left))? {
                Ok(Some(first)) => Ok((first, answers)),
                Ok(None) => Err(no_output()),
                Err(status) => Err(Error::from_status(&status)),
            }
        };
        let observed = self.wire.observed(&which.title());
        match telemetry::within(&observed, self.planned(&which, encoded(inputs), begin, options.timeout)).await {
            Ok((plan, begun)) => {
                Ok(RunStream::new(begun, plan, typed::receive::<O>, options.timeout, deadline, observed))
            }
            Err(error) => {
                observed.end(Some(error.code()));
                Err(error)
            }
        }
    }

    /// Whether a source checks against the modules that are registered now, and what there is to say of it.
    ///
    /// # Errors
    /// What the host refuses; `client.host.unreachable`.
    pub async fn check_pipeline(&self, source: impl Into<Source>) -> Result<PipelineCheck, Error> {
        let Source { text, file } = source.into();
        let message = CheckPipelineRequest { source: text, file };
        let send = |mut grpc: wire::Grpc, request| async move { grpc.check_pipeline(request).await };
        PipelineCheck::from_wire(self.wire.unary(message, Some(self.time(DEFAULT_TIMEOUT)?), send).await?)
    }

    /// Stores a source as the module `pipeline.NAME`, or replaces it, as the options say; it must check.
    ///
    /// # Errors
    /// `pipeline.check.failed`; `pipeline.incompatible`; `pipeline.plan.changed`; what else the host refuses.
    pub async fn put_pipeline(
        &self,
        name: &str,
        source: impl Into<Source>,
        options: PutOptions,
    ) -> Result<StoredPipeline, Error> {
        let message = PutPipelineRequest {
            name: name.to_owned(),
            source: source.into().text,
            replaces: options.replaces,
            allow_breaking: options.allow_breaking,
        };
        let send = |mut grpc: wire::Grpc, request| async move { grpc.put_pipeline(request).await };
        let answer = self.wire.unary(message, Some(self.time(DEFAULT_TIMEOUT)?), send).await?;
        StoredPipeline::from_wire(answer.pipeline)
    }

    /// One stored pipeline with its source.
    ///
    /// # Errors
    /// `pipeline.unknown`; what else the host refuses.
    pub async fn get_pipeline(&self, name: &str) -> Result<StoredPipeline, Error> {
        let message = GetPipelineRequest { name: name.to_owned() };
        let send = |mut grpc: wire::Grpc, request| async move { grpc.get_pipeline(request).await };
        let answer = self.wire.unary(message, Some(self.time(DEFAULT_TIMEOUT)?), send).await?;
        StoredPipeline::from_wire(answer.pipeline)
    }

    /// The stored pipelines in ascending order of their names, also those that check no longer; without their sources. Cost: one request per 1000.
    ///
    /// # Errors
    /// What the host refuses; `client.host.unreachable`.
    pub async fn list_pipelines(&self) -> Result<Vec<StoredPipeline>, Error> {
        let mut pipelines = Vec::new();
        let mut page_token = String::new();
        loop {
            let message = ListPipelinesRequest { page_size: 0, page_token };
            let send = |mut grpc: wire::Grpc, request| async move { grpc.list_pipelines(request).await };
            let page = self.wire.unary(message, Some(self.time(DEFAULT_TIMEOUT)?), send).await?;
            for pipeline in page.pipelines {
                pipelines.push(StoredPipeline::from_wire(Some(pipeline))?);
            }
            if page.next_page_token.is_empty() {
                return Ok(pipelines);
            }
            page_token = page.next_page_token;
        }
    }

    /// Removes a stored pipeline and its module. Runs that have begun go on.
    ///
    /// # Errors
    /// `pipeline.unknown`; what else the host refuses.
    pub async fn delete_pipeline(&self, name: &str) -> Result<(), Error> {
        let message = DeletePipelineRequest { name: name.to_owned() };
        let send = |mut grpc: wire::Grpc, request| async move { grpc.delete_pipeline(request).await };
        self.wire.unary(message, Some(self.time(DEFAULT_TIMEOUT)?), send).await?;
        Ok(())
    }

    /// The record of a run, also of one that failed or goes on; the host keeps those of late.
    ///
    /// # Errors
    /// `pipeline.run.unknown`; what else the host refuses.
    pub async fn get_run(&self, run_id: &str) -> Result<RunRecord, Error> {
        let message = GetRunRequest { run_id: run_id.to_owned() };
        let send = |mut grpc: wire::Grpc, request| async move { grpc.get_run(request).await };
        let answer = self.wire.unary(message, Some(self.time(DEFAULT_TIMEOUT)?), send).await?;
        RunRecord::from_wire(answer.record.ok_or_else(no_output)?, None)
    }

    /// The runs that the host has records of, of one stored pipeline or all (`""`): latest first, without their nodes; at most `limit`, 100 for 0.
    ///
    /// # Errors
    /// What the host refuses; `client.host.unreachable`.
    pub async fn list_runs(&self, pipeline: &str, limit: u32) -> Result<Vec<RunRecord>, Error> {
        let message = ListRunsRequest { pipeline: pipeline.to_owned(), limit };
        let send = |mut grpc: wire::Grpc, request| async move { grpc.list_runs(request).await };
        let answer = self.wire.unary(message, Some(self.time(DEFAULT_TIMEOUT)?), send).await?;
        answer.runs.into_iter().map(|run| RunRecord::from_wire(run, None)).collect()
    }

    async fn run_as<O>(
        &self,
        which: Which,
        encode: impl Fn(&CType) -> Result<Vec<u8>, CodecError>,
        read: Read<O>,
        options: RunOptions,
    ) -> Result<PipelineRun<O>, Error> {
        let observed = self.wire.observed(&which.title());
        let send = |request, left| self.send_run(request, left);
        let sent = telemetry::within(&observed, self.planned(&which, encode, send, options.timeout)).await;
        let run = sent.and_then(|(plan, sent)| match sent {
            (Outputs::OutputData(outputs), record) => Ok(PipelineRun {
                outputs: read(&outputs, &plan.output)?,
                record: RunRecord::from_wire(record, Some(&plan.output))?,
            }),
            (Outputs::OutputJson(_), _) => Err(no_output()),
        });
        observed.end(run.as_ref().err().map(Error::code));
        run
    }

    async fn send_run(
        &self,
        request: RunPipelineRequest,
        left: Duration,
    ) -> Result<(Outputs, crate::generated::host::v1::RunRecord), Error> {
        let send = |mut grpc: wire::Grpc, request| async move { grpc.run_pipeline(request).await };
        let answer = self.wire.unary(request, Some(left), send).await?;
        Ok((answer.outputs.ok_or_else(no_output)?, answer.record.unwrap_or_default()))
    }

    /// Sends inputs that were encoded for the plan known here; asks for it again, once, when that is an old one.
    async fn planned<T, F>(
        &self,
        which: &Which,
        encode: impl Fn(&CType) -> Result<Vec<u8>, CodecError>,
        send: impl Fn(RunPipelineRequest, Duration) -> F,
        timeout: Duration,
    ) -> Result<(Arc<Plan>, T), Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let timeout = self.time(timeout)?;
        let deadline = tokio::time::Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(tokio::time::Instant::now()).max(LEAST);
        let mut may_ask_again = true;
        loop {
            let (plan, is_fresh) = match self.plans.get(which.key()) {
                Some(plan) => (plan, false),
                None => (self.plans.keep(which.key(), self.plan(which, left()).await?), true),
            };
            let inputs = match encode(&plan.input) {
                Ok(inputs) => inputs,
                // The plan that is known may be old, which is why the inputs do not fit it.
                Err(_) if may_ask_again && !is_fresh => {
                    may_ask_again = false;
                    self.plans.forget(which.key());
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            let request = which.request(Inputs::InputData(inputs), plan.hash.clone());
            match send(request, left()).await {
                Ok(answer) => return Ok((plan, answer)),
                Err(error) if error.code() == "pipeline.plan.changed" && may_ask_again => {
                    may_ask_again = false;
                    self.plans.forget(which.key());
                }
                Err(error) if error.code() == "client.deadline.exceeded" => return Err(too_late(timeout)),
                Err(error) => return Err(error),
            }
        }
    }

    async fn plan(&self, which: &Which, left: Duration) -> Result<Plan, Error> {
        let plan = match which {
            Which::Source(Source { text, file }) => {
                let message = CheckPipelineRequest { source: text.clone(), file: file.clone() };
                let send = |mut grpc: wire::Grpc, request| async move { grpc.check_pipeline(request).await };
                let mut answer = self.wire.unary(message, Some(left), send).await?;
                match answer.plan.take() {
                    Some(plan) => plan,
                    None => return Err(PipelineCheck::from_wire(answer)?.refusal(file).unwrap_or_else(no_output)),
                }
            }
            Which::Stored(name) => {
                let message = GetPipelineRequest { name: name.clone() };
                let send = |mut grpc: wire::Grpc, request| async move { grpc.get_pipeline(request).await };
                let answer = self.wire.unary(message, Some(left), send).await?;
                answer.pipeline.and_then(|pipeline| pipeline.plan).ok_or_else(|| {
                    Error::new(Category::NotFound, "pipeline.unknown", format!("pipeline `{name}` has no plan"))
                })?
            }
        };
        Plan::from_wire(plan)
    }
}

/// Native inputs as what the pipeline declares.
fn encoded<I: Encode + ?Sized>(inputs: &I) -> impl Fn(&CType) -> Result<Vec<u8>, CodecError> + use<I> {
    let given = codec::to_bytes(inputs);
    move |ty| typed::carry(given.clone()?, &I::ctype(), ty)
}
