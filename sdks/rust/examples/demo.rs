//! Calls the example modules of all three languages on a real text and prints what each answered and how long it took.
//! Run by `cargo xtask demo`, which starts the host and the providers. Starts nothing itself.
//!
//! Usage: `MODRACK_HOST=… demo <text file>`

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, Instant};

use modrack::{Change, Client, ModuleInfo, Value};

/// Calls that are timed for each module, one after the other.
const CALLS: usize = 50;
/// How long the providers may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// One module with the input it is called on.
struct Step {
    name: &'static str,
    input: Value,
}

fn steps(text: &str) -> Vec<Step> {
    let step = |name, fields: &[(&str, Value)]| Step {
        name,
        input: Value::record(fields.iter().map(|(field, value)| (*field, value.clone()))),
    };
    let text_only = [("text", Value::from(text))];
    let lengths: Vec<i64> = text.lines().map(|line| i64::try_from(line.len()).unwrap_or(i64::MAX)).collect();
    let numbers = ("numbers", Value::from(lengths));
    vec![
        step("text.WordCount", &text_only),
        step("text.TextLength", &text_only),
        step("text.Uppercase", &text_only),
        step("text.Lowercase", &text_only),
        step("text.Trim", &text_only),
        step("text.Replace", &[text_only[0].clone(), ("find", "ROSALIND".into()), ("replace", "Rosalind".into())]),
        step("text.Measure", &text_only),
        step("strings.Contains", &[text_only[0].clone(), ("substring", "All the world's a stage".into())]),
        step("strings.SplitLines", &text_only),
        step("strings.Split", &[text_only[0].clone(), ("delimiter", "\n\n".into())]),
        step("strings.ParseNumber", &[("text", "1.5".into())]),
        step("data.SumList", std::slice::from_ref(&numbers)),
        step("data.Average", std::slice::from_ref(&numbers)),
        step("data.Max", std::slice::from_ref(&numbers)),
        step("data.Min", std::slice::from_ref(&numbers)),
        step("data.FilterGreaterThan", &[numbers.clone(), ("threshold", 50.into())]),
        step("data.MultiplyEach", &[numbers, ("multiplier", 2.into())]),
        step("data.Range", &[("start", 1.into()), ("end", 1000.into())]),
        step("data.FormatNumber", &[("number", 1_234_567.into())]),
    ]
}

/// What one module did.
struct Row {
    module: String,
    language: String,
    plane: &'static str,
    result: String,
    p50: Duration,
    p99: Duration,
}

// One call at a time: a thread of its own for each part of the client would only add wake-ups.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: demo <text file>")?;
    let text = std::fs::read_to_string(&path)?;
    let steps = steps(&text);
    let client = Client::from_env().await?;
    tokio::time::timeout(PATIENCE, all_present(&client, &steps))
        .await
        .map_err(|_| "the providers did not come in time")??;

    let mut rows = Vec::new();
    for step in &steps {
        rows.push(measure(&client, step).await?);
    }
    println!("{} calls of each module on {} ({} bytes), one at a time:\n", CALLS, name_of(&path), text.len());
    print(&rows);
    Ok(())
}

async fn all_present(client: &Client, steps: &[Step]) -> Result<(), Box<dyn Error>> {
    let mut missing: BTreeSet<&str> = steps.iter().map(|step| step.name).collect();
    let mut watch = client.watch("").await?;
    while !missing.is_empty() {
        match watch.next().await.ok_or("the host ended")?? {
            Change::Added(module) | Change::Changed(module) if plane_of(&module).is_some() => {
                missing.remove(module.name.as_str());
            }
            _ => {}
        }
    }
    Ok(())
}

async fn measure(client: &Client, step: &Step) -> Result<Row, Box<dyn Error>> {
    let module = client.get_module(step.name).await?;
    let result = client.call_value(step.name, &step.input).await?;
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let started = Instant::now();
        client.call_value(step.name, &step.input).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(Row {
        plane: plane_of(&module).unwrap_or("none"),
        language: module.endpoints.first().map(|endpoint| endpoint.language.clone()).unwrap_or_default(),
        module: module.name,
        result: shown(&result),
        p50: times[CALLS / 2],
        p99: times[CALLS * 99 / 100],
    })
}

fn plane_of(module: &ModuleInfo) -> Option<&'static str> {
    module.endpoints.iter().find_map(|endpoint| endpoint.plane).map(|plane| plane.as_str())
}

/// A value as it fits a cell.
fn shown(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:.3}"),
        Value::List(items) => match items.as_slice() {
            [] => "no items".into(),
            [first, ..] => format!("{} items: {}, …", items.len(), shorter(&shown(first), 16)),
        },
        Value::String(text) => {
            let words: Vec<&str> = text.split_whitespace().take(6).collect();
            let short = shorter(&words.join(" "), 32);
            if text.len() > 40 { format!("\"{short}…\" ({} bytes)", text.len()) } else { format!("\"{short}\"") }
        }
        Value::Record(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect();
            fields.join(", ")
        }
        Value::Variant(_, value) => shown(value),
        other => format!("{other:?}"),
    }
}

fn shorter(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn print(rows: &[Row]) {
    let head = ["module", "language", "plane", "result", "median", "p99"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head)
        .chain(rows.iter().map(|row| {
            let (p50, p99) = (millis(row.p50), millis(row.p99));
            [row.module.clone(), row.language.clone(), row.plane.into(), row.result.clone(), p50, p99]
        }))
        .collect();
    let widths: Vec<usize> =
        (0..6).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if column < 4 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
