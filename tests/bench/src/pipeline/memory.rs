//! How much memory a run over a long list takes, by elements at once, beside a run over a list a tenth as long. Measured in a
//! process of its own, whose allocator counts.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::pipeline::Arguments;
use crate::pipeline::row::Row;
use crate::process::beside_this;

/// Elements of the list.
const ELEMENTS: usize = 10_000;
/// Elements at once.
const AT_ONCE: [usize; 3] = [16, 64, 256];

pub(crate) fn measure(_: &Arguments) -> Result<Vec<Row>> {
    let row = |at_once| {
        let (value, baseline) = (peak(ELEMENTS, at_once)?, peak(ELEMENTS / 10, at_once)?);
        Ok(Row {
            case: "memory of a map of 10 000, by elements at once",
            n: at_once,
            value,
            unit: "MiB",
            baseline: Some(baseline),
            ratio: Some(value / baseline),
            beside: "the same of 1 000",
        })
    };
    AT_ONCE.into_iter().map(row).collect()
}

/// Most bytes that the run had allocated at one time beyond those before it, in MiB.
fn peak(elements: usize, at_once: usize) -> Result<f64> {
    let mut command = Command::new(beside_this("pipeline_memory")?);
    let output = command.args([elements.to_string(), at_once.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes: f64 = String::from_utf8(output.stdout)?.trim().parse().context("the program prints a number")?;
    Ok(bytes / f64::from(1 << 20))
}
