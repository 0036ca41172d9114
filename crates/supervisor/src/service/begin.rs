//! Begins one start of a component: its directory, its tokens, its port, its admission by the host, its process. Does not ask whether
//! it is ready; whatever fails here leaves nothing behind.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use middleware::HostCapability;
use protocol::codes;
use protocol::{Secret, SessionToken};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::command::Command;
use crate::config::{self, ComponentConfig, Http, Kind};
use crate::host::HostRequest;
use crate::http::{Client, headers};
use crate::line::{Line, Way};
use crate::options::Options;
use crate::output::Ring;
use crate::process::{self, Process, SpawnFault};
use crate::state::Fault;

use super::files::{Home, TokenFile};
use super::port;

/// How long the host may take to admit a component.
const ADMISSION: Duration = Duration::from_secs(5);

/// What the starts of one component have in common.
pub(super) struct Place {
    pub(super) id: Arc<str>,
    pub(super) config: Arc<ComponentConfig>,
    pub(super) options: Arc<Options>,
    pub(super) host: mpsc::Sender<HostRequest>,
    pub(super) ring: Ring,
    pub(super) home: Home,
}

/// One start that has begun.
pub(super) struct Begun {
    pub(super) process: Option<Arc<Process>>,
    pub(super) way: Asked,
    /// Where a process was told to listen, on a port that the host chose.
    pub(super) chosen: Option<SocketAddr>,
    pub(super) endpoint: String,
    pub(super) capabilities: Vec<HostCapability>,
    /// What the host adds to the configuration, for operators.
    pub(super) runtime: Map<String, Value>,
    /// The tokens; their files go with the start.
    _tokens: Tokens,
}

/// How it is asked.
pub(super) enum Asked {
    Http {
        client: Arc<Client>,
        line: Arc<Line>,
    },
    Command {
        command: Arc<Command>,
        line: Arc<Line>,
    },
    /// It registers by itself.
    Never,
}

#[derive(Default)]
pub(super) struct Tokens {
    /// From the host to the component.
    pub(super) auth: Option<TokenFile>,
    /// From the component to the host.
    pub(super) host: Option<TokenFile>,
}

/// Begins a start.
///
/// # Errors
/// Why it cannot begin.
pub(super) async fn begin(place: Arc<Place>, start: u64) -> Result<Begun, Fault> {
    place.home.prepare().map_err(|error| system(&place, &error))?;
    let mut tokens = Tokens::default();
    let begun = match place.admit(start, &mut tokens).await {
        Ok(capabilities) => match place.config.kind {
            Kind::HttpLocalJson => place.http(start, tokens, capabilities).await,
            Kind::LocalHttpJson => place.adapt(tokens, capabilities),
            Kind::GrpcLocal => place.provider(tokens, capabilities).await,
            Kind::CommandStdio => place.command(start, tokens, capabilities),
        },
        Err(fault) => Err(fault),
    };
    if begun.is_err() {
        place.revoke(start).await;
    }
    begun
}

fn system(place: &Place, error: &io::Error) -> Fault {
    Fault::new(codes::COMPONENT_SPAWN_FAILED, format!("the directory of `{}` cannot be prepared: {error}", place.id))
}

/// A configuration that was checked has all that its kind needs.
pub(super) fn missing(what: &str) -> Fault {
    Fault::new(codes::COMPONENT_SPAWN_FAILED, format!("`{what}` is missing from the configuration"))
}

impl Place {
    pub(super) fn is_provider(&self) -> bool {
        self.config.kind == Kind::GrpcLocal
    }

    /// A token for what the component may ask of the host. One that may ask nothing gets none.
    async fn admit(&self, start: u64, tokens: &mut Tokens) -> Result<Vec<HostCapability>, Fault> {
        if !self.is_provider() && self.config.capabilities.is_empty() {
            return Ok(Vec::new());
        }
        let refused =
            |why: String| Fault::new(codes::COMPONENT_SPAWN_FAILED, format!("the host did not admit it: {why}"));
        let token = Secret::new(SessionToken::random().expose_hex());
        let file = self.home.token("host", start, &token).map_err(|error| system(self, &error))?;
        let (reply, answer) = oneshot::channel();
        let request = HostRequest::Admit {
            id: Arc::clone(&self.id),
            start,
            token,
            grants: self.config.capabilities.clone(),
            namespaces: self.is_provider().then(|| self.config.module_id.clone()),
            reply,
        };
        let admission = async {
            self.host.send(request).await.map_err(|_| refused("it is shutting down".to_owned()))?;
            let answer = answer.await.map_err(|_| refused("it is shutting down".to_owned()))?;
            answer.map_err(|error| refused(error.to_string()))
        };
        let admitted = tokio::time::timeout(ADMISSION, admission).await;
        let mut capabilities = admitted.map_err(|_| refused("it did not answer".to_owned()))??;
        for capability in &mut capabilities {
            capability.token_file = file.text();
        }
        tokens.host = Some(file);
        Ok(capabilities)
    }

    /// The host forgets the token of a start.
    pub(super) async fn revoke(&self, start: u64) {
        if self.is_provider() || !self.config.capabilities.is_empty() {
            let request = HostRequest::Revoke { id: Arc::clone(&self.id), start };
            // A host that is gone has forgotten everything.
            let _gone = tokio::time::timeout(ADMISSION, self.host.send(request)).await.is_err();
        }
    }

    async fn http(&self, start: u64, mut tokens: Tokens, capabilities: Vec<HostCapability>) -> Result<Begun, Fault> {
        let http = self.config.http.as_ref().ok_or_else(|| missing("http"))?;
        let configured = self.endpoint(http)?;
        let address = port::choose(configured).await?;
        let token = Secret::new(SessionToken::random().expose_hex());
        tokens.auth = Some(self.home.token("auth", start, &token).map_err(|error| system(self, &error))?);
        let way = self.asked_by_http(http, address, Some(&token))?;
        let process = self.spawn(&tokens, &capabilities, Some(address)).await?;
        let mut runtime = self.runtime(&tokens);
        runtime.insert("bind".to_owned(), Value::from(address.to_string()));
        let chosen = (configured.port() == 0).then_some(address);
        let endpoint = format!("http://{address}");
        Ok(Begun { process: Some(process), way, chosen, endpoint, capabilities, runtime, _tokens: tokens })
    }

    fn adapt(&self, tokens: Tokens, capabilities: Vec<HostCapability>) -> Result<Begun, Fault> {
        let http = self.config.http.as_ref().ok_or_else(|| missing("http"))?;
        let address = self.endpoint(http)?;
        let token = match &self.config.auth.token_file {
            None => None,
            Some(file) => {
                Some(std::fs::read_to_string(file).map(|token| Secret::new(token.trim())).map_err(|error| {
                    let message = format!("its token file `{}` cannot be read: {error}", file.display());
                    Fault::new(codes::COMPONENT_INIT_FAILED, message)
                })?)
            }
        };
        let way = self.asked_by_http(http, address, token.as_ref())?;
        let runtime = self.runtime(&tokens);
        let endpoint = format!("http://{address}");
        Ok(Begun { process: None, way, chosen: None, endpoint, capabilities, runtime, _tokens: tokens })
    }

    async fn provider(&self, tokens: Tokens, capabilities: Vec<HostCapability>) -> Result<Begun, Fault> {
        let process = Some(self.spawn(&tokens, &capabilities, None).await?);
        let runtime = self.runtime(&tokens);
        let endpoint = String::new();
        Ok(Begun { process, way: Asked::Never, chosen: None, endpoint, capabilities, runtime, _tokens: tokens })
    }

    fn command(&self, start: u64, tokens: Tokens, capabilities: Vec<HostCapability>) -> Result<Begun, Fault> {
        let bounds = self.config.command.clone().unwrap_or_default();
        let command = Arc::new(Command {
            id: Arc::clone(&self.id),
            shim: self.options.shim.clone(),
            launch: self.launch(&tokens, &capabilities, None)?,
            permits: Semaphore::new(bounds.concurrency),
            max_bytes: bounds.max_response_bytes,
            ring: self.ring.clone(),
            start,
            sandbox: OnceLock::new(),
        });
        let timeout = Duration::from_millis(bounds.request_timeout_ms);
        let line = Line::new(Arc::clone(&self.id), Way::Command(Arc::clone(&command)), timeout);
        let (way, runtime) = (Asked::Command { command, line }, self.runtime(&tokens));
        let endpoint = String::new();
        Ok(Begun { process: None, way, chosen: None, endpoint, capabilities, runtime, _tokens: tokens })
    }

    fn endpoint(&self, http: &Http) -> Result<SocketAddr, Fault> {
        config::endpoint(&http.endpoint).map_err(|(message, _)| Fault::new(codes::COMPONENT_SPAWN_FAILED, message))
    }

    fn asked_by_http(&self, http: &Http, address: SocketAddr, token: Option<&Secret>) -> Result<Asked, Fault> {
        let configured = http.headers.iter().map(|(name, value)| (&**name, &**value));
        let token = token.map(|token| (&*self.config.auth.header, token.expose()));
        let headers = headers(configured, token).ok_or_else(|| {
            Fault::new(
                codes::COMPONENT_INIT_FAILED,
                "its headers or its token cannot be sent: they hold line ends or worse",
            )
        })?;
        // Probes have connections of their own: however many invocations wait, its health is seen.
        let client = Arc::new(Client::new(address, headers.clone(), http.max_response_bytes));
        let path = path(&http.invoke_path)?;
        let invoked = Box::new(Client::new(address, headers, http.max_response_bytes));
        let way = Way::Http { client: invoked, path };
        let line = Line::new(Arc::clone(&self.id), way, Duration::from_millis(http.request_timeout_ms));
        Ok(Asked::Http { client, line })
    }

    async fn spawn(
        &self,
        tokens: &Tokens,
        capabilities: &[HostCapability],
        bind: Option<SocketAddr>,
    ) -> Result<Arc<Process>, Fault> {
        let launch = self.launch(tokens, capabilities, bind)?;
        let spawned = process::spawn(&self.options.shim, launch).await;
        spawned.map(Arc::new).map_err(|fault: SpawnFault| Fault::new(fault.code(), fault.to_string()))
    }

    fn runtime(&self, tokens: &Tokens) -> Map<String, Value> {
        let file = |file: &Option<TokenFile>| file.as_ref().map(TokenFile::text);
        let facts = [
            ("host", Some(self.options.host_address.clone())),
            ("data_dir", Some(self.home.data().to_string_lossy().into_owned())),
            ("auth_file", file(&tokens.auth)),
            ("token_file", file(&tokens.host)),
        ];
        let facts = facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
        facts.collect()
    }
}

/// A path as it is asked for.
pub(super) fn path(path: &str) -> Result<Uri, Fault> {
    path.parse().map_err(|_| Fault::new(codes::COMPONENT_INIT_FAILED, format!("`{path}` is no path")))
}

/// Where the components of a host keep what is theirs.
pub(super) fn home(options: &Options, id: &str) -> Home {
    Home::of(&PathBuf::from(&options.data_dir), id)
}
