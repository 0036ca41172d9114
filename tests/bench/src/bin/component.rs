//! The component that is measured: an HTTP server that answers every envelope with `allow`, as fast as it can.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const REPORT: &str = r#"{"module_name":"bench","description":"Allows everything.","version":"1.0.0","contract_version":"1",
"expected_host_api_version":"1","capabilities":[{"id":"bench/allow","class":"other","description":"Allows everything."}]}"#;
const ALLOW: &str = r#"{"decision":"allow","reason":"as fast as it can"}"#;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        "/v1/middleware/init" => REPORT,
        "/v1/middleware/invoke" => ALLOW,
        _ => "{}",
    };
    // A request is over when its body was read.
    let _broken = request.into_body().collect().await.is_err();
    Ok(Response::new(Full::new(Bytes::from_static(body.as_bytes()))))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "says where it listens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            // Whoever was measured may leave as it likes.
            let _left = connection.await.is_err();
        });
    }
}
