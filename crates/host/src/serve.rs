//! Puts the parts together, runs them, and takes them down in order. Decides nothing else.
//!
//! Shutdown: health says NOT_SERVING and listening stops; watches end; runs of pipelines end; where there are components, calls are
//! answered and then the components are drained and stopped; calls that still run are answered while their providers are told to
//! drain; then the connections, the executor and the registry end. Each step is bounded.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use executor::End;
use protocol::dial::Dialer;
use protocol::generated::FILE_DESCRIPTOR_SET;
use protocol::generated::host::v1::host_server::HostServer;
use protocol::generated::provider::v1::module_registry_server::ModuleRegistryServer;
use protocol::generated::provider::v1::{LinkEndpoint, link_endpoint};
use protocol::{Error, codes};
use registry::{EndReason, SessionEvent};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::access::{Access, AccessLayer};
use crate::admission::Admission;
use crate::coded::CodedLayer;
use crate::components::{self, Admitted, Components, Facts, Keeper, Offers, Staging};
use crate::config::Config;
use crate::credentials::dialer;
use crate::http::Http;
use crate::http::front::Front;
use crate::link::LinkListener;
use crate::listen::{Door, Listener};
use crate::middleware::{self, Middleware};
use crate::pipelines::{self, Pipelines};
use crate::surface::client::ClientSurface;
use crate::surface::provider::ProviderSurface;
use crate::telemetry::Telemetry;
use crate::tls::{self, TlsFault};

/// Where the host listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC over TCP.
    pub listen: Option<SocketAddr>,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// gRPC over a Unix socket.
    pub socket: Option<PathBuf>,
    /// The link.
    pub link: Option<PathBuf>,
}

/// A host that accepts connections, as the process that started it sees it.
#[derive(Clone)]
pub struct Running {
    /// Where it listens.
    pub addresses: Addresses,
    /// What is registered.
    pub registry: registry::Handle,
    /// Calls modules without a connection.
    pub executor: executor::Handle,
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let listen = self.listen.map(|address| format!("{scheme}://{address}"));
        let socket = self.socket.as_ref().map(|path| format!("unix:{}", path.display()));
        let link = self.link.as_ref().map(|path| format!("link {}", path.display()));
        f.write_str(&[listen, socket, link].into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Why the host could not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process has the address, or it cannot be bound.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// As configured.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory cannot be made.
    #[error("cannot make the data directory `{path}`")]
    DataDirectory {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate or the key cannot be used any more.
    #[error("TLS cannot be served: {0}")]
    Tls(#[from] TlsFault),
    /// The CA of providers cannot be read any more.
    #[error("`unary.ca_file` cannot be read")]
    Dialer {
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither an address nor a socket is configured.
    #[error("neither `listen` nor `socket` is set: nobody could reach the host")]
    NoAddress,
    /// The gRPC server failed.
    #[error("the gRPC server failed")]
    Server(#[source] tonic::transport::Error),
    /// A part of the host ended before the shutdown: a fault of the host, of which its log says more.
    #[error("a part of the host ended by itself")]
    Ended,
    /// The endpoint for spans cannot be used.
    #[error("spans cannot be sent to `telemetry.otlp_endpoint`")]
    Telemetry(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The descriptors of the services do not parse: a fault of the build.
    #[error("the service descriptors cannot be served")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// Runs the host until `shutdown`; then drains within `timeouts.drain_ms` and a few seconds. Tells `ready` once it accepts
/// connections.
///
/// # Errors
/// When it cannot start; nothing is left behind then.
pub async fn serve(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
    ready: oneshot::Sender<Running>,
) -> Result<(), ServeError> {
    config.create_data_dir().map_err(|source| ServeError::DataDirectory { path: config.data_dir.clone(), source })?;
    let config = Arc::new(config);
    let door = door(&config)?;
    let dialer = dialer(&config).map_err(|source| ServeError::Dialer { source })?;
    warn_of_gaps(&config);
    let telemetry = Telemetry::start(&config.telemetry).map_err(ServeError::Telemetry)?;
    let (listeners, mut addresses) = listen(&config).await?;
    let link = config.link.address().map(|path| bind_link(path)).transpose()?;
    addresses.link = config.link.address().cloned();

    let (registry_service, registry, session_events) = registry::Service::new(registry_options(&config));
    let (executor_service, executor, executor_events) =
        executor::Service::new(executor_options(&config, dialer.clone()), registry.clone());
    let (supervisor_service, supervisor, requests) =
        supervisor::Service::new(supervisor_options(&config, &addresses), config.components.all.clone());
    let offers = Offers { endpoint: components::host_address(&addresses) };
    let (keeper_of_components, facts) =
        Keeper::new(requests, supervisor.clone(), registry.clone(), executor.clone(), offers);
    let admitted = keeper_of_components.admitted();
    let components = Components { supervisor, staging: Arc::new(Staging::new(config.staging.clone())) };
    let admission = Admission { registry: registry.clone(), executor: executor.clone(), facts: facts.clone() };
    let running = Running { addresses: addresses.clone(), registry: registry.clone(), executor: executor.clone() };

    // One token per step of the shutdown.
    let [accepting, watching, supervising, routing, registering] = std::array::from_fn(|_| CancellationToken::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(registry_service.run(registering.clone().cancelled_owned()));
    tasks.spawn(executor_service.run(routing.clone().cancelled_owned()));
    // Two tasks, so that neither direction waits for the other.
    tasks.spawn(follow_sessions(executor.clone(), facts, session_events, config.timeouts.drain));
    tasks.spawn(follow_connections(registry.clone(), executor_events));
    if let Some(link) = link {
        tasks.spawn(link.run(admission.clone(), config.limits.connections, config.timeouts.hello, accepting.clone()));
    }

    let (health, health_service) = tonic_health::server::health_reporter();
    for service in ["", "modrack.host.v1.Host", "modrack.provider.v1.ModuleRegistry"] {
        health.set_service_status(service, tonic_health::ServingStatus::Serving).await;
    }
    let access = AccessLayer::new(Access::new(&config, registry.clone(), admitted.clone()));
    let options = pipelines::Options::of(&config);
    let chain =
        middleware::Options { order: config.middleware.chain.clone(), audit_queue: config.middleware.audit_queue };
    let (middleware, audits) =
        Middleware::new(components.supervisor.clone(), registry.clone(), telemetry.clone(), chain);
    let auditing = CancellationToken::new();
    let mut auditors = JoinSet::new();
    auditors.spawn(audits.run(auditing.clone()));
    let started = Pipelines::start(registry.clone(), executor.clone(), telemetry.clone(), middleware.clone(), options);
    let (pipelines, keeper) = started.await.map_err(|_| ServeError::Ended)?;
    tasks.spawn(keeper.run());
    let client = Arc::new(ClientSurface {
        registry: registry.clone(),
        executor: executor.clone(),
        middleware,
        default_timeout: config.timeouts.call,
        max_timeout: config.timeouts.max_call,
        message_bytes: config.limits.message_bytes,
        telemetry: telemetry.clone(),
        pipelines: pipelines.clone(),
        components,
        stop: watching.clone(),
    });
    let grpc = routes(&config, &addresses, dialer, admission, admitted, Arc::clone(&client), health_service)?;
    let secured = !config.clients.is_empty();
    let front = Front { grpc, http: Arc::new(Http::new(client, door.clone(), secured, accepting.clone())) };
    let mut servers = JoinSet::new();
    for listener in listeners {
        let server = Server::builder()
            .layer(CodedLayer)
            .layer(access.clone())
            .http2_keepalive_interval(Some(config.timeouts.ping))
            .http2_keepalive_timeout(Some(config.timeouts.ping))
            .tcp_nodelay(true)
            .accept_http1(true);
        let incoming = listener.incoming(door.clone());
        let ends = accepting.clone().cancelled_owned();
        servers.spawn(server.serve_with_incoming_shutdown(front.clone(), incoming, ends));
    }
    // After the listeners, so that components find the host.
    tasks.spawn(keeper_of_components.run(registering.clone()));
    let mut supervision = JoinSet::new();
    supervision.spawn(supervisor_service.run(supervising.clone().cancelled_owned()));
    tracing::info!("serving on {addresses}");
    // Who started the host may not care where it listens.
    let _uninterested = ready.send(running).is_err();

    let failed = tokio::select! {
        () = shutdown => None,
        Some(ended) = servers.join_next() => Some(match ended {
            Ok(Err(error)) => ServeError::Server(error),
            Ok(Ok(())) | Err(_) => ServeError::Ended,
        }),
        // Without one of them the host would listen and answer nothing.
        Some(_) = tasks.join_next() => Some(ServeError::Ended),
        Some(_) = supervision.join_next() => Some(ServeError::Ended),
    };

    tracing::info!("shutting down: draining for at most {:?}", config.timeouts.drain);
    health.set_not_serving::<HostServer<ClientSurface>>().await;
    for service in ["", "modrack.provider.v1.ModuleRegistry"] {
        health.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
    }
    accepting.cancel();
    watching.cancel();
    // Runs call modules until they end, so that only then the providers are told that no calls come.
    let until = tokio::time::Instant::now() + config.timeouts.drain;
    pipelines.runs.close(config.timeouts.drain).await;
    let margin = Duration::from_secs(3);
    if !config.components.all.is_empty() {
        // Calls may ask components until they end; the components' own drain is for what they are asked then.
        idle(&executor, until).await;
        // What is over is audited while there are components to tell.
        auditing.cancel();
        finish(&mut auditors, margin, "audits").await;
        supervising.cancel();
        let longest = components::longest_stop(&config.components.all) + margin;
        finish(&mut supervision, longest, "components").await;
    }
    supervising.cancel();
    auditing.cancel();
    routing.cancel();
    finish(&mut servers, config.timeouts.drain + margin, "gRPC connections").await;
    registering.cancel();
    finish(&mut supervision, margin, "the supervisor").await;
    finish(&mut auditors, margin, "audits").await;
    finish(&mut tasks, margin, "services").await;
    telemetry.stop(margin).await;
    tracing::info!("stopped");
    failed.map_or(Ok(()), Err)
}

async fn listen(config: &Config) -> Result<(Vec<Listener>, Addresses), ServeError> {
    let mut listeners = Vec::new();
    let mut addresses = Addresses { listen: None, tls: config.tls.is_some(), socket: None, link: None };
    if let Some(address) = config.listen {
        let (listener, bound) = Listener::tcp(address)
            .await
            .map_err(|source| ServeError::Listen { address: address.to_string(), source })?;
        listeners.push(listener);
        addresses.listen = Some(bound);
    }
    if let Some(path) = config.socket.clone() {
        let listener = Listener::unix(&path)
            .map_err(|source| ServeError::Listen { address: path.display().to_string(), source })?;
        listeners.push(listener);
        addresses.socket = Some(path);
    }
    if listeners.is_empty() { Err(ServeError::NoAddress) } else { Ok((listeners, addresses)) }
}

fn door(config: &Config) -> Result<Door, TlsFault> {
    let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
    Ok(Door::new(config.limits.connections, config.timeouts.hello, tls.map(Into::into)))
}

fn warn_of_gaps(config: &Config) {
    for path in config.exposed_files() {
        tracing::warn!(path = %path.display(), "everybody on this machine can read a secret of the host: `chmod o-r` it");
    }
    if config.providers.is_empty() && !config.clients.is_empty() {
        tracing::warn!(
            "`[[clients]]` without `[[providers]]`: whoever registers a provider can call by its session token"
        );
    }
}

fn bind_link(path: &std::path::Path) -> Result<LinkListener, ServeError> {
    LinkListener::bind(path).map_err(|source| ServeError::Listen { address: path.display().to_string(), source })
}

fn registry_options(config: &Config) -> registry::Options {
    registry::Options {
        lease: config.timeouts.lease,
        attach_timeout: config.timeouts.attach,
        drain_grace: config.timeouts.drain,
        limits: registry::Limits {
            sessions: config.limits.sessions,
            sessions_per_subject: config.limits.sessions_per_subject,
            modules_per_provider: config.limits.modules_per_provider,
            ..registry::Limits::default()
        },
        ..registry::Options::default()
    }
}

fn executor_options(config: &Config, dialer: Dialer) -> executor::Options {
    executor::Options {
        dialer,
        message_bytes: config.limits.message_bytes,
        in_flight_per_provider: config.limits.in_flight_per_provider,
        queued_per_provider: config.limits.queued_per_provider,
        drain_timeout: config.timeouts.drain,
        cache_bytes: config.pipelines.cache_bytes as u64,
        caches: config
            .pipelines
            .caches
            .iter()
            .map(|cache| executor::NamedCache { name: cache.name.clone(), max_bytes: cache.max_bytes as u64 })
            .collect(),
        ..executor::Options::default()
    }
}

fn supervisor_options(config: &Config, addresses: &Addresses) -> supervisor::Options {
    let host_version = env!("CARGO_PKG_VERSION").to_owned();
    let address = components::host_address(addresses);
    let options = supervisor::Options::new(config.data_dir.clone(), components::shim_command(), address.clone());
    supervisor::Options { host_version, node_id: address, ..options }
}

fn routes(
    config: &Arc<Config>,
    addresses: &Addresses,
    dialer: Dialer,
    admission: Admission,
    admitted: Admitted,
    client: Arc<ClientSurface>,
    health: impl tonic::codegen::Service<
        http::Request<tonic::body::Body>,
        Response = http::Response<tonic::body::Body>,
        Error = std::convert::Infallible,
        Future: Send + 'static,
    > + tonic::server::NamedService
    + Clone
    + Send
    + Sync
    + 'static,
) -> Result<Routes, ServeError> {
    let bytes = config.limits.message_bytes;
    let link = addresses
        .link
        .as_ref()
        .map(|path| LinkEndpoint { address: Some(link_endpoint::Address::UnixPath(path.display().to_string())) });
    let provider = ProviderSurface { admission, config: Arc::clone(config), admitted, dialer, link };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;
    let mut routes = Routes::builder();
    routes
        .add_service(HostServer::from_arc(client).max_decoding_message_size(bytes).max_encoding_message_size(bytes))
        .add_service(
            ModuleRegistryServer::new(provider).max_decoding_message_size(bytes).max_encoding_message_size(bytes),
        )
        .add_service(health)
        .add_service(reflection);
    Ok(routes.routes())
}

/// Tells the executor which sessions drain or are over.
async fn follow_sessions(
    executor: executor::Handle,
    facts: Facts,
    mut sessions: registry::SessionEvents,
    grace: Duration,
) {
    while let Some(event) = sessions.next().await {
        if let SessionEvent::Ended { session, .. } = &event {
            facts.ended(*session).await;
        }
        match event {
            SessionEvent::Drain { session, grace } => executor.end(session, End::Drain(grace)).await,
            SessionEvent::Ended { session, reason: EndReason::Unregistered } => {
                executor.end(session, End::Drain(grace)).await;
            }
            SessionEvent::Ended { session, reason } => {
                let message = format!("the session of the provider ended: {reason}");
                executor.end(session, End::Fail(Error::of(codes::PROVIDER_LOST, message))).await;
            }
        }
    }
}

/// Tells the registry which connections are gone.
async fn follow_connections(registry: registry::Handle, mut connections: mpsc::UnboundedReceiver<executor::Event>) {
    while let Some(event) = connections.recv().await {
        match event {
            executor::Event::Lost { session, error } => {
                tracing::info!(%session, %error, "a provider is lost");
                registry.disconnect(session);
            }
            executor::Event::Closed { session } => registry.disconnect(session),
            executor::Event::ProviderDrains { session } => {
                if let Err(error) = registry.provider_drain(session).await {
                    tracing::warn!(%session, %error, "a provider that drains is still routed");
                }
            }
        }
    }
}

/// Waits until no call is with a provider, at most until a moment.
async fn idle(executor: &executor::Handle, until: tokio::time::Instant) {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let idle = async {
        while executor.counted().iter().any(|counted| counted.in_flight > 0) {
            look.tick().await;
        }
    };
    if tokio::time::timeout_at(until, idle).await.is_err() {
        tracing::warn!("calls run on while the components are stopped");
    }
}

async fn finish<T: 'static>(tasks: &mut JoinSet<T>, within: Duration, what: &str) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(within, all).await.is_err() {
        tracing::warn!(left = tasks.len(), "{what} did not end in time");
        tasks.shutdown().await;
    }
}
