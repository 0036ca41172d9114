//! Runs a pipeline over a list of so many elements, so many at once, and prints how many bytes it had allocated at most beyond
//! those before it. In a process of its own, since its allocator counts.

// Counting needs an allocator of one's own, and that trait is unsafe.
#![expect(unsafe_code, reason = "the allocator counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use pipeline::run::{self, CallFacts, Invocation, Invoke, Invoked, NotInvoked, Options, Program};
use pipeline::{Catalog, ModuleSignature};
use type_schema::{CType, CValue, Schema};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: everything is passed on to the system allocator as it came; the counters are plain atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        grown(new_size);
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the module gives for each element, in bytes: far more than what the run keeps of it.
const OUTPUT: usize = 16 << 10;

/// A module that gives a large text, after a while.
struct Large(Schema);

impl Invoke for Large {
    async fn invoke(&self, _: Invocation<'_>) -> Result<Invoked, NotInvoked> {
        let text = CValue::String("x".repeat(OUTPUT));
        let output: Bytes = self.0.encode(&text).expect("a text is a String").into();
        tokio::task::yield_now().await;
        Ok(Invoked { output, facts: CallFacts::default() })
    }

    fn log(&self, _: &str) {}
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the figure is the point")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().ok_or("say how many elements, and how many at once");
    let (elements, at_once): (i64, usize) = (number()?.parse()?, number()?.parse()?);
    let catalog = Catalog::new([ModuleSignature::new("bench.Large", CType::Int, CType::String)]);
    let source = format!(
        "in items: List<Int>\nsizes = map(items, (i) => string-length(bench.Large(i) with concurrency: {at_once}))\nout sizes\n"
    );
    let checked = pipeline::compile(&source, &catalog);
    let plan = Arc::new(checked.plan.ok_or_else(|| format!("{:?}", checked.diagnostics))?);
    let items = CValue::List((0..elements).map(CValue::Int).collect());
    let inputs: Bytes =
        Schema::new(plan.input_type())?.encode(&CValue::Record([("items".into(), items)].into()))?.into();
    let program = Program::new(plan).map_err(|error| error.reason)?;
    let (invoke, options) = (Large(Schema::new(CType::String)?), Options::default());
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let ran = run::run(&program, inputs, &invoke, &options, pending(), |_| {}).await;
    let most = MOST.load(Ordering::Relaxed);
    ran.outcome.map_err(|failure| failure.failure.message)?;
    println!("{}", most - before);
    Ok(())
}
