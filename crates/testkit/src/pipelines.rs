//! What a client asks about pipelines. No opinions here either.

use std::time::Duration;

use serde_json::Value;
use tonic::{Request, Streaming};

use protocol::Error;
use protocol::generated::host::v1::{
    self as host, run_pipeline_request, run_pipeline_response, run_pipeline_stream_response,
};

use crate::client::{Client, Watch, coded, parsed};
use crate::wait::within;

/// The outputs of a run, and what happened.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// The outputs as JSON.
    pub value: Value,
    /// What happened.
    pub record: host::RunRecord,
}

/// What happens in a run, as it is told. Dropping it leaves the run.
#[derive(Debug)]
pub struct RunEvents(Streaming<host::RunPipelineStreamResponse>);

impl RunEvents {
    /// The next event; none behind the last one.
    ///
    /// # Errors
    /// The coded error with which the stream ended.
    pub async fn next(&mut self) -> Result<Option<run_pipeline_stream_response::Event>, Error> {
        let message = within("an event of a run", self.0.message()).await.map_err(|status| coded(&status))?;
        Ok(message.map(|message| message.event.expect("an event says what happened")))
    }
}

/// The run of a source with inputs in JSON.
#[must_use]
pub fn source_run(source: &str, inputs: &Value) -> host::RunPipelineRequest {
    host::RunPipelineRequest {
        pipeline: Some(run_pipeline_request::Pipeline::Source(source.to_owned())),
        inputs: Some(run_pipeline_request::Inputs::InputJson(inputs.to_string())),
        ..host::RunPipelineRequest::default()
    }
}

/// The run of a stored pipeline with inputs in JSON.
#[must_use]
pub fn stored_run(name: &str, inputs: &Value) -> host::RunPipelineRequest {
    let pipeline = Some(run_pipeline_request::Pipeline::Name(name.to_owned()));
    host::RunPipelineRequest { pipeline, ..source_run("", inputs) }
}

impl Client {
    /// Checks a source.
    ///
    /// # Errors
    /// The coded error; a source with faults is none.
    pub async fn check_pipeline(&self, source: &str) -> Result<host::CheckPipelineResponse, Error> {
        let request = host::CheckPipelineRequest { source: source.to_owned(), file: String::new() };
        let answer = within("the answer to a check", self.host().check_pipeline(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| coded(&status))
    }

    /// Runs a source with inputs in JSON, with the host's default deadline.
    ///
    /// # Errors
    /// The coded error of the run.
    pub async fn run(&self, source: &str, inputs: Value) -> Result<Outputs, Error> {
        self.run_for(source_run(source, &inputs), None).await
    }

    /// Carries out a run with inputs in JSON and a deadline.
    ///
    /// # Errors
    /// The coded error of the run.
    pub async fn run_for(
        &self,
        request: host::RunPipelineRequest,
        timeout: Option<Duration>,
    ) -> Result<Outputs, Error> {
        let mut request = Request::new(request);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let answer = within("the answer to a run", self.host().run_pipeline(request)).await;
        let answer = answer.map_err(|status| coded(&status))?.into_inner();
        let Some(run_pipeline_response::Outputs::OutputJson(json)) = &answer.outputs else {
            panic!("the outputs are not in the form of the inputs: {answer:?}");
        };
        Ok(Outputs { value: parsed(json), record: answer.record.expect("an answer tells what happened") })
    }

    /// Carries out a run and tells what happens in it.
    ///
    /// # Errors
    /// The coded error of a run that does not begin.
    pub async fn run_stream(&self, run: host::RunPipelineRequest) -> Result<RunEvents, Error> {
        let request = host::RunPipelineStreamRequest { run: Some(run) };
        let answer = within("the beginning of a run", self.host().run_pipeline_stream(request)).await;
        Ok(RunEvents(answer.map_err(|status| coded(&status))?.into_inner()))
    }

    /// Stores a pipeline.
    ///
    /// # Errors
    /// The coded error.
    pub async fn put_pipeline(&self, request: host::PutPipelineRequest) -> Result<host::PutPipelineResponse, Error> {
        let answer = within("the answer to a storing", self.host().put_pipeline(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| coded(&status))
    }

    /// Stores a pipeline whatever is there.
    ///
    /// # Errors
    /// The coded error.
    pub async fn store(&self, name: &str, source: &str) -> Result<host::StoredPipeline, Error> {
        let (name, source) = (name.to_owned(), source.to_owned());
        let request = host::PutPipelineRequest { name, source, ..host::PutPipelineRequest::default() };
        Ok(self.put_pipeline(request).await?.pipeline.expect("an answer holds the pipeline"))
    }

    /// One stored pipeline.
    ///
    /// # Errors
    /// The coded error.
    pub async fn get_pipeline(&self, name: &str) -> Result<host::StoredPipeline, Error> {
        let request = host::GetPipelineRequest { name: name.to_owned() };
        let answer = within("a stored pipeline", self.host().get_pipeline(request)).await;
        let answer = answer.map_err(|status| coded(&status))?.into_inner();
        Ok(answer.pipeline.expect("an answer holds the pipeline"))
    }

    /// A page of the stored pipelines.
    ///
    /// # Errors
    /// The coded error.
    pub async fn list_pipelines(
        &self,
        request: host::ListPipelinesRequest,
    ) -> Result<host::ListPipelinesResponse, Error> {
        let answer = within("a list of pipelines", self.host().list_pipelines(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| coded(&status))
    }

    /// Removes a stored pipeline.
    ///
    /// # Errors
    /// The coded error.
    pub async fn delete_pipeline(&self, name: &str) -> Result<(), Error> {
        let request = host::DeletePipelineRequest { name: name.to_owned() };
        let answer = within("the answer to a removal", self.host().delete_pipeline(request)).await;
        answer.map(drop).map_err(|status| coded(&status))
    }

    /// The record of a run.
    ///
    /// # Errors
    /// The coded error.
    pub async fn get_run(&self, run_id: &str) -> Result<host::RunRecord, Error> {
        let request = host::GetRunRequest { run_id: run_id.to_owned() };
        let answer = within("the record of a run", self.host().get_run(request)).await;
        let answer = answer.map_err(|status| coded(&status))?.into_inner();
        Ok(answer.record.expect("an answer holds the record"))
    }

    /// The latest runs.
    ///
    /// # Errors
    /// The coded error.
    pub async fn list_runs(&self, request: host::ListRunsRequest) -> Result<Vec<host::RunRecord>, Error> {
        let answer = within("a list of runs", self.host().list_runs(request)).await;
        answer.map(|answer| answer.into_inner().runs).map_err(|status| coded(&status))
    }

    /// Watches the modules and pipelines that match, and all runs.
    ///
    /// # Errors
    /// The coded error.
    pub async fn watch_runs(&self, pattern: &str) -> Result<Watch, Error> {
        self.watch_all(host::WatchRequest { pattern: pattern.to_owned(), runs: true, components: false }).await
    }
}
