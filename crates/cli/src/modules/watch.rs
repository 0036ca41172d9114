//! `modrack modules watch`: one line an event, until Ctrl-C. Changes nothing.

use std::convert::Infallible;

use anstyle::AnsiColor;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::watch_response::Event;
use protocol::{Error, codes as wire};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::{Failures, printable};
use crate::modules::view;
use crate::output::Output;
use crate::target::Target;

pub(crate) async fn run(target: &Target, pattern: &str, output: &Output) -> Result<(), Failures> {
    tokio::select! {
        biased;
        // A stream that never pauses must not keep Ctrl-C waiting.
        _ = tokio::signal::ctrl_c() => Ok(()),
        Err(failures) = watch(target, pattern, output) => Err(failures),
    }
}

/// Ends with a failure alone.
async fn watch(target: &Target, pattern: &str, output: &Output) -> Result<Infallible, Failures> {
    let client = Client::connect(target).await?;
    let mut events = client.watch(pattern).await?;
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
        Event::Added(_)
        | Event::Changed(_)
        | Event::Pipeline(_)
        | Event::PipelineRemoved(_)
        | Event::Run(_)
        | Event::RunsMissed(_) => Ok(()),
    }
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
        Event::Pipeline(_) | Event::PipelineRemoved(_) | Event::Run(_) | Event::RunsMissed(_) => Value::Null,
    }
}
