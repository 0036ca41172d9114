//! Lives with the host: registers, opens a plane, keeps the lease, carries out changes, comes back after a loss, leaves in the end.
//! Runs no calls: see `calls`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tonic::transport::Channel;

use crate::bearer::Bearer;
use crate::client::Client;
use crate::error::{Category, Error};
use crate::generated::provider::v1::module_registry_client::ModuleRegistryClient;
use crate::generated::provider::v1::{
    Command, HeartbeatRequest, ProviderInfo, RegisterRequest, RegisterResponse, UnregisterRequest,
};
use crate::provider::backoff::Backoff;
use crate::provider::calls::{Calls, Table};
use crate::provider::frames::Shared;
use crate::provider::handle::{Change, ProviderHandle, Stop, What};
use crate::provider::plane::{Connection, Event};
use crate::provider::settings::{Plane, Settings};
use crate::provider::unary::{Identity, UnaryServer};
use crate::provider::{Task, announce, attach, link};

/// Version of the protocol that this SDK speaks.
const PROTOCOL_VERSION: u32 = 1;
/// How long the host may take to answer a registration or a farewell.
const RPC_TIMEOUT: Duration = Duration::from_secs(10);
/// A session that lived so long was healthy: the next loss begins a new series of attempts.
const HEALTHY: Duration = Duration::from_secs(5);
/// What a host may ask for that names no interval or limit.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(5);
const DEFAULT_MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Events that may wait; there are never more than a few.
const EVENTS: usize = 8;

/// Serves until told to stop, through as many sessions as it takes.
pub(crate) async fn run(
    settings: Settings,
    calls: Arc<Calls>,
    changes: mpsc::Receiver<Change>,
    stop: watch::Receiver<Stop>,
    handle: ProviderHandle,
) -> Result<(), Error> {
    let mut provider = Keeper { settings, calls, changes, stop, handle, token: String::new(), bearer: Bearer::live() };
    let mut backoff = Backoff::default();
    let mut outage_told = false;
    loop {
        let channel = tokio::select! {
            biased;
            () = stopped(provider.stop.clone(), Stop::Drain) => return Ok(()),
            channel = provider.settings.host.connect(&provider.settings.tls) => channel,
        };
        let opened = match channel {
            // Once the host may know the session, a stop waits, so that the provider leaves in the orderly way.
            Ok(channel) => tokio::select! {
                biased;
                () = stopped(provider.stop.clone(), Stop::Now) => return Ok(()),
                opened = provider.open(channel) => opened,
            },
            Err(error) => Err(error),
        };
        let wait = match opened {
            Ok(session) => {
                outage_told = false;
                let since = Instant::now();
                provider.tell_ready(&session);
                let end = provider.serve(session).await;
                if since.elapsed() >= HEALTHY {
                    backoff.reset();
                }
                match end {
                    End::Stopped => return Ok(()),
                    End::Reregister => Duration::ZERO,
                    End::Lost(error) => {
                        announce(&format!("lost the host: {error}; trying again"));
                        outage_told = true;
                        backoff.next(error.retry_after())
                    }
                    End::HostDrains => {
                        announce("the host stops; trying again until it is back");
                        outage_told = true;
                        backoff.next(None)
                    }
                }
            }
            Err(error) if passes(&error) => {
                if !outage_told {
                    announce(&format!("{error}; trying again"));
                    outage_told = true;
                }
                backoff.next(error.retry_after())
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            biased;
            () = stopped(provider.stop.clone(), Stop::Drain) => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What outlives the sessions.
struct Keeper {
    settings: Settings,
    calls: Arc<Calls>,
    changes: mpsc::Receiver<Change>,
    stop: watch::Receiver<Stop>,
    handle: ProviderHandle,
    /// Token of the last session: proves the owner of the names when the provider comes back.
    token: String,
    /// The same, as nested calls send it.
    bearer: Bearer,
}

/// One registration and its connection.
struct Session {
    channel: Channel,
    client: ModuleRegistryClient<Channel>,
    id: String,
    connection: Connection,
    /// The planes and the address that the registration named.
    planes: Vec<Plane>,
    events: mpsc::Receiver<Event>,
    events_tx: mpsc::Sender<Event>,
    heartbeat: Task<()>,
}

/// Why a session is over.
enum End {
    Stopped,
    Reregister,
    HostDrains,
    Lost(Error),
}

impl Keeper {
    async fn open(&mut self, channel: Channel) -> Result<Session, Error> {
        // Nested calls share the connection of the session.
        self.calls.connect(Client::over(channel.clone(), self.bearer.clone()));
        if self.settings.plane == Some(Plane::Unary) {
            return self.open_unary(channel).await;
        }
        let planes = match self.settings.plane {
            Some(plane) => vec![plane],
            None => vec![Plane::Link, Plane::Attach],
        };
        let mut client = ModuleRegistryClient::new(channel.clone());
        let response = self.register(&mut client, &self.calls.table(), &planes, "").await?;
        client = limited(client, &response);
        let (events_tx, events) = mpsc::channel(EVENTS);
        match self.connect(&channel, &response, &planes, &events_tx).await {
            Ok(connection) => {
                let heartbeat = heartbeat(client.clone(), &response, events_tx.clone());
                let id = response.session_id;
                Ok(Session { channel, client, id, connection, planes, events, events_tx, heartbeat })
            }
            // What stands between cannot carry the stream; the host may still be able to call back.
            Err(error) if self.settings.plane.is_none() && error.category() == Category::Unsupported => {
                self.open_unary(channel).await
            }
            Err(error) => Err(error),
        }
    }

    async fn open_unary(&mut self, channel: Channel) -> Result<Session, Error> {
        let server = UnaryServer::start(self.identity(), Arc::clone(&self.calls), self.handle.clone()).await?;
        let planes = vec![Plane::Unary];
        let mut client = ModuleRegistryClient::new(channel.clone());
        let response = self.register(&mut client, &self.calls.table(), &planes, server.url()).await?;
        server.limit(max_message(&response));
        let (events_tx, events) = mpsc::channel(EVENTS);
        let heartbeat = heartbeat(client.clone(), &response, events_tx.clone());
        let (id, connection) = (response.session_id, Connection::Unary(server));
        Ok(Session { channel, client, id, connection, planes, events, events_tx, heartbeat })
    }

    /// The first of the planes that works: link, then attach.
    async fn connect(
        &self,
        channel: &Channel,
        response: &RegisterResponse,
        planes: &[Plane],
        events: &mpsc::Sender<Event>,
    ) -> Result<Connection, Error> {
        let max_message = max_message(response);
        let token = &response.session_token;
        let shared = |plane| Shared::new(Arc::clone(&self.calls), plane, events.clone(), max_message);
        let attach_allowed = planes.contains(&Plane::Attach);
        if planes.contains(&Plane::Link) {
            let opened = match &response.link {
                Some(endpoint) => link::open(endpoint, token, shared(Plane::Link), max_message).await,
                None => Err(Error::new(Category::Unsupported, "client.link.absent", "the host offers no link")
                    .with_hint("unset MODRACK_PLANE for the fastest plane that works")),
            };
            match opened {
                Ok(framed) => return Ok(Connection::Framed(Plane::Link, framed)),
                Err(error) if attach_allowed => tracing::debug!("no link: {error}"),
                Err(error) => return Err(error),
            }
        }
        let framed = attach::open(channel.clone(), token, shared(Plane::Attach), max_message).await?;
        Ok(Connection::Framed(Plane::Attach, framed))
    }

    async fn register(
        &mut self,
        client: &mut ModuleRegistryClient<Channel>,
        modules: &Table,
        planes: &[Plane],
        service_url: &str,
    ) -> Result<RegisterResponse, Error> {
        let identity = self.identity();
        let mut specs: Vec<_> = modules.values().map(|module| module.to_wire()).collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        let mut request = tonic::Request::new(RegisterRequest {
            service_id: identity.service_id,
            namespace: identity.namespace,
            group_id: self.settings.group_id.clone(),
            modules: specs,
            service_url: service_url.to_owned(),
            protocol_version: PROTOCOL_VERSION,
            planes: planes.iter().map(|plane| plane.to_wire().into()).collect(),
            credential: self.settings.credential().await?,
            session_token: self.token.clone(),
            partial: false,
            allow_breaking: self.settings.allow_breaking,
            lifecycle: !service_url.is_empty(),
            info: Some(identity.info),
        });
        request.set_timeout(RPC_TIMEOUT);
        let answer = client.register(request).await;
        let response = answer.map_err(|status| hinted(Error::from_status(&status)))?.into_inner();
        // All or nothing was asked for, so a single refusal is that of the registration.
        if let Some(refused) = response.results.iter().find(|result| !result.accepted) {
            let error = refused.error.clone().map(Error::from_wire);
            return Err(error
                .unwrap_or_else(|| {
                    Error::new(
                        Category::Internal,
                        "client.answer.invalid",
                        "the host refused a module without a reason",
                    )
                })
                .with_detail("module", &refused.name));
        }
        self.token.clone_from(&response.session_token);
        self.bearer.set(&self.token);
        Ok(response)
    }

    fn tell_ready(&self, session: &Session) {
        let count = self.calls.table().len();
        let modules = if count == 1 { "module" } else { "modules" };
        announce(&format!(
            "provider {} ready: {count} {modules} over {} at {}",
            self.settings.namespace,
            session.connection.plane().as_str(),
            self.settings.host
        ));
    }

    async fn serve(&mut self, mut session: Session) -> End {
        loop {
            tokio::select! {
                biased;
                () = stopped(self.stop.clone(), Stop::Drain) => return self.leave(session).await,
                event = session.events.recv() => match event {
                    Some(Event::DrainCommand) => return self.leave(session).await,
                    Some(Event::Reregister) => {
                        session.connection.close().await;
                        return End::Reregister;
                    }
                    Some(Event::HostDrains(grace)) => {
                        let grace = if grace.is_zero() { self.settings.grace } else { grace };
                        self.finish_calls(grace).await;
                        session.connection.close().await;
                        return End::HostDrains;
                    }
                    Some(Event::Lost(error)) => {
                        session.connection.close().await;
                        return End::Lost(error);
                    }
                    // The session itself holds a sender.
                    None => return End::Lost(Error::new(Category::Unavailable, "client.connection.lost", "no events any more")),
                },
                Some(change) = self.changes.recv() => self.carry_out(change, &mut session).await,
            }
        }
    }

    /// Registers the changed modules. New ones can be called before the host says so, removed ones until it has said so.
    async fn carry_out(&mut self, change: Change, session: &mut Session) {
        let before = self.calls.table();
        let outcome = match changed(&before, change.what) {
            Ok(after) => {
                let mut both = Table::clone(&before);
                both.extend(after.iter().map(|(name, module)| (name.clone(), Arc::clone(module))));
                self.calls.set_table(Arc::new(both));
                let outcome = self.replace(&after, session).await;
                self.calls.set_table(if outcome.is_ok() { Arc::new(after) } else { before });
                outcome
            }
            Err(error) => Err(error),
        };
        // Who asked may have gone.
        drop(change.done.send(outcome));
    }

    async fn replace(&mut self, modules: &Table, session: &mut Session) -> Result<(), Error> {
        let url = match &session.connection {
            Connection::Unary(server) => server.url().to_owned(),
            Connection::Framed(..) => String::new(),
        };
        let planes = session.planes.clone();
        let response = self.register(&mut session.client, modules, &planes, &url).await?;
        if response.session_id != session.id {
            // The host began a new session, which needs a connection of its own; until then the old one serves.
            if !matches!(session.connection, Connection::Unary(_)) {
                let connection = self.connect(&session.channel, &response, &planes, &session.events_tx).await?;
                // Its calls are of the old revision: let them finish.
                let old = std::mem::replace(&mut session.connection, connection);
                let (calls, grace) = (Arc::clone(&self.calls), self.settings.grace);
                tokio::spawn(async move {
                    drop(tokio::time::timeout(grace, calls.idle()).await);
                    old.close().await;
                });
            }
            session.id.clone_from(&response.session_id);
        }
        session.heartbeat = heartbeat(session.client.clone(), &response, session.events_tx.clone());
        Ok(())
    }

    /// The names go at once; what runs is answered; then the connection closes.
    async fn leave(&mut self, mut session: Session) -> End {
        let mut request = tonic::Request::new(UnregisterRequest { session_token: self.token.clone() });
        request.set_timeout(RPC_TIMEOUT);
        tokio::select! {
            answer = session.client.unregister(request) => {
                if let Err(status) = answer {
                    tracing::debug!("the host did not hear that the provider leaves: {}", status.message());
                }
            }
            () = stopped(self.stop.clone(), Stop::Now) => {}
        }
        session.connection.drain().await;
        self.finish_calls(self.settings.grace).await;
        session.connection.close().await;
        End::Stopped
    }

    async fn finish_calls(&self, grace: Duration) {
        tokio::select! {
            () = self.calls.idle() => {}
            () = stopped(self.stop.clone(), Stop::Now) => {}
            () = tokio::time::sleep(grace) => {
                tracing::warn!(running = self.calls.running(), "the grace is over; cancelling what still runs");
            }
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            service_id: self.settings.service_id.clone(),
            namespace: self.settings.namespace.clone(),
            info: ProviderInfo {
                language: "rust".to_owned(),
                sdk: concat!("modrack-rust ", env!("CARGO_PKG_VERSION")).to_owned(),
                pid: std::process::id(),
            },
        }
    }
}

/// What to do about a refused registration, where the author can do something.
fn hinted(error: Error) -> Error {
    let hint = match error.code() {
        "registry.namespace.owned" => {
            "somebody else serves the namespace; replicas of one service share MODRACK_GROUP_ID"
        }
        "registry.namespace.reserved" => {
            "`std`, `stdlib` and what is below them are the host's: choose another namespace"
        }
        "registry.namespace.denied" => "the credential in MODRACK_CREDENTIAL_FILE is for other namespaces",
        "registry.credential.refused" => "MODRACK_CREDENTIAL_FILE names the file with a credential that the host knows",
        "registry.schema.incompatible" => {
            "a replacement may widen its input and narrow its output; `Provider::allow_breaking` permits the rest"
        }
        "registry.group.schema_mismatch" => "the members of a group serve identical types: stop the old ones first",
        "registry.plane.unsupported" => "unset MODRACK_PLANE for the fastest plane that works",
        _ => return error,
    };
    error.with_hint(hint)
}

/// Whether an attempt may succeed later without anybody's doing.
fn passes(error: &Error) -> bool {
    error.retryable()
        || matches!(error.category(), Category::Unavailable | Category::DeadlineExceeded | Category::RateLimited)
}

fn changed(before: &Table, what: What) -> Result<Table, Error> {
    let mut after = before.clone();
    match what {
        What::Put(module) => {
            after.insert(module.name.clone(), module);
        }
        What::Remove(name) => {
            if after.remove(&name).is_none() {
                let message = format!("the provider has no module `{name}`");
                return Err(Error::new(Category::NotFound, "registry.module.unknown", message));
            }
            if after.is_empty() {
                return Err(Error::new(
                    Category::InvalidArgument,
                    "registry.registration.empty",
                    "a provider keeps at least one module",
                )
                .with_hint("stop the provider instead"));
            }
        }
    }
    Ok(after)
}

/// Renews the lease until the session ends.
fn heartbeat(
    mut client: ModuleRegistryClient<Channel>,
    response: &RegisterResponse,
    events: mpsc::Sender<Event>,
) -> Task<()> {
    let or_default = |ms: u32, default| if ms == 0 { default } else { Duration::from_millis(ms.into()) };
    let interval = or_default(response.heartbeat_interval_ms, DEFAULT_HEARTBEAT);
    let lease = or_default(response.lease_ms, interval * 3);
    let token = response.session_token.clone();
    Task(tokio::spawn(async move {
        let mut renewed = Instant::now();
        let mut backoff = Backoff::default();
        let mut wait = interval;
        loop {
            tokio::time::sleep(wait).await;
            let mut request = tonic::Request::new(HeartbeatRequest { session_token: token.clone() });
            request.set_timeout(lease);
            let event = match client.heartbeat(request).await {
                Ok(answer) => {
                    renewed = Instant::now();
                    backoff.reset();
                    wait = interval;
                    let commands: Vec<_> = answer.into_inner().commands().collect();
                    if commands.contains(&Command::Drain) {
                        Some(Event::DrainCommand)
                    } else if commands.contains(&Command::Reregister) {
                        Some(Event::Reregister)
                    } else {
                        None
                    }
                }
                Err(status) => {
                    let error = Error::from_status(&status);
                    wait = backoff.next(error.retry_after()).min(interval);
                    if !passes(&error) {
                        // The host is there and does not know the session.
                        Some(Event::Reregister)
                    } else if renewed.elapsed() >= lease {
                        Some(Event::Lost(error))
                    } else {
                        None
                    }
                }
            };
            if let Some(event) = event {
                // Whatever it is, the session acts on it and ends this task, or has ended already.
                drop(events.send(event).await);
                return;
            }
        }
    }))
}

async fn stopped(mut stop: watch::Receiver<Stop>, wanted: Stop) {
    if stop.wait_for(|stop| *stop >= wanted).await.is_err() {
        // Nobody is left who could stop the provider.
        std::future::pending::<()>().await;
    }
}

fn limited(client: ModuleRegistryClient<Channel>, response: &RegisterResponse) -> ModuleRegistryClient<Channel> {
    let max = max_message(response);
    client.max_decoding_message_size(max).max_encoding_message_size(max)
}

fn max_message(response: &RegisterResponse) -> usize {
    match response.max_message_bytes {
        0 => DEFAULT_MAX_MESSAGE,
        max => usize::try_from(max).unwrap_or(usize::MAX),
    }
}
