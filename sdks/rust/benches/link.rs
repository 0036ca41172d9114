//! What a call costs a Rust provider on the link: `cargo bench --package modrack --bench link`. Beside it, in the same run and alternating, a socket
//! that echoes bytes and a bare tonic server on a Unix socket. Measures the provider's side alone: the host is a script.
#![allow(clippy::print_stdout)]

#[path = "../src/generated.rs"]
#[allow(dead_code, unused_imports)]
mod generated;

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use generated::provider::v1::execute_response::Result as Outcome;
use generated::provider::v1::host_frame::Frame as FromHost;
use generated::provider::v1::module_executor_client::ModuleExecutorClient;
use generated::provider::v1::module_executor_server::{ModuleExecutor, ModuleExecutorServer};
use generated::provider::v1::module_registry_server::{ModuleRegistry, ModuleRegistryServer};
use generated::provider::v1::*;
use modrack::{Provider, Record, codec};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tonic::{Request, Response, Status, Streaming};

type Failure = Box<dyn Error + Send + Sync>;

const REPETITIONS: usize = 5;
/// How long one measurement takes.
const DURATION: Duration = Duration::from_millis(600);

#[derive(Record)]
struct Input {
    number: i64,
    text: String,
}

/// The figures of one measurement.
#[derive(Debug, Clone, Copy)]
struct Figures {
    p50_us: f64,
    calls_per_s: f64,
    /// CPU time of the serving threads, per call.
    server_us: f64,
}

/// The threads of a server, for their CPU time.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<Vec<PathBuf>>>);

impl Threads {
    /// A runtime whose one worker is counted.
    fn runtime(&self) -> std::io::Result<Runtime> {
        let threads = self.0.clone();
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(move || {
                if let (Ok(thread), Ok(mut threads)) = (std::fs::read_link("/proc/thread-self"), threads.lock()) {
                    threads.push(Path::new("/proc").join(thread).join("schedstat"));
                }
            })
            .build()
    }

    fn cpu(&self) -> Duration {
        let spent = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        };
        self.0.lock().map(|threads| threads.iter().filter_map(spent).sum()).unwrap_or_default()
    }
}

/// Runs rounds of calls for a while: `round` answers how many calls it made.
fn measure(threads: &Threads, mut round: impl FnMut() -> Result<usize, Failure>) -> Result<Figures, Failure> {
    let warm = Instant::now();
    while warm.elapsed() < DURATION / 4 {
        round()?;
    }
    let (begin, cpu, mut calls, mut rounds) = (Instant::now(), threads.cpu(), 0, Vec::new());
    while begin.elapsed() < DURATION {
        let started = Instant::now();
        calls += round()?;
        rounds.push(started.elapsed());
    }
    let (elapsed, cpu) = (begin.elapsed(), threads.cpu() - cpu);
    rounds.sort();
    let calls = calls as f64;
    Ok(Figures {
        p50_us: rounds[rounds.len() / 2].as_secs_f64() * 1e6,
        calls_per_s: calls / elapsed.as_secs_f64(),
        server_us: cpu.as_secs_f64() * 1e6 / calls,
    })
}

fn request() -> Result<ExecuteRequest, Failure> {
    Ok(ExecuteRequest {
        module_name: "Echo".to_owned(),
        input_data: codec::to_bytes(&Input { number: 7, text: "x".repeat(82) })?.into(),
        execution_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        attempt: 1,
        timeout_ms: 30_000,
        ..ExecuteRequest::default()
    })
}

fn framed(message: &impl prost::Message) -> Result<Vec<u8>, Failure> {
    let mut bytes = u32::try_from(message.encoded_len())?.to_be_bytes().to_vec();
    message.encode(&mut bytes)?;
    Ok(bytes)
}

fn read_message(socket: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let mut len = [0; 4];
    socket.read_exact(&mut len)?;
    let mut message = vec![0; usize::try_from(u32::from_be_bytes(len))?];
    socket.read_exact(&mut message)?;
    Ok(message)
}

/// A provider of this crate, and the host's end of its link.
struct Linked {
    threads: Threads,
    socket: std::io::BufReader<UnixStream>,
    _provider: Runtime,
    _host: Runtime,
}

impl Linked {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("link.sock");
        let listener = UnixListener::bind(&path)?;
        let registry = Registry(path.to_string_lossy().into_owned());
        let host = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let port = host.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = format!("http://{}", port.local_addr()?);
        host.spawn(async move {
            let incoming = tonic::transport::server::TcpIncoming::from(port);
            let router = tonic::transport::Server::builder().add_service(ModuleRegistryServer::new(registry));
            router.serve_with_incoming(incoming).await
        });
        let threads = Threads::default();
        let provider = threads.runtime()?;
        let echo = Provider::new("bench").host(address).module("Echo", |input: Input| async move { Ok(input) });
        provider.spawn(echo.run_until(std::future::pending()));
        let (mut socket, _) = listener.accept()?;
        read_message(&mut socket)?;
        let welcome = FromHost::Welcome(Welcome { session_id: "bench".to_owned() });
        let welcome = AttachResponse { frames: vec![HostFrame { call_id: 0, frame: Some(welcome) }] };
        socket.write_all(&framed(&welcome)?)?;
        Ok(Self { threads, socket: std::io::BufReader::new(socket), _provider: provider, _host: host })
    }

    fn measure(&mut self, in_flight: usize) -> Result<Figures, Failure> {
        let execute = HostFrame { call_id: 1 << 20, frame: Some(FromHost::Execute(request()?)) };
        let calls = framed(&AttachResponse { frames: vec![execute; in_flight] })?;
        let socket = &mut self.socket;
        measure(&self.threads, || {
            socket.get_mut().write_all(&calls)?;
            let mut answered = 0;
            while answered < in_flight {
                answered += AttachRequest::decode(read_message(socket)?.as_slice())?.frames.len();
            }
            Ok(in_flight)
        })
    }
}

/// A socket that sends back what it reads.
struct Echo {
    threads: Threads,
    socket: UnixStream,
    _server: Runtime,
}

impl Echo {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("echo.sock");
        let threads = Threads::default();
        let server = threads.runtime()?;
        let entered = server.enter();
        let listener = tokio::net::UnixListener::bind(&path)?;
        drop(entered);
        server.spawn(async move {
            let (mut socket, _) = listener.accept().await?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match socket.read(&mut buffer).await? {
                    0 => return Ok::<_, std::io::Error>(()),
                    len => socket.write_all(&buffer[..len]).await?,
                }
            }
        });
        Ok(Self { threads, socket: UnixStream::connect(&path)?, _server: server })
    }

    fn measure(&mut self, in_flight: usize) -> Result<Figures, Failure> {
        let calls = vec![7; 180 * in_flight];
        let mut back = calls.clone();
        measure(&self.threads, || {
            self.socket.write_all(&calls)?;
            self.socket.read_exact(&mut back)?;
            Ok(in_flight)
        })
    }
}

/// A tonic server with one unary method, on a Unix socket.
struct Bare {
    threads: Threads,
    client: ModuleExecutorClient<tonic::transport::Channel>,
    caller: Runtime,
    _server: Runtime,
}

impl Bare {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("tonic.sock");
        let threads = Threads::default();
        let server = threads.runtime()?;
        let entered = server.enter();
        let listener = tokio::net::UnixListener::bind(&path)?;
        drop(entered);
        server.spawn(async move {
            let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
            let router = tonic::transport::Server::builder().add_service(ModuleExecutorServer::new(Executor));
            router.serve_with_incoming(incoming).await
        });
        let caller = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = format!("unix:{}", path.display());
        let channel = caller.block_on(tonic::transport::Endpoint::from_shared(address)?.connect())?;
        let client = ModuleExecutorClient::new(channel);
        Ok(Self { threads, client, caller, _server: server })
    }

    fn measure(&mut self, in_flight: usize) -> Result<Figures, Failure> {
        let request = request()?;
        let (client, caller) = (&self.client, &self.caller);
        measure(&self.threads, || {
            // Several waves in one round, so that the wake-up of this thread weighs nothing with many in flight.
            let waves = if in_flight == 1 { 1 } else { 8 };
            let (tx, rx) = mpsc::channel();
            for _ in 0..in_flight {
                let (mut client, request, tx) = (client.clone(), request.clone(), tx.clone());
                caller.spawn(async move {
                    for _ in 0..waves {
                        tx.send(client.execute(request.clone()).await.map(drop)).ok();
                    }
                });
            }
            drop(tx);
            rx.iter().collect::<Result<Vec<_>, _>>()?;
            Ok(in_flight * waves)
        })
    }
}

struct Executor;

#[tonic::async_trait]
impl ModuleExecutor for Executor {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let input: Input =
            codec::from_bytes(&request.get_ref().input_data).map_err(|e| Status::internal(e.to_string()))?;
        let output = codec::to_bytes(&input).map_err(|e| Status::internal(e.to_string()))?;
        let result = Some(Outcome::OutputData(output.into()));
        Ok(Response::new(ExecuteResponse { result, metrics: None }))
    }

    async fn execute_batch(&self, _: Request<ExecuteBatchRequest>) -> Result<Response<ExecuteBatchResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    type ExecuteStreamStream = tokio_stream::Empty<Result<ExecuteStreamResponse, Status>>;

    async fn execute_stream(
        &self,
        _: Request<ExecuteStreamRequest>,
    ) -> Result<Response<Self::ExecuteStreamStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}

/// Takes every registration and names the link at this path.
struct Registry(String);

#[tonic::async_trait]
impl ModuleRegistry for Registry {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let modules = request.into_inner().modules.into_iter();
        let results = modules.map(|m| ModuleResult { name: m.name, accepted: true, revision: 1, error: None });
        let address = Some(link_endpoint::Address::UnixPath(self.0.clone()));
        Ok(Response::new(RegisterResponse {
            results: results.collect(),
            session_id: "bench".to_owned(),
            session_token: "bench".to_owned(),
            lease_ms: 60_000,
            heartbeat_interval_ms: 30_000,
            link: Some(LinkEndpoint { address }),
            protocol_version: 1,
            max_message_bytes: 4 * 1024 * 1024,
            attach_timeout_ms: 10_000,
        }))
    }

    async fn heartbeat(&self, _: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        Ok(Response::new(HeartbeatResponse { lease_ms: 60_000, commands: Vec::new() }))
    }

    async fn unregister(&self, _: Request<UnregisterRequest>) -> Result<Response<UnregisterResponse>, Status> {
        Ok(Response::new(UnregisterResponse { in_flight: 0 }))
    }

    type AttachStream = tokio_stream::Empty<Result<AttachResponse, Status>>;

    async fn attach(&self, _: Request<Streaming<AttachRequest>>) -> Result<Response<Self::AttachStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("modrack-bench-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let (mut linked, mut echo, mut bare) = (Linked::start(&folder)?, Echo::start(&folder)?, Bare::start(&folder)?);
    println!(
        "100 B in, 100 B out; medians of {REPETITIONS} repetitions; ratios are those of the same repetition to tonic"
    );
    println!("in flight  server          p50 us  calls/s  server CPU us/call  p50 ratio  calls/s ratio");
    for in_flight in [1, 32] {
        let mut rows: [Vec<(Figures, Figures)>; 3] = Default::default();
        for _ in 0..REPETITIONS {
            let base = bare.measure(in_flight)?;
            rows[0].push((echo.measure(in_flight)?, base));
            rows[1].push((linked.measure(in_flight)?, base));
            rows[2].push((base, base));
        }
        for (name, rows) in ["echo of bytes", "modrack link", "bare tonic"].into_iter().zip(rows) {
            let of = |value: fn(&(Figures, Figures)) -> f64| median(rows.iter().map(value).collect());
            println!(
                "{in_flight:>9}  {name:<14} {:>7.1} {:>8.0} {:>19.2} {:>10} {:>14.2}",
                of(|row| row.0.p50_us),
                of(|row| row.0.calls_per_s),
                of(|row| row.0.server_us),
                // With several in flight a round is many calls.
                if in_flight == 1 { format!("{:.2}", of(|row| row.0.p50_us / row.1.p50_us)) } else { "-".to_owned() },
                of(|row| row.0.calls_per_s / row.1.calls_per_s),
            );
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
