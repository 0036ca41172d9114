//! Rows of figures, the goals, and how both are shown. Measures nothing.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    /// How many: lines, nodes, calls, hops, elements at once.
    pub(crate) n: usize,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// In the same unit.
    pub(crate) baseline: Option<f64>,
    /// Median over the repetitions of value over baseline.
    pub(crate) ratio: Option<f64>,
    /// What the baseline is.
    pub(crate) beside: &'static str,
}

/// What a row is to reach: at most this.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Goal {
    pub(crate) case: &'static str,
    pub(crate) of: Of,
    pub(crate) at_most: f64,
}

/// Which figure of a row a goal is of.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Of {
    Value,
    Ratio,
}

const fn goal(case: &'static str, of: Of, at_most: f64) -> Goal {
    Goal { case, of, at_most }
}

pub(crate) const GOALS: [Goal; 7] = [
    goal("check", Of::Value, 20.0),
    goal("editor, an edit to its diagnostics", Of::Value, 30.0),
    goal("chain, per node", Of::Value, 3.0),
    goal("fan-out", Of::Ratio, 1.1),
    goal("forward, host's CPU per hop", Of::Ratio, 1.5),
    goal("cached call", Of::Value, 2.0),
    goal("memory of a map of 10 000, by elements at once", Of::Ratio, 1.5),
];

/// The rows as a table for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["case", "n", "value", "unit", "baseline", "×", "beside"].map(Cell::new));
    for row in rows {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        table.add_row([
            row.case.to_owned(),
            row.n.to_string(),
            number(Some(row.value)),
            row.unit.to_owned(),
            number(row.baseline),
            number(row.ratio),
            row.beside.to_owned(),
        ]);
    }
    for column in [1, 2, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// The goals, each with what was measured.
pub(crate) fn goals(rows: &[Row]) -> String {
    let mut text = String::new();
    for goal in &GOALS {
        for row in rows.iter().filter(|row| row.case == goal.case) {
            let (measured, unit) = match goal.of {
                Of::Value => (Some(row.value), row.unit),
                Of::Ratio => (row.ratio, "×"),
            };
            let Some(measured) = measured else { continue };
            let reached = if measured <= goal.at_most { "reached" } else { "missed" };
            let (case, n, most) = (row.case, row.n, goal.at_most);
            let _infallible = writeln!(text, "{reached:7}  {case}, n = {n}: {measured:.2} {unit} (at most {most})");
        }
    }
    text
}
