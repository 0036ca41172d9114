//! A failure as the answer to a request that no surface saw: a gRPC status or JSON, as the request asks. The surfaces
//! answer for themselves.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use protocol::Error;
use tonic::body::Body;

use crate::http::failure;

/// Answers in the protocol of the request.
pub(crate) fn response(request: &HeaderMap, error: &Error) -> Response<Body> {
    let grpc = request.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc {
        return error.to_status().into_http();
    }
    failure(error)
}
