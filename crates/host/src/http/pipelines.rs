//! Pipelines over HTTP: bodies of JSON to requests of the gRPC surface, and its answers back. Checks and runs nothing itself.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::request::Parts;
use http::{Method, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host as _;
use protocol::generated::host::v1::run_pipeline_stream_response::Event;
use protocol::{Error, codes, listing};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use type_schema::parse_json_text;

use crate::coded::Arrived;
use crate::http::modules::coded;
use crate::http::{answer, request};
use crate::surface::client::ClientSurface;
use crate::surface::pipelines::MAX_RUNS;
use crate::surface::stored::PAGE;

/// `POST /v1/pipelines:check`: a source that does not check is an answer like any other.
pub(crate) async fn check(client: &ClientSurface, head: Parts, body: Body) -> Result<Response<Body>, Error> {
    let mut members = Members::read(client, &head, body, client.default_timeout).await?;
    let request = pb::CheckPipelineRequest { source: members.text("source")?, file: members.optional_text("file")? };
    members.none_left()?;
    let checked = client.check_pipeline(request::to_grpc(head, None, request)).await.map_err(coded)?.into_inner();
    let diagnostics: Vec<_> = checked.diagnostics.iter().map(listing::pipelines::diagnostic).collect();
    let plan = checked.plan.as_ref().map(listing::pipelines::plan);
    let told = json!({ "diagnostics": diagnostics, "rendered": checked.rendered, "plan": plan });
    Ok(answer::json(told.to_string()))
}

/// `POST /v1/pipelines:run`
pub(crate) async fn run(client: &ClientSurface, head: Parts, body: Body) -> Result<Response<Body>, Error> {
    let (request, timeout) = run_request(client, &head, body).await?;
    match client.run_pipeline(request::to_grpc(head, timeout, request)).await {
        Ok(response) => {
            let (metadata, response, _) = response.into_parts();
            let Some(pb::run_pipeline_response::Outputs::OutputJson(outputs)) = response.outputs else {
                return Err(Error::of(codes::INTERNAL, "the outputs of a run are not in the form of its inputs"));
            };
            let record = response.record.as_ref().map(listing::pipelines::run).unwrap_or_default();
            // The outputs are JSON text already, and are not read again.
            let text = format!(r#"{{"outputs":{outputs},"record":{record}}}"#);
            Ok(answer::traced(answer::json(text), &metadata))
        }
        Err(status) => Ok(answer::traced(answer::failure(&coded(status.clone())), status.metadata())),
    }
}

/// `POST /v1/pipelines:stream`: server-sent events, the last one `ended`. A failure before the run begins is an ordinary one.
pub(crate) async fn stream(client: &ClientSurface, head: Parts, body: Body) -> Result<Response<Body>, Error> {
    let (request, timeout) = run_request(client, &head, body).await?;
    let request = pb::RunPipelineStreamRequest { run: Some(request) };
    match client.run_pipeline_stream(request::to_grpc(head, timeout, request)).await {
        Ok(response) => {
            let (metadata, events, _) = response.into_parts();
            let mut response = answer::of_type("text/event-stream", Bytes::new());
            *response.body_mut() = Body::new(StreamBody::new(sent(events)));
            Ok(answer::traced(response, &metadata))
        }
        Err(status) => Ok(answer::traced(answer::failure(&coded(status.clone())), status.metadata())),
    }
}

fn sent(
    events: impl Stream<Item = Result<pb::RunPipelineStreamResponse, Status>> + Send + 'static,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    events.map(|event| {
        let (name, data) = match event {
            Ok(event) => (name(&event), listing::pipelines::event(&event)),
            Err(status) => ("error", json!({ "error": listing::envelope(&coded(status)) })),
        };
        // JSON text has no line breaks, so that one line of data holds it.
        Ok(Frame::data(Bytes::from(format!("event: {name}\ndata: {data}\n\n"))))
    })
}

fn name(event: &pb::RunPipelineStreamResponse) -> &'static str {
    match &event.event {
        Some(Event::Started(_)) => "started",
        Some(Event::NodeStarted(_)) => "node_started",
        Some(Event::NodeEnded(_)) => "node_ended",
        Some(Event::Ended(_)) | None => "ended",
    }
}

async fn run_request(
    client: &ClientSurface,
    head: &Parts,
    body: Body,
) -> Result<(pb::RunPipelineRequest, Option<std::time::Duration>), Error> {
    let timeout = request::timeout(&head.headers)?;
    let options = &client.pipelines.options;
    let waits = timeout.unwrap_or(options.run_timeout).min(options.max_run_timeout);
    let mut members = Members::read(client, head, body, waits).await?;
    let pipeline = match (members.optional("source"), members.optional("name")) {
        (Some(Value::String(source)), None) => pb::run_pipeline_request::Pipeline::Source(source),
        (None, Some(Value::String(name))) => pb::run_pipeline_request::Pipeline::Name(name),
        _ => return Err(request::invalid("source", "the body has a text as `source` or as `name`, and not both")),
    };
    let inputs = members.optional("inputs").unwrap_or_else(|| json!({}));
    let request = pb::RunPipelineRequest {
        pipeline: Some(pipeline),
        inputs: Some(pb::run_pipeline_request::Inputs::InputJson(inputs.to_string())),
        plan_hash: members.optional_text("plan_hash")?,
        file: members.optional_text("file")?,
    };
    members.none_left()?;
    Ok((request, timeout))
}

/// `GET /v1/pipelines`
pub(crate) async fn list(client: &ClientSurface, head: Parts) -> Result<Response<Body>, Error> {
    let [page_size, page_token] = request::query(&head, ["page_size", "page_token"])?;
    let most = u32::try_from(PAGE).unwrap_or(u32::MAX);
    let page_size = page_size.map(|text| request::number("page_size", &text, most)).transpose()?;
    let message = pb::ListPipelinesRequest {
        page_size: page_size.unwrap_or_default(),
        page_token: page_token.unwrap_or_default(),
    };
    let page = client.list_pipelines(request::to_grpc(head, None, message)).await.map_err(coded)?.into_inner();
    let pipelines: Vec<_> = page.pipelines.iter().map(listing::pipelines::stored).collect();
    let mut body = json!({ "pipelines": pipelines });
    if !page.next_page_token.is_empty() {
        body["next_page_token"] = page.next_page_token.into();
    }
    Ok(answer::json(body.to_string()))
}

/// `GET`, `PUT` and `DELETE /v1/pipelines/{name}`
pub(crate) async fn one(
    client: &ClientSurface,
    head: Parts,
    body: Body,
    name: String,
) -> Result<Response<Body>, Error> {
    if head.method == Method::PUT {
        return put(client, head, body, name).await;
    }
    if head.method == Method::DELETE {
        let request = request::to_grpc(head, None, pb::DeletePipelineRequest { name });
        client.delete_pipeline(request).await.map_err(coded)?;
        return Ok(answer::json("{}"));
    }
    let request = request::to_grpc(head, None, pb::GetPipelineRequest { name });
    let found = client.get_pipeline(request).await.map_err(coded)?.into_inner().pipeline.unwrap_or_default();
    Ok(answer::json(listing::pipelines::stored(&found).to_string()))
}

async fn put(client: &ClientSurface, head: Parts, body: Body, name: String) -> Result<Response<Body>, Error> {
    let mut members = Members::read(client, &head, body, client.default_timeout).await?;
    let request = pb::PutPipelineRequest {
        name,
        source: members.text("source")?,
        replaces: members.optional_text("replaces")?,
        allow_breaking: match members.optional("allow_breaking") {
            None => false,
            Some(Value::Bool(allow)) => allow,
            Some(_) => return Err(request::invalid("allow_breaking", "`allow_breaking` is true or false")),
        },
    };
    members.none_left()?;
    let stored = client.put_pipeline(request::to_grpc(head, None, request)).await.map_err(coded)?.into_inner();
    let diagnostics: Vec<_> = stored.diagnostics.iter().map(listing::pipelines::diagnostic).collect();
    let pipeline = stored.pipeline.as_ref().map(listing::pipelines::stored);
    Ok(answer::json(json!({ "pipeline": pipeline, "diagnostics": diagnostics }).to_string()))
}

/// `GET /v1/runs`
pub(crate) async fn runs(client: &ClientSurface, head: Parts) -> Result<Response<Body>, Error> {
    let [pipeline, limit] = request::query(&head, ["pipeline", "limit"])?;
    let limit = limit.map(|text| request::number("limit", &text, MAX_RUNS)).transpose()?;
    let message = pb::ListRunsRequest { pipeline: pipeline.unwrap_or_default(), limit: limit.unwrap_or_default() };
    let runs = client.list_runs(request::to_grpc(head, None, message)).await.map_err(coded)?.into_inner().runs;
    let runs: Vec<_> = runs.iter().map(listing::pipelines::run).collect();
    Ok(answer::json(json!({ "runs": runs }).to_string()))
}

/// `GET /v1/runs/{id}`
pub(crate) async fn record(client: &ClientSurface, head: Parts, run_id: String) -> Result<Response<Body>, Error> {
    let request = request::to_grpc(head, None, pb::GetRunRequest { run_id });
    let record = client.get_run(request).await.map_err(coded)?.into_inner().record.unwrap_or_default();
    Ok(answer::json(listing::pipelines::run(&record).to_string()))
}

/// The members of a body that is an object, each taken once.
struct Members(Map<String, Value>);

impl Members {
    async fn read(
        client: &ClientSurface,
        head: &Parts,
        body: Body,
        within: std::time::Duration,
    ) -> Result<Self, Error> {
        let arrived = head.extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
        let text = request::json_text(&head.headers, body, client.message_bytes, arrived + within).await?;
        match parse_json_text(&text) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(request::invalid("body", "the body is an object")),
            Err(error) => Err(request::invalid("body", format!("the body is refused: {error}"))),
        }
    }

    fn optional(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn optional_text(&mut self, name: &str) -> Result<String, Error> {
        match self.optional(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(request::invalid(name, format!("`{name}` is a text"))),
        }
    }

    fn text(&mut self, name: &str) -> Result<String, Error> {
        match self.optional(name) {
            None => Err(Error::of(codes::FIELD_MISSING, format!("the body has no `{name}`")).detail("field", name)),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(request::invalid(name, format!("`{name}` is a text"))),
        }
    }

    /// # Errors
    /// `protocol.field.invalid` for a member that nobody asked for.
    fn none_left(&self) -> Result<(), Error> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(request::invalid(unknown, format!("`{unknown}` is no member of this body"))),
        }
    }
}
