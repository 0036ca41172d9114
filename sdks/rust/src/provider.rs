//! `Provider`: what a module author builds and runs. The parts: `settings` decides what is in force, `session` lives with the host,
//! `plane` and its three kinds carry the calls, `calls` runs them.

mod attach;
mod backoff;
pub(crate) mod calls;
mod frames;
mod handle;
mod link;
mod outbox;
mod plane;
pub(crate) mod request;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod unary;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use handle::ProviderHandle;
pub use settings::Plane;
pub(crate) use settings::env;

use crate::codec::{Decode, Encode};
use crate::error::{Category, Error};
use crate::handler::{BatchHandler, BlockingHandler, Handler, StreamHandler};
use crate::module::{Definition, Module};
use crate::provider::calls::{Calls, Table};
use crate::provider::handle::{Change, Stop};
use crate::provider::settings::{Overrides, Settings};

/// Changes of the modules that may wait for the session.
const CHANGES: usize = 16;

/// A process that serves modules of one namespace.
///
/// It takes from the environment what the program does not set:
///
/// | variable | meaning |
/// | --- | --- |
/// | `MODRACK_HOST` | where the host is: `http://127.0.0.1:7420`, `https://host:7420` or `unix:/path/to.sock`; required |
/// | `MODRACK_PLANE` | `link`, `attach` or `unary`: that data plane and no other; else the fastest that works |
/// | `MODRACK_SERVICE_ID` | who the provider is, stable over restarts; else the namespace |
/// | `MODRACK_GROUP_ID` | replicas of one namespace share a group; else none |
/// | `MODRACK_CREDENTIAL_FILE` | file with the credential, where the host asks for one |
/// | `MODRACK_CA_FILE` | authorities that may vouch for an `https://` host, in PEM; else the system's |
/// | `MODRACK_CERT_FILE`, `MODRACK_KEY_FILE` | its own certificate and key, where the host asks for one |
/// | `MODRACK_DEBUG` | `1`: callers see the causes of a failure, which otherwise stay here |
#[must_use = "a provider does nothing until it runs"]
pub struct Provider {
    namespace: String,
    overrides: Overrides,
    table: Table,
    fault: Option<Error>,
    handle: ProviderHandle,
    changes: mpsc::Receiver<Change>,
    stop: watch::Receiver<Stop>,
}

impl Provider {
    /// A provider of a namespace, e.g. `text` or `ml.sentiment`, without modules.
    pub fn new(namespace: impl Into<String>) -> Self {
        let (changes_tx, changes) = mpsc::channel(CHANGES);
        let (stop_tx, stop) = watch::channel(Stop::No);
        Self {
            namespace: namespace.into(),
            overrides: Overrides::default(),
            table: Table::default(),
            fault: None,
            handle: ProviderHandle::new(changes_tx, stop_tx),
            changes,
            stop,
        }
    }

    /// Adds a module that an async function serves. For a description, a version or examples see [`Provider::with_module`].
    pub fn module<Args, H>(self, name: impl Into<String>, handler: H) -> Self
    where
        H: Handler<Args>,
    {
        self.with_module(Module::new(name, handler))
    }

    /// Adds a module that an ordinary function serves, which may block or compute for long.
    pub fn blocking_module<Args, H>(self, name: impl Into<String>, handler: H) -> Self
    where
        H: BlockingHandler<Args>,
    {
        self.with_module(Module::blocking(name, handler))
    }

    /// Adds a module whose output is a stream.
    pub fn stream<Args, H>(self, name: impl Into<String>, handler: H) -> Self
    where
        H: StreamHandler<Args>,
    {
        self.with_module(Module::stream(name, handler))
    }

    /// Adds a module that takes several inputs at once.
    pub fn batch<Args, H>(self, name: impl Into<String>, handler: H) -> Self
    where
        H: BatchHandler<Args>,
    {
        self.with_module(Module::batch(name, handler))
    }

    /// Adds a module. Its faults are told by [`Provider::run`].
    pub fn with_module<I, O>(mut self, module: Module<I, O>) -> Self
    where
        I: Decode + Send + 'static,
        O: Encode + Send + 'static,
    {
        let definition = module.definition;
        let checked = definition.check();
        let name = definition.name.clone();
        if let Err(fault) = checked {
            self.fault = self.fault.or(Some(fault));
        } else if self.table.insert(name.clone(), Arc::new(definition)).is_some() {
            let fault = Error::new(
                Category::InvalidArgument,
                "registry.module.duplicate",
                format!("the provider has two modules named `{name}`"),
            );
            self.fault = self.fault.or(Some(fault));
        }
        self
    }

    /// Where the host is, whatever `MODRACK_HOST` says.
    pub fn host(mut self, address: impl Into<String>) -> Self {
        self.overrides.host = Some(address.into());
        self
    }

    /// The only data plane to use, whatever `MODRACK_PLANE` says.
    pub fn plane(mut self, plane: Plane) -> Self {
        self.overrides.plane = Some(plane);
        self
    }

    /// Who the provider is, stable over restarts, whatever `MODRACK_SERVICE_ID` says.
    pub fn service_id(mut self, id: impl Into<String>) -> Self {
        self.overrides.service_id = Some(id.into());
        self
    }

    /// Its group of replicas, whatever `MODRACK_GROUP_ID` says.
    pub fn group_id(mut self, id: impl Into<String>) -> Self {
        self.overrides.group_id = Some(id.into());
        self
    }

    /// The file with its credential, whatever `MODRACK_CREDENTIAL_FILE` says.
    pub fn credential_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.overrides.credential_file = Some(path.into());
        self
    }

    /// The certificates of the authorities that may vouch for the host, in PEM, whatever `MODRACK_CA_FILE` says; else the system's.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.overrides.tls.ca = Some(path.into());
        self
    }

    /// Its own certificate chain and key, in PEM, for a host that asks for one, whatever `MODRACK_CERT_FILE` and `MODRACK_KEY_FILE` say.
    pub fn identity_files(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.overrides.tls.cert = Some(cert.into());
        self.overrides.tls.key = Some(key.into());
        self
    }

    /// How long running calls may take to finish when the provider stops; 10 s where nothing is said.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.overrides.grace = Some(grace);
        self
    }

    /// Lets a running module that was replaced narrow its input or widen its output, which the host else refuses.
    pub fn allow_breaking(mut self) -> Self {
        self.overrides.allow_breaking = true;
        self
    }

    /// Changes the modules of the provider, or stops it, while it runs.
    pub fn handle(&self) -> ProviderHandle {
        self.handle.clone()
    }

    /// Serves the modules until SIGTERM, SIGINT, a drain command of the host or [`ProviderHandle::stop`]; then leaves the registry, finishes
    /// what runs, within the grace, and returns. A second signal ends the grace. When the host goes away the provider waits and comes back.
    ///
    /// Prints one line to stderr when the modules are callable; where a `tracing` subscriber is set it is an event instead.
    ///
    /// # Errors
    /// What will not pass by itself: no `MODRACK_HOST` (the message says what this provider is), an illegal module, a registration that the host
    /// refuses. A host that is not there, or a namespace that somebody else still owns, is waited for.
    pub async fn run(self) -> Result<(), Error> {
        let handle = self.handle.clone();
        let serve = self.serve();
        tokio::pin!(serve);
        let mut signals = Signals::new()?;
        loop {
            tokio::select! {
                result = &mut serve => return result,
                () = signals.next() => handle.signalled(),
            }
        }
    }

    /// As [`Provider::run`], but until `shutdown` returns instead of a signal.
    ///
    /// # Errors
    /// As [`Provider::run`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let handle = self.handle.clone();
        let serve = self.serve();
        tokio::pin!(serve);
        tokio::select! {
            result = &mut serve => return result,
            () = shutdown => handle.stop(),
        }
        serve.await
    }

    async fn serve(self) -> Result<(), Error> {
        self.check()?;
        let settings = Settings::resolve(&self.namespace, self.overrides, &self.table)?;
        let calls = Calls::new(self.namespace, self.table, settings.debug);
        let ended = session::run(settings, calls, self.changes, self.stop, self.handle).await;
        crate::telemetry::flush().await;
        ended
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.table.is_empty() {
            return Err(Error::new(
                Category::InvalidArgument,
                "registry.registration.empty",
                "the provider has no module",
            )
            .with_hint("add one with `Provider::module`"));
        }
        Ok(())
    }

    /// The calls of a provider that stays in memory.
    pub(crate) fn into_calls(self) -> Result<Arc<Calls>, Error> {
        self.check()?;
        Ok(Calls::new(self.namespace, self.table, settings::debug_from_env()))
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({}: {:?})", self.namespace, self.table.keys().collect::<Vec<_>>())
    }
}

/// Says something to whoever runs the provider.
pub(crate) fn announce(line: &str) {
    if tracing::dispatcher::has_been_set() {
        tracing::info!("{line}");
    } else {
        use std::io::Write as _;
        // A provider whose stderr is closed goes on.
        drop(writeln!(std::io::stderr(), "modrack: {line}"));
    }
}

/// A task that ends when its owner does.
#[derive(Debug)]
pub(crate) struct Task<T>(pub(crate) tokio::task::JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// SIGTERM and SIGINT.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|source| {
                Error::new(
                    Category::Internal,
                    "client.signals.unavailable",
                    format!("signals cannot be received: {source}"),
                )
            })
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self, Error> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The definition without its calls, in the words of an author: `Name(input) -> output`.
pub(crate) fn signature(module: &Definition) -> String {
    format!("{}: {} -> {}", module.name, module.input, module.output)
}
