//! What the run loop costs per node: a chain of modules that do nothing, in this process.

use std::fmt::Write as _;
use std::future::pending;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use pipeline::plan::{Policy, SiteId};
use pipeline::run::{self, CallFacts, Invocation, Invoke, Invoked, NotInvoked, Options, Program};
use pipeline::{Catalog, ModuleSignature};
use type_schema::{CType, Schema, json_to_msgpack};

use crate::pipeline::Arguments;
use crate::pipeline::check::first;
use crate::pipeline::row::Row;
use crate::report::median;

/// Lengths of the chain.
const LENGTHS: [usize; 4] = [1, 10, 100, 1000];
/// Nodes that one sample runs, over several runs.
const NODES: usize = 20_000;

/// A module that gives its input back, at once.
struct Ready;

impl Invoke for Ready {
    async fn invoke(&self, call: Invocation<'_>) -> Result<Invoked, NotInvoked> {
        Ok(Invoked { output: call.input, facts: CallFacts::default() })
    }

    fn log(&self, _: &str) {}
}

pub(crate) fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    LENGTHS.iter().map(|&length| runtime.block_on(chain(length, arguments.repetitions))).collect()
}

async fn chain(length: usize, repetitions: usize) -> Result<Row> {
    let catalog = Catalog::new([ModuleSignature::new("bench.Same", CType::Int, CType::Int)]);
    let mut source = "in n0: Int\n".to_owned();
    for i in 0..length {
        let _infallible = writeln!(source, "n{} = bench.Same(n{i})", i + 1);
    }
    let _infallible = writeln!(source, "out n{length}");
    let checked = pipeline::compile(&source, &catalog);
    let plan = Arc::new(checked.plan.ok_or_else(|| anyhow!(first(&checked.diagnostics)))?);
    let inputs: Bytes = json_to_msgpack(r#"{"n0": 7}"#, &Schema::new(plan.input_type())?)?.into();
    let program = Program::new(Arc::clone(&plan)).map_err(|error| anyhow!(error.reason))?;
    let options = Options::default();
    let runs = NODES.div_ceil(length);
    let (mut own, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..=repetitions {
        let began = Instant::now();
        for _ in 0..runs {
            let ran = run::run(&program, inputs.clone(), &Ready, &options, pending(), |_| {}).await;
            ensure!(black_box(ran).outcome.is_ok(), "the chain failed");
        }
        own.push(began.elapsed().as_secs_f64() * 1e6 / (runs * length) as f64);
        let began = Instant::now();
        for number in 0..(runs * length) as u64 {
            let (module, policy) = (&plan.modules[0], &Policy::default());
            let input = Bytes::from_static(&[7]);
            let call = Invocation { site: SiteId(0), number, module, policy, input, among_many: false };
            ensure!(black_box(Ready.invoke(black_box(call)).await).is_ok(), "the call failed");
        }
        bare.push(began.elapsed().as_secs_f64() * 1e6 / (runs * length) as f64);
    }
    // The first warms up.
    let ratio = median(own.iter().zip(&bare).skip(1).map(|(own, bare)| own / bare));
    Ok(Row {
        case: "chain, per node",
        n: length,
        value: median(own.into_iter().skip(1)),
        unit: "µs",
        baseline: Some(median(bare.into_iter().skip(1))),
        ratio: Some(ratio),
        beside: "the same calls in a loop",
    })
}
