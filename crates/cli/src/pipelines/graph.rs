//! `modrack graph`: a pipeline as a picture, or as text that pictures are drawn from. Runs nothing.

use std::path::{Path, PathBuf};

use pipeline::graph::Graph;

use crate::args::{GraphArgs, GraphFormat};
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::output::Output;
use crate::pipelines::checker::Checker;
use crate::pipelines::picture::{self, Marks};
use crate::pipelines::source::Source;

pub(crate) async fn run(args: GraphArgs, config: Option<PathBuf>, output: &Output) -> Result<(), Failures> {
    let source = Source::read(&args.file)?;
    let format = format(args.format, args.out.as_deref(), output.json)?;
    let checker = Checker::of(args.against, config).await?;
    let plan = checker.check(&source).await?.into_plan(&source, output.json)?;
    let text = draw(&plan.graph, &source.name, format);
    match &args.out {
        None => output.bytes(text.as_bytes()),
        Some(path) => {
            write(path, &text)?;
            if output.json {
                return output.document(&serde_json::json!({ "file": path.display().to_string() }));
            }
            output.line(&format!("written   {}", path.display()))
        }
    }
}

fn draw(graph: &Graph, name: &str, format: GraphFormat) -> String {
    match format {
        GraphFormat::Svg => picture::svg(graph, &format!("the pipeline {name}"), &Marks::new()),
        GraphFormat::Dot => picture::dot(graph),
        GraphFormat::Mermaid => picture::mermaid(graph),
        GraphFormat::Json => format!("{:#}\n", serde_json::json!(graph)),
    }
}

/// What is said, else what the suffix of the file says.
fn format(said: Option<GraphFormat>, out: Option<&Path>, json: bool) -> Result<GraphFormat, Failure> {
    let suffix = out.and_then(Path::extension).and_then(|suffix| suffix.to_str());
    match (said, suffix) {
        (Some(format), _) => Ok(format),
        (None, Some("svg")) => Ok(GraphFormat::Svg),
        (None, Some("dot" | "gv")) => Ok(GraphFormat::Dot),
        (None, Some("mmd" | "mermaid")) => Ok(GraphFormat::Mermaid),
        (None, Some("json")) => Ok(GraphFormat::Json),
        (None, None) if out.is_none() => Ok(if json { GraphFormat::Json } else { GraphFormat::Svg }),
        (None, _) => Err(Failure::local(codes::USAGE, "the suffix of --out says no format")
            .hint("give --format svg, dot, mermaid or json")),
    }
}

/// Writes a file that a command makes.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::local(codes::FILE_REFUSED, format!("`{}` cannot be written: {error}", path.display()))
    })
}
