//! Gives every gRPC failure its envelope: what tonic itself refuses (garbage, oversized messages, unknown methods)
//! leaves with a code as everything else does, and so does a request whose time is over. Does not touch answers, coded
//! failures and what other protocols (health) say by a bare status.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use protocol::Error;
use protocol::codes::{self, Code};
use tokio::time::Instant;
use tonic::Status;
use tower::{Layer, Service};

use crate::surface::timeout;

/// When the head of a request came; an extension of each request. Its deadline counts from here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived(pub(crate) Instant);

/// Wraps the routes of a gRPC server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CodedLayer;

/// What [`CodedLayer`] makes of a service.
#[derive(Debug, Clone)]
pub(crate) struct Coded<S>(S);

impl<S> Layer<S> for CodedLayer {
    type Service = Coded<S>;

    fn layer(&self, inner: S) -> Coded<S> {
        Coded(inner)
    }
}

impl<S, B, R> Service<http::Request<B>> for Coded<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Future: Send + 'static,
    R: Default + 'static,
{
    type Response = http::Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(ctx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        // Taken before the server takes the time for its own clock around this service, whose answer has no code: of two
        // timers the earlier one fires first, and of two that fire together the inner one is asked first.
        let arrived = Instant::now();
        request.extensions_mut().insert(Arrived(arrived));
        let deadline = timeout::of(request.headers()).and_then(|allowed| arrived.checked_add(allowed));
        let response = self.0.call(request);
        Box::pin(async move {
            let mut response = match deadline {
                None => response.await?,
                Some(deadline) => match tokio::time::timeout_at(deadline, response).await {
                    Ok(response) => response?,
                    Err(_) => {
                        let error = Error::of(codes::DEADLINE_EXCEEDED, "the time of the request was over");
                        return Ok(error.to_status().into_http());
                    }
                },
            };
            code(response.headers_mut());
            Ok(response)
        })
    }
}

/// Replaces an uncoded failure in the headers of an answer without body.
fn code(headers: &mut HeaderMap) {
    if !headers.contains_key("grpc-status") || headers.contains_key("grpc-status-details-bin") {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    let Some(code) = code_of(&status) else { return };
    let error = Error::of(code, status.message());
    for name in ["grpc-status", "grpc-message"] {
        headers.remove(name);
    }
    if error.to_status().add_header(headers).is_err() {
        // A message that is no header value: the code says enough.
        let bare = HeaderValue::from(error.category().grpc_code() as i32);
        headers.insert("grpc-status", bare);
    }
}

fn code_of(status: &Status) -> Option<Code> {
    Some(match status.code() {
        tonic::Code::Ok => return None,
        tonic::Code::Unimplemented => codes::METHOD_UNKNOWN,
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => codes::MESSAGE_TOO_LARGE,
        tonic::Code::DeadlineExceeded => codes::DEADLINE_EXCEEDED,
        tonic::Code::Cancelled => codes::CALL_CANCELLED,
        tonic::Code::Unavailable => codes::HOST_STOPPING,
        // tonic's word for a request that does not decode; the host's own faults are coded before they come here.
        tonic::Code::Internal | tonic::Code::InvalidArgument => codes::MESSAGE_MALFORMED,
        tonic::Code::Unknown => codes::INTERNAL,
        // `grpc.health.v1` says by NOT_FOUND that it does not know a service.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(status: &Status) -> HeaderMap {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        code(&mut headers);
        headers
    }

    #[test]
    fn a_refusal_of_tonic_itself_gets_a_code() {
        for (status, expected) in [
            (Status::internal("failed to decode Protobuf message"), "protocol.message.malformed"),
            (Status::out_of_range("message length too large"), "protocol.message.too_large"),
            (Status::unimplemented(""), "protocol.method.unknown"),
            (Status::deadline_exceeded("Timeout expired"), "executor.deadline.exceeded"),
        ] {
            let coded = Status::from_header_map(&headers(&status)).unwrap();
            let error = Error::from_status(&coded, codes::INTERNAL);
            assert_eq!((error.code(), coded.code()), (expected, error.category().grpc_code()));
        }
    }

    #[test]
    fn a_coded_failure_and_a_success_stay_as_they_are() {
        let error = Error::of(codes::MODULE_UNKNOWN, "no such module");
        let coded = Status::from_header_map(&headers(&error.to_status())).unwrap();
        assert_eq!(Error::from_status(&coded, codes::INTERNAL), error);
        let mut success = HeaderMap::new();
        code(&mut success);
        assert!(success.is_empty());
    }
}
