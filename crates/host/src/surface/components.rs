//! What operators ask about components: from the wire to the supervisor and back. Decides nothing of their lives.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use http::Extensions;
use protocol::component::{ComponentView, LogLine};
use protocol::generated::host::v1 as pb;
use supervisor::LogReader;
use tonic::{Request, Response, Status};

use crate::access::Principal;
use crate::surface::client::ClientSurface;

pub(crate) type LogStream = Pin<Box<dyn Stream<Item = Result<pb::ComponentLogsResponse, Status>> + Send>>;

/// Lines of one message, at the most: with the longest lines it stays below every limit of messages but the smallest.
const LINES: usize = 256;

impl ClientSurface {
    pub(crate) fn components(
        &self,
        request: &Request<pb::ListComponentsRequest>,
    ) -> Result<Response<pb::ListComponentsResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let components = self.components.supervisor.components().iter().map(|view| view.to_proto()).collect();
        Ok(self.fitting(pb::ListComponentsResponse { components })?)
    }

    pub(crate) async fn component(
        &self,
        request: Request<pb::GetComponentRequest>,
    ) -> Result<Response<pb::GetComponentResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let view = self.components.supervisor.inspect(&request.get_ref().id).await.map_err(protocol::Error::from)?;
        Ok(self.fitting(pb::GetComponentResponse { component: Some(view.to_proto()) })?)
    }

    /// The supervisor goes on when the caller does not wait any more, by its deadline or because it left; so have the other two.
    pub(crate) async fn start_one(&self, from: &Extensions, id: &str) -> Result<pb::Component, Status> {
        Principal::of(from).may_operate()?;
        told(self.components.supervisor.start(id).await)
    }

    pub(crate) async fn stop_one(&self, from: &Extensions, id: &str) -> Result<pb::Component, Status> {
        Principal::of(from).may_operate()?;
        told(self.components.supervisor.stop(id).await)
    }

    pub(crate) async fn restart_one(&self, from: &Extensions, id: &str) -> Result<pb::Component, Status> {
        Principal::of(from).may_operate()?;
        told(self.components.supervisor.restart(id).await)
    }

    pub(crate) fn logs(&self, request: &Request<pb::ComponentLogsRequest>) -> Result<Response<LogStream>, Status> {
        Principal::of(request.extensions()).may_operate()?;
        let pb::ComponentLogsRequest { id, tail, follow } = request.get_ref();
        let tail = usize::try_from(*tail).unwrap_or(usize::MAX);
        let reader = self.components.supervisor.logs(id, tail, *follow).map_err(protocol::Error::from)?;
        let stop = self.stop.clone().cancelled_owned();
        Ok(Response::new(Box::pin(lines(reader).take_until(stop))))
    }
}

fn told(changed: Result<Arc<ComponentView>, supervisor::Error>) -> Result<pb::Component, Status> {
    Ok(changed.map_err(protocol::Error::from)?.to_proto())
}

/// What a component writes. Reads only what the client takes: who is behind misses lines, and sees so by their numbers.
fn lines(reader: LogReader) -> impl Stream<Item = Result<pb::ComponentLogsResponse, Status>> + Send {
    let read = futures::stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) });
    read.flat_map(|lines| {
        let messages: Vec<_> = lines.chunks(LINES).map(message).map(Ok).collect();
        futures::stream::iter(messages)
    })
}

fn message(lines: &[LogLine]) -> pb::ComponentLogsResponse {
    pb::ComponentLogsResponse { lines: lines.iter().map(LogLine::to_proto).collect() }
}
