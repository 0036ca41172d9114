//! What a client asks of a host about pipelines and their runs. Bounded waits; knows no command's output.

use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::{Error, codes as wire};
use tonic::{Request, Streaming};

use super::{ANSWER, Client, MARGIN, nearest};
use crate::failure::Failure;

/// How long the host may take to check a source.
const CHECK: Duration = Duration::from_secs(30);

impl Client {
    /// Whether a source checks.
    pub(crate) async fn check_pipeline(
        &self,
        request: pb::CheckPipelineRequest,
    ) -> Result<pb::CheckPipelineResponse, Failure> {
        self.answer(self.inner.clone().check_pipeline(request), CHECK).await
    }

    /// Begins a run. Without `timeout` the host's default ends it. Dropping the stream cancels it.
    pub(crate) async fn run_pipeline(
        &self,
        run: pb::RunPipelineRequest,
        timeout: Option<Duration>,
    ) -> Result<Streaming<pb::RunPipelineStreamResponse>, Failure> {
        let mut request = Request::new(pb::RunPipelineStreamRequest { run: Some(run) });
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        self.answer(self.inner.clone().run_pipeline_stream(request), timeout.unwrap_or(CHECK).max(CHECK) + MARGIN).await
    }

    /// Stores a pipeline.
    pub(crate) async fn put_pipeline(
        &self,
        request: pb::PutPipelineRequest,
    ) -> Result<pb::PutPipelineResponse, Failure> {
        self.answer(self.inner.clone().put_pipeline(request), CHECK).await
    }

    /// One stored pipeline; of an unknown one, the hint names the nearest that there is.
    pub(crate) async fn get_pipeline(&self, name: &str) -> Result<pb::StoredPipeline, Failure> {
        let request = pb::GetPipelineRequest { name: name.into() };
        match self.answer(self.inner.clone().get_pipeline(request), ANSWER).await {
            Ok(answer) => answer
                .pipeline
                .ok_or_else(|| Error::of(wire::FIELD_MISSING, "the host answered without a pipeline").into()),
            Err(failure) => Err(self.with_nearest_pipeline(name, failure).await),
        }
    }

    /// The stored pipelines, over all pages.
    pub(crate) async fn list_pipelines(&self) -> Result<Vec<pb::StoredPipeline>, Failure> {
        let mut pipelines = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListPipelinesRequest { page_size: 0, page_token };
            let page = self.answer(self.inner.clone().list_pipelines(request), ANSWER).await?;
            pipelines.extend(page.pipelines);
            if page.next_page_token.is_empty() {
                return Ok(pipelines);
            }
            page_token = page.next_page_token;
        }
    }

    /// Removes a stored pipeline.
    pub(crate) async fn delete_pipeline(&self, name: &str) -> Result<(), Failure> {
        let request = pb::DeletePipelineRequest { name: name.into() };
        match self.answer(self.inner.clone().delete_pipeline(request), ANSWER).await {
            Ok(pb::DeletePipelineResponse {}) => Ok(()),
            Err(failure) => Err(self.with_nearest_pipeline(name, failure).await),
        }
    }

    /// The record of a run.
    pub(crate) async fn get_run(&self, run_id: &str) -> Result<pb::RunRecord, Failure> {
        let request = pb::GetRunRequest { run_id: run_id.into() };
        let answer = self.answer(self.inner.clone().get_run(request), ANSWER).await?;
        answer.record.ok_or_else(|| Error::of(wire::FIELD_MISSING, "the host answered without a record").into())
    }

    /// The latest runs.
    pub(crate) async fn list_runs(&self, pipeline: &str, limit: u32) -> Result<Vec<pb::RunRecord>, Failure> {
        let request = pb::ListRunsRequest { pipeline: pipeline.into(), limit };
        Ok(self.answer(self.inner.clone().list_runs(request), ANSWER).await?.runs)
    }

    async fn with_nearest_pipeline(&self, name: &str, failure: Failure) -> Failure {
        // Whatever else went wrong has nothing to do with the name.
        if failure.exit() != crate::exit::Exit::NotFound {
            return failure;
        }
        // The list only improves the hint, so its own failure says nothing.
        let Ok(pipelines) = self.list_pipelines().await else { return failure };
        match nearest(name, pipelines.iter().map(|pipeline| pipeline.name.as_str())) {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure,
        }
    }
}
