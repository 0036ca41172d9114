//! `:stream`: the items of a module as server-sent events (WHATWG HTML, 9.2). Reads an item only when the client takes it, so
//! that a slow reader slows the module and not the host's memory grows.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::Response;
use http::request::Parts;
use http_body::Frame;
use http_body_util::StreamBody;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::call_stream_response::Event;
use protocol::generated::host::v1::host_server::Host as _;
use protocol::{Error, codes, listing};
use serde_json::json;
use tonic::Status;
use tonic::body::Body;

use crate::http::call::{call_request, info};
use crate::http::modules::coded;
use crate::http::{answer, request};
use crate::surface::client::ClientSurface;

/// `POST /v1/modules/{name}:stream`: the body is the input. A failure before the first event is an ordinary one.
pub(crate) async fn open(
    client: &ClientSurface,
    head: Parts,
    body: Body,
    module: String,
) -> Result<Response<Body>, Error> {
    let (call, timeout) = call_request(client, &head, body, module).await?;
    let request = pb::CallStreamRequest { call: Some(call) };
    match client.call_stream(request::to_grpc(head, timeout, request)).await {
        Ok(response) => {
            let (metadata, stream, _) = response.into_parts();
            let mut response = answer::of_type("text/event-stream", Bytes::new());
            *response.body_mut() = Body::new(StreamBody::new(events(stream)));
            Ok(answer::traced(response, &metadata))
        }
        Err(status) => Ok(answer::traced(answer::failure(&coded(status.clone())), status.metadata())),
    }
}

/// Ends with `end` or `error`, so that a connection that breaks is told from a stream that is over.
fn events(
    stream: impl Stream<Item = Result<pb::CallStreamResponse, Status>> + Send + 'static,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    let ended = futures::stream::once(async { None });
    let told = stream.map(Some).chain(ended).scan(false, |over, next| {
        if *over {
            return futures::future::ready(None);
        }
        let event = match next {
            Some(Ok(response)) => event(response),
            Some(Err(status)) => Err(coded(status)),
            None => Ok(sent("end", "{}")),
        };
        let text = event.unwrap_or_else(|error| {
            *over = true;
            sent("error", &json!({ "error": listing::envelope(&error) }).to_string())
        });
        futures::future::ready(Some(text))
    });
    told.map(|text| Ok(Frame::data(Bytes::from(text))))
}

fn event(response: pb::CallStreamResponse) -> Result<String, Error> {
    match response.event {
        Some(Event::Info(about)) => Ok(sent("info", &info(Some(about)).to_string())),
        Some(Event::ItemJson(text)) => Ok(sent("item", &text)),
        _ => Err(Error::of(codes::INTERNAL, "an item of a stream is not in the form of the input")),
    }
}

/// JSON text has no line breaks, so that one line of data holds it.
fn sent(event: &str, json: &str) -> String {
    format!("event: {event}\ndata: {json}\n\n")
}
