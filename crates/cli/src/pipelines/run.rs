//! `modrack run`: one run, or one for each example; outputs on stdout, how it goes on stderr. What runs, runs in the host.

mod progress;

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::run_ended::Outputs;
use protocol::generated::host::v1::run_pipeline_request::{Inputs, Pipeline};
use protocol::generated::host::v1::run_pipeline_stream_response::Event;
use protocol::{Error, codes as wire};
use serde_json::{Value, json};

use crate::args::RunArgs;
use crate::client::Client;
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::modules::input;
use crate::output::Output;
use crate::pipelines::checker::{self, Planned};
use crate::pipelines::report::{self, Told};
use crate::pipelines::run::progress::Progress;
use crate::pipelines::source::Source;
use crate::pipelines::{local_name, place, trace};
use crate::target::Target;

/// How much longer than the host a client waits for the end of a run.
const MARGIN: Duration = Duration::from_secs(5);

/// What is run.
enum What {
    Source(Source),
    Stored(String),
}

/// A pipeline that can be run.
struct Ready {
    pipeline: Pipeline,
    source: Source,
    plan: Planned,
}

/// What a run came to.
struct Done {
    outcome: Result<Value, Error>,
    record: pb::RunRecord,
}

pub(crate) async fn run(target: &Target, args: RunArgs, verbose: bool, output: &Output) -> Result<(), Failures> {
    let progress = Progress::new(output.json);
    tokio::select! {
        biased;
        // Leaving the stream is what cancels the run at the host.
        _ = tokio::signal::ctrl_c() => {
            progress.end(None);
            Err(Failure::local(codes::RUN_INTERRUPTED, "the run was cancelled").into())
        }
        result = go(target, args, verbose, output, &progress) => result,
    }
}

async fn go(
    target: &Target,
    args: RunArgs,
    verbose: bool,
    output: &Output,
    progress: &Progress,
) -> Result<(), Failures> {
    // What is given as a whole is read before anything is asked of the host.
    let what = what(&args.pipeline)?;
    let whole = match (&args.input, args.json_input.clone()) {
        (Some(path), _) => Some(input::from_file(path)?),
        (None, Some(text)) => Some(input::from_text(text, "the value of --json-input")?),
        (None, None) => None,
    };
    let client = Client::connect(target).await?;
    let ready = prepare(&client, what, output.json).await?;
    let inputs = match whole {
        Some(text) => vec![text],
        None if args.examples => examples(&ready.plan)?,
        None => vec![input::from_args(&args.args, &ready.plan.input)?.to_string()],
    };
    for (at, inputs) in inputs.iter().enumerate() {
        let done = once(&client, &ready, inputs, args.timeout, progress).await?;
        if verbose && !output.json {
            anstream::eprintln!("run {}, plan {}", done.record.run_id, done.record.plan_hash);
        }
        if let Some(told) = args.trace {
            trace::print(&done.record, told, output);
        }
        if let Some(path) = &args.report {
            let told = Told {
                title: &ready.source.name,
                source: Some(&ready.source),
                graph: Some(&ready.plan.graph),
                inputs: Some(parsed(inputs)),
                outputs: done.outcome.as_ref().ok().cloned(),
                record: &done.record,
            };
            write_report(&numbered(path, at), &told, output)?;
        }
        let outputs = done.outcome.map_err(|error| place::failure(error, &ready.source))?;
        match args.examples {
            true => output.json_line(&json!({ "inputs": parsed(inputs), "outputs": outputs }))?,
            false if output.json => output.json_line(&outputs)?,
            false => output.document(&outputs)?,
        }
    }
    Ok(())
}

/// A file where there is one; `pipeline.NAME` where there is none.
fn what(text: &str) -> Result<What, Failure> {
    let path = Path::new(text);
    if text == "-" || path.exists() {
        return Ok(What::Source(Source::read(path)?));
    }
    match text.strip_prefix("pipeline.") {
        Some(name) if !name.is_empty() && name != "cst" => Ok(What::Stored(name.to_owned())),
        _ => Source::read(path).map(What::Source).map_err(|failure| {
            failure.hint("give a file, `-` for stdin, or a stored pipeline as `pipeline.NAME`; `modrack pipelines list` shows those")
        }),
    }
}

/// Checks a source, or fetches what is stored, before anything runs.
async fn prepare(client: &Client, what: What, json: bool) -> Result<Ready, Failures> {
    match what {
        What::Source(source) => {
            let plan = checker::by_host(&source, client).await?.into_plan(&source, json)?;
            Ok(Ready { pipeline: Pipeline::Source(source.text.clone()), source, plan })
        }
        What::Stored(name) => {
            let stored = client.get_pipeline(&name).await?;
            let source = Source { name: format!("{name}.cst"), text: stored.source };
            let verdict = checker::verdict(&stored.diagnostics, None, stored.plan)?;
            let plan = verdict.into_plan(&source, json)?;
            Ok(Ready { pipeline: Pipeline::Name(local_name(&name).to_owned()), source, plan })
        }
    }
}

fn examples(plan: &Planned) -> Result<Vec<String>, Failure> {
    if plan.examples.is_empty() {
        let message = "there is no `@example` for each input that is not optional";
        return Err(Failure::local(codes::EXAMPLES_MISSING, message));
    }
    Ok(plan.examples.clone())
}

async fn once(
    client: &Client,
    ready: &Ready,
    inputs: &str,
    timeout: Option<Duration>,
    progress: &Progress,
) -> Result<Done, Failures> {
    let request = pb::RunPipelineRequest {
        pipeline: Some(ready.pipeline.clone()),
        inputs: Some(Inputs::InputJson(inputs.to_owned())),
        plan_hash: ready.plan.hash.clone(),
        file: ready.source.name.clone(),
    };
    let messages = client.run_pipeline(request, timeout).await?;
    let told = follow(client, messages, progress);
    let done = match timeout {
        None => told.await,
        Some(timeout) => tokio::time::timeout(timeout + MARGIN, told).await.unwrap_or_else(|_| {
            Err(Failure::local(codes::HOST_SILENT, "the host did not tell the end of the run").into())
        }),
    };
    progress.end(done.as_ref().ok().map(|done| &done.record));
    done
}

/// Reads what happens to the end.
async fn follow(
    client: &Client,
    mut messages: tonic::Streaming<pb::RunPipelineStreamResponse>,
    progress: &Progress,
) -> Result<Done, Failures> {
    while let Some(message) = messages.message().await.map_err(|status| client.failure(&status))? {
        match message.event {
            Some(Event::Started(started)) => progress.started(&started),
            Some(Event::NodeStarted(started)) => progress.node_started(&started),
            Some(Event::NodeEnded(ended)) => progress.node_ended(&ended),
            Some(Event::Ended(ended)) => {
                progress.missed(ended.events_missed);
                return done(ended);
            }
            // An event of a later version.
            None => {}
        }
    }
    Err(Error::of(wire::HOST_STOPPING, "the host ended the run without saying what it came to").into())
}

fn done(ended: pb::RunEnded) -> Result<Done, Failures> {
    let outcome = match ended.outputs {
        Some(Outputs::OutputJson(text)) => Ok(serde_json::from_str(&text).map_err(|error| {
            Error::of(wire::FIELD_INVALID, format!("the host's `output_json` is no JSON: {error}"))
        })?),
        Some(Outputs::Error(error)) => Err(Error::from_proto(error)),
        Some(Outputs::OutputData(_)) | None => {
            return Err(Error::of(wire::FIELD_MISSING, "the host ended the run without `output_json`").into());
        }
    };
    let record =
        ended.record.ok_or_else(|| Error::of(wire::FIELD_MISSING, "the host ended the run without a record"))?;
    Ok(Done { outcome, record })
}

/// The inputs again, which are JSON.
fn parsed(text: &str) -> Value {
    type_schema::parse_json_text(text).unwrap_or(Value::Null)
}

/// `run.html`, `run-2.html`, … for the examples of one pipeline.
fn numbered(path: &Path, at: usize) -> PathBuf {
    if at == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let suffix = path.extension().map(|suffix| format!(".{}", suffix.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{}{suffix}", at + 1))
}

/// Writes the page, and says where it lies.
pub(super) fn write_report(path: &Path, told: &Told<'_>, output: &Output) -> Result<(), Failures> {
    super::graph::write(path, &report::page(told)?)?;
    if !output.json {
        anstream::eprintln!("report in {}", path.display());
    }
    Ok(())
}
