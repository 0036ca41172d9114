//! `ModuleRegistry`: how providers come, stay and go. The rules are the registry's.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use executor::AttachIo;
use futures::{Stream, StreamExt as _};
use protocol::dial::Dialer;
use protocol::frame::{from_attach_message, to_attach_message};
use protocol::generated::provider::v1 as pb;
use protocol::generated::provider::v1::module_registry_server::ModuleRegistry;
use protocol::{DataPlane, Error, PROTOCOL_VERSION, Registration, SessionToken, codes};
use registry::{Command, Heartbeat, ModuleOutcome, Refused, Registered};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::admission::Admission;
use crate::components::Admitted;
use crate::config::Config;
use crate::credentials::{Registrant, authenticate, check_address};
use crate::link::hello_of;

/// The service for providers.
pub(crate) struct ProviderSurface {
    pub(crate) admission: Admission,
    pub(crate) config: Arc<Config>,
    /// Which components may register.
    pub(crate) admitted: Admitted,
    /// Where the host would connect to.
    pub(crate) dialer: Dialer,
    /// Where the link listens, if it does.
    pub(crate) link: Option<pb::LinkEndpoint>,
}

type AttachStream = Pin<Box<dyn Stream<Item = Result<pb::AttachResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ModuleRegistry for ProviderSurface {
    type AttachStream = AttachStream;

    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::RegisterResponse>, Status> {
        let registration = Registration::from_proto(request.into_inner())?;
        let registrant = authenticate(&self.config, &self.admitted, &registration)?;
        check_address(&self.dialer, &registration)?;
        let link = registration.reach.link.then(|| self.link.clone()).flatten();
        let service = registration.service_id.clone();
        let namespace = registration.namespace.clone();
        match self.admission.registry.register(registration, registrant.subject()).await {
            Ok(registered) => {
                // Before the provider has the token, so that it is the component's from the first use on.
                if let Registrant::Component(start) = registrant {
                    self.admission.facts.registered(registered.session, start, registered.ready).await?;
                }
                let (session, modules) = (registered.session, registered.results.len());
                tracing::info!(%session, %service, %namespace, modules, callable = registered.ready, "session registered");
                Ok(Response::new(self.accepted(registered, link)))
            }
            Err(refused) => {
                let error = refusal(refused);
                tracing::info!(%service, %error, "a registration was refused");
                Err(error.into())
            }
        }
    }

    async fn heartbeat(
        &self,
        request: Request<pb::HeartbeatRequest>,
    ) -> Result<Response<pb::HeartbeatResponse>, Status> {
        let unknown = Heartbeat { lease: None, command: Some(Command::Reregister) };
        let heartbeat = match SessionToken::from_hex(&request.into_inner().session_token) {
            Some(token) => self.admission.registry.heartbeat(token).await?,
            None => unknown,
        };
        let command = heartbeat.command.map(|command| match command {
            Command::Drain => pb::Command::Drain.into(),
            Command::Reregister => pb::Command::Reregister.into(),
        });
        let lease_ms = heartbeat.lease.map(millis).unwrap_or_default();
        Ok(Response::new(pb::HeartbeatResponse { lease_ms, commands: command.into_iter().collect() }))
    }

    async fn unregister(
        &self,
        request: Request<pb::UnregisterRequest>,
    ) -> Result<Response<pb::UnregisterResponse>, Status> {
        let unknown = || Error::of(codes::SESSION_UNKNOWN, "the token is not that of a session");
        let token = SessionToken::from_hex(&request.into_inner().session_token).ok_or_else(unknown)?;
        let session = self.admission.registry.unregister(token).await?;
        let in_flight = self.admission.executor.load_of(session);
        Ok(Response::new(pb::UnregisterResponse { in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX) }))
    }

    async fn attach(&self, request: Request<Streaming<pb::AttachRequest>>) -> Result<Response<AttachStream>, Status> {
        let malformed = |status: Status| Error::from_status(&status, codes::FRAME_MALFORMED);
        let mut incoming = request
            .into_inner()
            .map(move |message| message.map_err(|status| broken(&status, malformed)).and_then(from_attach_message));
        let first = tokio::time::timeout(self.config.timeouts.hello, incoming.next())
            .await
            .map_err(|_| Error::of(codes::HELLO_MISSING, "no hello came in time"))?
            .ok_or_else(|| Error::of(codes::HELLO_MISSING, "the stream ended before a hello came"))??;
        let session = self.admission.find(hello_of(first)?).await?;
        // One message waits while gRPC sends another; what comes meanwhile travels together in the next.
        let (outgoing, messages) = mpsc::channel(1);
        self.admission.executor.adopt_attach(session.id, AttachIo { incoming, outgoing }).await?;
        self.admission.make_callable(session, DataPlane::Attach).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(messages).map(|frames| Ok(to_attach_message(frames))))))
    }
}

/// A stream that ends with a failure of the transport is lost; one that carries garbage is malformed.
fn broken(status: &Status, malformed: impl Fn(Status) -> Error) -> Error {
    match status.code() {
        tonic::Code::Internal | tonic::Code::OutOfRange => {
            let error = malformed(status.clone());
            Error::of(codes::FRAME_MALFORMED, error.message())
        }
        _ => Error::of(codes::PROVIDER_LOST, "the stream of the provider broke"),
    }
}

impl ProviderSurface {
    fn accepted(&self, registered: Registered, link: Option<pb::LinkEndpoint>) -> pb::RegisterResponse {
        let (lease, attach) = (registered.lease, registered.attach_timeout);
        pb::RegisterResponse {
            results: registered.results.into_iter().map(module_result).collect(),
            session_id: registered.session.to_string(),
            session_token: registered.token.expose_hex(),
            lease_ms: millis(lease),
            heartbeat_interval_ms: millis(self.config.timeouts.heartbeat),
            link,
            protocol_version: PROTOCOL_VERSION,
            max_message_bytes: u32::try_from(self.config.limits.message_bytes).unwrap_or(u32::MAX),
            attach_timeout_ms: millis(attach),
        }
    }
}

fn module_result(outcome: ModuleOutcome) -> pb::ModuleResult {
    match outcome.outcome {
        Ok(revision) => pb::ModuleResult { name: outcome.name, accepted: true, revision, error: None },
        Err(error) => {
            pb::ModuleResult { name: outcome.name, accepted: false, revision: 0, error: Some(error.to_proto()) }
        }
    }
}

/// The first fault, with every refused module in its details.
fn refusal(refused: Refused) -> Error {
    let aborted = codes::REGISTRATION_ABORTED.name;
    refused.results.into_iter().fold(refused.error, |error, outcome| match outcome.outcome {
        Err(fault) if fault.code() != aborted => error.detail(format!("module.{}", outcome.name), fault.to_string()),
        _ => error,
    })
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
