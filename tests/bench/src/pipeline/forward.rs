//! What it costs a host to pass a large value on from module to module, beside copying it once and a bare exchange over a socket.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use protocol::generated::host::v1::host_client::HostClient;
use protocol::generated::host::v1::{RunPipelineRequest, run_pipeline_request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tonic::transport::Channel;
use type_schema::{CType, CValue, Schema};

use crate::pipeline::Arguments;
use crate::pipeline::row::Row;
use crate::process::{self, Process, beside_this, cpu_time, until};
use crate::report::median;
use crate::subjects::channel;

/// Modules that the value passes.
const HOPS: usize = 10;
/// The value, in bytes.
const VALUE: usize = 1 << 20;
/// Runs of one sample.
const RUNS: u32 = 20;

pub(crate) fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(forward(arguments.repetitions))
}

async fn forward(repetitions: usize) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let (host, url) = process::host(directory.path())?;
    let mut command = Command::new(beside_this("pipeline_provider")?);
    command.args(["forward", &HOPS.to_string()]).env("MODRACK_HOST", &url).env("MODRACK_PLANE", "link");
    let _provider = Process::start(&mut command, &directory.path().join("forward.log"))?;
    let socket = directory.path().join("bare_link.sock");
    let mut command = Command::new(beside_this("bare_link")?);
    let (_bare, _ready) = Process::announced(command.arg(&socket), &directory.path().join("bare_link.log"))?;
    let mut bare = UnixStream::connect(&socket).await?;

    let mut client = HostClient::new(channel(url).await?);
    let (short, long) = (source(1), source(HOPS));
    let schema = Schema::new("{value: Bytes}".parse::<CType>()?)?;
    let value = CValue::Record([("value".to_owned(), CValue::Bytes(vec![0x5a; VALUE]))].into());
    let inputs: Bytes = schema.encode(&value)?.into();
    until("a run over all modules", async || run(&mut client, &long, &inputs).await.is_ok()).await?;

    let (mut hop, mut beside, mut copies, mut links) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=repetitions {
        let [short, long] = [
            cpu_of(host.id(), &mut client, &short, &inputs).await?,
            cpu_of(host.id(), &mut client, &long, &inputs).await?,
        ];
        hop.push(micros(long.saturating_sub(short)) / (HOPS - 1) as f64);
        let (copy, link) = (copy(), exchange(&mut bare).await?);
        copies.push(copy);
        links.push(link);
        beside.push(copy + link);
    }
    let ratio = median(hop.iter().zip(&beside).skip(1).map(|(hop, beside)| hop / beside));
    let row = |case, value: Vec<f64>, baseline: Option<Vec<f64>>, beside| Row {
        case,
        n: HOPS,
        value: median(value.into_iter().skip(1)),
        unit: "µs",
        ratio: baseline.as_ref().map(|_| ratio),
        baseline: baseline.map(|baseline| median(baseline.into_iter().skip(1))),
        beside,
    };
    Ok(vec![
        row("forward, host's CPU per hop", hop, Some(beside), "a copy, and a bare exchange over a socket"),
        row("forward, a copy of 1 MiB", copies, None, ""),
        row("forward, CPU of a bare exchange", links, None, ""),
    ])
}

/// The value through so many modules.
fn source(hops: usize) -> String {
    let mut call = "value".to_owned();
    for i in 0..hops {
        call = format!("bench_forward.Pass{i}({call})");
    }
    format!("in value: Bytes\nresult = {call}\nout result\n")
}

async fn run(client: &mut HostClient<Channel>, source: &str, inputs: &Bytes) -> Result<()> {
    let request = RunPipelineRequest {
        pipeline: Some(run_pipeline_request::Pipeline::Source(source.to_owned())),
        inputs: Some(run_pipeline_request::Inputs::InputData(inputs.to_vec())),
        ..Default::default()
    };
    client.run_pipeline(request).await?;
    Ok(())
}

/// Processor time of the host per run.
async fn cpu_of(host: u32, client: &mut HostClient<Channel>, source: &str, inputs: &Bytes) -> Result<Duration> {
    run(client, source, inputs).await?;
    let before = cpu_time(host)?;
    for _ in 0..RUNS {
        run(client, source, inputs).await?;
    }
    Ok(cpu_time(host)?.saturating_sub(before) / RUNS)
}

/// Time to copy the value from one place that is in use to another, in microseconds.
fn copy() -> f64 {
    let (from, mut to) = (vec![1_u8; VALUE], vec![2_u8; VALUE]);
    let began = Instant::now();
    for _ in 0..RUNS {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
    micros(began.elapsed()) / f64::from(RUNS)
}

/// Processor time of this process for sending the value over a socket, behind its length, and reading it back, in microseconds.
async fn exchange(socket: &mut UnixStream) -> Result<f64> {
    let length = u32::try_from(VALUE).context("a value is below 4 GiB")?.to_be_bytes();
    let message = [&length[..], &vec![0x5a; VALUE]].concat();
    let mut answer = vec![0; message.len()];
    let before = cpu_time(std::process::id())?;
    for _ in 0..RUNS {
        // Both at once, as a connection does: what is larger than the socket's buffers comes back while it is sent.
        let (mut reader, mut writer) = socket.split();
        tokio::try_join!(writer.write_all(&message), async { reader.read_exact(&mut answer).await.map(|_| ()) })?;
    }
    let spent = cpu_time(std::process::id())?.saturating_sub(before);
    ensure!(answer == message, "the bare server changed the value");
    Ok(micros(spent) / f64::from(RUNS))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
