//! What reading and formatting a source of 1 000 lines with 500 calls costs. Asserts nothing but that the source has no fault.
//!
//! Run by `cargo bench -p pipeline --bench syntax`. Prints medians.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use pipeline::{format, parse};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut source = String::from("in text: String\nuse text\n");
    for i in 0..499 {
        writeln!(source, "up-{i} = text.Uppercase(text, limit: {i}) with retry: 3, timeout: 500ms")?;
        writeln!(source, "rec-{i} = {{ value: up-{i}, label: \"n ${{up-{i}}}\", ok: {i} + 1 < 2 * {i} }}")?;
    }
    source.push_str("out up-0\n");
    assert_eq!(parse(&source).diagnostics, []);
    println!("{} lines, {} bytes", source.lines().count(), source.len());
    println!("parse  {:?}", median(|| drop(black_box(parse(&source)))));
    println!("format {:?}", median(|| drop(black_box(format(&source)))));
    Ok(())
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
