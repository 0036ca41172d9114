//! The conformance provider in Rust: the modules that `tests/conformance/scenarios` call. The same exist in the other languages.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use modrack::{
    Bytes, Category, Context, Module, ModuleError, Provider, PutOptions, Record, RunEvent, RunOptions, Union, Value,
};

/// Every kind of type at once.
#[derive(Record)]
struct Everything {
    text: String,
    int: i64,
    float: f64,
    flag: bool,
    bytes: Bytes,
    list: Vec<Vec<i64>>,
    map: BTreeMap<i64, String>,
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
struct Pause {
    key: String,
    ms: i64,
}

#[derive(Record)]
struct ByKey {
    key: String,
}

/// What a handler sees of its call and its process.
#[derive(Record)]
struct Inspection {
    pid: i64,
    attempt: i64,
    has_deadline: bool,
}

#[derive(Record)]
struct Text {
    text: String,
}

/// A text and how long it is.
#[derive(Record)]
struct Measures {
    text: String,
    code_points: i64,
    utf8_bytes: i64,
}

#[derive(Record)]
struct Data {
    data: Bytes,
}

#[derive(Record)]
struct Size {
    size: i64,
}

#[derive(Record)]
struct To {
    to: i64,
}

#[derive(Record)]
struct Production {
    key: String,
    items: i64,
    size: i64,
}

#[derive(Record)]
struct Number {
    n: i64,
}

#[derive(Record)]
struct Element {
    key: String,
    n: i64,
}

#[derive(Record)]
struct Nested {
    module: String,
    input: Value,
}

#[derive(Record)]
struct Run {
    pipeline: String,
    inputs: Value,
}

#[derive(Record)]
struct Stored {
    name: String,
    source: String,
}

#[derive(Record)]
struct Source {
    source: String,
}

/// Where a pipeline failed.
#[derive(Record, Default)]
struct Located {
    code: String,
    module: Option<String>,
    line: Option<String>,
    column: Option<String>,
    outcome: Option<String>,
}

/// What the modules count, by the key of the call.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<HashMap<String, i64>>>);

impl Counts {
    fn add(&self, key: &str) {
        *self.0.lock().expect("no holder panics").entry(key.to_owned()).or_default() += 1;
    }

    fn get(&self, key: &str) -> i64 {
        self.0.lock().expect("no holder panics").get(key).copied().unwrap_or_default()
    }
}

/// Counts a call or stream that is dropped before its end.
struct CountIfLeft {
    counts: Counts,
    key: String,
    ended: bool,
}

impl CountIfLeft {
    /// Takes it whole, so that the future which calls it owns it until then.
    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for CountIfLeft {
    fn drop(&mut self) {
        if !self.ended {
            self.counts.add(&self.key);
        }
    }
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

async fn inspect(_: (), ctx: Context) -> Result<Inspection, ModuleError> {
    Ok(Inspection {
        pid: std::process::id().into(),
        attempt: ctx.attempt().into(),
        has_deadline: ctx.deadline().is_some(),
    })
}

async fn crash(_: ()) -> Result<i64, ModuleError> {
    std::process::exit(3)
}

async fn measure(input: Text) -> Result<Measures, ModuleError> {
    let (code_points, utf8_bytes) = (i64::try_from(input.text.chars().count())?, i64::try_from(input.text.len())?);
    Ok(Measures { text: input.text, code_points, utf8_bytes })
}

async fn size(input: Data) -> Result<i64, ModuleError> {
    Ok(i64::try_from(input.data.len())?)
}

async fn big(input: Size) -> Result<Bytes, ModuleError> {
    Ok(vec![0; usize::try_from(input.size)?].into())
}

fn count(input: To) -> impl Stream<Item = Result<i64, ModuleError>> {
    stream::iter((1..=input.to).map(Ok))
}

fn count_and_fail(input: To) -> impl Stream<Item = Result<i64, ModuleError>> {
    let stopped = ModuleError::new(Category::Conflict, "module.stopped", format!("stopped after {}", input.to));
    stream::iter((1..=input.to).map(Ok)).chain(stream::iter([Err(stopped)]))
}

fn negative(n: i64) -> ModuleError {
    ModuleError::new(Category::InvalidArgument, "module.negative", format!("{n} is negative"))
}

async fn double(input: Number) -> Result<i64, ModuleError> {
    if input.n < 0 { Err(negative(input.n)) } else { Ok(2 * input.n) }
}

async fn nest(input: Nested, ctx: Context) -> Result<Value, ModuleError> {
    Ok(ctx.client().call_value(&input.module, &input.input).await?)
}

async fn nest_stream(input: Nested, ctx: Context) -> Result<Vec<Value>, ModuleError> {
    let mut items = ctx.client().stream_value_with(&input.module, &input.input, Default::default()).await?;
    let mut all = Vec::new();
    while let Some(item) = items.next().await {
        all.push(item?);
    }
    Ok(all)
}

async fn nest_error(input: Nested, ctx: Context) -> Result<String, ModuleError> {
    let answer = ctx.client().call_value(&input.module, &input.input).await;
    Ok(answer.err().map(|error| error.code().to_owned()).unwrap_or_default())
}

async fn run_pipeline(input: Run, ctx: Context) -> Result<Value, ModuleError> {
    let run = ctx.client().run_pipeline_value_with(input.pipeline, &input.inputs, RunOptions::new()).await?;
    Ok(run.outputs)
}

fn outcome(outcome: impl Debug) -> String {
    format!("{outcome:?}").to_lowercase()
}

async fn stream_pipeline(input: Run, ctx: Context) -> Result<Vec<String>, ModuleError> {
    let mut events = ctx.client().stream_pipeline::<_, Value>(input.pipeline, &input.inputs, RunOptions::new()).await?;
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        told.push(match event? {
            RunEvent::Started { nodes, .. } => format!("started {}", nodes.len()),
            RunEvent::NodeStarted { node, .. } => format!("node {node} started"),
            RunEvent::NodeEnded { node, call } => format!("node {node} {}", outcome(call.outcome)),
            RunEvent::Ended { outputs, record } => {
                outputs?;
                format!("run {}", outcome(record.outcome))
            }
            _ => continue,
        });
    }
    Ok(told)
}

async fn pipeline_error(input: Run, ctx: Context) -> Result<Located, ModuleError> {
    let client = ctx.client();
    let Err(error) = client.run_pipeline_value_with(input.pipeline, &input.inputs, RunOptions::new()).await else {
        return Ok(Located::default());
    };
    let detail = |key: &str| error.details().get(key).cloned();
    let record = match detail("run_id") {
        Some(run) => Some(client.get_run(&run).await?),
        None => None,
    };
    let outcome = record.map(|record| outcome(record.outcome));
    let (module, line, column) = (detail("module"), detail("line"), detail("column"));
    Ok(Located { code: error.code().to_owned(), module, line, column, outcome })
}

async fn put_pipeline(input: Stored, ctx: Context) -> Result<String, ModuleError> {
    let stored = ctx.client().put_pipeline(&input.name, input.source, PutOptions::new()).await?;
    let plan = stored.plan.ok_or_else(|| ModuleError::failed("what is stored has a plan"))?;
    Ok(format!("{} -> {}", plan.input, plan.output))
}

async fn check_pipeline(input: Source, ctx: Context) -> Result<Vec<String>, ModuleError> {
    let check = ctx.client().check_pipeline(input.source).await?;
    let told = check.diagnostics.iter();
    Ok(told.map(|told| format!("{} {}:{}", told.code, told.place.line, told.place.column)).collect())
}

/// The modules about pipelines.
fn with_pipelines(provider: Provider) -> Provider {
    provider
        .with_module(Module::new("RunPipeline", run_pipeline).description("Runs a pipeline as part of this call."))
        .with_module(Module::new("StreamPipeline", stream_pipeline).description("What happens in a run."))
        .with_module(Module::new("PipelineError", pipeline_error).description("Where a pipeline fails, and how."))
        .with_module(Module::new("PutPipeline", put_pipeline).description("Stores a pipeline."))
        .with_module(Module::new("CheckPipeline", check_pipeline).description("What there is to say of a source."))
}

/// The modules that count.
fn with_counting(provider: Provider) -> Provider {
    let (started, cancelled, produced) = (Counts::default(), Counts::default(), Counts::default());
    let (begun, counts) = (started.clone(), cancelled.clone());
    let sleep = move |input: Pause| {
        begun.add(&input.key);
        let left = CountIfLeft { counts: counts.clone(), key: input.key, ended: false };
        async move {
            tokio::time::sleep(Duration::from_millis(u64::try_from(input.ms)?)).await;
            left.end();
            Ok(input.ms)
        }
    };
    let (made, counts) = (produced.clone(), cancelled.clone());
    let produce = move |input: Production| {
        let left = CountIfLeft { counts: counts.clone(), key: input.key, ended: false };
        let made = made.clone();
        stream::unfold((left, 0), move |(left, given)| {
            let made = made.clone();
            async move {
                if given == input.items {
                    left.end();
                    return None;
                }
                made.add(&left.key);
                let item = usize::try_from(input.size).map(|size| Bytes::from(vec![0; size]));
                Some((item.map_err(ModuleError::from), (left, given + 1)))
            }
        })
    };
    let told = move |input: ByKey| {
        let count = cancelled.get(&input.key);
        async move { Ok(count) }
    };
    let told_started = move |input: ByKey| {
        let count = started.get(&input.key);
        async move { Ok(count) }
    };
    let told_produced = move |input: ByKey| {
        let count = produced.get(&input.key);
        async move { Ok(count) }
    };
    provider
        .with_module(Module::new("Started", told_started).description("How many calls of `Sleep` began under the key."))
        .with_module(Module::new("Sleep", sleep).description("Waits, and counts under the key when it is cancelled."))
        .with_module(
            Module::new("Cancelled", told).description("How many calls and streams of the key were cancelled."),
        )
        .with_module(
            Module::stream("Produce", produce).description("Items of so many zero bytes, counted under the key."),
        )
        .with_module(Module::new("Produced", told_produced).description("How many items `Produce` gave out."))
}

/// The modules about batches.
fn with_batches(provider: Provider) -> Provider {
    let batches: Arc<Mutex<HashMap<String, Vec<i64>>>> = Arc::default();
    let seen = Arc::clone(&batches);
    let square = move |inputs: Vec<Element>| {
        let seen = Arc::clone(&seen);
        async move {
            let size = i64::try_from(inputs.len())?;
            seen.lock().expect("no holder panics").entry(inputs[0].key.clone()).or_default().push(size);
            let square = |n: i64| if n < 0 { Err(negative(n)) } else { Ok(n * n) };
            Ok(inputs.iter().map(|element| square(element.n)).collect())
        }
    };
    let told = move |input: ByKey| {
        let sizes = batches.lock().expect("no holder panics").get(&input.key).cloned().unwrap_or_default();
        async move { Ok(sizes) }
    };
    provider
        .with_module(Module::new("Double", double).description("Twice the number. Takes no batches itself."))
        .with_module(Module::batch("Square", square).description("The squares of the numbers, all at once."))
        .with_module(Module::new("Batches", told).description("How many inputs each call of `Square` had."))
}

#[tokio::main]
async fn main() -> Result<(), modrack::Error> {
    let namespace = std::env::var("MODRACK_NAMESPACE").unwrap_or_else(|_| "conformance".to_owned());
    let provider = Provider::new(namespace)
        .with_module(Module::new("Echo", echo).description("Gives the input back.").idempotent())
        .with_module(Module::new("Fail", fail).description("Fails with an error of the caller's choice."))
        .with_module(Module::new("Raise", raise).description("Fails with an ordinary error."))
        .with_module(Module::new("Inspect", inspect).description("What the handler sees of its call."))
        .with_module(Module::new("Crash", crash).description("Ends the process in the middle of the call."))
        .with_module(Module::new("Measure", measure).description("Gives a text back, and how long it is."))
        .with_module(Module::new("Size", size).description("How many bytes came."))
        .with_module(Module::new("Big", big).description("So many zero bytes."))
        .with_module(Module::stream("Count", count).description("The numbers from 1."))
        .with_module(Module::stream("CountAndFail", count_and_fail).description("The numbers from 1, then a failure."))
        .with_module(Module::new("Nest", nest).description("Calls another module as part of this call."))
        .with_module(Module::new("NestStream", nest_stream).description("Collects the stream of another module."))
        .with_module(Module::new("NestError", nest_error).description("The code with which a nested call fails."));
    with_pipelines(with_batches(with_counting(provider))).run().await
}
