//! How answers look: JSON, and the envelope of a failure with the headers that go with it. Does not decide what is answered.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use protocol::{Error, codes, listing};
use serde_json::json;
use tonic::body::Body;
use tonic::metadata::MetadataMap;

/// The headers of the trace, which an answer repeats with the span of the host.
pub(crate) const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// An answer of JSON text.
pub(crate) fn json(text: impl Into<Bytes>) -> Response<Body> {
    of_type("application/json", text)
}

/// An answer of a content type.
pub(crate) fn of_type(kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(text.into())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Answers are of the moment, and no browser is to guess what they are.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An answer with the envelope.
pub(crate) fn failure(error: &Error) -> Response<Body> {
    let mut response = json(json!({ "error": listing::envelope(error) }).to_string());
    *response.status_mut() = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if error.retry_after_ms() > 0 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(error.retry_after_ms().div_ceil(1000)));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if error.code() == codes::HTTP_METHOD_UNSUPPORTED.name
        && let Some(allow) = error.details().get("allow").and_then(|allow| HeaderValue::from_str(allow).ok())
    {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Repeats the trace that the gRPC surface put into its metadata.
pub(crate) fn traced(mut response: Response<Body>, metadata: &MetadataMap) -> Response<Body> {
    for name in TRACE_HEADERS {
        let value = metadata.get(name).and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        if let Some(value) = value {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}
