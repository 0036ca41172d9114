//! `modrack modules watch`: one line an event, until Ctrl-C. Changes nothing.

use std::convert::Infallible;
use std::time::Duration;

use anstyle::AnsiColor;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::run_pipeline_stream_response::Event as RunTold;
use protocol::generated::host::v1::watch_response::Event;
use protocol::{Error, codes as wire, listing};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::{Failures, printable};
use crate::modules::view;
use crate::output::Output;
use crate::target::Target;

pub(crate) async fn run(
    target: &Target,
    pattern: &str,
    runs: bool,
    components: bool,
    output: &Output,
) -> Result<(), Failures> {
    tokio::select! {
        biased;
        // A stream that never pauses must not keep Ctrl-C waiting.
        _ = tokio::signal::ctrl_c() => Ok(()),
        Err(failures) = watch(target, pattern, runs, components, output) => Err(failures),
    }
}

/// Ends with a failure alone.
async fn watch(
    target: &Target,
    pattern: &str,
    runs: bool,
    components: bool,
    output: &Output,
) -> Result<Infallible, Failures> {
    let client = Client::connect(target).await?;
    let mut events = client.watch(pattern, runs, components).await?;
    loop {
        match events.message().await {
            Ok(Some(pb::WatchResponse { event: Some(event) })) => print(&event, output)?,
            // An event of a later version.
            Ok(Some(pb::WatchResponse { event: None })) => {}
            Ok(None) => return Err(Error::of(wire::HOST_STOPPING, "the host ended the watch").into()),
            Err(status) => return Err(client.failure(&status).into()),
        }
    }
}

fn print(event: &Event, output: &Output) -> Result<(), Failures> {
    if output.json {
        return output.json_line(&json(event));
    }
    let line = |sign: &str, colour: AnsiColor, text: String| {
        let sign = output.paint(colour.on_default().bold(), sign);
        output.line(&format!("{sign} {}", printable(&text)))
    };
    match event {
        Event::Added(pb::ModuleAdded { module: Some(module) }) => line("+", AnsiColor::Green, summary(module)),
        Event::Changed(pb::ModuleChanged { module: Some(module) }) => line("~", AnsiColor::Yellow, summary(module)),
        Event::Removed(removed) => line("-", AnsiColor::Red, format!("{}  {}", removed.name, removed.reason)),
        Event::Synced(synced) => {
            let what = if synced.modules == 1 { "module" } else { "modules" };
            anstream::eprintln!("{} {what}; waiting for changes, Ctrl-C ends", synced.modules);
            Ok(())
        }
        Event::Pipeline(pb::PipelineChanged { pipeline: Some(pipeline) }) => {
            let colour = if pipeline.callable { AnsiColor::Green } else { AnsiColor::Red };
            line("=", colour, pipeline_summary(pipeline))
        }
        Event::PipelineRemoved(removed) => line("-", AnsiColor::Red, format!("pipeline.{}  deleted", removed.name)),
        Event::Run(event) => match run_summary(event) {
            Some(text) => line(">", AnsiColor::Blue, text),
            None => Ok(()),
        },
        Event::RunsMissed(missed) => {
            line("!", AnsiColor::Yellow, format!("{} events of runs were missed", missed.count))
        }
        Event::Component(event) => match &event.component {
            Some(component) => line("*", component_colour(component), component_summary(component, event)),
            None => Ok(()),
        },
        Event::Added(_) | Event::Changed(_) | Event::Pipeline(_) => Ok(()),
    }
}

fn component_colour(component: &pb::Component) -> AnsiColor {
    match component.state() {
        pb::ComponentState::Ready => AnsiColor::Green,
        pb::ComponentState::Failed => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    }
}

/// What it is, what it was, and why it changed.
fn component_summary(component: &pb::Component, event: &pb::ComponentEvent) -> String {
    let state = listing::components::state;
    let previous = match event.previous() {
        pb::ComponentState::Unspecified => String::new(),
        previous => format!("{} → ", state(previous)),
    };
    format!("{}  {previous}{}  {}", component.id, state(component.state()), event.reason)
}

fn pipeline_summary(pipeline: &pb::StoredPipeline) -> String {
    let plan = pipeline.plan.clone().unwrap_or_default();
    let first = pipeline.diagnostics.iter().find(|one| one.severity() != pb::DiagnosticSeverity::Warning);
    let state = match first {
        _ if pipeline.callable => "checks".to_owned(),
        Some(first) => format!("checks no longer: {}: {}", first.code, first.message),
        None => "checks no longer".to_owned(),
    };
    format!("pipeline.{}  {} -> {}  {state}", pipeline.name, plan.input_text, plan.output_text)
}

/// A line for the beginning and the end of a run, and for each call that ended. None for the rest.
fn run_summary(event: &pb::RunEvent) -> Option<String> {
    let pipeline = if event.pipeline.is_empty() { String::new() } else { format!("  pipeline.{}", event.pipeline) };
    let what = match event.event.as_ref()?.event.as_ref()? {
        RunTold::Started(_) => "started".to_owned(),
        RunTold::NodeStarted(_) => return None,
        RunTold::NodeEnded(ended) => {
            let call = ended.call.as_ref()?;
            let code = call.error.as_ref().map(|error| format!(" {}", error.code)).unwrap_or_default();
            let took = Duration::from_micros(call.duration_us);
            format!("node {} {}{code} after {took:?}", ended.node, listing::pipelines::call_outcome(call.outcome()))
        }
        RunTold::Ended(ended) => {
            let record = ended.record.as_ref()?;
            let code = record.error.as_ref().map(|error| format!(" {}", error.code)).unwrap_or_default();
            let took = Duration::from_micros(record.duration_us);
            format!("{}{code} after {took:?}", listing::pipelines::outcome(record.outcome()))
        }
    };
    Some(format!("{}{pipeline}  {what}", event.run_id))
}

fn summary(module: &pb::Module) -> String {
    let planes = view::joined(module, |endpoint| view::plane(endpoint.plane()).into());
    let languages = view::joined(module, view::language);
    format!(
        "{}  {}  {} r{}  {languages}/{planes} x{}  {}",
        module.name,
        view::signature(module),
        module.version,
        module.revision,
        module.endpoints.len(),
        view::best_state(module)
    )
}

fn json(event: &Event) -> Value {
    let module =
        |kind: &str, module: &Option<pb::Module>| json!({ "event": kind, "module": module.as_ref().map(view::json) });
    match event {
        Event::Added(added) => module("added", &added.module),
        Event::Changed(changed) => module("changed", &changed.module),
        Event::Removed(removed) => json!({ "event": "removed", "name": removed.name, "reason": removed.reason }),
        Event::Synced(synced) => json!({ "event": "synced", "modules": synced.modules }),
        Event::Pipeline(changed) => {
            json!({ "event": "pipeline", "pipeline": changed.pipeline.as_ref().map(listing::pipelines::stored) })
        }
        Event::PipelineRemoved(removed) => json!({ "event": "pipeline_removed", "name": removed.name }),
        Event::Run(run) => json!({
            "event": "run",
            "run_id": run.run_id,
            "pipeline": run.pipeline,
            "run": run.event.as_ref().map(listing::pipelines::event),
        }),
        Event::Component(changed) => {
            let mut object = listing::components::event(changed);
            object["event"] = "component".into();
            object
        }
        Event::RunsMissed(missed) => json!({ "event": "runs_missed", "count": missed.count }),
    }
}
