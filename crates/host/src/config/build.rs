//! Which keys there are, with their defaults and bounds, and the rules between them. Reads values through `read` alone.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use crate::config::fault::{ConfigError, Fault, FaultCode};
use crate::config::layers::{self, Layers};
use crate::config::read::{Reader, Refusal};
use crate::config::sources::Sources;
use crate::config::{Config, Limits, Link, Loaded, Log, LogFormat, Timeouts};
use crate::config::{clients, components, pipelines, providers, telemetry, tls};

/// Where the host listens when nobody says otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7420));
/// The most that `limits.message_bytes` may be.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

const MILLION: usize = 1_000_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

pub(super) fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let layers = layers::read(sources).map_err(|faults| ConfigError { faults })?;
    let (loaded, faults) = build(sources, layers);
    if faults.is_empty() { Ok(loaded) } else { Err(ConfigError { faults }) }
}

pub(super) fn in_dir(data_dir: PathBuf) -> Config {
    // The faults that can be here come from the default `data_dir`, which is replaced.
    let (Loaded { config, .. }, _) = build(&Sources::default(), Layers::default());
    Config {
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        socket: Some(data_dir.join("host.sock")),
        link: Link { enabled: true, socket: data_dir.join("link.sock") },
        data_dir,
        ..config
    }
}

fn build(sources: &Sources, layers: Layers) -> (Loaded, Vec<Fault>) {
    let tables = layers.components.clone();
    let mut reader = Reader::new(sources, layers);
    let r = &mut reader;

    let data_dir = data_dir(r, sources);
    let config = Config {
        listen: r.optional_address("listen", DEFAULT_LISTEN),
        insecure_listen: r.boolean("insecure_listen", false),
        socket: r.optional_socket("socket", data_dir.join("host.sock")),
        tls: tls::read(r),
        link: Link {
            enabled: r.boolean("link.enabled", true),
            socket: r.socket("link.socket", data_dir.join("link.sock")),
        },
        limits: Limits {
            message_bytes: r.count("limits.message_bytes", 4 << 20, 1024..=MAX_MESSAGE_BYTES),
            modules_per_provider: r.count("limits.modules_per_provider", 10_000, 1..=MILLION),
            sessions: r.count("limits.sessions", 1000, 1..=MILLION),
            sessions_per_subject: r.count("limits.sessions_per_subject", 256, 1..=MILLION),
            connections: r.count("limits.connections", 4096, 1..=MILLION),
            in_flight_per_provider: r.count("limits.in_flight_per_provider", 1024, 1..=MILLION),
            queued_per_provider: r.count("limits.queued_per_provider", 1024, 0..=MILLION),
        },
        timeouts: timeouts(r),
        threads: r.count("runtime.threads", 0, 0..=1024),
        log: Log {
            format: r.choice(
                "log.format",
                LogFormat::Auto,
                &[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)],
            ),
            filter: r.text("log.filter", "info", |text| {
                EnvFilter::try_new(text).map(drop).map_err(|error| {
                    let hint = "write a level (`error`, `warn`, `info`, `debug`, `trace`) or `level,target=level`";
                    Refusal::new(FaultCode::ValueInvalid, format!("`log.filter` cannot be `{text}`: {error}"), hint)
                })
            }),
        },
        telemetry: telemetry::read(r),
        pipelines: pipelines::read(r),
        unary: tls::read_unary(r),
        providers: providers::read(r),
        clients: clients::read(r),
        components: components::read(r, tables, &data_dir),
        middleware: components::read_middleware(r),
        staging: components::read_staging(r),
        data_dir,
    };
    check(r, &config);

    let (entries, faults, file) = reader.finish();
    (Loaded { config, file, entries }, faults)
}

fn data_dir(r: &mut Reader<'_>, sources: &Sources) -> PathBuf {
    let own = |name: &str| sources.var(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let default = own("XDG_DATA_HOME").or_else(|| own("HOME").map(|home| home.join(".local/share")));
    let missing = default.is_none() && !r.has("data_dir");
    let path = r.path("data_dir", default.unwrap_or_default().join("modrack"));
    if missing {
        let message = "`data_dir` has no default, since neither HOME nor XDG_DATA_HOME is set";
        let origin = r.origin("data_dir");
        r.fault(
            "data_dir",
            origin,
            Refusal::new(FaultCode::KeyMissing, message, "set `data_dir`, MODRACK_DATA_DIR or `--data-dir`"),
        );
    }
    path
}

fn timeouts(r: &mut Reader<'_>) -> Timeouts {
    let lease = r.millis("timeouts.lease_ms", 15_000, 30..=DAY_MS);
    // A shorter lease brings a shorter interval with it, so that it alone is enough to say.
    let a_third = u64::try_from(lease.as_millis() / 3).expect("a day fits");
    Timeouts {
        lease,
        heartbeat: r.millis("timeouts.heartbeat_ms", a_third.min(5000), 10..=DAY_MS),
        attach: r.millis("timeouts.attach_ms", 10_000, 10..=HOUR_MS),
        hello: r.millis("timeouts.hello_ms", 5000, 10..=HOUR_MS),
        call: r.millis("timeouts.call_ms", 30_000, 1..=DAY_MS),
        max_call: r.millis("timeouts.max_call_ms", HOUR_MS, 1..=DAY_MS),
        drain: r.millis("timeouts.drain_ms", 10_000, 0..=HOUR_MS),
        ping: r.millis("timeouts.ping_ms", 10_000, 10..=HOUR_MS),
    }
}

/// The rules between keys.
fn check(r: &mut Reader<'_>, config: &Config) {
    let Config { listen, socket, link, timeouts, .. } = config;
    if timeouts.heartbeat * 2 >= timeouts.lease {
        r.conflict(
            ["timeouts.heartbeat_ms", "timeouts.lease_ms"],
            format!(
                "`timeouts.heartbeat_ms` is {}, not less than half of `timeouts.lease_ms`, {}",
                timeouts.heartbeat.as_millis(),
                timeouts.lease.as_millis()
            ),
            "a provider must be able to lose one heartbeat; a third of the lease is usual",
        );
    }
    if timeouts.call > timeouts.max_call {
        r.conflict(
            ["timeouts.call_ms", "timeouts.max_call_ms"],
            format!(
                "`timeouts.call_ms` is {}, more than `timeouts.max_call_ms`, {}",
                timeouts.call.as_millis(),
                timeouts.max_call.as_millis()
            ),
            "raise `timeouts.max_call_ms`, or lower `timeouts.call_ms`",
        );
    }
    if link.enabled && socket.as_ref() == Some(&link.socket) {
        r.conflict(
            ["link.socket", "socket"],
            format!("`socket` and `link.socket` are both `{}`", link.socket.display()),
            "they speak different protocols; give each its own path",
        );
    }
    if listen.is_none() && socket.is_none() {
        r.conflict(
            ["listen", "socket"],
            "`listen` and `socket` are both empty, so nobody could reach the host".into(),
            "set one of them; without either key, the host listens on both",
        );
    }
    tls::check_listen(r, config);
    components::check_chain(r, config);
}
