//! `modrack check`: all that is wrong with some pipelines. Runs nothing.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::args::CheckArgs;
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::output::Output;
use crate::pipelines::checker::{Checker, Planned, Verdict};
use crate::pipelines::counted;
use crate::pipelines::source::Source;

pub(crate) async fn run(args: CheckArgs, config: Option<PathBuf>, output: &Output) -> Result<(), Failures> {
    // All are read before anything is said, so that a wrong path is told at once.
    let sources: Vec<_> = args.files.iter().map(|path| Source::read(path)).collect::<Result<_, _>>()?;
    let checker = Checker::of(args.against, config).await?;
    let mut documents = Vec::new();
    let (mut invalid, mut errors, mut warnings) = (0, 0, 0);
    for source in &sources {
        let verdict = checker.check(source).await?;
        invalid += usize::from(verdict.plan.is_none());
        errors += verdict.errors();
        warnings += verdict.warnings();
        if output.json {
            documents.push(document(source, &verdict));
        } else {
            print(source, &verdict, output)?;
        }
    }
    if output.json {
        output.document(&Value::Array(documents))?;
    }
    if invalid == 0 {
        return Ok(());
    }
    let of =
        if sources.len() == 1 { String::new() } else { format!("{invalid} of {}: ", counted(sources.len(), "file")) };
    let also = if warnings == 0 { String::new() } else { format!(" and {}", counted(warnings, "warning")) };
    let message = format!("{of}{}{also}", counted(errors, "error"));
    Err(Failure::local(codes::PIPELINE_INVALID, message).into())
}

fn print(source: &Source, verdict: &Verdict, output: &Output) -> Result<(), Failures> {
    let rendered = verdict.rendered(source, output.colour());
    if !rendered.is_empty() {
        output.line(&format!("{}\n", rendered.trim_end()))?;
    }
    match &verdict.plan {
        Some(Planned { modules, input, output: result, .. }) => {
            let modules = counted(modules.len(), "module");
            output.line(&format!("{} checks against {modules}: {input} -> {result}", source.name))
        }
        None => Ok(()),
    }
}

fn document(source: &Source, verdict: &Verdict) -> Value {
    let plan = verdict.plan.as_ref().map(|plan| {
        json!({
            "hash": plan.hash,
            "input": plan.input.to_string(),
            "output": plan.output.to_string(),
            "modules": plan.modules,
        })
    });
    json!({ "file": source.name, "checks": plan.is_some(), "plan": plan, "diagnostics": verdict.json(source) })
}
