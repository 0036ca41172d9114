//! What a host takes by itself: time to start, memory by the number of modules, time to register and list many, size on disk.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use protocol::generated::host::v1::ListModulesRequest;
use protocol::generated::host::v1::host_client::HostClient;
use protocol::generated::provider::v1::module_registry_client::ModuleRegistryClient;
use serde::Serialize;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::machine::Machine;
use crate::process::{self, Process, beside_this, resident};
use crate::report::{self, median};
use crate::subjects::channel;

/// What `bench host` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Starts that are timed, and registrations of each size.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/host.json")]
    out: PathBuf,
}

/// One figure with its goal.
#[derive(Debug, Serialize)]
struct Figure {
    what: String,
    unit: &'static str,
    value: f64,
    /// Below this it is reached; absent for a figure that is shown for comparison.
    goal: Option<f64>,
}

#[derive(Debug, Serialize)]
struct File {
    machine: Machine,
    repetitions: usize,
    figures: Vec<Figure>,
}

/// Sizes of a registration.
const SIZES: [usize; 5] = [1, 100, 2_500, 5_000, 10_000];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let program = beside_this("modrack")?;
    let mut figures = vec![figure("release binary", "MiB", mebibytes(std::fs::metadata(&program)?.len()), Some(30.0))];
    let starts: Vec<f64> =
        (0..arguments.repetitions).map(|_| Ok(Host::start()?.1.as_secs_f64() * 1e3)).collect::<Result<_>>()?;
    figures.push(figure("start to serving", "ms", median(starts), Some(100.0)));
    for size in SIZES {
        let mut measured = Vec::new();
        for _ in 0..arguments.repetitions {
            measured.push(runtime.block_on(registered(size))?);
        }
        let of = |select: fn(&Registered) -> f64| median(measured.iter().map(select));
        let goal = (size == 10_000).then_some(2.0);
        figures.push(figure(
            format!("{size} modules registered and listed"),
            "s",
            of(|r| r.elapsed.as_secs_f64()),
            goal,
        ));
        let goal = (size == 100).then_some(40.0);
        figures.push(figure(
            format!("resident memory with {size} modules"),
            "MiB",
            of(|r| mebibytes(r.resident)),
            goal,
        ));
    }
    show(&figures);
    let file = File { machine: Machine::here(), repetitions: arguments.repetitions, figures };
    report::write(&arguments.out, &file)?;
    println!("written to {}", arguments.out.display());
    Ok(())
}

fn figure(what: impl Into<String>, unit: &'static str, value: f64, goal: Option<f64>) -> Figure {
    Figure { what: what.into(), unit, value, goal }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn show(figures: &[Figure]) {
    for Figure { what, unit, value, goal } in figures {
        let verdict = goal.map_or_else(String::new, |goal| {
            format!("{} (below {goal} {unit})", if *value < goal { "reached" } else { "missed" })
        });
        println!("{what:40} {value:9.2} {unit:4} {verdict}");
    }
    println!();
}

struct Host {
    process: Process,
    url: String,
    _directory: TempDir,
}

impl Host {
    /// Starts a host and times it until it says that it serves.
    fn start() -> Result<(Self, Duration)> {
        let directory = tempfile::tempdir()?;
        let began = Instant::now();
        let (process, url) = process::host(directory.path())?;
        let took = began.elapsed();
        Ok((Self { process, url, _directory: directory }, took))
    }
}

struct Registered {
    elapsed: Duration,
    resident: u64,
}

/// Registers so many modules at a fresh host in one request and lists them all, each with two records of some fields.
async fn registered(modules: usize) -> Result<Registered> {
    let (host, _) = Host::start()?;
    let channel = channel(host.url.clone()).await?;
    let specs = (0..modules).map(|number| {
        testkit::module(&format!("Module{number}"), crate::record::TYPE, "{value: Float, words: List<String>}")
    });
    let request = testkit::registration("bench", specs);
    let began = Instant::now();
    let answer = ModuleRegistryClient::new(channel.clone()).register(request).await?.into_inner();
    ensure!(answer.results.iter().all(|result| result.accepted), "a module was refused");
    let listed = list(channel).await?;
    let elapsed = began.elapsed();
    ensure!(listed == modules, "{listed} of {modules} modules are listed");
    Ok(Registered { elapsed, resident: resident(host.process.id())? })
}

async fn list(channel: Channel) -> Result<usize> {
    let mut client = HostClient::new(channel);
    let (mut listed, mut page_token) = (0, String::new());
    loop {
        let page = client.list_modules(ListModulesRequest { page_token, ..Default::default() }).await?.into_inner();
        listed += page.modules.len();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(listed);
        }
    }
}
