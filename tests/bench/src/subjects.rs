//! What is measured: bare servers, and modules on a host behind each plane, as processes of their own. Measures nothing itself.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use executor::Call;
use host::{Config, Running};
use protocol::frame::TraceContext;
use protocol::generated::host::v1::host_client::HostClient;
use protocol::generated::host::v1::{CallRequest, call_request};
use protocol::generated::provider::v1::ExecuteRequest;
use protocol::generated::provider::v1::module_executor_client::ModuleExecutorClient;
use serde::Serialize;
use tokio::sync::oneshot;
use tonic::transport::{Channel, Endpoint};

use crate::process::{self, Process, beside_this, until};

/// In what the module or server is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    Rust,
    Python,
    TypeScript,
}

pub(crate) const LANGUAGES: [Language; 3] = [Language::Rust, Language::Python, Language::TypeScript];

/// How calls reach a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plane {
    Link,
    Attach,
    Unary,
}

pub(crate) const PLANES: [Plane; 3] = [Plane::Link, Plane::Attach, Plane::Unary];

impl Language {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::TypeScript => "typescript",
        }
    }
}

impl Plane {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Attach => "attach",
            Self::Unary => "unary",
        }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(root().join(".venv/bin/python"));
    command.arg(root().join("tests/bench/servers").join(script));
    command
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(root().join("tests/bench/servers").join(script));
    command
}

/// A bare gRPC server and a client of it.
pub(crate) struct Bare {
    _server: Arc<Process>,
    client: ModuleExecutorClient<Channel>,
}

/// The bare servers, each beside the name of its rows.
pub(crate) struct Baselines {
    pub(crate) tonic_unix: Bare,
    pub(crate) tonic_tcp: Bare,
    pub(crate) grpcio: Bare,
    pub(crate) grpc_js: Bare,
}

impl Baselines {
    /// Starts all of them and connects. The clients belong to the runtime in which this is called.
    pub(crate) async fn start(directory: &Path) -> Result<Self> {
        let socket = directory.join("bare.sock");
        let mut tonic = Command::new(beside_this("bare_tonic")?);
        let (server, tcp) = Process::announced(tonic.arg(&socket), &directory.join("bare_tonic.log"))?;
        let server = Arc::new(server);
        let started = |mut command: Command, name: &str| {
            let (server, url) = Process::announced(&mut command, &directory.join(name))?;
            anyhow::Ok((Arc::new(server), url))
        };
        let (grpcio, grpcio_url) = started(python("bare.py"), "bare_grpcio.log")?;
        let (grpc_js, grpc_js_url) = started(node("bare.mjs"), "bare_grpc_js.log")?;
        Ok(Self {
            tonic_unix: Bare::connect(Arc::clone(&server), format!("unix:{}", socket.display())).await?,
            tonic_tcp: Bare::connect(server, tcp).await?,
            grpcio: Bare::connect(grpcio, grpcio_url).await?,
            grpc_js: Bare::connect(grpc_js, grpc_js_url).await?,
        })
    }
}

/// A connection that is made now.
pub(crate) async fn channel(url: String) -> Result<Channel> {
    Ok(Endpoint::from_shared(url)?.tcp_nodelay(true).connect().await?)
}

impl Bare {
    async fn connect(server: Arc<Process>, url: String) -> Result<Self> {
        Ok(Self { _server: server, client: ModuleExecutorClient::new(channel(url).await?) })
    }

    /// One unary call that gives the bytes back.
    pub(crate) fn call(&self, input: &Bytes) -> impl Fn() -> BareCall + Clone + Send + 'static {
        let (client, input_data) = (self.client.clone(), input.clone());
        move || {
            let mut client = client.clone();
            let request =
                ExecuteRequest { module_name: "Echo".into(), input_data: input_data.clone(), ..Default::default() };
            Box::pin(async move {
                client.execute(request).await?;
                Ok(())
            })
        }
    }
}

type BareCall = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Provider processes, one per language and plane, each with a namespace of its own.
struct Providers {
    processes: Vec<Process>,
}

/// The namespace of a provider.
pub(crate) fn namespace(language: Language, plane: Plane) -> String {
    format!("bench_{}_{}", language.name(), plane.name())
}

impl Providers {
    fn start(host: &str, which: &[(Language, Plane)], directory: &Path) -> Result<Self> {
        let start = |&(language, plane): &(Language, Plane)| {
            let mut command = match language {
                Language::Rust => Command::new(beside_this("provider")?),
                Language::Python => python("provider.py"),
                Language::TypeScript => node("provider.mjs"),
            };
            let namespace = namespace(language, plane);
            command.arg(&namespace).env("MODRACK_HOST", host).env("MODRACK_PLANE", plane.name());
            Process::start(&mut command, &directory.join(format!("{namespace}.log")))
        };
        Ok(Self { processes: which.iter().map(start).collect::<Result<_>>()? })
    }
}

/// A host inside this process, with providers of every language on every plane: what it costs is this process's cost.
pub(crate) struct InProcess {
    running: Running,
    url: String,
    _providers: Vec<Process>,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<Result<(), host::ServeError>>,
}

impl InProcess {
    /// Starts the host in this runtime, with the echo of every language on every plane, and waits until each is callable.
    pub(crate) async fn start(directory: &Path) -> Result<Self> {
        let which: Vec<_> =
            LANGUAGES.iter().flat_map(|language| PLANES.iter().map(|plane| (*language, *plane))).collect();
        let names = which.iter().map(|(language, plane)| format!("{}.Echo", namespace(*language, *plane))).collect();
        Self::with(directory, names, |host| Ok(Providers::start(host, &which, directory)?.processes)).await
    }

    /// Starts the host in this runtime and the providers at its address, and waits until those modules are callable.
    pub(crate) async fn with(
        directory: &Path,
        names: Vec<String>,
        providers: impl FnOnce(&str) -> Result<Vec<Process>>,
    ) -> Result<Self> {
        Self::configured(directory, |_| {}, names, providers).await
    }

    /// The same with another configuration.
    pub(crate) async fn configured(
        directory: &Path,
        configure: impl FnOnce(&mut Config),
        names: Vec<String>,
        providers: impl FnOnce(&str) -> Result<Vec<Process>>,
    ) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, running) = oneshot::channel();
        let mut config = Config::in_dir(directory.join("data"));
        configure(&mut config);
        let served = tokio::spawn(host::serve(config, async { drop(stopped.await) }, ready));
        let running = running.await.context("the host did not start")?;
        let address = running.addresses.listen.context("the host does not listen")?;
        let url = format!("http://{address}");
        let providers = providers(&url)?;
        let callable = || {
            let routes = running.registry.routes();
            names.iter().all(|name| {
                let ready = |endpoint: &registry::Endpoint| endpoint.state == registry::EndpointState::Ready;
                routes.get(name).is_some_and(|route| route.endpoints.iter().any(ready))
            })
        };
        until("the registration of the providers", async || callable()).await?;
        Ok(Self { running, url, _providers: providers, stop: Some(stop), served })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Calls modules without a connection.
    pub(crate) fn executor(&self) -> &executor::Handle {
        &self.running.executor
    }

    /// The live route of a module.
    pub(crate) fn route(&self, name: &str) -> Result<Arc<registry::Route>> {
        self.running.registry.routes().get(name).cloned().with_context(|| format!("{name} is gone"))
    }

    /// One call through registry and executor.
    pub(crate) fn call(
        &self,
        language: Language,
        plane: Plane,
        input: &Bytes,
    ) -> Result<impl Fn() -> BareCall + Clone + Send + 'static> {
        let name = format!("{}.Echo", namespace(language, plane));
        anyhow::ensure!(self.running.registry.routes().get(&name).is_some(), "{name} is gone");
        let (registry, executor, input) = (self.running.registry.clone(), self.running.executor.clone(), input.clone());
        Ok(move || {
            let (registry, executor, input, name) = (registry.clone(), executor.clone(), input.clone(), name.clone());
            let call: BareCall = Box::pin(async move {
                let route = Arc::clone(registry.routes().get(&name).context("the module left")?);
                executor.call(&route, call(&executor, input)).await?;
                Ok(())
            });
            call
        })
    }

    /// Stops the host and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.stop.take());
        self.served.await??;
        Ok(())
    }
}

/// A call of nobody in particular, with 30 s.
pub(crate) fn call(executor: &executor::Handle, input: Bytes) -> Call {
    Call {
        input,
        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
        idempotency_key: String::new(),
        node_id: String::new(),
        trace: TraceContext::default(),
        execution_id: executor.next_execution_id(),
    }
}

/// A host in a process of its own with link providers, and a gRPC client of it.
pub(crate) struct OutOfProcess {
    host: Process,
    _providers: Providers,
    client: HostClient<Channel>,
}

impl OutOfProcess {
    /// Starts the host, waits until every module is callable, and connects.
    pub(crate) async fn start(directory: &Path) -> Result<Self> {
        let (host, url) = process::host(directory)?;
        let which = LANGUAGES.map(|language| (language, Plane::Link));
        let providers = Providers::start(&url, &which, directory)?;
        let subject = Self { host, _providers: providers, client: HostClient::new(channel(url).await?) };
        let input = crate::record::of_size(100)?;
        for language in LANGUAGES {
            let call = subject.call(language, &input);
            until(&format!("a call of {}", language.name()), async || call().await.is_ok()).await?;
        }
        Ok(subject)
    }

    /// The host's process.
    pub(crate) fn process(&self) -> u32 {
        self.host.id()
    }

    /// One call through gRPC and the host.
    pub(crate) fn call(&self, language: Language, input: &Bytes) -> impl Fn() -> BareCall + Clone + Send + 'static {
        let (client, input) = (self.client.clone(), input.clone());
        let module = format!("{}.Echo", namespace(language, Plane::Link));
        move || {
            let mut client = client.clone();
            let request = CallRequest {
                module: module.clone(),
                input: Some(call_request::Input::InputData(input.clone())),
                ..Default::default()
            };
            Box::pin(async move {
                client.call(request).await?;
                Ok(())
            })
        }
    }
}
