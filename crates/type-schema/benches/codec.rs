//! How long the hot path takes for values of some 10 KiB, beside what reads the same bytes without a type. Asserts nothing.
//!
//! Run by `cargo xtask bench codec`. Prints a table and writes `target/bench/codec.json`. The baseline is `rmp-serde` skipping the
//! value (`IgnoredAny`): a walk over the bytes that checks no type, no order and no duplicate. Both run in turn, so that what
//! else the machine does meets both.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use type_schema::{CType, CValue, Schema, Transcoder, encode};

/// Repetitions of which the median counts.
const REPETITIONS: usize = 15;
/// Time for one measurement of one repetition.
const SLICE: Duration = Duration::from_millis(20);

/// One run of what is measured.
type Work<'a> = Box<dyn Fn() + 'a>;

/// One row of the result.
#[derive(serde::Serialize)]
struct Row {
    case: &'static str,
    operation: &'static str,
    bytes: usize,
    median_ns: f64,
    baseline: &'static str,
    baseline_ns: f64,
    ratio: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for (case, (ctype, value)) in [("document", document()), ("texts", texts()), ("rows", rows_of_numbers())] {
        let bytes = encode(&value, &ctype)?;
        let schema = Schema::new(ctype)?;
        let union = Schema::new(CType::union([CType::Int, schema.ctype().clone()]))?;
        let transcoder = Transcoder::new(&schema, &union)?;
        let operations: [(&'static str, Work<'_>); 4] = [
            ("validate", Box::new(|| drop(black_box(schema.validate(black_box(&bytes)))))),
            ("transcode into a union", Box::new(|| drop(black_box(transcoder.transcode(black_box(&bytes)))))),
            ("decode to a tree", Box::new(|| drop(black_box(schema.decode(black_box(&bytes)))))),
            ("encode a tree", Box::new(|| drop(black_box(schema.encode(black_box(&value)))))),
        ];
        let skip = || drop(black_box(rmp_serde::from_slice::<IgnoredAny>(black_box(&bytes))));
        for (operation, work) in &operations {
            let (median_ns, baseline_ns) = alternate(work, &skip);
            let ratio = median_ns / baseline_ns;
            rows.push(Row {
                case,
                operation,
                bytes: bytes.len(),
                median_ns,
                baseline: "rmp-serde skip",
                baseline_ns,
                ratio,
            });
        }
    }
    print(&rows);
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("codec.json"), serde_json::to_string_pretty(&rows)?)?;
    Ok(())
}

/// Medians of both, in nanoseconds a run, measured in turn.
fn alternate(work: &dyn Fn(), baseline: &dyn Fn()) -> (f64, f64) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        ours.push(measure(work));
        theirs.push(measure(baseline));
    }
    (median(ours), median(theirs))
}

fn measure(work: &dyn Fn()) -> f64 {
    let (started, mut runs) = (Instant::now(), 0_u32);
    loop {
        for _ in 0..16 {
            work();
        }
        runs += 16;
        let elapsed = started.elapsed();
        if elapsed >= SLICE {
            return elapsed.as_secs_f64() * 1e9 / f64::from(runs);
        }
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn print(rows: &[Row]) {
    println!(
        "{:<10} {:<24} {:>7} {:>10} {:>16} {:>7}",
        "case", "operation", "bytes", "median", "rmp-serde skip", "ratio"
    );
    for row in rows {
        let (ours, theirs) = (format!("{:.2} µs", row.median_ns / 1e3), format!("{:.2} µs", row.baseline_ns / 1e3));
        println!(
            "{:<10} {:<24} {:>7} {:>10} {:>16} {:>7.2}",
            row.case, row.operation, row.bytes, ours, theirs, row.ratio
        );
    }
}

/// A record of 10 KiB as modules have them: 100 texts of some 85 bytes and 50 numbers.
fn texts() -> (CType, CValue) {
    let texts = (0..100)
        .map(|i| (format!("text_{i:03}"), CType::String, CValue::String("lorem ipsum dolor ".repeat(5)[..85].into())));
    let numbers = (0..50).map(|i| (format!("number_{i:02}"), CType::Int, CValue::Int(i * 12_345)));
    let fields: Vec<_> = texts.chain(numbers).collect();
    let ctype = CType::record(fields.iter().map(|(name, ctype, _)| (name.clone(), ctype.clone())));
    (ctype, CValue::record(fields.into_iter().map(|(name, _, value)| (name, value))))
}

/// 10 KiB in one text and a few small fields.
fn document() -> (CType, CValue) {
    let ctype = CType::parse("{id: Int, lang: String, text: String}").expect("a type");
    let text = CValue::String("lorem ipsum dolor sit amet, ".repeat(370));
    (ctype, CValue::record([("id", CValue::Int(1)), ("lang", CValue::String("la".into())), ("text", text)]))
}

/// 10 KiB of small rows: the worst case, a value every few bytes.
fn rows_of_numbers() -> (CType, CValue) {
    let ctype = CType::parse("{rows: List<{id: Int, ok: Bool, score: Float}>}").expect("a type");
    let row = |i| CValue::record([("id", CValue::Int(i)), ("ok", CValue::Bool(true)), ("score", CValue::Float(0.5))]);
    (ctype, CValue::record([("rows", CValue::List((0..370).map(row).collect()))]))
}
