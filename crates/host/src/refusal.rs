//! A failure as the answer to a request that no surface saw: a gRPC status or JSON, as the request asks. The surfaces
//! answer for themselves.

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use protocol::{Category, Error};
use tonic::body::Body;

/// Answers in the protocol of the request.
pub(crate) fn response(request: &HeaderMap, error: &Error) -> Response<Body> {
    let grpc = request.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc {
        return error.to_status().into_http();
    }
    let json = serde_json::json!({ "error": {
        "category": error.category().as_str(),
        "code": error.code(),
        "message": error.message(),
        "origin": error.origin().as_str(),
        "retryable": error.retryable(),
        "retry_after_ms": error.retry_after_ms(),
        "trace_id": error.trace_id(),
        "details": error.details(),
    }});
    let mut response = Response::new(Body::new(json.to_string()));
    let status = StatusCode::from_u16(error.category().http_status());
    *response.status_mut() = status.expect("the status of each category is one of HTTP");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if error.category() == Category::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
