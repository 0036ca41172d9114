//! What components keep at the host, over HTTP: JSON by key. Only components reach it, each its own; the bounds are
//! [`Staging`](crate::components::Staging)'s.

use std::time::SystemTime;

use http::request::Parts;
use http::{Method, Response};
use protocol::Error;
use serde_json::json;
use tokio::time::Instant;
use tonic::body::Body;
use type_schema::parse_json_text;

use crate::access::Principal;
use crate::coded::Arrived;
use crate::http::{answer, request};
use crate::surface::client::ClientSurface;

/// `GET`, `PUT` and `DELETE /v1/staging/{key}`
pub(crate) async fn one(client: &ClientSurface, head: Parts, body: Body, key: String) -> Result<Response<Body>, Error> {
    let principal = Principal::of(&head.extensions);
    let component = principal.may_stage()?;
    let staging = &client.components.staging;
    if head.method == Method::DELETE {
        staging.delete(component, &key)?;
        return Ok(answer::json("{}"));
    }
    if head.method != Method::PUT {
        return Ok(answer::json(staging.get(component, &key)?.to_string()));
    }
    let arrived = head.extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
    let until = arrived + client.default_timeout;
    let text = request::json_text(&head.headers, body, client.message_bytes, until).await?;
    parse_json_text(&text).map_err(|error| request::invalid("body", format!("the body is refused: {error}")))?;
    let kept = staging.put(component, &key, &text)?;
    let expires = (SystemTime::now() + staging.ttl()).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let told = json!({
        "key": key,
        "expires_at_ms": u64::try_from(expires.as_millis()).unwrap_or(u64::MAX),
        "entries": kept.entries,
        "bytes": kept.bytes,
    });
    Ok(answer::json(told.to_string()))
}
