//! What the run loop costs: chains and fans of calls that answer at once, and lambdas. Asserts nothing; the modules do nothing.
//!
//! Run by `cargo bench -p pipeline --bench run`. Prints a table of medians.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::run::{CallFacts, Failure, Invocation, Invoke, Invoked, NotInvoked, Options, Program, Ran, run};
use pipeline::{Catalog, ModuleSignature, compile};
use type_schema::{CType, CValue, encode};

/// Time for one measurement.
const SLICE: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:<44} {:>8} {:>14} {:>10}", "case", "n", "ns per run", "ns per n");
    for n in [1, 10, 100, 1000] {
        measure("chain of calls", n, &chain(n), Echo { polls: false })?;
    }
    for n in [1, 10, 100, 1000] {
        measure("chain of calls that answer on the second poll", n, &chain(n), Echo { polls: true })?;
    }
    for n in [10, 100, 1000] {
        measure("calls beside each other", n, &fan(n), Echo { polls: false })?;
    }
    for n in [100, 10_000, 1_000_000] {
        measure(
            "map (x) => x * 2 + 1",
            n,
            "in l: List<Int>\nx = map(l, (x) => x * 2 + 1)\nout x",
            Echo { polls: false },
        )?;
    }
    for n in [100, 10_000, 1_000_000] {
        measure(
            "fold (sum, x) => sum + x",
            n,
            "in l: List<Int>\nx = fold(l, 0, (s, x) => s + x)\nout x",
            Echo { polls: false },
        )?;
    }
    for n in [100, 10_000] {
        measure("map (x) => call", n, "in l: List<Int>\nx = map(l, (x) => Echo(x))\nout x", Echo { polls: false })?;
    }
    Ok(())
}

/// `x0 = Echo(start)`, `x1 = Echo(x0)` and so on.
fn chain(n: usize) -> String {
    let steps = (1..n).map(|i| format!("x{i} = Echo(x{})\n", i - 1));
    format!("in start: Int\nx0 = Echo(start)\n{}out x{}", steps.collect::<String>(), n - 1)
}

/// n calls, each with an input of its own.
fn fan(n: usize) -> String {
    let calls: Vec<String> = (0..n).map(|i| format!("Echo({i})")).collect();
    format!("x = [{}]\nout x", calls.join(", "))
}

fn measure(case: &str, n: usize, source: &str, echo: Echo) -> Result<(), Box<dyn std::error::Error>> {
    let catalog = Catalog::new([ModuleSignature::new("bench.Echo", CType::Int, CType::Int)]);
    let plan = compile(source, &catalog).plan.ok_or("the source does not check")?;
    let inputs = CValue::record(plan.inputs.iter().map(|input| {
        let list = || CValue::List((0..n).map(|i| CValue::Int(i as i64)).collect());
        (input.name.clone(), if input.name == "l" { list() } else { CValue::Int(7) })
    }));
    let inputs: Bytes = encode(&inputs, &plan.input_type())?.into();
    let program = Program::new(Arc::new(plan))?;
    let options = Options::default();
    let mut times = Vec::new();
    let begun = Instant::now();
    while times.len() < 3 || begun.elapsed() < SLICE {
        let start = Instant::now();
        let ran = block_on(run(&program, inputs.clone(), &echo, &options, pending::<Failure>(), |_| {}));
        times.push(start.elapsed());
        ran.outcome.map_err(|failure| format!("{failure:?}"))?;
    }
    times.sort_unstable();
    let median = times[times.len() / 2].as_nanos() as f64;
    println!("{case:<44} {n:>8} {median:>14.0} {:>10.0}", median / n as f64);
    Ok(())
}

/// Gives its input; on the second poll where `polls`, as a module of another process would.
struct Echo {
    polls: bool,
}

impl Invoke for Echo {
    async fn invoke(&self, call: Invocation<'_>) -> Result<Invoked, NotInvoked> {
        if self.polls {
            let mut polled = false;
            std::future::poll_fn(|cx| {
                if std::mem::replace(&mut polled, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        Ok(Invoked { output: call.input, facts: CallFacts::default() })
    }

    fn log(&self, _: &str) {}
}

fn block_on(future: impl Future<Output = Ran>) -> Ran {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(ran) = future.as_mut().poll(&mut cx) {
            return ran;
        }
    }
}
