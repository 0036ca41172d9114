//! The baseline in Rust: a tonic server whose `Execute` gives the bytes back, on TCP and on the Unix socket that the first argument names.

use protocol::generated::provider::v1 as pb;
use protocol::generated::provider::v1::module_executor_server::{ModuleExecutor, ModuleExecutorServer};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Bare;

#[tonic::async_trait]
impl ModuleExecutor for Bare {
    type ExecuteStreamStream = tokio_stream::Empty<Result<pb::ExecuteStreamResponse, Status>>;

    async fn execute(&self, request: Request<pb::ExecuteRequest>) -> Result<Response<pb::ExecuteResponse>, Status> {
        let result = Some(pb::execute_response::Result::OutputData(request.into_inner().input_data));
        Ok(Response::new(pb::ExecuteResponse { result, metrics: None }))
    }

    async fn execute_batch(
        &self,
        _: Request<pb::ExecuteBatchRequest>,
    ) -> Result<Response<pb::ExecuteBatchResponse>, Status> {
        Err(Status::unimplemented("only single calls are measured"))
    }

    async fn execute_stream(
        &self,
        _: Request<pb::ExecuteStreamRequest>,
    ) -> Result<Response<Self::ExecuteStreamStream>, Status> {
        Err(Status::unimplemented("only single calls are measured"))
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "says where it listens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = std::env::args().nth(1).ok_or("name the path of the Unix socket")?;
    // The server's own `tcp_nodelay` does not reach connections that are handed to it.
    let tcp = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?.with_nodelay(Some(true));
    let unix = UnixListener::bind(&socket)?;
    println!("http://{}", tcp.local_addr()?);
    let server = || Server::builder().add_service(ModuleExecutorServer::new(Bare));
    tokio::try_join!(server().serve_with_incoming(tcp), server().serve_with_incoming(UnixListenerStream::new(unix)),)?;
    Ok(())
}
