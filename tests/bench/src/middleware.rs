//! `bench middleware`: what a call pays for middleware that is not about it, and for one component that is, beside a bare request to
//! the same component. Asserts no time.
//!
//! Each host is one of its own inside this process, with the same module behind the link; a client calls it through gRPC.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Args;
use comfy_table::{Cell, CellAlignment, Table, presets};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use protocol::generated::host::v1::host_client::HostClient;
use protocol::generated::host::v1::{CallRequest, ComponentState, GetComponentRequest, call_request};
use serde::Serialize;
use serde_json::{Value, json};
use supervisor::config::{Layer, merge};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tonic::transport::Channel;

use crate::load::{self, Sample};
use crate::machine::Machine;
use crate::process::{Process, beside_this, until};
use crate::record;
use crate::report::{self, median};
use crate::subjects::{InProcess, channel, python};

/// What `bench middleware` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Runs of each measurement; what is shown are medians over them.
    #[arg(long, default_value_t = 9)]
    repetitions: usize,
    /// How long one run lasts, in milliseconds.
    #[arg(long, default_value_t = 700)]
    run_ms: u64,
    /// Calls in flight.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    in_flight: Vec<usize>,
    /// Where the rows go.
    #[arg(long, default_value = "target/bench/middleware.json")]
    out: PathBuf,
}

/// Size of the record that is sent, in bytes.
const RECORD: usize = 100;
/// The module that is called.
const MODULE: &str = "bench_middleware.Echo";

/// At most, for a call that no component wants, of one where there is none.
const GOAL_UNWANTED_P50: f64 = 1.03;
/// At least.
const GOAL_UNWANTED_CALLS: f64 = 0.97;
/// At most, of a bare request: what one component adds to a call.
const GOAL_OVERHEAD: f64 = 1.3;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Subject {
    /// A call without middleware.
    None,
    /// The same once more, at another host: what two hosts differ by that are the same.
    Control,
    /// A call with middleware for another module.
    Unwanted,
    /// A request to a component, without a host.
    Bare(Server),
    /// A call with that component at `pre_invoke`.
    Asked(Server),
}

/// In what a component is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Server {
    Rust,
    Python,
}

const SUBJECTS: [Subject; 7] = [
    Subject::None,
    Subject::Control,
    Subject::Unwanted,
    Subject::Bare(Server::Rust),
    Subject::Asked(Server::Rust),
    Subject::Bare(Server::Python),
    Subject::Asked(Server::Python),
];

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::None => "call, no middleware",
            Self::Control => "call, no middleware, another host",
            Self::Unwanted => "call, middleware for another module",
            Self::Bare(Server::Rust) => "bare request, component in Rust",
            Self::Asked(Server::Rust) => "call, component in Rust asked",
            Self::Bare(Server::Python) => "bare request, component in Python",
            Self::Asked(Server::Python) => "call, component in Python asked",
        }
    }

    fn position(self) -> usize {
        SUBJECTS.iter().position(|subject| *subject == self).expect("all are in the list")
    }
}

/// One line of the table: medians over the repetitions.
#[derive(Debug, Serialize)]
struct Row {
    subject: &'static str,
    in_flight: usize,
    p50_us: f64,
    p99_us: f64,
    calls_per_s: f64,
}

/// What is compared: medians over the repetitions of ratios within one.
#[derive(Debug, Serialize)]
struct Figure {
    what: &'static str,
    in_flight: usize,
    ratio: f64,
    goal: Option<f64>,
    reached: Option<bool>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    machine: Machine,
    repetitions: usize,
    rows: &'a [Row],
    figures: &'a [Figure],
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let host_runtime = host::runtime(0)?;
    let client_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stage = Stage::start(directory.path(), &host_runtime, &client_runtime)?;
    // The hosts' threads are not the callers', as in processes of their own: a runtime of one thread runs only while somebody is in it.
    let (end, ended) = oneshot::channel::<()>();
    let hosts = thread::spawn(move || {
        let _left = host_runtime.block_on(ended).is_err();
        host_runtime
    });
    let lasting = Duration::from_millis(arguments.run_ms);
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for &in_flight in &arguments.in_flight {
        eprintln!("measuring {in_flight} in flight");
        let mut measured: Vec<Vec<Sample>> = vec![Vec::new(); SUBJECTS.len()];
        for subject in SUBJECTS {
            // Warms up connections and interpreters.
            client_runtime.block_on(stage.run(subject, in_flight, lasting / 2))?;
        }
        for repetition in 0..arguments.repetitions {
            // Who goes first changes, so that nobody always follows the same one.
            for turn in 0..SUBJECTS.len() {
                let at = (turn + repetition) % SUBJECTS.len();
                measured[at].push(client_runtime.block_on(stage.run(SUBJECTS[at], in_flight, lasting))?);
            }
        }
        rows.extend(SUBJECTS.iter().zip(&measured).map(|(subject, samples)| row(*subject, in_flight, samples)));
        figures.extend(compared(&measured, in_flight));
    }
    println!("{}\n\n{}", table(&rows), shown(&figures));
    let file = File { machine: Machine::here(), repetitions: arguments.repetitions, rows: &rows, figures: &figures };
    report::write(&arguments.out, &file)?;
    println!("written to {}", arguments.out.display());
    drop(end);
    let host_runtime = hosts.join().map_err(|_| anyhow::anyhow!("the hosts' thread panicked"))?;
    stage.stop(&host_runtime)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn row(subject: Subject, in_flight: usize, samples: &[Sample]) -> Row {
    Row {
        subject: subject.name(),
        in_flight,
        p50_us: median(samples.iter().map(|sample| micros(sample.p50))),
        p99_us: median(samples.iter().map(|sample| micros(sample.p99))),
        calls_per_s: median(samples.iter().map(Sample::calls_per_second)),
    }
}

fn compared(measured: &[Vec<Sample>], in_flight: usize) -> Vec<Figure> {
    let of = |subject: Subject| &measured[subject.position()];
    let ratio = |figure: &dyn Fn(usize) -> f64| median((0..of(Subject::None).len()).map(figure));
    let p50 = |subject: Subject, at: usize| micros(of(subject)[at].p50);
    let calls = |subject: Subject, at: usize| of(subject)[at].calls_per_second();
    let mut figures = Vec::new();
    let mut figure = |what, ratio: f64, goal: Option<f64>, reached: Option<bool>| {
        figures.push(Figure { what, in_flight, ratio, goal, reached });
    };
    figure(
        "p50 at another host that is the same",
        ratio(&|at| p50(Subject::Control, at) / p50(Subject::None, at)),
        None,
        None,
    );
    let slower = ratio(&|at| p50(Subject::Unwanted, at) / p50(Subject::None, at));
    figure("p50 of a call that no component wants", slower, Some(GOAL_UNWANTED_P50), Some(slower <= GOAL_UNWANTED_P50));
    let fewer = ratio(&|at| calls(Subject::Unwanted, at) / calls(Subject::None, at));
    figure("calls/s that no component wants", fewer, Some(GOAL_UNWANTED_CALLS), Some(fewer >= GOAL_UNWANTED_CALLS));
    for (server, added, all) in [
        (Server::Rust, "what a component in Rust adds to p50, of a bare request", "calls/s, of bare requests to Rust"),
        (
            Server::Python,
            "what a component in Python adds to p50, of a bare request",
            "calls/s, of bare requests to Python",
        ),
    ] {
        let (asked, bare) = (Subject::Asked(server), Subject::Bare(server));
        let overhead = ratio(&|at| (p50(asked, at) - p50(Subject::None, at)) / p50(bare, at));
        // With many in flight the component's own queue is what takes the time.
        let goal = (in_flight == 1).then_some(GOAL_OVERHEAD);
        figure(added, overhead, goal, goal.map(|goal| overhead <= goal));
        figure(all, ratio(&|at| calls(asked, at) / calls(bare, at)), None, None);
    }
    figures
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["subject", "in flight", "p50 µs", "p99 µs", "calls/s"].map(Cell::new));
    for row in rows {
        table.add_row([
            row.subject.to_owned(),
            row.in_flight.to_string(),
            format!("{:.0}", row.p50_us),
            format!("{:.0}", row.p99_us),
            format!("{:.0}", row.calls_per_s),
        ]);
    }
    for column in 1..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn shown(figures: &[Figure]) -> String {
    let line = |figure: &Figure| {
        let Figure { what, in_flight, ratio, goal, reached } = figure;
        let verdict = reached.map_or("", |reached| if reached { "reached" } else { "missed" });
        let goal = goal.map_or_else(String::new, |goal| format!(" (goal {goal})"));
        format!("{verdict:7}  {what}, {in_flight} in flight: {ratio:.3} ×{goal}\n")
    };
    figures.iter().map(line).collect()
}

/// Hosts, components, and clients of both.
struct Stage {
    none: Host,
    control: Host,
    unwanted: Host,
    rust: Host,
    python: Host,
    bare_rust: Bare,
    bare_python: Bare,
    _components: [Process; 2],
}

impl Stage {
    fn start(
        directory: &Path,
        host_runtime: &tokio::runtime::Runtime,
        client_runtime: &tokio::runtime::Runtime,
    ) -> Result<Self> {
        let mut command = Command::new(beside_this("component")?);
        let (rust_server, rust_url) = Process::announced(&mut command, &directory.join("component.log"))?;
        // Free just now; the component says where it listens by its readiness alone.
        let bind = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = python("component.py");
        command.arg("--no-auth").env("MODRACK_BIND", bind.to_string());
        let python_server = Process::start(&mut command, &directory.join("component_python.log"))?;
        let python_url = format!("http://{bind}");
        let host = |name: &str, url: &str, settings: Option<Value>| {
            let component = settings.map(|settings| (url, settings));
            let host = host_runtime.block_on(Host::start(&directory.join(name), component))?;
            let client = client_runtime.block_on(channel(host.host.url().to_owned()))?;
            anyhow::Ok(Host { client: Some(HostClient::new(client)), ..host })
        };
        let every_hook = json!({"hooks": ["pre_invoke", "post_invoke", "audit"], "filter": {"module": "elsewhere.*"}});
        let asked = json!({"hooks": ["pre_invoke"]});
        Ok(Self {
            none: host("none", "", None)?,
            control: host("control", "", None)?,
            unwanted: host("unwanted", &rust_url, Some(every_hook))?,
            rust: host("rust", &rust_url, Some(asked.clone()))?,
            python: host("python", &python_url, Some(asked))?,
            bare_rust: Bare::of(&rust_url)?,
            bare_python: Bare::of(&python_url)?,
            _components: [rust_server, python_server],
        })
    }

    async fn run(&self, subject: Subject, in_flight: usize, lasting: Duration) -> Result<Sample> {
        let host = match subject {
            Subject::None => &self.none,
            Subject::Control => &self.control,
            Subject::Unwanted => &self.unwanted,
            Subject::Asked(Server::Rust) => &self.rust,
            Subject::Asked(Server::Python) => &self.python,
            Subject::Bare(server) => {
                let bare = match server {
                    Server::Rust => &self.bare_rust,
                    Server::Python => &self.bare_python,
                };
                let bare = bare.clone();
                return load::run(
                    move || {
                        let bare = bare.clone();
                        async move { bare.request().await }
                    },
                    in_flight,
                    lasting,
                )
                .await;
            }
        };
        let client = host.client.clone().context("the host has a client")?;
        let input = record::of_size(RECORD)?;
        let call = move || {
            let (mut client, input) = (client.clone(), input.clone());
            async move {
                let input = Some(call_request::Input::InputData(input));
                client.call(CallRequest { module: MODULE.to_owned(), input, ..CallRequest::default() }).await?;
                Ok(())
            }
        };
        load::run(call, in_flight, lasting).await
    }

    fn stop(self, runtime: &tokio::runtime::Runtime) -> Result<()> {
        for host in [self.none, self.control, self.unwanted, self.rust, self.python] {
            runtime.block_on(host.host.stop())?;
        }
        Ok(())
    }
}

/// A host with one module, and with one component or none.
struct Host {
    host: InProcess,
    client: Option<HostClient<Channel>>,
}

impl Host {
    async fn start(directory: &Path, component: Option<(&str, Value)>) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let provider = |url: &str| {
            let mut command = Command::new(beside_this("provider")?);
            let namespace = MODULE.split_once('.').context("a name has a namespace")?.0;
            command.arg(namespace).env("MODRACK_HOST", url).env("MODRACK_PLANE", "link");
            Ok(vec![Process::start(&mut command, &directory.join("provider.log"))?])
        };
        let is_asked = component.is_some();
        let configured = component.map(|(endpoint, settings)| configured(endpoint, settings)).transpose()?;
        let configure = |config: &mut host::Config| config.components.all = configured.into_iter().collect();
        let host = InProcess::configured(directory, configure, vec![MODULE.to_owned()], provider).await?;
        if is_asked {
            let client = HostClient::new(channel(host.url().to_owned()).await?);
            until("the readiness of the component", async || {
                let request = GetComponentRequest { id: "bench".to_owned() };
                let component = client.clone().get_component(request).await.ok();
                let component = component.and_then(|answer| answer.into_inner().component);
                component.is_some_and(|component| component.state() == ComponentState::Ready)
            })
            .await?;
        }
        Ok(Self { host, client: None })
    }
}

fn configured(endpoint: &str, settings: Value) -> Result<supervisor::config::Layered> {
    let base = json!({"id": "bench", "kind": "local_http_json", "module_id": "bench", "http": {"endpoint": endpoint}});
    let layer = |value| Layer { origin: "bench".to_owned(), base: std::env::temp_dir(), value };
    let merged = merge(vec![layer(base), layer(settings)]);
    merged.map_err(|faults| anyhow::anyhow!("the component is misconfigured: {faults:?}"))
}

/// Kept-alive connections to a component: what any client of its own would do.
#[derive(Clone)]
struct Bare {
    address: Arc<str>,
    body: Bytes,
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
}

impl Bare {
    fn of(url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://").context("an address begins so")?;
        Ok(Self { address: address.into(), body: envelope()?, idle: Arc::default() })
    }

    async fn request(&self) -> Result<()> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut sender = match kept {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(&*self.address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                sender
            }
        };
        sender.ready().await?;
        let request = Request::post("/v1/middleware/invoke")
            .header("host", &*self.address)
            .header("content-type", "application/json")
            .body(Full::new(self.body.clone()))?;
        let response = sender.send_request(request).await?;
        ensure!(response.status() == 200, "the component answered {}", response.status());
        let answer = response.into_body().collect().await?.to_bytes();
        let decision: Value = serde_json::from_slice(&answer)?;
        ensure!(decision["decision"] == "allow", "the component answered {decision}");
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        Ok(())
    }
}

/// What the host would send.
fn envelope() -> Result<Bytes> {
    let schema = type_schema::Schema::new(record::TYPE.parse::<type_schema::CType>()?)?;
    let payload = type_schema::msgpack_to_json(&record::of_size(RECORD)?, &schema)?;
    let id = "0123456789abcdef0123456789abcdef";
    let envelope = json!({
        "schema_version": "1", "envelope_id": id, "hook": "pre_invoke",
        "correlation": {"run_id": "", "node_id": "", "execution_id": id, "trace_id": "", "idempotency_key": ""},
        "attempt": 1,
        "subject": {"kind": "module", "name": MODULE, "namespace": "bench_middleware", "revision": 1},
        "caller": {"subject": "anybody"}, "payload": payload, "annotations": {},
        "deadline": "2030-01-01T00:00:00.000Z", "remaining_ms": 30_000,
    });
    Ok(envelope.to_string().into())
}
