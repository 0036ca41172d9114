//! Rows of measurements, their medians over the repetitions, the goals, and how both are shown. Measures nothing.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

/// One line of the table: medians over the repetitions.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// `bare`: the client calls the server. `host`: the host calls the module. `client`: a gRPC client calls the module through the host.
    pub(crate) path: &'static str,
    pub(crate) plane: &'static str,
    pub(crate) language: &'static str,
    pub(crate) payload_bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) calls_per_s: f64,
    /// Processor time of the host's process per call; of a host inside the benchmark with the caller's own. Absent for a bare server.
    pub(crate) host_cpu_us_per_call: Option<f64>,
    /// What the ratios compare with; absent for a bare server.
    pub(crate) baseline: Option<&'static str>,
    /// Median over the repetitions of this p50 over the baseline's p50 in the same repetition.
    pub(crate) ratio_p50: Option<f64>,
    /// Median over the repetitions of these calls per second over the baseline's.
    pub(crate) ratio_calls_per_s: Option<f64>,
}

/// What a row is to reach, at 100 bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Goal {
    pub(crate) path: &'static str,
    pub(crate) plane: &'static str,
    pub(crate) language: &'static str,
    pub(crate) baseline: &'static str,
    /// At most, with 1 call in flight.
    pub(crate) ratio_p50: f64,
    /// At least, with 32 calls in flight.
    pub(crate) ratio_calls_per_s: f64,
}

const fn goal(
    path: &'static str,
    plane: &'static str,
    language: &'static str,
    baseline: &'static str,
    ratio_p50: f64,
    ratio_calls_per_s: f64,
) -> Goal {
    Goal { path, plane, language, baseline, ratio_p50, ratio_calls_per_s }
}

/// The payload that the goals are of.
pub(crate) const GOAL_BYTES: usize = 100;

/// Processor time of the host per call on the link, 32 in flight, in microseconds, at the most.
pub(crate) const GOAL_HOST_CPU_US: f64 = 15.0;

pub(crate) const GOALS: [Goal; 8] = [
    goal("host", "link", "rust", "tonic-unix", 0.5, 4.0),
    goal("host", "link", "python", "grpcio-aio", 0.2, 20.0),
    goal("host", "attach", "python", "grpcio-aio", 0.6, 8.0),
    goal("host", "link", "typescript", "grpc-js", 0.35, 8.0),
    goal("host", "unary", "rust", "tonic-tcp", 1.15, 0.9),
    goal("host", "unary", "python", "grpcio-aio", 1.15, 0.9),
    goal("host", "unary", "typescript", "grpc-js", 1.15, 0.9),
    goal("client", "link", "python", "grpcio-aio", 0.7, 4.0),
];

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.is_empty() {
        f64::NAN
    } else if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The rows as a table for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(
        [
            "path",
            "plane",
            "language",
            "bytes",
            "in flight",
            "p50 µs",
            "p99 µs",
            "calls/s",
            "host CPU µs",
            "baseline",
            "p50 ×",
            "calls/s ×",
        ]
        .map(Cell::new),
    );
    for row in rows {
        let number =
            |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
        table.add_row([
            row.path.to_owned(),
            row.plane.to_owned(),
            row.language.to_owned(),
            row.payload_bytes.to_string(),
            row.in_flight.to_string(),
            format!("{:.0}", row.p50_us),
            format!("{:.0}", row.p99_us),
            format!("{:.0}", row.calls_per_s),
            number(row.host_cpu_us_per_call, 1),
            row.baseline.unwrap_or_default().to_owned(),
            number(row.ratio_p50, 2),
            number(row.ratio_calls_per_s, 2),
        ]);
    }
    for column in [3, 4, 5, 6, 7, 8, 10, 11] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// The goals, each with what was measured.
pub(crate) fn goals(rows: &[Row]) -> String {
    let mut text = String::new();
    let find = |goal: &Goal, in_flight: usize| {
        rows.iter().find(|row| {
            (row.path, row.plane, row.language) == (goal.path, goal.plane, goal.language)
                && (row.payload_bytes, row.in_flight) == (GOAL_BYTES, in_flight)
        })
    };
    let verdict = |reached: bool| if reached { "reached" } else { "missed" };
    for goal in &GOALS {
        let what = format!("{} → {} {}", goal.path, goal.language, goal.plane);
        if let Some(ratio) = find(goal, 1).and_then(|row| row.ratio_p50) {
            let reached = verdict(ratio <= goal.ratio_p50);
            let _infallible =
                writeln!(text, "{reached:7}  {what}: p50 {ratio:.2} × {} (at most {})", goal.baseline, goal.ratio_p50);
        }
        if let Some(ratio) = find(goal, 32).and_then(|row| row.ratio_calls_per_s) {
            let reached = verdict(ratio >= goal.ratio_calls_per_s);
            let (baseline, least) = (goal.baseline, goal.ratio_calls_per_s);
            let _infallible = writeln!(text, "{reached:7}  {what}: calls/s {ratio:.2} × {baseline} (at least {least})");
        }
    }
    for row in rows {
        let of_goal = (row.path, row.plane, row.payload_bytes, row.in_flight) == ("host", "link", GOAL_BYTES, 32);
        if let (true, Some(cpu)) = (of_goal, row.host_cpu_us_per_call) {
            let reached = verdict(cpu < GOAL_HOST_CPU_US);
            let language = row.language;
            let _infallible = writeln!(
                text,
                "{reached:7}  host → {language} link: host's CPU {cpu:.1} µs per call (below {GOAL_HOST_CPU_US})"
            );
        }
    }
    text
}

/// The file of a run.
#[derive(Debug, Serialize)]
pub(crate) struct File<'a> {
    pub(crate) machine: crate::machine::Machine,
    pub(crate) repetitions: usize,
    pub(crate) seconds_per_run: f64,
    pub(crate) rows: &'a [Row],
    pub(crate) goals: &'a [Goal],
}

/// Writes the file of a run.
pub(crate) fn write(path: &Path, file: &impl Serialize) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, serde_json::to_string_pretty(file)? + "\n")?;
    Ok(())
}
