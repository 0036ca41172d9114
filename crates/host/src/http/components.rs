//! Components over HTTP: requests of the gRPC surface, and its answers as JSON. Decides nothing of their lives.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::Response;
use http::request::Parts;
use http_body::Frame;
use http_body_util::StreamBody;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host as _;
use protocol::{Error, codes, listing};
use serde_json::{Value, json};
use tonic::Status;
use tonic::body::Body;

use crate::http::modules::coded;
use crate::http::{answer, request};
use crate::surface::client::ClientSurface;

/// Most lines that can be asked for at once.
pub(crate) const MAX_TAIL: u32 = 100_000;

/// What an operator wants of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Start,
    Stop,
    Restart,
}

/// `GET /v1/components`
pub(crate) async fn list(client: &ClientSurface, head: Parts) -> Result<Response<Body>, Error> {
    let request = request::to_grpc(head, None, pb::ListComponentsRequest {});
    let listed = client.list_components(request).await.map_err(coded)?.into_inner().components;
    let components: Vec<_> = listed.iter().map(listing::components::component).collect();
    Ok(answer::json(json!({ "components": components }).to_string()))
}

/// `GET /v1/components/{id}`
pub(crate) async fn get(client: &ClientSurface, head: Parts, id: String) -> Result<Response<Body>, Error> {
    let request = request::to_grpc(head, None, pb::GetComponentRequest { id });
    Ok(shown(client.get_component(request).await.map_err(coded)?.into_inner().component))
}

/// `POST /v1/components/{id}:start`, `:stop` and `:restart`. What was begun goes on when the time is over or the caller leaves.
pub(crate) async fn change(
    client: &ClientSurface,
    head: Parts,
    id: String,
    change: Change,
) -> Result<Response<Body>, Error> {
    let timeout = request::timeout(&head.headers)?;
    let changed = async {
        let component = match change {
            Change::Start => {
                let request = request::to_grpc(head, None, pb::StartComponentRequest { id });
                client.start_component(request).await.map(|response| response.into_inner().component)
            }
            Change::Stop => {
                let request = request::to_grpc(head, None, pb::StopComponentRequest { id });
                client.stop_component(request).await.map(|response| response.into_inner().component)
            }
            Change::Restart => {
                let request = request::to_grpc(head, None, pb::RestartComponentRequest { id });
                client.restart_component(request).await.map(|response| response.into_inner().component)
            }
        };
        component.map_err(coded)
    };
    // Without a time of the caller the supervisor's own bounds hold.
    let Some(timeout) = timeout else { return Ok(shown(changed.await?)) };
    let late = |_| Error::of(codes::DEADLINE_EXCEEDED, "the time of the request was over; what was begun goes on");
    Ok(shown(tokio::time::timeout(timeout, changed).await.map_err(late)??))
}

/// `GET /v1/components/{id}/logs`: the lines that are kept as one answer; with `follow`, as server-sent events with what comes.
pub(crate) async fn logs(client: &ClientSurface, head: Parts, id: String) -> Result<Response<Body>, Error> {
    let [tail, follow] = request::query(&head, ["tail", "follow"])?;
    let tail = tail.map(|text| request::number("tail", &text, MAX_TAIL)).transpose()?;
    let follow = match follow.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(request::invalid("follow", "`follow` is `true` or `false`")),
    };
    let message = pb::ComponentLogsRequest { id, tail: tail.unwrap_or_default(), follow };
    let mut told = client.component_logs(request::to_grpc(head, None, message)).await.map_err(coded)?.into_inner();
    if follow {
        let mut response = answer::of_type("text/event-stream", Bytes::new());
        *response.body_mut() = Body::new(StreamBody::new(events(told)));
        return Ok(response);
    }
    let mut lines = Vec::new();
    while let Some(message) = told.next().await {
        lines.extend(message.map_err(coded)?.lines.iter().map(listing::components::line));
    }
    Ok(answer::json(json!({ "lines": lines }).to_string()))
}

/// Ends with `end` or `error`, so that a connection that breaks is told from output that is over.
fn events(
    told: impl Stream<Item = Result<pb::ComponentLogsResponse, Status>> + Send + 'static,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    let ended = futures::stream::once(async { sent("end", &json!({})) });
    let texts = told.map(|message| match message {
        Ok(message) => message.lines.iter().map(|line| sent("line", &listing::components::line(line))).collect(),
        Err(status) => sent("error", &json!({ "error": listing::envelope(&coded(status)) })),
    });
    texts.chain(ended).map(|text| Ok(Frame::data(Bytes::from(text))))
}

/// JSON text has no line breaks, so that one line of data holds it.
fn sent(event: &str, data: &Value) -> String {
    format!("event: {event}\ndata: {data}\n\n")
}

fn shown(component: Option<pb::Component>) -> Response<Body> {
    answer::json(listing::components::component(&component.unwrap_or_default()).to_string())
}
