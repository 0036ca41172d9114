//! The provider that the end-to-end tests run, with the same modules in every language. No example of how to write modules: its
//! modules fail, block, crash and grow on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use modrack::{Bytes, Category, Context, Module, ModuleError, Provider, Record, Union, Value};

/// Every kind of type at once.
#[derive(Record)]
struct Everything {
    text: String,
    int: i64,
    float: f64,
    flag: bool,
    bytes: Bytes,
    list: Vec<String>,
    map: BTreeMap<String, i64>,
    option: Option<String>,
    union: Either,
    any: Value,
}

#[derive(Union)]
enum Either {
    Text(String),
    Int(i64),
}

#[derive(Record)]
struct Failure {
    category: String,
    code: String,
    message: String,
    retryable: bool,
}

#[derive(Record)]
struct Message {
    message: String,
}

#[derive(Record)]
struct Text {
    text: String,
}

#[derive(Record)]
struct Pause {
    ms: i64,
}

#[derive(Record)]
struct Size {
    size: i64,
}

#[derive(Record)]
struct Nested {
    module: String,
    input: Value,
}

/// What a handler sees of its call.
#[derive(Record)]
struct Inspection {
    execution_id: String,
    attempt: i64,
    has_deadline: bool,
    pid: i64,
    language: String,
}

async fn echo(input: Everything) -> Result<Everything, ModuleError> {
    Ok(input)
}

async fn fail(input: Failure) -> Result<String, ModuleError> {
    let category = Category::from_name(&input.category)
        .ok_or_else(|| ModuleError::failed(format!("`{}` is no category", input.category)))?;
    Err(ModuleError::new(category, input.code, input.message).with_retryable(input.retryable))
}

async fn raise(input: Message) -> Result<String, ModuleError> {
    Err(std::io::Error::other(input.message))?
}

fn block(input: Pause) -> Result<i64, ModuleError> {
    std::thread::sleep(pause(&input)?);
    Ok(input.ms)
}

async fn inspect(_: (), ctx: Context) -> Result<Inspection, ModuleError> {
    Ok(Inspection {
        execution_id: ctx.execution_id().to_owned(),
        attempt: ctx.attempt().into(),
        has_deadline: ctx.deadline().is_some(),
        pid: std::process::id().into(),
        language: "rust".to_owned(),
    })
}

async fn nest(input: Nested, ctx: Context) -> Result<Value, ModuleError> {
    Ok(ctx.client().call_value(&input.module, &input.input).await?)
}

async fn crash(_: ()) -> Result<i64, ModuleError> {
    std::process::exit(3)
}

async fn big(input: Size) -> Result<Bytes, ModuleError> {
    Ok(vec![b'x'; usize::try_from(input.size)?].into())
}

async fn extra(input: Text) -> Result<String, ModuleError> {
    Ok(input.text)
}

fn pause(input: &Pause) -> Result<Duration, ModuleError> {
    Ok(Duration::from_millis(u64::try_from(input.ms)?))
}

/// Counts a call that is dropped before it has slept.
struct CountIfDropped {
    cancelled: Arc<AtomicI64>,
    until: Instant,
}

impl Drop for CountIfDropped {
    fn drop(&mut self) {
        if Instant::now() < self.until {
            self.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn provider() -> Provider {
    let namespace = std::env::var("MODRACK_NAMESPACE").unwrap_or_else(|_| "fixture".to_owned());
    let provider = Provider::new(namespace);
    let handle = provider.handle();
    let counted = Arc::new(AtomicI64::new(0));
    let cancelled = Arc::clone(&counted);

    let sleep = move |input: Pause| {
        let cancelled = Arc::clone(&counted);
        async move {
            let pause = pause(&input)?;
            let _count = CountIfDropped { cancelled, until: Instant::now() + pause };
            tokio::time::sleep(pause).await;
            Ok(input.ms)
        }
    };
    let grow = move |_: ()| {
        let handle = handle.clone();
        async move {
            handle.add_module(Module::new("Extra", extra).description("Came while the provider ran.")).await?;
            Ok(true)
        }
    };
    provider
        .with_module(
            Module::new("Echo", echo).description("Gives back what it gets, of every kind of type.").idempotent(),
        )
        .with_module(Module::new("Fail", fail).description("Fails as the input says."))
        .with_module(Module::new("Raise", raise).description("Fails with an ordinary error."))
        .with_module(Module::new("Sleep", sleep).description("Waits, and can be cancelled."))
        .with_module(Module::blocking("Block", block).description("Occupies a thread."))
        .with_module(
            Module::new("Cancelled", move |_: ()| {
                let count = cancelled.load(Ordering::SeqCst);
                async move { Ok(count) }
            })
            .description("How many calls of Sleep were cancelled."),
        )
        .with_module(Module::new("Inspect", inspect).description("What a handler sees of its call."))
        .with_module(Module::new("Nest", nest).description("Calls another module as part of this call."))
        .with_module(Module::new("Crash", crash).description("Ends the process with status 3."))
        .with_module(Module::new("Grow", grow).description("Adds the module Extra."))
        .with_module(Module::new("Big", big).description("So many bytes."))
}

#[tokio::main]
async fn main() -> Result<(), modrack::Error> {
    provider().run().await
}
