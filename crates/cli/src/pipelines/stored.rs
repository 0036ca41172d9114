//! `modrack pipelines`: pipelines that a host keeps as modules. Runs none.

use std::fmt::Write as _;
use std::path::Path;

use anstyle::Style;
use comfy_table::Color;
use protocol::generated::host::v1 as pb;
use protocol::listing::pipelines as listing;
use protocol::{Error, codes as wire};
use serde_json::json;

use crate::args::PutArgs;
use crate::client::Client;
use crate::codes;
use crate::failure::{Failure, Failures, printable};
use crate::output::{Output, cell, coloured};
use crate::pipelines::source::Source;
use crate::pipelines::{checker, local_name};
use crate::target::Target;

/// How much of a hash people are shown.
const SHORT: usize = 12;

pub(crate) async fn put(target: &Target, args: PutArgs, output: &Output) -> Result<(), Failures> {
    let source = Source::read(&args.file)?;
    let name = match &args.name {
        Some(name) => local_name(name).to_owned(),
        None => name_of(&args.file)?,
    };
    let client = Client::connect(target).await?;
    // What is wrong with the source is told with its places; the host alone decides whether it is stored.
    let verdict = checker::by_host(&source, &client).await?;
    let plan = verdict.into_plan(&source, output.json)?;
    let request = pb::PutPipelineRequest {
        name: name.clone(),
        source: source.text.clone(),
        replaces: args.replaces.unwrap_or_default(),
        allow_breaking: args.allow_breaking,
    };
    let answer = client.put_pipeline(request).await?;
    let stored =
        answer.pipeline.ok_or_else(|| Error::of(wire::FIELD_MISSING, "the host answered without a pipeline"))?;
    if output.json {
        return output.document(&listing::stored(&stored));
    }
    output.line(&format!("stored pipeline.{name}: {} -> {}, plan {}", plan.input, plan.output, short(&plan.hash)))
}

/// The name that a file gives its pipeline.
fn name_of(file: &Path) -> Result<String, Failure> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "-");
    stem.map(ToOwned::to_owned).ok_or_else(|| {
        Failure::local(codes::USAGE, "stdin gives the pipeline no name").hint("give it with --name NAME")
    })
}

pub(crate) async fn list(target: &Target, output: &Output) -> Result<(), Failures> {
    let pipelines = Client::connect(target).await?.list_pipelines().await?;
    if output.json {
        return output.document(&pipelines.iter().map(listing::stored).collect());
    }
    if pipelines.is_empty() {
        anstream::eprintln!("no pipelines\nhint: `modrack pipelines put FILE` stores one");
        return Ok(());
    }
    let rows = pipelines.iter().map(|pipeline| {
        let plan = pipeline.plan.clone().unwrap_or_default();
        vec![
            cell(format!("pipeline.{}", pipeline.name)),
            cell(format!("{} -> {}", plan.input_text, plan.output_text)),
            cell(plan.modules.len().to_string()),
            cell(short(&plan.hash)),
            state(pipeline),
        ]
    });
    output.line(&output.table(&["PIPELINE", "TYPE", "MODULES", "PLAN", "STATE"], rows))
}

fn state(pipeline: &pb::StoredPipeline) -> comfy_table::Cell {
    if pipeline.callable { coloured("checks", Color::Green) } else { coloured("checks no longer", Color::Red) }
}

pub(crate) async fn show(target: &Target, name: &str, output: &Output) -> Result<(), Failures> {
    let stored = Client::connect(target).await?.get_pipeline(local_name(name)).await?;
    if output.json {
        return output.document(&listing::stored(&stored));
    }
    output.line(&describe(&stored, output))?;
    let source = Source { name: format!("{}.cst", stored.name), text: stored.source };
    let verdict = checker::verdict(&stored.diagnostics, None, None)?;
    let rendered = verdict.rendered(&source, output.colour());
    if !rendered.is_empty() {
        output.line(&format!("\n{}", rendered.trim_end()))?;
    }
    output.text(&format!("\n{}", source.text.trim_end()))
}

fn describe(stored: &pb::StoredPipeline, output: &Output) -> String {
    let mut text = output.paint(Style::new().bold(), &printable(&format!("pipeline.{}", stored.name)));
    let mut line = |label: &str, value: &str| {
        write!(text, "\n  {label:<14}{}", printable(value)).expect("a String takes all text");
    };
    for (i, part) in stored.description.lines().enumerate() {
        line(if i == 0 { "description" } else { "" }, part);
    }
    if let Some(plan) = &stored.plan {
        line("input", &plan.input_text);
        line("output", &plan.output_text);
        line("modules", &plan.modules.join(", "));
        line("plan", &plan.hash);
        line("fingerprint", &plan.schema_fingerprint);
    }
    line("state", if stored.callable { "checks" } else { "checks no longer; this is the last plan that did" });
    text
}

pub(crate) async fn delete(target: &Target, name: &str, output: &Output) -> Result<(), Failures> {
    let name = local_name(name);
    Client::connect(target).await?.delete_pipeline(name).await?;
    if output.json {
        return output.document(&json!({ "deleted": name }));
    }
    output.line(&format!("deleted pipeline.{name}"))
}

/// The beginning of a hash.
pub(super) fn short(hash: &str) -> String {
    printable(&hash.chars().take(SHORT).collect::<String>())
}
