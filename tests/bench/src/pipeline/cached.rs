//! A call whose output is kept, beside the same call made on the link.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use executor::{CachePolicy, DEFAULT_CACHE, Policy};

use crate::pipeline::Arguments;
use crate::pipeline::row::Row;
use crate::process::{Process, beside_this};
use crate::report::median;
use crate::subjects::{InProcess, call};

/// Calls of one sample.
const CACHED: u32 = 50_000;
const MADE: u32 = 1_000;

pub(crate) fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let runtime = host::runtime(0)?;
    let name = "bench_forward.Pass0";
    let stage = runtime.block_on(InProcess::with(directory.path(), vec![name.to_owned()], |url| {
        let mut command = Command::new(beside_this("pipeline_provider")?);
        command.args(["forward", "1"]).env("MODRACK_HOST", url).env("MODRACK_PLANE", "link");
        Ok(vec![Process::start(&mut command, &directory.path().join("forward.log"))?])
    }))?;
    // 100 bytes, as `bin`.
    let input = Bytes::from([&[0xc4, 98][..], &[0x5a; 98]].concat());
    let cache = CachePolicy { ttl: Duration::from_secs(3600), backend: DEFAULT_CACHE.to_owned() };
    let policy = Policy { cache: Some(cache), ..Policy::default() };
    let (executor, route) = (stage.executor().clone(), stage.route(name)?);
    let measured = runtime.block_on(async {
        executor.call_with(&route, call(&executor, input.clone()), &policy).await.map_err(|failure| failure.error)?;
        let (mut cached, mut made) = (Vec::new(), Vec::new());
        for _ in 0..=arguments.repetitions {
            let began = Instant::now();
            for _ in 0..CACHED {
                let reply = executor.call_with(&route, call(&executor, input.clone()), &policy).await;
                ensure!(reply.is_ok_and(|reply| reply.facts.cached), "the output was not kept");
            }
            cached.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(CACHED));
            let began = Instant::now();
            for _ in 0..MADE {
                executor.call(&route, call(&executor, input.clone())).await?;
            }
            made.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(MADE));
        }
        anyhow::Ok((cached, made))
    });
    let (cached, made) = measured?;
    runtime.block_on(stage.stop())?;
    let ratio = median(cached.iter().zip(&made).skip(1).map(|(cached, made)| cached / made));
    Ok(vec![Row {
        case: "cached call",
        n: 1,
        value: median(cached.into_iter().skip(1)),
        unit: "µs",
        baseline: Some(median(made.into_iter().skip(1))),
        ratio: Some(ratio),
        beside: "the call on the link",
    }])
}
