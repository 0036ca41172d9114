//! What a client asks of a host about its components. Bounded waits; knows no command's output.

use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::{Error, codes as wire};
use tonic::Streaming;

use super::{ANSWER, Client, nearest};
use crate::failure::Failure;

/// How long a start, stop or restart may take. The host bounds each step by the component's own configuration; this is for a host
/// that hangs.
const CHANGE: Duration = Duration::from_secs(300);

impl Client {
    /// All components, without what is measured or long.
    pub(crate) async fn list_components(&self) -> Result<Vec<pb::Component>, Failure> {
        let request = pb::ListComponentsRequest {};
        Ok(self.answer(self.inner.clone().list_components(request), ANSWER).await?.components)
    }

    /// One component; of an unknown one, the hint names the nearest that there is.
    pub(crate) async fn get_component(&self, id: &str) -> Result<pb::Component, Failure> {
        let request = pb::GetComponentRequest { id: id.into() };
        let answer = self.answer(self.inner.clone().get_component(request), ANSWER).await;
        self.component(id, answer.map(|answer| answer.component)).await
    }

    /// Starts one and waits until it is ready.
    pub(crate) async fn start_component(&self, id: &str) -> Result<pb::Component, Failure> {
        let request = pb::StartComponentRequest { id: id.into() };
        let answer = self.answer(self.inner.clone().start_component(request), CHANGE).await;
        self.component(id, answer.map(|answer| answer.component)).await
    }

    /// Stops one and waits until nothing of it is left.
    pub(crate) async fn stop_component(&self, id: &str) -> Result<pb::Component, Failure> {
        let request = pb::StopComponentRequest { id: id.into() };
        let answer = self.answer(self.inner.clone().stop_component(request), CHANGE).await;
        self.component(id, answer.map(|answer| answer.component)).await
    }

    /// Restarts one and waits until it is ready.
    pub(crate) async fn restart_component(&self, id: &str) -> Result<pb::Component, Failure> {
        let request = pb::RestartComponentRequest { id: id.into() };
        let answer = self.answer(self.inner.clone().restart_component(request), CHANGE).await;
        self.component(id, answer.map(|answer| answer.component)).await
    }

    /// What one wrote; with `follow` also what it writes from now on, until the stream is dropped. `tail` 0 is all that is kept.
    pub(crate) async fn component_logs(
        &self,
        id: &str,
        tail: u32,
        follow: bool,
    ) -> Result<Streaming<pb::ComponentLogsResponse>, Failure> {
        let request = pb::ComponentLogsRequest { id: id.into(), tail, follow };
        match self.answer(self.inner.clone().component_logs(request), ANSWER).await {
            Err(failure) => Err(self.with_nearest_component(id, failure).await),
            stream => stream,
        }
    }

    async fn component(
        &self,
        id: &str,
        answer: Result<Option<pb::Component>, Failure>,
    ) -> Result<pb::Component, Failure> {
        match answer {
            Ok(component) => {
                component.ok_or_else(|| Error::of(wire::FIELD_MISSING, "the host answered without a component").into())
            }
            Err(failure) => Err(self.with_nearest_component(id, failure).await),
        }
    }

    async fn with_nearest_component(&self, id: &str, failure: Failure) -> Failure {
        // Whatever else went wrong has nothing to do with the id.
        if failure.exit() != crate::exit::Exit::NotFound {
            return failure;
        }
        // The list only improves the hint, so its own failure says nothing.
        let Ok(components) = self.list_components().await else { return failure };
        match nearest(id, components.iter().map(|component| component.id.as_str())) {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure.hint("`modrack components list` shows all"),
        }
    }
}
