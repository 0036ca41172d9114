//! What clients ask about stored pipelines: from the wire to the keeper and back. Decides nothing about pipelines.

use std::ops::Bound;

use prost::Message as _;
use protocol::generated::host::v1 as pb;
use protocol::{Error, ModuleName, codes};
use tonic::{Request, Response, Status};

use crate::access::Principal;
use crate::pipelines::{Put, diagnostics};
use crate::surface::client::ClientSurface;

/// Stored pipelines in one page of a listing, at the most.
pub(crate) const PAGE: usize = 1000;
/// Tag and length of a pipeline in a listing, and the page token, in bytes.
const MARGIN: usize = 8;
const TOKEN_BYTES: usize = 136;

impl ClientSurface {
    /// Who stores a pipeline lends what it may call itself to those who may call the pipeline.
    pub(crate) async fn put(
        &self,
        request: Request<pb::PutPipelineRequest>,
    ) -> Result<Response<pb::PutPipelineResponse>, Status> {
        let principal = Principal::of(request.extensions());
        principal.may_store()?;
        let pb::PutPipelineRequest { name, source, replaces, allow_breaking } = request.into_inner();
        module_of(&name)?;
        if principal.may_list().is_err() {
            // The keeper sees all modules; what it says of a source is not for everybody.
            self.pipelines.checks.runnable(&principal, &source).await?;
        }
        let put = Put { name, source, replaces, allow_breaking, by: principal };
        let entry = self.pipelines.stored.put(put).await?;
        let answer = pb::PutPipelineResponse {
            pipeline: Some(entry.view(true)),
            diagnostics: diagnostics(&entry.checked.lines, &entry.checked.diagnostics),
        };
        Ok(self.fitting(answer)?)
    }

    pub(crate) fn get(
        &self,
        request: &Request<pb::GetPipelineRequest>,
    ) -> Result<Response<pb::GetPipelineResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let entry = self.pipelines.stored.get(&request.get_ref().name)?;
        Ok(self.fitting(pb::GetPipelineResponse { pipeline: Some(entry.view(true)) })?)
    }

    pub(crate) fn list(
        &self,
        request: &Request<pb::ListPipelinesRequest>,
    ) -> Result<Response<pb::ListPipelinesResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let pb::ListPipelinesRequest { page_size, page_token } = request.get_ref();
        let size = match *page_size as usize {
            0 => PAGE,
            size => size.min(PAGE),
        };
        let from = if page_token.is_empty() { Bound::Unbounded } else { Bound::Excluded(page_token.as_str()) };
        let shelf = self.pipelines.stored.shelf();
        let mut behind = shelf.range::<str, _>((from, Bound::Unbounded)).peekable();
        let mut answer = pb::ListPipelinesResponse::default();
        let mut room = self.message_bytes.saturating_sub(TOKEN_BYTES);
        while answer.pipelines.len() < size
            && let Some((_, entry)) = behind.peek()
        {
            let view = entry.view(false);
            let bytes = view.encoded_len() + MARGIN;
            if bytes > room && !answer.pipelines.is_empty() {
                break;
            }
            room = room.saturating_sub(bytes);
            answer.pipelines.push(view);
            behind.next();
        }
        if behind.peek().is_some()
            && let Some(last) = answer.pipelines.last()
        {
            answer.next_page_token.clone_from(&last.name);
        }
        Ok(self.fitting(answer)?)
    }

    pub(crate) async fn delete(
        &self,
        request: Request<pb::DeletePipelineRequest>,
    ) -> Result<Response<pb::DeletePipelineResponse>, Status> {
        Principal::of(request.extensions()).may_store()?;
        self.pipelines.stored.delete(request.into_inner().name).await?;
        Ok(Response::new(pb::DeletePipelineResponse {}))
    }
}

/// The name of the module of a stored pipeline.
///
/// # Errors
/// `pipeline.name.invalid`.
pub(crate) fn module_of(name: &str) -> Result<ModuleName, Error> {
    let module = ModuleName::parse(&format!("pipeline.{name}")).ok().filter(|_| !name.contains('.'));
    module.ok_or_else(|| {
        let message = "the name of a stored pipeline is an identifier, without `pipeline.` before it";
        Error::of(codes::PIPELINE_NAME_INVALID, message).detail("field", "name")
    })
}
