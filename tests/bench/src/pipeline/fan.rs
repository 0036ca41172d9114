//! One run that calls a hundred providers at once, beside its slowest call and what a hundred calls cost.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use protocol::generated::host::v1::host_client::HostClient;
use protocol::generated::host::v1::{RunPipelineRequest, run_pipeline_request};

use crate::pipeline::Arguments;
use crate::pipeline::row::Row;
use crate::process::{Process, beside_this};
use crate::report::median;
use crate::subjects::{InProcess, call, channel};

/// Providers, each with one module that is called once.
const PROVIDERS: usize = 100;
/// How long each call takes in its module.
const WAIT_MS: u8 = 50;

pub(crate) fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    // The client shares the runtime of the host, which may have one thread only; it makes one call at a time.
    let host = host::runtime(0)?;
    let names: Vec<String> = (0..PROVIDERS).map(|i| format!("bench_fan_{i}.Wait")).collect();
    let stage = host.block_on(InProcess::with(directory.path(), names.clone(), |url| {
        let mut command = Command::new(beside_this("pipeline_provider")?);
        command.args(["fan", &PROVIDERS.to_string()]).env("MODRACK_HOST", url).env("MODRACK_PLANE", "link");
        Ok(vec![Process::start(&mut command, &directory.path().join("fan.log"))?])
    }))?;
    let mut source = "in ms: Int\n".to_owned();
    for (i, name) in names.iter().enumerate() {
        let _infallible = writeln!(source, "w{i} = {name}(ms)\nout w{i}");
    }
    let mut client = host.block_on(async { anyhow::Ok(HostClient::new(channel(stage.url().into()).await?)) })?;
    let mut run = || {
        let request = RunPipelineRequest {
            pipeline: Some(run_pipeline_request::Pipeline::Source(source.clone())),
            inputs: Some(run_pipeline_request::Inputs::InputJson(format!(r#"{{"ms": {WAIT_MS}}}"#))),
            ..Default::default()
        };
        let began = Instant::now();
        host.block_on(client.run_pipeline(request))?;
        anyhow::Ok(began.elapsed())
    };
    let one = |name: &str, ms: u8| {
        let (executor, route) = (stage.executor().clone(), stage.route(name));
        async move {
            let began = Instant::now();
            executor.call(&*route?, call(&executor, Bytes::copy_from_slice(&[ms]))).await?;
            anyhow::Ok(began.elapsed())
        }
    };
    // Warms up; the source is checked once.
    run()?;
    let (mut runs, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..arguments.repetitions {
        runs.push(millis(run()?));
        // Ten by ten, so that each has the machine nearly to itself.
        let mut slowest = Duration::ZERO;
        for some in names.chunks(10) {
            let took = host.block_on(try_join_all(some.iter().map(|name| one(name, WAIT_MS))))?;
            slowest = took.into_iter().max().context("some were called")?.max(slowest);
        }
        let began = Instant::now();
        host.block_on(try_join_all(names.iter().map(|name| one(name, 0))))?;
        beside.push(millis(slowest + began.elapsed()));
    }
    host.block_on(stage.stop())?;
    let ratio = median(runs.iter().zip(&beside).map(|(run, beside)| run / beside));
    Ok(vec![Row {
        case: "fan-out",
        n: PROVIDERS,
        value: median(runs),
        unit: "ms",
        baseline: Some(median(beside)),
        ratio: Some(ratio),
        beside: "the slowest call, and 100 calls that do nothing",
    }])
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
