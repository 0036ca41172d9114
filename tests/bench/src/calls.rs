//! `bench call`: runs every subject and its baseline in turns. Knows neither how a call is made nor how a table looks.
//!
//! The bare servers give bytes back without looking into them; the modules decode, check and encode a record. The callers of
//! a bare server, and of the host through gRPC, run on one thread, which is where a gRPC client is fastest on few cores; the
//! callers inside the host run in the host's own runtime.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;

use crate::load::{self, Sample};
use crate::report::{self, File, GOALS, Row, median};
use crate::subjects::{Baselines, InProcess, LANGUAGES, Language, OutOfProcess, PLANES, Plane};
use crate::{machine, process, record};

/// What `bench call` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Runs of each measurement; what is shown are medians over them.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// How long one run lasts, in milliseconds.
    #[arg(long, default_value_t = 700)]
    run_ms: u64,
    /// Sizes of the record in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 10 * 1024])]
    payloads: Vec<usize>,
    /// Calls in flight.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    in_flight: Vec<usize>,
    /// Threads of the host, as `runtime.threads`.
    #[arg(long, default_value_t = 0)]
    host_threads: usize,
    /// Only what has this in `path/plane/language`, and its baselines.
    #[arg(long)]
    only: Option<String>,
    /// Where the rows go.
    #[arg(long, default_value = "target/bench/call.json")]
    out: PathBuf,
}

/// One line of the table before it is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Subject {
    Bare(Baseline),
    Host(Language, Plane),
    Client(Language),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Baseline {
    TonicUnix,
    TonicTcp,
    Grpcio,
    GrpcJs,
}

impl Baseline {
    fn name(self) -> &'static str {
        match self {
            Self::TonicUnix => "tonic-unix",
            Self::TonicTcp => "tonic-tcp",
            Self::Grpcio => "grpcio-aio",
            Self::GrpcJs => "grpc-js",
        }
    }

    fn language(self) -> Language {
        match self {
            Self::TonicUnix | Self::TonicTcp => Language::Rust,
            Self::Grpcio => Language::Python,
            Self::GrpcJs => Language::TypeScript,
        }
    }
}

impl Subject {
    /// The bare server that does the same without a host: on a Unix socket for the link, which is one, else on TCP.
    fn baseline(self) -> Option<Baseline> {
        match self {
            Self::Bare(_) => None,
            Self::Host(Language::Rust, Plane::Link) => Some(Baseline::TonicUnix),
            Self::Host(Language::Rust, _) | Self::Client(Language::Rust) => Some(Baseline::TonicTcp),
            Self::Host(Language::Python, _) | Self::Client(Language::Python) => Some(Baseline::Grpcio),
            Self::Host(Language::TypeScript, _) | Self::Client(Language::TypeScript) => Some(Baseline::GrpcJs),
        }
    }

    fn labels(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Bare(baseline) => ("bare", baseline.name(), baseline.language().name()),
            Self::Host(language, plane) => ("host", plane.name(), language.name()),
            Self::Client(language) => ("client", Plane::Link.name(), language.name()),
        }
    }
}

fn subjects(only: Option<&str>) -> Vec<Subject> {
    let mut chosen: Vec<Subject> = Vec::new();
    for language in LANGUAGES {
        let of_host = PLANES.iter().map(|plane| Subject::Host(language, *plane));
        for subject in of_host.chain([Subject::Client(language)]) {
            let (path, plane, language) = subject.labels();
            if only.is_some_and(|only| !format!("{path}/{plane}/{language}").contains(only)) {
                continue;
            }
            // Before what is compared with it, so that the two run one after the other.
            let baseline = subject.baseline().map(Subject::Bare).into_iter().filter(|bare| !chosen.contains(bare));
            let baseline: Vec<Subject> = baseline.collect();
            chosen.extend(baseline.into_iter().chain([subject]));
        }
    }
    chosen
}

/// One measurement of one repetition.
#[derive(Debug, Clone, Copy)]
struct Measured {
    sample: Sample,
    host_cpu: Option<Duration>,
}

struct Stage {
    host_runtime: tokio::runtime::Runtime,
    client_runtime: tokio::runtime::Runtime,
    baselines: Baselines,
    in_process: InProcess,
    out_of_process: OutOfProcess,
}

impl Stage {
    fn run(&self, subject: Subject, input: &Bytes, in_flight: usize, lasting: Duration) -> Result<Measured> {
        let process = match subject {
            Subject::Bare(_) => None,
            Subject::Host(..) => Some(std::process::id()),
            Subject::Client(_) => Some(self.out_of_process.process()),
        };
        let before = process.map(process::cpu_time).transpose()?;
        let sample = match subject {
            Subject::Bare(baseline) => {
                let bare = match baseline {
                    Baseline::TonicUnix => &self.baselines.tonic_unix,
                    Baseline::TonicTcp => &self.baselines.tonic_tcp,
                    Baseline::Grpcio => &self.baselines.grpcio,
                    Baseline::GrpcJs => &self.baselines.grpc_js,
                };
                self.client_runtime.block_on(load::run(bare.call(input), in_flight, lasting))?
            }
            Subject::Host(language, plane) => {
                let call = self.in_process.call(language, plane, input)?;
                self.host_runtime.block_on(load::run(call, in_flight, lasting))?
            }
            Subject::Client(language) => {
                let call = self.out_of_process.call(language, input);
                self.client_runtime.block_on(load::run(call, in_flight, lasting))?
            }
        };
        let after = process.map(process::cpu_time).transpose()?;
        let host_cpu = after.zip(before).map(|(after, before)| after.saturating_sub(before));
        Ok(Measured { sample, host_cpu })
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let host_runtime = host::runtime(arguments.host_threads)?;
    let client_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stage = Stage {
        baselines: client_runtime.block_on(Baselines::start(directory.path()))?,
        out_of_process: client_runtime.block_on(OutOfProcess::start(directory.path()))?,
        in_process: host_runtime.block_on(InProcess::start(directory.path()))?,
        host_runtime,
        client_runtime,
    };
    let lasting = Duration::from_millis(arguments.run_ms);
    let mut rows = Vec::new();
    for &payload_bytes in &arguments.payloads {
        let input = record::of_size(payload_bytes)?;
        for &in_flight in &arguments.in_flight {
            eprintln!("measuring {payload_bytes} bytes, {in_flight} in flight");
            let subjects = subjects(arguments.only.as_deref());
            let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); subjects.len()];
            for subject in &subjects {
                // Warms up interpreters, compilers and pools.
                stage.run(*subject, &input, in_flight, lasting / 2)?;
            }
            for _ in 0..arguments.repetitions {
                for (subject, runs) in subjects.iter().zip(&mut measured) {
                    runs.push(stage.run(*subject, &input, in_flight, lasting)?);
                }
            }
            let of = |subject: Subject| subjects.iter().position(|other| *other == subject).map(|at| &measured[at]);
            rows.extend(subjects.iter().zip(&measured).map(|(subject, runs)| {
                let baseline = subject.baseline().and_then(|baseline| of(Subject::Bare(baseline)));
                row(*subject, payload_bytes, in_flight, runs, baseline)
            }));
        }
    }
    println!("{}\n\n{}", report::table(&rows), report::goals(&rows));
    let file = File {
        machine: machine::Machine::here(),
        repetitions: arguments.repetitions,
        seconds_per_run: lasting.as_secs_f64(),
        rows: &rows,
        goals: &GOALS,
    };
    report::write(&arguments.out, &file)?;
    println!("written to {}", arguments.out.display());
    stage.host_runtime.block_on(stage.in_process.stop())
}

fn row(
    subject: Subject,
    payload_bytes: usize,
    in_flight: usize,
    runs: &[Measured],
    baseline: Option<&Vec<Measured>>,
) -> Row {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let ratio = |of: &dyn Fn(&Sample) -> f64| {
        baseline.map(|baseline| median(runs.iter().zip(baseline).map(|(run, bare)| of(&run.sample) / of(&bare.sample))))
    };
    let (path, plane, language) = subject.labels();
    let host_cpu: Option<Vec<f64>> =
        runs.iter().map(|run| run.host_cpu.map(|cpu| micros(cpu) / run.sample.calls as f64)).collect();
    Row {
        path,
        plane,
        language,
        payload_bytes,
        in_flight,
        p50_us: median(runs.iter().map(|run| micros(run.sample.p50))),
        p99_us: median(runs.iter().map(|run| micros(run.sample.p99))),
        calls_per_s: median(runs.iter().map(|run| run.sample.calls_per_second())),
        host_cpu_us_per_call: host_cpu.map(median),
        baseline: subject.baseline().map(Baseline::name),
        ratio_p50: ratio(&|sample| micros(sample.p50)),
        ratio_calls_per_s: ratio(&Sample::calls_per_second),
    }
}
