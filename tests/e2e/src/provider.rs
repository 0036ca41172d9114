//! The fixture providers of `tests/fixtures` as processes, one per language, on the plane that a test asks for.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitStatus};

use serde_json::{Value, json};

use protocol::generated::provider::v1::DataPlane;

use crate::host::Host;
use crate::locate;
use crate::process::Process;

/// In what a provider is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `tests/fixtures/python`.
    Python,
    /// `tests/fixtures/typescript`.
    TypeScript,
    /// `sdks/rust/examples/fixture.rs`.
    Rust,
}

impl Language {
    /// As providers name it in their registration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::TypeScript => "typescript",
            Self::Rust => "rust",
        }
    }

    /// The fixture as a component that the host starts; it serves `fixture`.
    ///
    /// # Panics
    /// When its interpreter is not installed.
    #[must_use]
    pub fn component(self) -> Value {
        let command = self.command();
        let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        let program = Path::new(command.get_program());
        // A component is never looked up on PATH.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            || std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file());
        let executable = if program.is_absolute() { Some(program.to_owned()) } else { found() };
        json!({
            "kind": "grpc_local", "module_id": "fixture", "grpc": { "startup_timeout_ms": 60_000 },
            "launch": {
                "executable": executable.expect("the interpreter is installed"),
                "args": args,
                "cwd": locate::root().canonicalize().expect("the tree is there"),
                "env": { "PYTHONUNBUFFERED": "1" },
            },
        })
    }

    fn command(self) -> Command {
        match self {
            Self::Python => {
                let mut command = Command::new(locate::python());
                command.arg(locate::python_fixture());
                command
            }
            Self::TypeScript => {
                let mut command = Command::new("node");
                command.arg(locate::typescript_fixture());
                command
            }
            Self::Rust => Command::new(locate::rust_fixture()),
        }
    }
}

/// By which plane calls reach a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// The framed socket.
    Link,
    /// The gRPC stream that the provider opens.
    Attach,
    /// gRPC requests of the host.
    Unary,
}

impl Plane {
    /// As `MODRACK_PLANE` and the spans name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Attach => "attach",
            Self::Unary => "unary",
        }
    }

    /// The plane on the wire.
    #[must_use]
    pub fn to_proto(self) -> DataPlane {
        match self {
            Self::Link => DataPlane::Link,
            Self::Attach => DataPlane::Attach,
            Self::Unary => DataPlane::Unary,
        }
    }
}

/// Modules of every fixture.
const MODULES: [&str; 11] =
    ["Echo", "Fail", "Raise", "Sleep", "Block", "Cancelled", "Inspect", "Nest", "Crash", "Grow", "Big"];

/// A fixture provider. Dropping it ends its process.
#[derive(Debug)]
pub struct Provider {
    process: Process,
    namespace: String,
}

impl Provider {
    /// Starts a provider of a namespace and waits until the host can call it.
    pub async fn start(host: &Host, language: Language, plane: Plane, namespace: &str) -> Self {
        let provider = Self::launch(host, language, plane, &[("MODRACK_NAMESPACE", namespace)]);
        provider.listed(host, 1).await;
        provider
    }

    /// Starts a replica, and waits until the host can call it and `members - 1` others.
    pub async fn start_replica(host: &Host, language: Language, plane: Plane, namespace: &str, members: usize) -> Self {
        let service = format!("{namespace}-{members}");
        let environment =
            [("MODRACK_NAMESPACE", namespace), ("MODRACK_GROUP_ID", "replicas"), ("MODRACK_SERVICE_ID", &service)];
        let provider = Self::launch(host, language, plane, &environment);
        provider.listed(host, members).await;
        provider
    }

    /// Starts a provider with more environment, and waits for nothing. The namespace is `MODRACK_NAMESPACE`.
    #[must_use]
    pub fn launch(host: &Host, language: Language, plane: Plane, environment: &[(&str, &str)]) -> Self {
        let mut command = language.command();
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.current_dir(locate::root()).env_clear().env("PATH", path).env("HOME", Path::new("/nonexistent"));
        command.env("MODRACK_HOST", host.url()).env("MODRACK_PLANE", plane.as_str());
        command.env("PYTHONUNBUFFERED", "1").envs(environment.iter().copied());
        let namespace = environment.iter().find(|(name, _)| *name == "MODRACK_NAMESPACE");
        let namespace = namespace.map_or("fixture", |(_, namespace)| namespace).to_owned();
        let name = format!("the provider {namespace} in {} on {}", language.as_str(), plane.as_str());
        Self { process: Process::start(&name, &mut command), namespace }
    }

    /// Waits until the host can call that many replicas of each module.
    pub async fn listed(&self, host: &Host, endpoints: usize) {
        let mut watch = host.client().watch(&format!("{}.*", self.namespace)).await.expect("the host can be watched");
        let names: Vec<String> = MODULES.iter().map(|module| self.module(module)).collect();
        tokio::select! {
            () = watch.ready(&names, endpoints) => {}
            () = self.process.closed() => panic!("{} ended before the host could call it", self.process.name()),
        }
    }

    /// The qualified name of a module of this provider.
    #[must_use]
    pub fn module(&self, name: &str) -> String {
        format!("{}.{name}", self.namespace)
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the provider as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops the process where it is; see [`Process::signal_stop`].
    pub fn signal_stop(&self) {
        self.process.signal_stop();
    }

    /// Lets a stopped process go on.
    pub fn signal_continue(&self) {
        self.process.signal_continue();
    }

    /// Asks the provider to stop.
    pub fn signal_term(&self) {
        self.process.signal_term();
    }

    /// Waits until its process ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }
}

/// Starts `tests/fixtures/python/shapes.py`, which serves `shapes.*`, and waits until the host can call it.
///
/// # Panics
/// When it ends first.
pub async fn shapes_provider(host: &Host) -> Process {
    let mut command = Command::new(locate::python());
    command.arg(locate::python_shapes()).current_dir(locate::root()).env_clear();
    command.env("HOME", "/nonexistent").env("MODRACK_HOST", host.url());
    let process = Process::start("the provider shapes", &mut command);
    let names = ["Anything", "Choice", "Keyed", "Nested", "Nothing", "Scalar"].map(|name| format!("shapes.{name}"));
    let mut watch = host.client().watch("shapes.*").await.expect("the host can be watched");
    tokio::select! {
        () = watch.ready(&names, 1) => {}
        () = process.closed() => panic!("the provider shapes ended before the host could call it"),
    }
    process
}
