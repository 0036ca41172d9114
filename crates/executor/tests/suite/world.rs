//! An executor, a registry and whoever plays the provider.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use executor::{
    AttachIo, Batch, BatchInput, BatchReply, Call, End, Event, Handle, ItemStream, LinkIo, Options, Policy,
    PolicyFailure, PolicyReply, Reply, Service,
};
use prost::Message as _;
use protocol::frame::{HostFrame, TraceContext, from_attach_message, to_attach_message};
use protocol::generated::provider::v1::{self as pb, host_frame::Frame};
use protocol::{DataPlane, Error, Registration, SessionId, SessionToken, codes};
use registry::{EndReason, SessionEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

pub(crate) const INPUT: &str = "{n: Int}";
pub(crate) const OUTPUT: &str = "{n: Int}";
pub(crate) const PLANES: [DataPlane; 2] = [DataPlane::Link, DataPlane::Attach];

pub(crate) struct World {
    pub(crate) executor: Handle,
    pub(crate) registry: registry::Handle,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    stop: Option<oneshot::Sender<()>>,
    service: JoinHandle<()>,
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    token: SessionToken,
}

impl World {
    pub(crate) fn start(options: Options) -> Self {
        let hour = Duration::from_secs(3600);
        let (registry_service, registry, mut sessions) =
            registry::Service::new(registry::Options { lease: hour, attach_timeout: hour, ..Default::default() });
        tokio::spawn(registry_service.run(std::future::pending()));
        let (service, executor, mut connections) = Service::new(options, registry.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let service = tokio::spawn(service.run(async { drop(stopped.await) }));
        let ends = executor.clone();
        // As the host does it.
        tokio::spawn(async move {
            while let Some(event) = sessions.next().await {
                match event {
                    SessionEvent::Drain { session, grace } => ends.end(session, End::Drain(grace)).await,
                    SessionEvent::Ended { session, reason: EndReason::Unregistered } => {
                        ends.end(session, End::Drain(Duration::from_secs(10))).await;
                    }
                    SessionEvent::Ended { session, reason } => {
                        let error = Error::of(codes::PROVIDER_LOST, reason.as_str());
                        ends.end(session, End::Fail(error)).await;
                    }
                }
            }
        });
        let (told, events) = mpsc::unbounded_channel();
        let losses = registry.clone();
        tokio::spawn(async move {
            while let Some(event) = connections.recv().await {
                match &event {
                    Event::Lost { session, .. } | Event::Closed { session } => losses.disconnect(*session),
                    Event::ProviderDrains { session } => losses.provider_drain(*session).await.unwrap(),
                }
                drop(told.send(event));
            }
        });
        Self { executor, registry, events, stop: Some(stop), service }
    }

    pub(crate) async fn register(&self, request: pb::RegisterRequest) -> Session {
        let registration = Registration::from_proto(request).unwrap();
        let registered = self.registry.register(registration, None).await.unwrap();
        Session { id: registered.session, token: registered.token }
    }

    pub(crate) async fn connect(&self, session: &Session, plane: DataPlane) -> Peer {
        self.connect_with(session, plane, 1 << 20).await
    }

    /// `pipe` bounds what a link holds between its ends, in bytes.
    pub(crate) async fn connect_with(&self, session: &Session, plane: DataPlane, pipe: usize) -> Peer {
        let wire = match plane {
            DataPlane::Link => {
                let (host, peer) = tokio::io::duplex(pipe);
                let (reader, writer) = tokio::io::split(host);
                let io = LinkIo { reader, writer, buffer: BytesMut::new() };
                let link = self.executor.adopt_link(session.id, io).await.map_err(|refused| refused.error).unwrap();
                self.registry.connect(session.token.clone(), plane).await.unwrap();
                link.start();
                Wire::Link(peer)
            }
            DataPlane::Attach => {
                let (sender, incoming) = mpsc::channel(64);
                let (outgoing, receiver) = mpsc::channel(1);
                let io = AttachIo { incoming: ReceiverStream::new(incoming), outgoing };
                self.executor.adopt_attach(session.id, io).await.unwrap();
                self.registry.connect(session.token.clone(), plane).await.unwrap();
                Wire::Attach { sender, receiver }
            }
            DataPlane::Unary | DataPlane::Host => panic!("{} has no connection", plane.as_str()),
        };
        Peer { wire, waiting: VecDeque::new() }
    }

    /// A provider of `text.Echo` with its connection, which said welcome.
    pub(crate) async fn provider(&self, plane: DataPlane) -> (Session, Peer) {
        self.provider_of(plane, pb::ModuleCapabilities::default()).await
    }

    pub(crate) async fn provider_of(&self, plane: DataPlane, capabilities: pb::ModuleCapabilities) -> (Session, Peer) {
        let session = self.register(testkit::registration("text", [echo(capabilities)])).await;
        let mut peer = self.connect(&session, plane).await;
        assert!(matches!(peer.frame().await, Frame::Welcome(_)));
        (session, peer)
    }

    pub(crate) async fn unregister(&self, session: &Session) {
        self.registry.unregister(session.token.clone()).await.unwrap();
    }

    pub(crate) fn call(&self, n: i64) -> JoinHandle<Result<Reply, Error>> {
        self.call_within(n, Duration::from_secs(60))
    }

    pub(crate) fn call_within(&self, n: i64, time: Duration) -> JoinHandle<Result<Reply, Error>> {
        self.call_bytes(value(n), time)
    }

    pub(crate) fn call_bytes(&self, input: Bytes, time: Duration) -> JoinHandle<Result<Reply, Error>> {
        self.call_route(self.route(), input, time)
    }

    pub(crate) fn route(&self) -> std::sync::Arc<registry::Route> {
        self.registry.routes().get("text.Echo").unwrap().clone()
    }

    pub(crate) fn call_of(&self, input: Bytes, time: Duration) -> Call {
        Call {
            input,
            deadline: Instant::now() + time,
            idempotency_key: String::new(),
            node_id: String::new(),
            trace: TraceContext::default(),
            execution_id: self.executor.next_execution_id(),
        }
    }

    pub(crate) fn stream_within(&self, time: Duration) -> JoinHandle<Result<ItemStream, Error>> {
        let (executor, route, call) = (self.executor.clone(), self.route(), self.call_of(value(1), time));
        tokio::spawn(async move { executor.stream(&route, call).await })
    }

    pub(crate) fn stream(&self) -> JoinHandle<Result<ItemStream, Error>> {
        self.stream_within(Duration::from_secs(60))
    }

    pub(crate) fn batch(&self, inputs: Vec<Result<Bytes, Error>>) -> JoinHandle<Result<BatchReply, Error>> {
        let input = |input: Result<Bytes, Error>| Ok(BatchInput { input: input?, idempotency_key: String::new() });
        let batch = Batch {
            inputs: inputs.into_iter().map(input).collect(),
            deadline: Instant::now() + Duration::from_secs(60),
            node_id: String::new(),
            trace: TraceContext::default(),
            execution_id: self.executor.next_execution_id(),
        };
        let (executor, route) = (self.executor.clone(), self.route());
        tokio::spawn(async move { executor.call_batch(&route, batch).await })
    }

    pub(crate) fn call_route(
        &self,
        route: std::sync::Arc<registry::Route>,
        input: Bytes,
        time: Duration,
    ) -> JoinHandle<Result<Reply, Error>> {
        let (executor, call) = (self.executor.clone(), self.call_of(input, time));
        tokio::spawn(async move { executor.call(&route, call).await })
    }

    pub(crate) fn call_with(&self, n: i64, policy: &Policy) -> JoinHandle<Result<PolicyReply, PolicyFailure>> {
        self.call_with_within(n, policy, Duration::from_secs(60))
    }

    pub(crate) fn call_with_within(
        &self,
        n: i64,
        policy: &Policy,
        time: Duration,
    ) -> JoinHandle<Result<PolicyReply, PolicyFailure>> {
        let (executor, route, call, policy) =
            (self.executor.clone(), self.route(), self.call_of(value(n), time), policy.clone());
        tokio::spawn(async move { executor.call_with(&route, call, &policy).await })
    }

    /// Asks the executor to stop, and gives its task.
    pub(crate) fn stop(&mut self) -> &mut JoinHandle<()> {
        drop(self.stop.take());
        &mut self.service
    }

    pub(crate) async fn lost(&mut self) -> (SessionId, Error) {
        match self.events.recv().await {
            Some(Event::Lost { session, error }) => (session, error),
            other => panic!("expected a loss, got {other:?}"),
        }
    }
}

/// `text.Echo` as its provider declares it.
pub(crate) fn echo(capabilities: pb::ModuleCapabilities) -> pb::ModuleSpec {
    pb::ModuleSpec { capabilities: Some(capabilities), ..testkit::module("Echo", INPUT, OUTPUT) }
}

/// A value of the type that `text.Echo` takes and gives.
pub(crate) fn value(n: i64) -> Bytes {
    testkit::msgpack(INPUT, &format!(r#"{{"n": {n}}}"#))
}

enum Wire {
    Link(DuplexStream),
    Attach {
        sender: mpsc::Sender<Result<Vec<protocol::frame::ProviderFrame>, Error>>,
        receiver: mpsc::Receiver<Vec<HostFrame>>,
    },
}

/// The provider's end of a connection.
pub(crate) struct Peer {
    wire: Wire,
    waiting: VecDeque<pb::HostFrame>,
}

impl Peer {
    /// The frames of the next message; `None` when the host closed.
    pub(crate) async fn message(&mut self) -> Option<Vec<pb::HostFrame>> {
        match &mut self.wire {
            Wire::Link(stream) => {
                let length = stream.read_u32().await.ok()?;
                let mut bytes = vec![0; length as usize];
                stream.read_exact(&mut bytes).await.ok()?;
                Some(pb::AttachResponse::decode(bytes.as_slice()).unwrap().frames)
            }
            Wire::Attach { receiver, .. } => receiver.recv().await.map(|frames| to_attach_message(frames).frames),
        }
    }

    /// The next frame with its call id, over pings, which are not answered; `None` when the host closed.
    pub(crate) async fn next(&mut self) -> Option<(u64, Frame)> {
        loop {
            match self.next_of_any().await? {
                (_, Frame::Ping(_)) => {}
                frame => return Some(frame),
            }
        }
    }

    pub(crate) async fn next_of_any(&mut self) -> Option<(u64, Frame)> {
        while self.waiting.is_empty() {
            self.waiting = self.message().await?.into();
        }
        self.waiting.pop_front().map(|frame| (frame.call_id, frame.frame.unwrap()))
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        self.next().await.expect("the host keeps the connection").1
    }

    pub(crate) async fn execute(&mut self) -> (u64, pb::ExecuteRequest) {
        match self.next().await {
            Some((call, Frame::Execute(execute))) => (call, execute),
            other => panic!("expected a call, got {other:?}"),
        }
    }

    pub(crate) async fn stream_start(&mut self) -> (u64, pb::ExecuteRequest, u32) {
        match self.next().await {
            Some((call, Frame::ExecuteStream(start))) => (call, start.request.unwrap(), start.credit),
            other => panic!("expected a stream, got {other:?}"),
        }
    }

    pub(crate) async fn batch_start(&mut self) -> (u64, Vec<pb::ExecuteRequest>) {
        match self.next().await {
            Some((call, Frame::ExecuteBatch(batch))) => (call, batch.requests),
            other => panic!("expected a batch, got {other:?}"),
        }
    }

    pub(crate) async fn credit(&mut self) -> (u64, u32) {
        match self.next().await {
            Some((call, Frame::Credit(credit))) => (call, credit.items),
            other => panic!("expected credit, got {other:?}"),
        }
    }

    pub(crate) async fn cancel(&mut self) -> (u64, pb::CancelReason) {
        match self.next().await {
            Some((call, Frame::Cancel(cancel))) => (call, cancel.reason()),
            other => panic!("expected a cancel, got {other:?}"),
        }
    }

    /// The error that the host says before it closes.
    pub(crate) async fn goodbye(&mut self) -> Error {
        loop {
            match self.next().await {
                Some((0, Frame::Error(error))) => return Error::from_proto(error),
                Some(_) => {}
                None => panic!("the host closed without a word"),
            }
        }
    }

    pub(crate) async fn send(&mut self, frames: impl IntoIterator<Item = pb::ProviderFrame>) {
        let message = pb::AttachRequest { frames: frames.into_iter().collect() };
        match &mut self.wire {
            Wire::Link(_) => {
                let bytes = message.encode_to_vec();
                let length = u32::try_from(bytes.len()).unwrap();
                self.write(&[&length.to_be_bytes()[..], &bytes].concat()).await;
            }
            Wire::Attach { sender, .. } => sender.send(from_attach_message(message)).await.unwrap(),
        }
    }

    /// Raw bytes on a link.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Link(stream) => stream.write_all(bytes).await.unwrap(),
            Wire::Attach { .. } => panic!("bytes are for the link"),
        }
    }
}
