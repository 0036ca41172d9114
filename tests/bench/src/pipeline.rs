//! `bench pipeline`: what a pipeline costs before and while it runs, each figure beside its baseline in the same run. Asserts no
//! time.

mod cached;
mod chain;
mod check;
mod editor;
mod fan;
mod forward;
mod memory;
mod row;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::machine::Machine;
use crate::report;
use row::{GOALS, Goal, Row};

/// What `bench pipeline` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Runs of each measurement; what is shown are medians over them.
    #[arg(long, default_value_t = 9)]
    pub(crate) repetitions: usize,
    /// Only the cases that have this in their name.
    #[arg(long)]
    only: Option<String>,
    /// Where the rows go.
    #[arg(long, default_value = "target/bench/pipeline.json")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    machine: Machine,
    repetitions: usize,
    rows: &'a [Row],
    goals: &'a [Goal],
}

type Case = (&'static str, fn(&Arguments) -> Result<Vec<Row>>);

/// The cases that are measured together, by the first part of their names.
const CASES: [Case; 7] = [
    ("check", check::measure),
    ("editor", editor::measure),
    ("chain", chain::measure),
    ("fan-out", fan::measure),
    ("forward", forward::measure),
    ("cached", cached::measure),
    ("memory", memory::measure),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut rows = Vec::new();
    for (name, measure) in CASES {
        if arguments.only.as_ref().is_none_or(|only| name.contains(only.as_str())) {
            eprintln!("measuring {name}");
            rows.extend(measure(arguments)?);
        }
    }
    println!("{}\n\n{}", row::table(&rows), row::goals(&rows));
    let file = File { machine: Machine::here(), repetitions: arguments.repetitions, rows: &rows, goals: &GOALS };
    report::write(&arguments.out, &file)?;
    println!("written to {}", arguments.out.display());
    Ok(())
}
