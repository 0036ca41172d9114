//! Tells gRPC from other HTTP by the content type, before anything else looks at a request. Serves neither.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either};
use http::{Request, Response, header};
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use crate::http::Http;

/// Both surfaces behind one listener. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) grpc: Routes,
    pub(crate) http: Arc<Http>,
}

/// Whether a request is one of gRPC, whose answers have gRPC's form whatever goes wrong.
pub(crate) fn is_grpc<B>(request: &Request<B>) -> bool {
    request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

impl Service<Request<Body>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    // A call by gRPC pays for the choice with one look at its headers, and with no allocation.
    type Future =
        Either<<Routes as Service<Request<Body>>>::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.grpc, ctx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_grpc(&request) {
            return Either::Left(self.grpc.call(request));
        }
        let http = Arc::clone(&self.http);
        Either::Right(Box::pin(async move { Ok(http.answer(request).await) }))
    }
}
