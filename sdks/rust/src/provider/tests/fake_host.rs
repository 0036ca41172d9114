//! A host for tests: takes registrations, gives connections to the test as frames. Checks no schema.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::codec::{self, Decode, Encode};
use crate::error::{Error, ModuleError};
use crate::generated::host::v1::host_server::{Host, HostServer};
use crate::generated::host::v1::{
    CallBatchRequest, CallBatchResponse, CallRequest, CallResponse, CallStreamRequest, CallStreamResponse,
    CheckPipelineRequest, CheckPipelineResponse, ComponentLogsRequest, ComponentLogsResponse, DeletePipelineRequest,
    DeletePipelineResponse, GetComponentRequest, GetComponentResponse, GetModuleRequest, GetModuleResponse,
    GetPipelineRequest, GetPipelineResponse, GetRunRequest, GetRunResponse, ListComponentsRequest,
    ListComponentsResponse, ListModulesRequest, ListModulesResponse, ListPipelinesRequest, ListPipelinesResponse,
    ListRunsRequest, ListRunsResponse, Module, PipelinePlan, PutPipelineRequest, PutPipelineResponse,
    RestartComponentRequest, RestartComponentResponse, RunPipelineRequest, RunPipelineResponse,
    RunPipelineStreamRequest, RunPipelineStreamResponse, StartComponentRequest, StartComponentResponse,
    StopComponentRequest, StopComponentResponse, StoredPipeline, WatchRequest, WatchResponse, call_request,
    call_response, run_pipeline_request, run_pipeline_response,
};
use crate::generated::provider::v1::execute_response::Result as Outcome;
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::module_registry_server::{ModuleRegistry, ModuleRegistryServer};
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::*;

/// No step of a test takes so long, unless it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a fake host behaves.
#[derive(Clone)]
pub(crate) struct Behaviour {
    pub(crate) link: Link,
    pub(crate) attach: bool,
    pub(crate) max_message: u32,
    pub(crate) heartbeat_ms: u32,
    /// Errors that the next registrations are answered with, in order.
    pub(crate) refusals: Arc<Mutex<VecDeque<ModuleError>>>,
    /// Commands for the next heartbeats.
    pub(crate) commands: Arc<Mutex<VecDeque<Command>>>,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Link {
    None,
    Tcp,
    Unix(PathBuf),
    /// An address where nobody listens.
    Dead,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            link: Link::Tcp,
            attach: true,
            max_message: 1024 * 1024,
            heartbeat_ms: 60_000,
            refusals: Arc::default(),
            commands: Arc::default(),
        }
    }
}

impl Behaviour {
    pub(crate) fn refuse(self, error: ModuleError) -> Self {
        self.refusals.lock().unwrap().push_back(error);
        self
    }
}

pub(crate) struct FakeHost {
    pub(crate) address: String,
    registered: mpsc::Receiver<RegisterRequest>,
    connected: mpsc::Receiver<Wire>,
    unregistered: mpsc::Receiver<()>,
    nested: Option<mpsc::Receiver<NestedCall>>,
    _server: crate::provider::Task<()>,
}

/// One connection of a provider, its hello answered.
pub(crate) struct Wire {
    pub(crate) token: String,
    to_provider: mpsc::Sender<Outgoing>,
    from_provider: mpsc::Receiver<AttachRequest>,
    read: VecDeque<ProviderFrame>,
}

pub(crate) enum Outgoing {
    Message(AttachResponse),
    /// These very bytes, on the link.
    Raw(Vec<u8>),
}

impl FakeHost {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (registered_tx, registered) = mpsc::channel(64);
        let (connected_tx, connected) = mpsc::channel(64);
        let (unregistered_tx, unregistered) = mpsc::channel(64);
        let (nested_tx, nested) = mpsc::channel(64);
        let link = match &behaviour.link {
            Link::None => None,
            Link::Dead => Some(link_endpoint::Address::UnixPath("/nonexistent/modrack.sock".to_owned())),
            Link::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let connected = connected_tx.clone();
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let (read, write) = stream.into_split();
                        tokio::spawn(serve_link(read, write, connected.clone()));
                    }
                });
                Some(link_endpoint::Address::TcpAddress(address))
            }
            Link::Unix(path) => {
                let listener = tokio::net::UnixListener::bind(path).unwrap();
                let connected = connected_tx.clone();
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let (read, write) = stream.into_split();
                        tokio::spawn(serve_link(read, write, connected.clone()));
                    }
                });
                Some(link_endpoint::Address::UnixPath(path.to_str().unwrap().to_owned()))
            }
        };
        let registry = Registry {
            behaviour,
            link: link.map(|address| LinkEndpoint { address: Some(address) }),
            registered: registered_tx,
            connected: connected_tx,
            unregistered: unregistered_tx,
            sessions: Mutex::new(0),
        };
        let server = tokio::spawn(async move {
            let server = tonic::transport::Server::builder()
                .add_service(ModuleRegistryServer::new(registry))
                .add_service(HostServer::new(Nested(nested_tx)));
            server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        });
        Self {
            address,
            registered,
            connected,
            unregistered,
            nested: Some(nested),
            _server: crate::provider::Task(server),
        }
    }

    pub(crate) async fn registration(&mut self) -> RegisterRequest {
        within(self.registered.recv()).await.unwrap()
    }

    pub(crate) async fn connection(&mut self) -> Wire {
        within(self.connected.recv()).await.unwrap()
    }

    pub(crate) async fn farewell(&mut self) {
        within(self.unregistered.recv()).await.unwrap();
    }

    /// The calls that handlers make.
    pub(crate) fn nested(&mut self) -> mpsc::Receiver<NestedCall> {
        self.nested.take().unwrap()
    }

    pub(crate) fn has_new_connection(&mut self) -> bool {
        self.connected.try_recv().is_ok()
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the step takes no ten seconds")
}

impl Wire {
    pub(crate) async fn send(&self, frames: Vec<(u64, FromHost)>) {
        let frames = frames.into_iter().map(|(call_id, frame)| HostFrame { call_id, frame: Some(frame) }).collect();
        self.to_provider.send(Outgoing::Message(AttachResponse { frames })).await.unwrap();
    }

    pub(crate) async fn send_raw(&self, bytes: &[u8]) {
        self.to_provider.send(Outgoing::Raw(bytes.to_vec())).await.unwrap();
    }

    pub(crate) async fn execute(&self, call_id: u64, module: &str, input: &impl Encode) {
        self.send(vec![(call_id, FromHost::Execute(request(module, input)))]).await;
    }

    pub(crate) async fn call<O: Decode>(
        &mut self,
        call_id: u64,
        module: &str,
        input: &impl Encode,
    ) -> Result<O, Error> {
        self.execute(call_id, module, input).await;
        let (answered, response) = self.result().await;
        assert_eq!(answered, call_id);
        outcome(response)
    }

    pub(crate) async fn result(&mut self) -> (u64, ExecuteResponse) {
        match self.frame().await.expect("the connection is open") {
            (call_id, FromProvider::Result(response)) => (call_id, response),
            other => panic!("expected a result, got {other:?}"),
        }
    }

    /// The next frame; `None` when the provider has closed.
    pub(crate) async fn frame(&mut self) -> Option<(u64, FromProvider)> {
        while self.read.is_empty() {
            let message = within(self.from_provider.recv()).await?;
            assert!(!message.frames.is_empty());
            self.read.extend(message.frames);
        }
        let frame = self.read.pop_front()?;
        Some((frame.call_id, frame.frame.unwrap()))
    }

    /// The frames of the next message.
    pub(crate) async fn message(&mut self) -> AttachRequest {
        within(self.from_provider.recv()).await.unwrap()
    }
}

pub(crate) fn request(module: &str, input: &impl Encode) -> ExecuteRequest {
    ExecuteRequest {
        module_name: module.to_owned(),
        input_data: codec::to_bytes(input).unwrap().into(),
        execution_id: "execution-7".to_owned(),
        attempt: 2,
        timeout_ms: 60_000,
        ..ExecuteRequest::default()
    }
}

pub(crate) fn outcome<O: Decode>(response: ExecuteResponse) -> Result<O, Error> {
    match response.result.unwrap() {
        Outcome::OutputData(output) => Ok(codec::from_bytes(&output).unwrap()),
        Outcome::Error(error) => Err(Error::from_wire(error)),
    }
}

async fn serve_link<R, W>(mut read: R, mut write: W, connected: mpsc::Sender<Wire>)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (to_provider, mut outgoing) = mpsc::channel(64);
    // Weak, so that the connection closes when the test drops its wire.
    let pongs = to_provider.downgrade();
    let (incoming, from_provider) = mpsc::channel(64);
    let Some(hello) = read_message(&mut read).await else { return };
    let token = token_of(&hello);
    let welcome = welcome();
    write_message(&mut write, &welcome).await;
    connected.send(Wire { token, to_provider, from_provider, read: VecDeque::new() }).await.unwrap();
    let reader = tokio::spawn(async move {
        while let Some(message) = read_message(&mut read).await {
            let Some(to_provider) = pongs.upgrade() else { return };
            answer_pings(message, &to_provider, &incoming).await;
        }
    });
    let mut reader = crate::provider::Task(reader);
    loop {
        tokio::select! {
            message = outgoing.recv() => match message {
                Some(Outgoing::Message(message)) => write_message(&mut write, &message).await,
                Some(Outgoing::Raw(bytes)) => write.write_all(&bytes).await.unwrap(),
                // The test drops its wire to close the connection.
                None => return,
            },
            _ = &mut reader.0 => return,
        }
    }
}

async fn read_message(read: &mut (impl AsyncRead + Unpin)) -> Option<AttachRequest> {
    let len = read.read_u32().await.ok()?;
    let mut bytes = vec![0; len as usize];
    read.read_exact(&mut bytes).await.ok()?;
    Some(AttachRequest::decode(Bytes::from(bytes)).unwrap())
}

async fn write_message(write: &mut (impl AsyncWrite + Unpin), message: &AttachResponse) {
    let mut bytes = u32::try_from(message.encoded_len()).unwrap().to_be_bytes().to_vec();
    message.encode(&mut bytes).unwrap();
    write.write_all(&bytes).await.unwrap();
}

/// Answers the pings of a message and gives the rest to the test.
async fn answer_pings(
    mut message: AttachRequest,
    to_provider: &mpsc::Sender<Outgoing>,
    test: &mpsc::Sender<AttachRequest>,
) {
    let mut frames = Vec::new();
    message.frames.retain(|frame| match &frame.frame {
        Some(FromProvider::Ping(ping)) => {
            frames.push(HostFrame { call_id: 0, frame: Some(FromHost::Pong(Pong { number: ping.number })) });
            false
        }
        _ => true,
    });
    // The test may have dropped its wire meanwhile.
    if !frames.is_empty() {
        to_provider.send(Outgoing::Message(AttachResponse { frames })).await.ok();
    }
    if !message.frames.is_empty() {
        test.send(message).await.ok();
    }
}

fn token_of(hello: &AttachRequest) -> String {
    match hello.frames.as_slice() {
        [ProviderFrame { call_id: 0, frame: Some(FromProvider::Hello(hello)) }] => hello.session_token.clone(),
        other => panic!("expected one hello, got {other:?}"),
    }
}

fn welcome() -> AttachResponse {
    let welcome = FromHost::Welcome(Welcome { session_id: "s".to_owned() });
    AttachResponse { frames: vec![HostFrame { call_id: 0, frame: Some(welcome) }] }
}

/// A call of a handler, which waits for its answer.
pub(crate) struct NestedCall {
    metadata: tonic::metadata::MetadataMap,
    request: CallRequest,
    answer: oneshot::Sender<Bytes>,
}

impl NestedCall {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.metadata.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn timeout(&self) -> Duration {
        let text = self.header("grpc-timeout");
        let (number, unit) = text.split_at(text.len() - 1);
        let number: u64 = number.parse().unwrap();
        match unit {
            "n" => Duration::from_nanos(number),
            "u" => Duration::from_micros(number),
            "m" => Duration::from_millis(number),
            "S" => Duration::from_secs(number),
            other => panic!("no unit of a timeout: {other}"),
        }
    }

    pub(crate) fn input<I: Decode>(&self) -> I {
        match &self.request.input {
            Some(call_request::Input::InputData(input)) => codec::from_bytes(input).unwrap(),
            other => panic!("expected bytes, got {other:?}"),
        }
    }

    pub(crate) fn answer(self, output: &impl Encode) {
        self.answer.send(codec::to_bytes(output).unwrap().into()).unwrap();
    }

    pub(crate) async fn cancelled(mut self) {
        self.answer.closed().await;
    }
}

/// The modules of others: each takes an Int and gives one.
struct Nested(mpsc::Sender<NestedCall>);

#[tonic::async_trait]
impl Host for Nested {
    async fn get_module(&self, request: Request<GetModuleRequest>) -> Result<Response<GetModuleResponse>, Status> {
        let int = Some(crate::types::CType::Int.to_wire());
        let module = Module { name: request.into_inner().name, input: int.clone(), output: int, ..Module::default() };
        Ok(Response::new(GetModuleResponse { module: Some(module) }))
    }

    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let (answer, answered) = oneshot::channel();
        let (metadata, _, request) = request.into_parts();
        self.0.send(NestedCall { metadata, request, answer }).await.ok();
        let output = answered.await.map_err(|_| Status::cancelled("the test gave no answer"));
        let output = match output {
            Ok(output) => output,
            // The test let it fall: the caller's time is to end it.
            Err(_) => std::future::pending().await,
        };
        Ok(Response::new(CallResponse { output: Some(call_response::Output::OutputData(output)), info: None }))
    }

    async fn list_modules(
        &self,
        _request: Request<ListModulesRequest>,
    ) -> Result<Response<ListModulesResponse>, Status> {
        Err(Status::unimplemented("no listing"))
    }

    type CallStreamStream = tokio_stream::Empty<Result<CallStreamResponse, Status>>;

    async fn call_stream(
        &self,
        _request: Request<CallStreamRequest>,
    ) -> Result<Response<Self::CallStreamStream>, Status> {
        Err(Status::unimplemented("no streams"))
    }

    async fn call_batch(&self, _request: Request<CallBatchRequest>) -> Result<Response<CallBatchResponse>, Status> {
        Err(Status::unimplemented("no batches"))
    }

    type ComponentLogsStream = ReceiverStream<Result<ComponentLogsResponse, Status>>;
    type WatchStream = tokio_stream::Empty<Result<WatchResponse, Status>>;

    async fn watch(&self, _request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("no changes"))
    }

    async fn check_pipeline(
        &self,
        _request: Request<CheckPipelineRequest>,
    ) -> Result<Response<CheckPipelineResponse>, Status> {
        Err(Status::unimplemented("no pipelines"))
    }

    /// The pipeline is called as a module, of one Int to another.
    async fn run_pipeline(
        &self,
        request: Request<RunPipelineRequest>,
    ) -> Result<Response<RunPipelineResponse>, Status> {
        let request = request.map(|run| {
            let Some(run_pipeline_request::Inputs::InputData(input)) = run.inputs else { panic!("expected bytes") };
            CallRequest { input: Some(call_request::Input::InputData(input.into())), ..CallRequest::default() }
        });
        let Some(call_response::Output::OutputData(output)) = self.call(request).await?.into_inner().output else {
            panic!("the test answers with bytes")
        };
        let outputs = Some(run_pipeline_response::Outputs::OutputData(output.into()));
        Ok(Response::new(RunPipelineResponse { outputs, record: None }))
    }

    type RunPipelineStreamStream = tokio_stream::Empty<Result<RunPipelineStreamResponse, Status>>;

    async fn run_pipeline_stream(
        &self,
        _request: Request<RunPipelineStreamRequest>,
    ) -> Result<Response<Self::RunPipelineStreamStream>, Status> {
        Err(Status::unimplemented("no pipelines"))
    }

    async fn put_pipeline(
        &self,
        _request: Request<PutPipelineRequest>,
    ) -> Result<Response<PutPipelineResponse>, Status> {
        Err(Status::unimplemented("no pipelines"))
    }

    async fn get_pipeline(
        &self,
        request: Request<GetPipelineRequest>,
    ) -> Result<Response<GetPipelineResponse>, Status> {
        let int = Some(crate::types::CType::Int.to_wire());
        let plan = PipelinePlan { input: int.clone(), output: int, ..PipelinePlan::default() };
        let pipeline =
            StoredPipeline { name: request.into_inner().name, plan: Some(plan), ..StoredPipeline::default() };
        Ok(Response::new(GetPipelineResponse { pipeline: Some(pipeline) }))
    }

    async fn list_pipelines(
        &self,
        _request: Request<ListPipelinesRequest>,
    ) -> Result<Response<ListPipelinesResponse>, Status> {
        Err(Status::unimplemented("no pipelines"))
    }

    async fn delete_pipeline(
        &self,
        _request: Request<DeletePipelineRequest>,
    ) -> Result<Response<DeletePipelineResponse>, Status> {
        Err(Status::unimplemented("no pipelines"))
    }

    async fn get_run(&self, _request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        Err(Status::unimplemented("no pipelines"))
    }

    async fn list_runs(&self, _request: Request<ListRunsRequest>) -> Result<Response<ListRunsResponse>, Status> {
        Err(Status::unimplemented("no pipelines"))
    }

    async fn list_components(
        &self,
        _request: Request<ListComponentsRequest>,
    ) -> Result<Response<ListComponentsResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn get_component(
        &self,
        _request: Request<GetComponentRequest>,
    ) -> Result<Response<GetComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn start_component(
        &self,
        _request: Request<StartComponentRequest>,
    ) -> Result<Response<StartComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn stop_component(
        &self,
        _request: Request<StopComponentRequest>,
    ) -> Result<Response<StopComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn restart_component(
        &self,
        _request: Request<RestartComponentRequest>,
    ) -> Result<Response<RestartComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn component_logs(
        &self,
        _request: Request<ComponentLogsRequest>,
    ) -> Result<Response<Self::ComponentLogsStream>, Status> {
        Err(Status::unimplemented("no components"))
    }
}

struct Registry {
    behaviour: Behaviour,
    link: Option<LinkEndpoint>,
    registered: mpsc::Sender<RegisterRequest>,
    connected: mpsc::Sender<Wire>,
    unregistered: mpsc::Sender<()>,
    sessions: Mutex<u32>,
}

#[tonic::async_trait]
impl ModuleRegistry for Registry {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let request = request.into_inner();
        let results = request.modules.iter();
        let results = results.map(|m| ModuleResult { name: m.name.clone(), accepted: true, revision: 1, error: None });
        let results = results.collect();
        let session = match request.session_token.strip_prefix("token-") {
            // The same session goes on, as it does on a host where it is still connected.
            Some(session) => session.to_owned(),
            None => {
                let mut sessions = self.sessions.lock().unwrap();
                *sessions += 1;
                sessions.to_string()
            }
        };
        self.registered.send(request).await.unwrap();
        if let Some(error) = self.behaviour.refusals.lock().unwrap().pop_front() {
            return Err(error.into_status());
        }
        Ok(Response::new(RegisterResponse {
            results,
            session_token: format!("token-{session}"),
            session_id: session,
            lease_ms: 60_000,
            heartbeat_interval_ms: self.behaviour.heartbeat_ms,
            link: self.link.clone(),
            protocol_version: 1,
            max_message_bytes: self.behaviour.max_message,
            attach_timeout_ms: 10_000,
        }))
    }

    async fn heartbeat(&self, _request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        let command = self.behaviour.commands.lock().unwrap().pop_front();
        let commands = command.into_iter().map(i32::from).collect();
        Ok(Response::new(HeartbeatResponse { lease_ms: 60_000, commands }))
    }

    async fn unregister(&self, _request: Request<UnregisterRequest>) -> Result<Response<UnregisterResponse>, Status> {
        self.unregistered.send(()).await.unwrap();
        Ok(Response::new(UnregisterResponse { in_flight: 0 }))
    }

    type AttachStream = ReceiverStream<Result<AttachResponse, Status>>;

    async fn attach(&self, request: Request<Streaming<AttachRequest>>) -> Result<Response<Self::AttachStream>, Status> {
        if !self.behaviour.attach {
            return Err(Status::unimplemented("no streams here"));
        }
        let mut stream = request.into_inner();
        let hello = stream.message().await?.unwrap();
        let (to_provider, mut outgoing) = mpsc::channel(64);
        let pongs = to_provider.downgrade();
        let (incoming, from_provider) = mpsc::channel(64);
        let (tx, rx) = mpsc::channel(64);
        tx.send(Ok(welcome())).await.unwrap();
        self.connected
            .send(Wire { token: token_of(&hello), to_provider, from_provider, read: VecDeque::new() })
            .await
            .unwrap();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = outgoing.recv() => match message {
                        Some(Outgoing::Message(message)) => tx.send(Ok(message)).await.unwrap(),
                        Some(Outgoing::Raw(_)) => panic!("raw bytes are for the link"),
                        None => return,
                    },
                    message = stream.next() => match message {
                        Some(Ok(message)) => match pongs.upgrade() {
                            Some(to_provider) => answer_pings(message, &to_provider, &incoming).await,
                            None => return,
                        },
                        Some(Err(_)) | None => return,
                    },
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(rx)))
    }
}
