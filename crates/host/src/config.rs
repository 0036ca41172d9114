//! What an operator can choose, from a file, the environment and flags, checked as a whole. Opens no socket and starts nothing.
//!
//! [`Config::load`] reads every source and reports **all** faults at once, each with the key, the place it came from and what
//! to do. What it answers keeps where each value came from ([`Loaded::entries`]), which is what `modrack config show` prints.
//!
//! Later wins: default, file, environment, flag. In the environment `MODRACK_` is put before the key and `__` stands for the
//! dot: `MODRACK_LIMITS__MESSAGE_BYTES` is `limits.message_bytes`. Components are read from files alone.

mod build;
mod clients;
mod components;
mod document;
mod entry;
mod fault;
mod grants;
mod layers;
mod pipelines;
mod providers;
mod read;
mod secret_file;
mod shape;
mod sources;
mod telemetry;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use build::{DEFAULT_LISTEN, MAX_MESSAGE_BYTES};
pub use clients::{CallGrant, ClientGrant, Scope};
pub use components::{Components, Middleware, Staging};
pub use entry::{Entry, Origin};
pub use fault::{ConfigError, Fault, FaultCode};
pub use pipelines::{Cache, Pipelines};
pub use providers::{NamespaceGrant, ProviderGrant};
pub use secret_file::{SecretFileError, is_exposed, read_secret};
pub use sources::Sources;
pub use telemetry::{Ratio, Telemetry};
pub use tls::{Tls, Unary};

/// Everything that a host needs to know. A value of this type from [`Config::load`] obeys all rules that the fields state.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where state and sockets live; absolute. `data_dir`, default `$XDG_DATA_HOME/modrack` or `~/.local/share/modrack`.
    pub data_dir: PathBuf,
    /// TCP address of the gRPC surfaces; port 0 lets the system choose; none when `listen = ""`. Default `127.0.0.1:7420`.
    pub listen: Option<SocketAddr>,
    /// Path of the Unix socket with the same surfaces; none when `socket = ""`. Default `<data_dir>/host.sock`.
    pub socket: Option<PathBuf>,
    /// Whether `listen` may be an address that other machines can reach, without TLS and credentials.
    pub insecure_listen: bool,
    /// TLS on the TCP address; plain text where there is none.
    pub tls: Option<Tls>,
    /// The link: the framed socket for providers on this machine.
    pub link: Link,
    /// Bounds on what clients and providers may ask for.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Threads that the host runs on; see [`runtime`](crate::runtime()). `runtime.threads`, default 0: as many as pay on this machine.
    pub threads: usize,
    /// What the host writes to its log.
    pub log: Log,
    /// Where spans of calls are sent.
    pub telemetry: Telemetry,
    /// Bounds of runs of pipelines, and their caches.
    pub pipelines: Pipelines,
    /// Where the host connects to by itself.
    pub unary: Unary,
    /// Who may provide modules. Empty: anybody who can reach the host.
    pub providers: Vec<ProviderGrant>,
    /// Who may use modules. Empty: anybody who can reach the host.
    pub clients: Vec<ClientGrant>,
    /// What the host starts beside itself.
    pub components: Components,
    /// The chain of middleware.
    pub middleware: Middleware,
    /// What components may keep at the host.
    pub staging: Staging,
}

/// `[link]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whether the link is offered. Default true.
    pub enabled: bool,
    /// Path of its Unix socket. Default `<data_dir>/link.sock`.
    pub socket: PathBuf,
}

impl Link {
    /// Where to listen; none when the link is not offered.
    #[must_use]
    pub fn address(&self) -> Option<&PathBuf> {
        self.enabled.then_some(&self.socket)
    }
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest message on any plane, in bytes. Default 4 MiB, at most 64 MiB.
    pub message_bytes: usize,
    /// Most modules of one provider. Default 10 000.
    pub modules_per_provider: usize,
    /// Most live sessions. Default 1000.
    pub sessions: usize,
    /// Most live sessions of one subject of `[[providers]]`. Default 256.
    pub sessions_per_subject: usize,
    /// Most open connections over all surfaces. Default 4096.
    pub connections: usize,
    /// Most calls that one provider works on at once. Default 1024.
    pub in_flight_per_provider: usize,
    /// Most calls that wait for one provider. Default 1024.
    pub queued_per_provider: usize,
}

/// `[timeouts]`; in the file, the environment and on the command line in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// A session without a heartbeat for so long ends. `lease_ms`, default 15 s.
    pub lease: Duration,
    /// How often a provider sends a heartbeat; less than half a lease, so that one may get lost. `heartbeat_ms`, default 5 s.
    pub heartbeat: Duration,
    /// How long a provider may take to attach or link after it registered. `attach_ms`, default 10 s.
    pub attach: Duration,
    /// How long a new connection may take to say hello. `hello_ms`, default 5 s.
    pub hello: Duration,
    /// Deadline of a call whose caller gives none. `call_ms`, default 30 s.
    pub call: Duration,
    /// Longest deadline that a caller may ask for; longer ones are cut to it. `max_call_ms`, default 1 h.
    pub max_call: Duration,
    /// How long calls may go on after the host was told to stop. `drain_ms`, default 10 s.
    pub drain: Duration,
    /// How long a connection may be silent before it is asked for a sign of life, and how long the answer may take.
    /// `ping_ms`, default 10 s.
    pub ping: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How a line looks. Default `auto`.
    pub format: LogFormat,
    /// What is written, in the language of `tracing_subscriber::EnvFilter`, e.g. `info,host=debug`. Default `info`.
    pub filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `text` on a terminal, `json` elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration with the place that each of its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values in force.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    entries: Vec<Entry>,
}

impl Loaded {
    /// Every key with its value in force and its origin, in the order of the documentation. Holds no secret: of a
    /// credential it has the file's name.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Config {
    /// Reads all sources and checks the result as a whole. Reads the configuration file and the files that it names, creates nothing.
    ///
    /// # Errors
    /// All faults at once; each has a code, the key, where it was set, and a hint.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        build::load(sources)
    }

    /// The defaults, with all state below `data_dir`. Listens on no fixed port: the system chooses one.
    #[must_use]
    pub fn in_dir(data_dir: impl Into<PathBuf>) -> Self {
        build::in_dir(data_dir.into())
    }

    /// Whether the TCP address can be reached from this machine alone.
    #[must_use]
    pub fn listens_on_loopback(&self) -> bool {
        self.listen.is_some_and(|address| address.ip().to_canonical().is_loopback())
    }

    /// The files with secrets that everybody on this machine may read.
    #[must_use]
    pub fn exposed_files(&self) -> Vec<&Path> {
        let credentials = self.providers.iter().map(|grant| &grant.credential_file);
        let tokens = self.clients.iter().map(|grant| &grant.token_file);
        let key = self.tls.iter().map(|tls| &tls.key_file);
        credentials.chain(tokens).chain(key).map(PathBuf::as_path).filter(|path| is_exposed(path)).collect()
    }

    /// Creates the data directory and what is above it where it is missing, readable by its owner alone (mode 0700).
    /// A directory that is there already keeps its mode.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn create_data_dir(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        if let Some(parent) = self.data_dir.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(&self.data_dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.data_dir.is_dir() => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), format!("`{}`: {error}", self.data_dir.display()))),
            Ok(()) => Ok(()),
        }
    }
}
