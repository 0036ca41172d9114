//! `modrack runs`: the records of runs that a host keeps. Runs nothing.

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::Style;
use comfy_table::{Cell, Color};
use protocol::Error;
use protocol::generated::host::v1 as pb;
use protocol::listing::pipelines as listing;

use crate::args::Trace;
use crate::client::Client;
use crate::failure::{Failures, printable};
use crate::output::{Output, cell, coloured};
use crate::pipelines::checker::{Planned, by_host};
use crate::pipelines::report::Told;
use crate::pipelines::run::write_report;
use crate::pipelines::source::Source;
use crate::pipelines::stored::short;
use crate::pipelines::{local_name, place, trace};
use crate::target::Target;

pub(crate) async fn list(
    target: &Target,
    pipeline: Option<String>,
    limit: u32,
    output: &Output,
) -> Result<(), Failures> {
    let pipeline = pipeline.unwrap_or_default();
    let runs = Client::connect(target).await?.list_runs(local_name(&pipeline), limit).await?;
    if output.json {
        return output.document(&runs.iter().map(listing::run).collect());
    }
    if runs.is_empty() {
        anstream::eprintln!(
            "no runs\nhint: `modrack run FILE` runs a pipeline; a host keeps the records of the latest runs"
        );
        return Ok(());
    }
    let rows = runs.iter().map(|run| {
        let pipeline = if run.pipeline.is_empty() { "-".to_owned() } else { format!("pipeline.{}", run.pipeline) };
        let code = run.error.as_ref().map_or("-", |error| error.code.as_str());
        let took = trace::time(run.duration_us);
        vec![cell(&run.run_id), cell(pipeline), cell(short(&run.plan_hash)), outcome(run), cell(took), cell(code)]
    });
    output.line(&output.table(&["RUN", "PIPELINE", "PLAN", "OUTCOME", "TOOK", "ERROR"], rows))
}

fn outcome(run: &pb::RunRecord) -> Cell {
    let colour = match run.outcome() {
        pb::RunOutcome::Succeeded => Color::Green,
        pb::RunOutcome::Failed => Color::Red,
        pb::RunOutcome::Running | pb::RunOutcome::Cancelled | pb::RunOutcome::Unspecified => Color::Yellow,
    };
    coloured(listing::outcome(run.outcome()), colour)
}

pub(crate) async fn show(
    target: &Target,
    run_id: &str,
    told: Option<Trace>,
    report: Option<PathBuf>,
    output: &Output,
) -> Result<(), Failures> {
    let client = Client::connect(target).await?;
    let record = client.get_run(run_id).await?;
    let known = source(&client, &record).await;
    if let Some(path) = report {
        let title = match record.pipeline.as_str() {
            "" => record.run_id.clone(),
            name => format!("pipeline.{name}"),
        };
        let told = Told {
            title: &title,
            source: known.as_ref().map(|(source, _)| source),
            graph: known.as_ref().map(|(_, plan)| &plan.graph),
            inputs: None,
            outputs: None,
            record: &record,
        };
        write_report(&path, &told, output)?;
    }
    if output.json {
        return output.document(&listing::run(&record));
    }
    output.line(&describe(&record, output))?;
    let table = told.map_or_else(|| nodes(&record, output), |told| trace::table(&record, told, output));
    output.line(&format!("\n{table}"))?;
    let Some((source, error)) = known.map(|(source, _)| source).zip(record.error) else { return Ok(()) };
    match place::render(&Error::from_proto(error), &source, output.colour()) {
        Some(text) => output.line(&format!("\n{}", text.trim_end())),
        None => Ok(()),
    }
}

/// The source that ran, as far as the host still has it: that of a stored pipeline whose plan did not change since.
async fn source(client: &Client, record: &pb::RunRecord) -> Option<(Source, Planned)> {
    if record.pipeline.is_empty() {
        return None;
    }
    // Without the source less is shown; why it is not there says nothing about the run.
    let stored = client.get_pipeline(&record.pipeline).await.ok()?;
    let source = Source { name: format!("{}.cst", stored.name), text: stored.source };
    let plan = match stored.plan {
        Some(plan) => Planned::from_proto(plan).ok()?,
        None => by_host(&source, client).await.ok()?.plan?,
    };
    (plan.hash == record.plan_hash).then_some((source, plan))
}

fn describe(record: &pb::RunRecord, output: &Output) -> String {
    let mut text = output.paint(Style::new().bold(), &printable(&record.run_id));
    let mut line = |label: &str, value: &str| {
        write!(text, "\n  {label:<14}{}", printable(value)).expect("a String takes all text");
    };
    if !record.pipeline.is_empty() {
        line("pipeline", &format!("pipeline.{}", record.pipeline));
    }
    line("plan", &record.plan_hash);
    line("outcome", listing::outcome(record.outcome()));
    line("took", &trace::time(record.duration_us));
    if let Some(error) = &record.error {
        line("error", &format!("{} ({})", error.message, error.code));
    }
    for partial in &record.partial_outputs {
        let value = match &partial.value {
            Some(pb::partial_output::Value::Json(text)) => text.as_str(),
            Some(pb::partial_output::Value::Data(_)) | None => "(bytes)",
        };
        line("output", &format!("{} = {value}", partial.name));
    }
    text
}

/// A row for each node.
fn nodes(record: &pb::RunRecord, output: &Output) -> String {
    let rows = record.nodes.iter().map(|record| {
        let node = record.node.clone().unwrap_or_default();
        let numbers =
            [record.calls, record.attempts, record.cached, record.failed].map(|count| cell(count.to_string()));
        let mut row = vec![cell(&node.label), cell(&node.module)];
        row.extend(numbers);
        row.push(cell(trace::time(record.busy_us)));
        row
    });
    output.table(&["NODE", "MODULE", "CALLS", "ATTEMPTS", "CACHED", "FAILED", "BUSY"], rows)
}
