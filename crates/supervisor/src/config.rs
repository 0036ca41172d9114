//! What an operator configures of a component: one form, in `[components.<id>]` and in `components.d/<id>.json`. Starts nothing
//! and looks at no file.

mod check;
mod fault;
mod layers;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use protocol::component::ComponentKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use fault::ConfigFault;
pub use layers::{Layer, Layered, merge};

pub(crate) use check::endpoint;

/// One component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentConfig {
    /// Its name here: letters, digits, `-`, `_` and `.`, at most 64.
    pub id: String,
    /// How it is run and called.
    pub kind: Kind,
    /// Name of the module that it runs; its report must say the same. For `grpc_local` the namespace, as a pattern like `text` or
    /// `text.*`, that it may serve.
    pub module_id: String,
    /// Name of the component in logs and metrics, e.g. `middleware.dator`; `id` where it is left out.
    #[serde(default)]
    pub component_id: String,
    /// Whether the host starts it (or, for `local_http_json`, uses it) by itself.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is started; not for `local_http_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launch>,
    /// How it is called; for `http_local_json` and `local_http_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Bounds of a process per invocation; for `command_stdio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandBounds>,
    /// Bounds of the start; for `grpc_local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcBounds>,
    /// How the host proves itself to it; for the two HTTP kinds.
    #[serde(default)]
    pub auth: Auth,
    /// What holds the process in.
    #[serde(default)]
    pub sandbox_profile: SandboxProfile,
    /// Bounds and paths of the sandbox.
    #[serde(default)]
    pub sandbox: SandboxOptions,
    /// What follows when it ends by itself or its health stays bad.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// How its health is watched.
    #[serde(default)]
    pub health: Health,
    /// How it is stopped.
    #[serde(default)]
    pub stop: Stop,
    /// Where it is asked as middleware; empty for a component that is none.
    #[serde(default)]
    pub hooks: Vec<middleware::Hook>,
    /// Which calls and runs it is asked about; all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<middleware::Filter>,
    /// What it may change.
    #[serde(default)]
    pub field_policy: middleware::FieldPolicy,
    /// What follows when it fails.
    #[serde(default)]
    pub on_component_failure: BTreeMap<middleware::Hook, middleware::OnFailure>,
    /// What it may ask of the host.
    #[serde(default)]
    pub capabilities: Vec<Grant>,
    /// Its own configuration, which it is told at the start. No place for secrets: operators see it.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Lines of output that are kept.
    #[serde(default = "log_lines")]
    pub log_lines: usize,
    /// What the bundle states of itself: `version`, `built`, `interpreter`.
    #[serde(default)]
    pub bundle: BTreeMap<String, String>,
}

impl ComponentConfig {
    /// Reads and checks one component. Relative paths are faults: [`resolve`](Self::resolve) a configuration that has any, or
    /// [`merge`] its layers.
    ///
    /// # Errors
    /// Every rule that is broken, in ascending order of the pointers.
    pub fn read(value: Value) -> Result<Self, Vec<ConfigFault>> {
        let (config, mut faults) = read::read(value);
        if let Some(config) = config {
            // A fault of form is told once, and what was put in its place is nobody's fault.
            let of_value = config.check().into_iter();
            let further: Vec<_> = of_value.filter(|new| !faults.iter().any(|old| old.covers(new))).collect();
            faults.extend(further);
            if faults.is_empty() {
                return Ok(config);
            }
        }
        faults.sort_by(|one, other| one.pointer.cmp(&other.pointer));
        Err(faults)
    }

    /// Every rule that this configuration breaks. Looks at no file.
    #[must_use]
    pub fn check(&self) -> Vec<ConfigFault> {
        check::check(self)
    }

    /// Makes its relative paths absolute.
    pub fn resolve(&mut self, base: &Path) {
        let Self { launch, auth, sandbox, .. } = self;
        let launch = launch.iter_mut().flat_map(|launch| [&mut launch.executable, &mut launch.cwd]);
        for path in launch.chain(&mut auth.token_file).chain(&mut sandbox.read).chain(&mut sandbox.write) {
            *path = base.join(&*path);
        }
    }

    /// `component_id`, or the id where that is left out.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.component_id.is_empty() { &self.id } else { &self.component_id }
    }

    /// Its part in the chain of middleware.
    #[must_use]
    pub fn settings(&self) -> middleware::Settings {
        middleware::Settings {
            hooks: self.hooks.clone(),
            filter: self.filter.clone(),
            field_policy: self.field_policy.clone(),
            on_component_failure: self.on_component_failure.clone(),
        }
    }
}

/// How a component is run and called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The host runs it and calls it by HTTP.
    HttpLocalJson,
    /// Somebody else runs it; the host calls it by HTTP and owns nothing of its life.
    LocalHttpJson,
    /// The host runs it; it is a provider that registers by itself.
    GrpcLocal,
    /// The host runs one process per invocation: the message on standard input, the answer on standard output; the last argument is
    /// `middleware-init` or `middleware-invoke`.
    CommandStdio,
}

impl Kind {
    /// As it is configured.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.to_protocol().as_str()
    }

    /// As operators see it.
    #[must_use]
    pub fn to_protocol(self) -> ComponentKind {
        match self {
            Self::HttpLocalJson => ComponentKind::HttpLocalJson,
            Self::LocalHttpJson => ComponentKind::LocalHttpJson,
            Self::GrpcLocal => ComponentKind::GrpcLocal,
            Self::CommandStdio => ComponentKind::CommandStdio,
        }
    }
}

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Absolute, or relative to the file that says so. Never looked up on PATH, never given to a shell.
    pub executable: PathBuf,
    /// As they are. `{port}` stands for the port that the host chose, `{bind}` for `127.0.0.1:{port}`.
    #[serde(default)]
    pub args: Vec<String>,
    /// Absolute, or relative to the file that says so.
    pub cwd: PathBuf,
    /// The whole environment, but for what the host adds, whose names are refused here.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// How a component is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `http://` and a loopback address with a port. Port 0, of `http_local_json`: the host chooses a free one and says so in
    /// `MODRACK_BIND`.
    pub endpoint: String,
    /// Where envelopes go.
    #[serde(default = "invoke_path")]
    pub invoke_path: String,
    /// Where the init goes.
    #[serde(default = "init_path")]
    pub init_path: String,
    /// Answers 200 when the component is ready for its init.
    #[serde(default = "ready_path")]
    pub ready_path: String,
    /// Answers 200 while it is well.
    #[serde(default = "health_path")]
    pub health_path: String,
    /// Sent with each request. No place for secrets: operators see them.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// From the start until it has to be ready, in milliseconds.
    #[serde(default = "startup_timeout")]
    pub startup_timeout_ms: u64,
    /// For one request, in milliseconds; the caller's deadline may be sooner.
    #[serde(default = "request_timeout")]
    pub request_timeout_ms: u64,
    /// Largest body of an answer.
    #[serde(default = "max_response")]
    pub max_response_bytes: usize,
}

/// Bounds of a process per invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandBounds {
    /// From its start to its end, in milliseconds.
    pub request_timeout_ms: u64,
    /// Most that it may write to standard output.
    pub max_response_bytes: usize,
    /// Most processes at once; who finds no room waits within its deadline.
    pub concurrency: usize,
}

/// Bounds of the start of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcBounds {
    /// From the start until its session is callable, in milliseconds.
    pub startup_timeout_ms: u64,
}

/// How the host proves itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Header that carries the token.
    pub header: String,
    /// For `local_http_json`: where the token is read from; none where it is left out. For `http_local_json` the host makes a token
    /// per start and says in `MODRACK_AUTH_FILE` where it is.
    pub token_file: Option<PathBuf>,
}

/// What holds a process in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxProfile {
    /// Nothing but a cleared environment and closed descriptors.
    #[default]
    None,
    /// No new privileges, resource limits, files and network as listed.
    ModuleRestricted,
}

/// Bounds and paths of `module-restricted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxOptions {
    /// Of each process, in bytes.
    pub address_space_bytes: u64,
    /// So many more than its user has at the start, threads too, where the kernel counts them (it does not for root).
    pub processes: u64,
    /// Of each process.
    pub open_files: u64,
    /// Files and directories that may be read and executed besides its working directory, its executable and the system's
    /// libraries: a runtime, say. Absolute, or relative to the file that says so.
    pub read: Vec<PathBuf>,
    /// Files and directories that may be written besides its data directory.
    pub write: Vec<PathBuf>,
    /// TCP ports that it may connect to.
    pub connect: Vec<u16>,
}

/// What follows when a component ends by itself or its health stays bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RestartPolicy {
    /// Whether it is started again.
    pub mode: RestartMode,
    /// At most so often within the window; past that it is `failed`.
    pub max_restarts: u32,
    /// In seconds.
    pub window_sec: u64,
    /// Delay of the first restart in milliseconds; doubles with each in the window, up to 30 s.
    pub delay_ms: u64,
}

/// Whether a component is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartMode {
    /// It is `failed`.
    Never,
    /// After any end that no operator asked for.
    OnFailure,
}

/// How health is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// From one question to the next, in milliseconds.
    pub interval_ms: u64,
    /// For one answer, in milliseconds.
    pub timeout_ms: u64,
    /// So many bad answers in a row make it `degraded`.
    pub degraded_after: u32,
    /// So many bad answers in a row end it, and the restart policy decides.
    pub restart_after: u32,
    /// So many good answers in a row make it `ready` again.
    pub ready_after: u32,
}

/// How a component is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// How long running calls may go on, in milliseconds.
    pub drain_ms: u64,
    /// From SIGTERM to SIGKILL, in milliseconds.
    pub grace_ms: u64,
}

/// Something of the host that a component may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Which.
    pub id: GrantId,
    /// Modules that it covers, as patterns like `text.*`; for `run_pipeline` and `call`.
    #[serde(default)]
    pub modules: Vec<String>,
}

/// What a component may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantId {
    /// Run pipelines over the modules listed.
    RunPipeline,
    /// Call the modules listed.
    Call,
    /// See what is registered.
    ListModules,
    /// Keep values at the host for a while.
    Staging,
}

impl Default for CommandBounds {
    fn default() -> Self {
        Self { request_timeout_ms: request_timeout(), max_response_bytes: max_response(), concurrency: 4 }
    }
}

impl Default for GrpcBounds {
    fn default() -> Self {
        Self { startup_timeout_ms: startup_timeout() }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self { header: "X-Modrack-Auth".to_owned(), token_file: None }
    }
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            address_space_bytes: 1 << 30,
            processes: 64,
            open_files: 256,
            read: Vec::new(),
            write: Vec::new(),
            connect: Vec::new(),
        }
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { mode: RestartMode::OnFailure, max_restarts: 3, window_sec: 60, delay_ms: 200 }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { interval_ms: 5000, timeout_ms: 2000, degraded_after: 2, restart_after: 5, ready_after: 2 }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self { drain_ms: 5000, grace_ms: 3000 }
    }
}

fn yes() -> bool {
    true
}

fn log_lines() -> usize {
    2000
}

fn invoke_path() -> String {
    "/v1/middleware/invoke".to_owned()
}

fn init_path() -> String {
    "/v1/middleware/init".to_owned()
}

fn ready_path() -> String {
    "/readyz".to_owned()
}

fn health_path() -> String {
    "/healthz".to_owned()
}

fn startup_timeout() -> u64 {
    15_000
}

fn request_timeout() -> u64 {
    5000
}

fn max_response() -> usize {
    65_536
}
