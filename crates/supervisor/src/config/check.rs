//! The rules that a component's configuration obeys, all looked at whatever the others say. Looks at no file: what is missing on the
//! disk is found when the component starts.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::fault::{ConfigFault, below};
use super::{ComponentConfig, GrantId, Http, Kind, SandboxProfile};

/// Longest id, and longest name of a component.
const ID_BYTES: usize = 64;
/// Longest wait that may be configured, in milliseconds: an hour.
const LONGEST_MS: u64 = 3_600_000;

pub(super) fn check(config: &ComponentConfig) -> Vec<ConfigFault> {
    let mut faults = Faults::default();
    names(config, &mut faults);
    sections(config, &mut faults);
    launch(config, &mut faults);
    http(config, &mut faults);
    bounds(config, &mut faults);
    grants(config, &mut faults);
    chain(config, &mut faults);
    faults.0
}

#[derive(Default)]
struct Faults(Vec<ConfigFault>);

impl Faults {
    fn push(&mut self, pointer: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(ConfigFault::new(pointer, message, hint));
    }

    fn range(&mut self, pointer: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            self.push(pointer, format!("{value} is out of range"), format!("take {least} to {most}"));
        }
    }

    fn path(&mut self, pointer: &str, path: &Path) {
        if !path.is_absolute() {
            let hint = "give an absolute path, or one relative to the file that says it";
            self.push(pointer, format!("`{}` is no absolute path", path.display()), hint);
        } else if path.to_string_lossy().contains('\0') {
            self.push(pointer, "a path holds no NUL", "remove it");
        }
    }

    fn wanted(&mut self, pointer: &str, is_there: bool, is_wanted: bool, kind: Kind) {
        let name = &pointer[1..];
        if is_wanted && !is_there {
            self.push(
                pointer,
                format!("`{name}` is missing"),
                format!("a component of kind `{}` has it", kind.as_str()),
            );
        } else if is_there && !is_wanted {
            let hint = "remove it, or take the kind that it belongs to; the host never turns one kind into another";
            self.push(pointer, format!("a component of kind `{}` has no `{name}`", kind.as_str()), hint);
        }
    }
}

fn names(config: &ComponentConfig, faults: &mut Faults) {
    let hint = "take 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
    if !is_id(&config.id) {
        faults.push("/id", format!("`{}` is no id", config.id.escape_debug()), hint);
    }
    if !config.component_id.is_empty() && !is_id(&config.component_id) {
        faults.push("/component_id", format!("`{}` is no name", config.component_id.escape_debug()), hint);
    }
    if config.kind == Kind::GrpcLocal {
        // `*` is any namespace, as it is for providers.
        if config.module_id != "*" && !is_pattern(&config.module_id) {
            let message = format!("`{}` is no pattern of namespaces", config.module_id.escape_debug());
            faults.push("/module_id", message, "take a namespace like `text`, `text.*`, or `*` for any");
        }
    } else if !is_id(&config.module_id) {
        faults.push("/module_id", format!("`{}` is no name of a module", config.module_id.escape_debug()), hint);
    }
}

/// Which sections a kind has.
fn sections(config: &ComponentConfig, faults: &mut Faults) {
    let kind = config.kind;
    let is_http = matches!(kind, Kind::HttpLocalJson | Kind::LocalHttpJson);
    faults.wanted("/launch", config.launch.is_some(), kind != Kind::LocalHttpJson, kind);
    faults.wanted("/http", config.http.is_some(), is_http, kind);
    if kind != Kind::CommandStdio {
        faults.wanted("/command", config.command.is_some(), false, kind);
    }
    if kind != Kind::GrpcLocal {
        faults.wanted("/grpc", config.grpc.is_some(), false, kind);
    }
    if kind != Kind::LocalHttpJson && config.auth.token_file.is_some() {
        let hint = "remove it: the host makes a token per start and says in `MODRACK_AUTH_FILE` where it is";
        faults.push("/auth/token_file", format!("a component of kind `{}` reads no token", kind.as_str()), hint);
    }
    if kind == Kind::LocalHttpJson && config.sandbox_profile != SandboxProfile::None {
        let hint = "take `none`: the host does not start this process";
        faults.push("/sandbox_profile", "a component that somebody else runs has no sandbox of the host", hint);
    }
}

/// What the host tells a process by its environment. Others of `MODRACK_`, such as `MODRACK_GROUP_ID`, are its operator's.
const OF_THE_HOST: [&str; 8] = [
    "MODRACK_AUTH_FILE",
    "MODRACK_BIND",
    "MODRACK_COMPONENT",
    "MODRACK_COMPONENT_DATA",
    "MODRACK_CREDENTIAL_FILE",
    "MODRACK_HOST",
    "MODRACK_SERVICE_ID",
    "MODRACK_TOKEN_FILE",
];

fn launch(config: &ComponentConfig, faults: &mut Faults) {
    let Some(launch) = &config.launch else { return };
    faults.path("/launch/executable", &launch.executable);
    faults.path("/launch/cwd", &launch.cwd);
    for (i, arg) in launch.args.iter().enumerate() {
        if arg.contains('\0') {
            faults.push(format!("/launch/args/{i}"), "an argument holds no NUL", "remove it");
        }
    }
    for (name, value) in &launch.env {
        let pointer = below("/launch/env", name);
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            faults.push(pointer, "a name is not empty and holds no `=`, and nothing holds NUL", "mend it");
        } else if OF_THE_HOST.contains(&name.as_str()) {
            faults.push(pointer, format!("`{name}` is the host's own"), "remove it: the host sets it at each start");
        }
    }
}

fn http(config: &ComponentConfig, faults: &mut Faults) {
    if http::HeaderName::from_bytes(config.auth.header.as_bytes()).is_err() || is_reserved(&config.auth.header) {
        let message = format!("`{}` cannot carry the token", config.auth.header.escape_debug());
        faults.push("/auth/header", message, "take a header of its own, e.g. `X-Modrack-Auth`");
    }
    if let Some(file) = &config.auth.token_file {
        faults.path("/auth/token_file", file);
    }
    let Some(http) = &config.http else { return };
    match endpoint(&http.endpoint) {
        Ok(address) if address.port() == 0 && config.kind == Kind::LocalHttpJson => {
            let hint = "name the port that the service listens on";
            faults.push("/http/endpoint", "port 0 is for components that the host starts", hint);
        }
        Ok(_) => {}
        Err((message, hint)) => faults.push("/http/endpoint", message, hint),
    }
    for (pointer, path) in [
        ("/http/invoke_path", &http.invoke_path),
        ("/http/init_path", &http.init_path),
        ("/http/ready_path", &http.ready_path),
        ("/http/health_path", &http.health_path),
    ] {
        let is_path = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
        if !is_path || path.contains('#') {
            faults.push(pointer, format!("`{}` is no path", path.escape_debug()), "take a path like `/readyz`");
        }
    }
    headers(config, http, faults);
    faults.range("/http/startup_timeout_ms", http.startup_timeout_ms, 1, LONGEST_MS);
    faults.range("/http/request_timeout_ms", http.request_timeout_ms, 1, LONGEST_MS);
    faults.range("/http/max_response_bytes", http.max_response_bytes as u64, 64, 64 << 20);
}

fn headers(config: &ComponentConfig, http: &Http, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (name, value) in &http.headers {
        let pointer = below("/http/headers", name);
        let lower = name.to_ascii_lowercase();
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() || http::HeaderValue::from_str(value).is_err() {
            faults.push(pointer, format!("`{}` is no header", name.escape_debug()), "mend its name or its value");
        } else if is_reserved(name) || lower == config.auth.header.to_ascii_lowercase() {
            faults.push(pointer, format!("`{name}` is the host's own"), "remove it: the host sets it");
        } else if !seen.insert(lower) {
            faults.push(
                pointer,
                format!("`{name}` is there twice"),
                "names of headers do not differ by case alone; keep one",
            );
        }
    }
}

/// Headers that say how a message is framed or where it goes.
fn is_reserved(name: &str) -> bool {
    let reserved =
        ["host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade", "expect"];
    reserved.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// The address of an endpoint: loopback alone. `localhost` is 127.0.0.1.
pub(crate) fn endpoint(endpoint: &str) -> Result<SocketAddr, (String, &'static str)> {
    let hint = "take `http://127.0.0.1:PORT`; components listen on loopback alone";
    let shown = endpoint.escape_debug();
    let rest =
        endpoint.strip_prefix("http://").ok_or_else(|| (format!("`{shown}` does not begin with `http://`"), hint))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let address = match rest.strip_prefix("localhost:") {
        Some(port) if !port.starts_with('+') => {
            port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        }
        _ => rest.parse().ok(),
    };
    let address: SocketAddr = address.ok_or_else(|| (format!("`{shown}` is no address with a port"), hint))?;
    let is_loopback = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    is_loopback.then_some(address).ok_or_else(|| (format!("`{shown}` is not on loopback"), hint))
}

fn bounds(config: &ComponentConfig, faults: &mut Faults) {
    if let Some(command) = &config.command {
        faults.range("/command/request_timeout_ms", command.request_timeout_ms, 1, LONGEST_MS);
        faults.range("/command/max_response_bytes", command.max_response_bytes as u64, 64, 64 << 20);
        faults.range("/command/concurrency", command.concurrency as u64, 1, 256);
    }
    if let Some(grpc) = &config.grpc {
        faults.range("/grpc/startup_timeout_ms", grpc.startup_timeout_ms, 1, LONGEST_MS);
    }
    let sandbox = &config.sandbox;
    faults.range("/sandbox/address_space_bytes", sandbox.address_space_bytes, 16 << 20, 1 << 46);
    faults.range("/sandbox/processes", sandbox.processes, 1, 1 << 20);
    faults.range("/sandbox/open_files", sandbox.open_files, 16, 1 << 20);
    for (list, paths) in [("/sandbox/read", &sandbox.read), ("/sandbox/write", &sandbox.write)] {
        for (i, path) in paths.iter().enumerate() {
            faults.path(&format!("{list}/{i}"), path);
        }
    }
    for (i, port) in sandbox.connect.iter().enumerate() {
        faults.range(&format!("/sandbox/connect/{i}"), u64::from(*port), 1, 65_535);
    }
    let restart = &config.restart_policy;
    faults.range("/restart_policy/max_restarts", u64::from(restart.max_restarts), 0, 1000);
    faults.range("/restart_policy/window_sec", restart.window_sec, 1, 86_400);
    faults.range("/restart_policy/delay_ms", restart.delay_ms, 0, 30_000);
    let health = &config.health;
    faults.range("/health/interval_ms", health.interval_ms, 10, LONGEST_MS);
    faults.range("/health/timeout_ms", health.timeout_ms, 1, LONGEST_MS);
    faults.range("/health/degraded_after", u64::from(health.degraded_after), 1, 1000);
    faults.range("/health/ready_after", u64::from(health.ready_after), 1, 1000);
    faults.range("/health/restart_after", u64::from(health.restart_after), 1, 1000);
    if health.restart_after < health.degraded_after {
        let hint = "take at least `degraded_after`: a component is degraded before it is given up";
        faults.push("/health/restart_after", "it is less than `degraded_after`", hint);
    }
    faults.range("/stop/drain_ms", config.stop.drain_ms, 0, LONGEST_MS);
    faults.range("/stop/grace_ms", config.stop.grace_ms, 0, LONGEST_MS);
    faults.range("/log_lines", config.log_lines as u64, 1, 100_000);
}

fn grants(config: &ComponentConfig, faults: &mut Faults) {
    let mut seen = Vec::new();
    for (i, grant) in config.capabilities.iter().enumerate() {
        let pointer = format!("/capabilities/{i}");
        if seen.contains(&grant.id) {
            faults.push(format!("{pointer}/id"), "it is there twice", "say all its modules in one entry");
        }
        seen.push(grant.id);
        let is_about_modules = matches!(grant.id, GrantId::RunPipeline | GrantId::Call);
        if is_about_modules && grant.modules.is_empty() {
            faults.push(format!("{pointer}/modules"), "it covers no module", "name the modules, e.g. `[\"text.*\"]`");
        } else if !is_about_modules && !grant.modules.is_empty() {
            faults.push(format!("{pointer}/modules"), "this grant is about no modules", "remove `modules`");
        }
        for (j, pattern) in grant.modules.iter().enumerate() {
            if pattern != "*" && !is_pattern(pattern) {
                let message = format!("`{}` is no pattern of modules", pattern.escape_debug());
                faults.push(format!("{pointer}/modules/{j}"), message, "take `text.Uppercase`, `text.*` or `*`");
            }
        }
    }
}

/// The part in the chain.
fn chain(config: &ComponentConfig, faults: &mut Faults) {
    if config.kind == Kind::GrpcLocal && !config.hooks.is_empty() {
        faults.push("/hooks", "a provider is asked at no hook", "remove `hooks`, or take another kind");
    }
    // Its members are those of the settings, so that the pointers are the same.
    for fault in config.settings().check() {
        faults.push(fault.pointer, fault.message, fault.hint);
    }
}

fn is_id(text: &str) -> bool {
    (1..=ID_BYTES).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A dotted name, or one that ends in `.*`.
fn is_pattern(text: &str) -> bool {
    let name = text.strip_suffix(".*").unwrap_or(text);
    name.len() <= 255
        && name.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}
