//! A pipeline that checks never fails for its types: programs are drawn by type, modules answer whatever their types allow.

mod program;

use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pipeline::run::{CallFacts, Invocation, Invoke, Invoked, NotInvoked, Options, Program, Ran, run};
use pipeline::{Catalog, ModuleSignature, compile};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use type_schema::{CType, CValue, Layout, Schema, encode, strategy};

use self::program::{Drawn, UNIVERSE, draw};
use crate::support::failure;

/// Failures that values may bring about, never types.
const OF_VALUES: [&str; 6] = [
    "pipeline.arithmetic.overflow",
    "pipeline.arithmetic.division_by_zero",
    "pipeline.list.empty",
    "pipeline.convert.range",
    "pipeline.value.too_large",
    "gen.failed",
];

/// Modules that give any value of their output type, fail now and then, and answer in any order.
struct Dice {
    schemas: HashMap<String, (Schema, Schema)>,
    seed: u64,
    calls: AtomicU64,
    /// What was wrong with an input.
    fault: Mutex<Option<String>>,
}

impl Invoke for Dice {
    async fn invoke(&self, call: Invocation<'_>) -> Result<Invoked, NotInvoked> {
        let n = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(self.seed);
        let (input, output) = &self.schemas[&*call.module.name];
        if input.validate(&call.input) != Ok(Layout::Canonical) {
            let fault = format!("{} got {:?} for {}", call.module.name, call.input, input.ctype());
            self.fault.lock().unwrap().get_or_insert(fault);
        }
        let mut waits = n % 3;
        poll_fn(|cx| {
            if waits == 0 {
                return Poll::Ready(());
            }
            waits -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        if n.is_multiple_of(61) {
            return Err(NotInvoked { failure: failure("gen.failed"), facts: CallFacts::default() });
        }
        let value = value_of(output.ctype(), n);
        Ok(Invoked { output: encode(&value, output.ctype()).unwrap().into(), facts: CallFacts::default() })
    }

    fn log(&self, _: &str) {}
}

/// Some value of a type.
fn value_of(ctype: &CType, seed: u64) -> CValue {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    strategy::value(ctype).new_tree(&mut runner).unwrap().current()
}

fn modules() -> Vec<ModuleSignature> {
    let identity = |(i, text): (usize, &&str)| {
        let ctype = CType::parse(text).unwrap();
        ModuleSignature::new(&format!("gen.Mk{i}"), CType::record([("x", ctype.clone())]), ctype)
    };
    let mix = CType::parse("{a: Int, b: Option<String>, c: Option<Int | String>}").unwrap();
    let mut modules: Vec<_> = UNIVERSE.iter().enumerate().map(identity).collect();
    modules.push(ModuleSignature::new("gen.Mix", mix, CType::String));
    modules
}

fn block_on(future: impl Future<Output = Ran>) -> Option<Ran> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..100_000).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(ran) => Some(ran),
        Poll::Pending => None,
    })
}

/// What a sound run came to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    ToOutputs,
    ToFailureOfValues,
}

/// Checks and runs what was drawn, and says what is unsound about it.
fn unsound(Drawn { source }: &Drawn, seed: u64) -> Result<Came, String> {
    let modules = modules();
    let schema = |ctype: &CType| Schema::new(ctype.clone()).unwrap();
    let schemas = modules.iter().map(|m| (m.name.to_string(), (schema(&m.input), schema(&m.output)))).collect();
    let checked = compile(source, &Catalog::new(modules));
    let Some(plan) = checked.plan else {
        let told: Vec<_> = checked
            .diagnostics
            .iter()
            .map(|d| format!("{} {} at {}", d.code, d.message, &source[d.span.range()]))
            .collect();
        return Err(format!("does not check: {told:#?}"));
    };
    let outputs = Schema::new(plan.output_type()).map_err(|error| error.to_string())?;
    let types = plan.input_type();
    let inputs: Bytes = encode(&value_of(&types, seed), &types).unwrap().into();
    let program = Program::new(Arc::new(plan)).map_err(|error| error.to_string())?;
    let dice = Dice { schemas, seed, calls: AtomicU64::new(0), fault: Mutex::new(None) };
    let options = Options { each_concurrency: 3, value_bytes: 1 << 16, ..Options::default() };
    let ran = block_on(run(&program, inputs, &dice, &options, pending(), |_| {})).ok_or("the run does not end")?;
    if let Some(fault) = dice.fault.into_inner().unwrap() {
        return Err(fault);
    }
    match ran.outcome {
        Ok(bytes) if outputs.validate(&bytes) == Ok(Layout::Canonical) => Ok(Came::ToOutputs),
        Ok(bytes) => Err(format!("{bytes:?} for {}", outputs.ctype())),
        Err(failed) if OF_VALUES.contains(&&*failed.failure.code) => Ok(Came::ToFailureOfValues),
        Err(failed) => Err(format!("{failed:?}")),
    }
}

proptest! {
    #![proptest_config(Config { cases: 400, max_shrink_iters: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_program_that_is_well_typed_checks_and_never_fails_for_its_types(seed in any::<u64>(), size in 1_usize..60) {
        let drawn = draw(seed, size);
        if let Err(fault) = unsound(&drawn, seed) {
            prop_assert!(false, "{}\n{}", drawn.source, fault);
        }
    }
}

#[test]
fn most_drawn_programs_come_to_outputs_so_that_the_property_says_something() {
    let came: Vec<_> = (0..200).map(|seed| unsound(&draw(seed * 7919, 30), seed)).collect();
    let outputs = came.iter().filter(|came| **came == Ok(Came::ToOutputs)).count();
    assert!(outputs > 60, "{outputs} of {}", came.len());
    let failures = came.iter().filter(|came| **came == Ok(Came::ToFailureOfValues)).count();
    assert!(failures > 10, "{failures} of {}", came.len());
}
