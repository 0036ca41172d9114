//! The pipelines of a fake host, which runs none: each answers inputs with outputs.

use std::time::Duration;

use super::*;
use crate::generated::host::v1::run_pipeline_request::{Inputs, Pipeline as Of};
use crate::generated::host::v1::run_pipeline_stream_response::Event as Told;

const SPAN: SourceSpan = SourceSpan { start: 20, end: 31, line: 2, column: 5 };

impl FakeHost {
    fn asked(&self, key: &str) -> Option<Fake> {
        let mut state = self.0.lock().unwrap();
        state.asked += 1;
        state.pipelines.get(key).cloned()
    }

    pub(super) fn check(&self, request: &CheckPipelineRequest) -> Result<Response<CheckPipelineResponse>, Status> {
        let answer = match self.asked(&request.source) {
            Some(fake) => CheckPipelineResponse { plan: Some(fake.plan()), ..CheckPipelineResponse::default() },
            None => CheckPipelineResponse {
                diagnostics: vec![
                    diagnostic("W001", DiagnosticSeverity::Warning, "unused"),
                    Diagnostic {
                        label: "here".to_owned(),
                        related: vec![RelatedSpan { span: Some(SPAN), message: "and here".to_owned() }],
                        help: vec!["did you mean `Uppercase`?".to_owned()],
                        ..diagnostic("E002", DiagnosticSeverity::Error, "no module `Upper`")
                    },
                    diagnostic("E020", DiagnosticSeverity::Error, "no end"),
                ],
                rendered: format!("error[E002] in {}", request.file),
                plan: None,
            },
        };
        Ok(Response::new(answer))
    }

    pub(super) fn get(&self, name: &str) -> Result<Response<GetPipelineResponse>, Status> {
        let fake = self.asked(name).ok_or_else(unknown)?;
        Ok(Response::new(GetPipelineResponse { pipeline: Some(fake.stored(name)) }))
    }

    /// Pages of one.
    pub(super) fn list(&self, token: &str) -> Result<Response<ListPipelinesResponse>, Status> {
        let state = self.0.lock().unwrap();
        let mut stored = state.pipelines.iter().filter(|(name, _)| !name.contains(' ') && name.as_str() > token);
        let (name, fake) = stored.next().ok_or_else(unknown)?;
        let next_page_token = stored.next().map(|_| name.clone()).unwrap_or_default();
        Ok(Response::new(ListPipelinesResponse { pipelines: vec![fake.stored(name)], next_page_token }))
    }

    pub(super) fn put(&self, request: PutPipelineRequest) -> Result<Response<PutPipelineResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        let present = state.pipelines.get(&request.name).map_or("new", |fake| fake.fingerprint);
        if !request.replaces.is_empty() && request.replaces != present {
            return Err(changed());
        }
        let fake = state.pipelines.get(&request.source).cloned().ok_or_else(unknown)?;
        let stored = StoredPipeline { source: request.source, ..fake.stored(&request.name) };
        state.pipelines.insert(request.name, fake);
        Ok(Response::new(PutPipelineResponse { pipeline: Some(stored), diagnostics: Vec::new() }))
    }

    pub(super) fn delete(&self, name: &str) -> Result<Response<DeletePipelineResponse>, Status> {
        self.0.lock().unwrap().pipelines.remove(name).ok_or_else(unknown)?;
        Ok(Response::new(DeletePipelineResponse {}))
    }

    /// What a run is to give.
    fn begin(&self, request: RunPipelineRequest) -> Result<(Fake, Inputs), Status> {
        let mut state = self.0.lock().unwrap();
        state.runs.push(request.clone());
        let key = match request.pipeline.unwrap() {
            Of::Source(source) => source,
            Of::Name(name) => name,
        };
        let fake = state.pipelines.get(&key).cloned().ok_or_else(unknown)?;
        if !request.plan_hash.is_empty() && request.plan_hash != fake.fingerprint {
            return Err(changed());
        }
        Ok((fake, request.inputs.unwrap()))
    }

    pub(super) async fn run(&self, request: RunPipelineRequest) -> Result<Response<RunPipelineResponse>, Status> {
        let (fake, inputs) = self.begin(request)?;
        let cancelled = self.0.lock().unwrap().cancelled.clone();
        if let Some(cancelled) = cancelled {
            let _tell = Tell(cancelled);
            std::future::pending::<()>().await;
        }
        let outputs = match inputs {
            Inputs::InputData(inputs) => {
                run_pipeline_response::Outputs::OutputData((fake.answer)(&inputs).map_err(ModuleError::into_status)?)
            }
            Inputs::InputJson(json) => run_pipeline_response::Outputs::OutputJson(format!("[{json}]")),
        };
        Ok(Response::new(RunPipelineResponse { outputs: Some(outputs), record: Some(record(RunOutcome::Succeeded)) }))
    }

    pub(super) fn stream(
        &self,
        request: RunPipelineRequest,
    ) -> Result<Response<<FakeHost as Host>::RunPipelineStreamStream>, Status> {
        let (fake, inputs) = self.begin(request)?;
        let Inputs::InputData(inputs) = inputs else { panic!("expected bytes") };
        let tell = self.0.lock().unwrap().cancelled.clone().map(Tell);
        Ok(Response::new(Box::pin(async_stream::stream! {
            let told = |event| Ok(RunPipelineStreamResponse { event: Some(event) });
            let started = RunStarted { run_id: "run-1".to_owned(), nodes: vec![node()], ..RunStarted::default() };
            yield told(Told::Started(started));
            yield told(Told::NodeStarted(NodeStarted { node: 0, call: 0, bytes_in: 7, at_us: 1500 }));
            if tell.is_some() {
                std::future::pending::<()>().await;
            }
            yield told(Told::NodeEnded(NodeEnded { node: 0, call: Some(call()) }));
            let (outputs, outcome) = match (fake.answer)(&inputs) {
                Ok(outputs) => (run_ended::Outputs::OutputData(outputs), RunOutcome::Succeeded),
                Err(error) => (run_ended::Outputs::Error(error.into_envelope().into_wire()), RunOutcome::Failed),
            };
            yield told(Told::Ended(RunEnded { outputs: Some(outputs), record: Some(record(outcome)), events_missed: 0 }));
            drop(tell);
        })))
    }
}

impl Fake {
    fn plan(&self) -> PipelinePlan {
        PipelinePlan {
            hash: self.fingerprint.to_owned(),
            input: Some(self.input.parse::<CType>().unwrap().to_wire()),
            output: Some(self.output.parse::<CType>().unwrap().to_wire()),
            modules: vec!["text.Uppercase".to_owned()],
            graph_json: "{}".to_owned(),
            examples_json: vec![r#"{"text": "a"}"#.to_owned()],
            ..PipelinePlan::default()
        }
    }

    fn stored(&self, name: &str) -> StoredPipeline {
        StoredPipeline {
            name: name.to_owned(),
            plan: Some(self.plan()),
            callable: true,
            stored_at: Some(prost_types::Timestamp { seconds: 1_000_000_000, nanos: 0 }),
            description: "Shouts.".to_owned(),
            ..StoredPipeline::default()
        }
    }
}

fn diagnostic(code: &str, severity: DiagnosticSeverity, message: &str) -> Diagnostic {
    Diagnostic {
        code: code.to_owned(),
        severity: severity.into(),
        message: message.to_owned(),
        span: Some(SPAN),
        ..Diagnostic::default()
    }
}

fn node() -> PipelineNode {
    PipelineNode {
        node: 0,
        label: "shouted".to_owned(),
        module: "text.Uppercase".to_owned(),
        span: Some(SPAN),
        language: "python".to_owned(),
        repeated: false,
    }
}

fn call() -> CallRecord {
    let attempt = AttemptRecord {
        session_id: "s-1".to_owned(),
        plane: DataPlane::Link.into(),
        started_us: 2000,
        duration_us: 2000,
        code: String::new(),
    };
    CallRecord {
        duration_us: 2500,
        queued_us: 500,
        outcome: CallOutcome::Succeeded.into(),
        attempts: vec![attempt],
        ..CallRecord::default()
    }
}

/// The record of a run of one call, which took 2.5 ms.
fn record(outcome: RunOutcome) -> RunRecord {
    let node = NodeRecord {
        node: Some(node()),
        calls: 1,
        attempts: 1,
        busy_us: 2500,
        recorded: vec![call()],
        ..NodeRecord::default()
    };
    RunRecord {
        run_id: "run-1".to_owned(),
        started_at: Some(prost_types::Timestamp { seconds: 1_000_000_000, nanos: 0 }),
        duration_us: u64::try_from(Duration::from_millis(4).as_micros()).unwrap(),
        outcome: outcome.into(),
        nodes: vec![node],
        ..RunRecord::default()
    }
}

pub(super) fn failed_run(run_id: String) -> GetRunResponse {
    let partial = |name: &str, value| PartialOutput { name: name.to_owned(), value: Some(value) };
    let record = RunRecord {
        run_id,
        error: Some(ModuleError::new(Category::Conflict, "text.no", "not today").into_envelope().into_wire()),
        partial_outputs: vec![
            partial("words", partial_output::Value::Data(codec::to_bytes(&6i64).unwrap())),
            partial("text", partial_output::Value::Json("\"a\"".to_owned())),
        ],
        ..record(RunOutcome::Failed)
    };
    GetRunResponse { record: Some(record) }
}

pub(super) fn runs(request: &ListRunsRequest) -> ListRunsResponse {
    let run = |run_id: &str| RunRecord {
        run_id: run_id.to_owned(),
        pipeline: request.pipeline.clone(),
        ..record(RunOutcome::Succeeded)
    };
    let limit = if request.limit == 0 { 100 } else { request.limit as usize };
    ListRunsResponse { runs: ["run-2", "run-1"].into_iter().take(limit).map(run).collect() }
}

fn unknown() -> Status {
    ModuleError::core(Category::NotFound, "pipeline.unknown", "no such pipeline").into_status()
}

fn changed() -> Status {
    ModuleError::core(Category::FailedPrecondition, "pipeline.plan.changed", "another plan").into_status()
}
