//! What the nodes of a run did when, as a table. Knows nothing of a page; the report has a timeline of its own.

pub(super) mod calls;
mod decisions;

use comfy_table::{Cell, Color};
use protocol::generated::host::v1 as pb;
use protocol::generated::provider::v1::DataPlane;
use protocol::listing;

use crate::args::Trace;
use crate::output::{Output, cell, coloured};

/// Columns of a terminal that has room for modules, providers and the picture of time.
const WIDE: u16 = 120;
/// Columns of the picture of time.
const COLUMNS: u64 = 24;

/// Prints the record to stderr: a table for people, one JSON object for machines.
pub(super) fn print(record: &pb::RunRecord, told: Trace, output: &Output) {
    if output.json {
        anstream::eprintln!("{}", serde_json::json!({ "record": listing::pipelines::run(record) }));
    } else {
        anstream::eprintln!("{}", table(record, told, output));
    }
}

/// A row for each attempt of the calls that are told, and one for a node's other calls, by when the nodes began; then the nodes that
/// nothing needed. Below it, what middleware decided, where it was asked.
pub(super) fn table(record: &pb::RunRecord, told: Trace, output: &Output) -> String {
    let attempts = attempts(record, told, output);
    match decisions::table(record, output) {
        Some(decisions) => format!("{attempts}\n\n{decisions}"),
        None => attempts,
    }
}

fn attempts(record: &pb::RunRecord, told: Trace, output: &Output) -> String {
    let mut nodes: Vec<_> = record.nodes.iter().collect();
    nodes.sort_by_key(|node| node.recorded.iter().map(|call| call.started_us).min().unwrap_or(u64::MAX));
    let rows = nodes.into_iter().flat_map(|node| rows(node, record, told));
    let headings = ["NODE", "MODULE", "CALL", "START", "WAITED", "TOOK", "PROVIDER", "RESULT", "TIMELINE"];
    if output.width().is_none_or(|width| width >= WIDE) {
        return output.table(&headings, rows);
    }
    let narrow = |at: &usize| !matches!(headings[*at], "MODULE" | "PROVIDER" | "TIMELINE");
    let kept: Vec<_> = (0..headings.len()).filter(narrow).collect();
    let rows = rows.map(|row| kept.iter().map(|at| row[*at].clone()).collect());
    output.table(&kept.iter().map(|at| headings[*at]).collect::<Vec<_>>(), rows)
}

fn rows(record: &pb::NodeRecord, run: &pb::RunRecord, told: Trace) -> Vec<Vec<Cell>> {
    let whole = run.duration_us;
    let node = record.node.clone().unwrap_or_default();
    let start = |call: String| vec![cell(&node.label), cell(&node.module), cell(call)];
    let blank = |count: usize| std::iter::repeat_n(cell("-"), count);
    if record.calls == 0 {
        let mut row = start("-".into());
        row.extend(blank(4));
        row.extend([coloured("not needed", Color::DarkGrey), cell("")]);
        return vec![row];
    }
    let mut rows = Vec::new();
    let calls = match told {
        Trace::Short => calls::notable(record),
        Trace::All => calls::all(record),
    };
    for call in &calls.kept {
        for (at, attempt) in call.attempts.iter().enumerate() {
            // Time before the first attempt is the queue's, between attempts the delay's.
            let before = if at == 0 { call.started_us } else { end_of(&call.attempts[at - 1]) };
            let waited = attempt.started_us.saturating_sub(before);
            let number =
                if call.attempts.len() > 1 { format!("{}.{}", call.call, at + 1) } else { call.call.to_string() };
            let result = match (attempt.code.as_str(), at + 1 == call.attempts.len(), call.outcome()) {
                ("", true, pb::CallOutcome::Cancelled) => coloured("cancelled", Color::Yellow),
                ("", ..) => coloured("succeeded", Color::Green),
                (code, ..) => cell(code).fg(Color::Red),
            };
            let plane = listing::plane(DataPlane::try_from(attempt.plane).unwrap_or_default());
            let provider = [attempt.session_id.as_str(), plane].join(" ");
            rows.push(row(
                start(number),
                [attempt.started_us, waited, attempt.duration_us],
                provider.trim(),
                result,
                whole,
            ));
        }
        if call.attempts.is_empty() {
            let result = match call.outcome() {
                pb::CallOutcome::Succeeded if call.cached => coloured("cached", Color::Magenta),
                pb::CallOutcome::Cancelled => coloured("cancelled", Color::Yellow),
                pb::CallOutcome::Failed => cell(code_of(call)).fg(Color::Red),
                other => cell(listing::pipelines::call_outcome(other)),
            };
            let times = [call.started_us, call.queued_us, call.duration_us];
            rows.push(row(start(call.call.to_string()), times, "", result, whole));
        }
    }
    if let Some(rest) = calls::rest(record, &calls, run.outcome() == pb::RunOutcome::Succeeded) {
        let mut row = start(format!("… {} more", rest.calls));
        row.extend(blank(2));
        row.push(cell(if rest.took.is_empty() { "-" } else { &rest.took }));
        row.extend([cell("-"), cell(rest.outcomes), cell("")]);
        rows.push(row);
    }
    rows
}

fn row(mut start: Vec<Cell>, [began, waited, took]: [u64; 3], provider: &str, result: Cell, whole: u64) -> Vec<Cell> {
    let provider = if provider.is_empty() { "-" } else { provider };
    start.extend([cell(time(began)), cell(time(waited)), cell(time(took)), cell(provider), result]);
    start.push(Cell::new(bar(began, waited, took, whole)));
    start
}

fn end_of(attempt: &pb::AttemptRecord) -> u64 {
    attempt.started_us.saturating_add(attempt.duration_us)
}

fn code_of(call: &pb::CallRecord) -> &str {
    call.error.as_ref().map_or("failed", |error| error.code.as_str())
}

/// When it waited and when it ran, as a part of the run.
fn bar(began: u64, waited: u64, took: u64, whole: u64) -> String {
    let column = |at: u64| (at.min(whole) * COLUMNS / whole.max(1)).min(COLUMNS);
    let (from, start, end) = (column(began.saturating_sub(waited)), column(began), column(began.saturating_add(took)));
    let start = start.min(COLUMNS - 1);
    (0..end.max(start + 1))
        .map(|at| match at {
            at if at >= start => '█',
            at if at >= from => '░',
            _ => ' ',
        })
        .collect()
}

/// A time of so many microseconds, in three digits or so.
pub(super) fn time(micros: u64) -> String {
    match micros {
        0 => "0".into(),
        1..1000 => format!("{micros} µs"),
        1000..10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        10_000..100_000 => format!("{:.1} ms", micros as f64 / 1e3),
        100_000..1_000_000 => format!("{} ms", micros / 1000),
        1_000_000..60_000_000 => format!("{:.2} s", micros as f64 / 1e6),
        _ => format!("{} min {} s", micros / 60_000_000, micros / 1_000_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use protocol::generated::error::v1 as error;

    use super::*;

    fn attempt(started_us: u64, duration_us: u64, code: &str) -> pb::AttemptRecord {
        pb::AttemptRecord {
            session_id: "ses-1".into(),
            plane: DataPlane::Link.into(),
            started_us,
            duration_us,
            code: code.into(),
        }
    }

    fn call(
        call: u64,
        started_us: u64,
        duration_us: u64,
        outcome: pb::CallOutcome,
        attempts: Vec<pb::AttemptRecord>,
    ) -> pb::CallRecord {
        pb::CallRecord { call, started_us, duration_us, outcome: outcome.into(), attempts, ..pb::CallRecord::default() }
    }

    fn node(label: &str, module: &str, calls: u64, recorded: Vec<pb::CallRecord>) -> pb::NodeRecord {
        let node = pb::PipelineNode { label: label.into(), module: module.into(), ..pb::PipelineNode::default() };
        pb::NodeRecord { node: Some(node), calls, recorded, ..pb::NodeRecord::default() }
    }

    /// A retry, a cached answer, a failure, a node that nothing needed, calls that are not told one by one.
    #[test]
    fn a_table_tells_who_ran_when_and_how_often() {
        use pb::CallOutcome::{Cancelled, Failed, Succeeded};
        let mut cached = call(2, 1_600_000, 3, Succeeded, vec![]);
        cached.cached = true;
        let mut failed = call(3, 1_600_000, 900, Failed, vec![]);
        failed.error = Some(error::Error { code: "executor.overloaded".into(), ..error::Error::default() });
        let record = pb::RunRecord {
            duration_us: 2_000_000,
            nodes: vec![
                node("b\u{1b}[31m", "text.Split", 1, vec![cached]),
                node(
                    "clean",
                    "text.Trim",
                    1,
                    vec![call(
                        0,
                        100,
                        1_500_000,
                        Succeeded,
                        vec![attempt(20_100, 500_000, "text.busy"), attempt(1_000_000, 500_100, "")],
                    )],
                ),
                node("text.Upper", "text.Upper", 0, vec![]),
                node(
                    "score",
                    "ml.Score",
                    40,
                    vec![failed, call(4, 1_700_000, 300_000, Cancelled, vec![attempt(1_700_500, 299_500, "")])],
                ),
            ],
            ..pb::RunRecord::default()
        };
        insta::assert_snapshot!(table(&record, Trace::Short, &Output::new(false)), @"
        NODE        MODULE      CALL       START    WAITED   TOOK    PROVIDER    RESULT                     TIMELINE
        clean       text.Trim   0.1        20.1 ms  20.0 ms  500 ms  ses-1 link  text.busy                  ██████
        clean       text.Trim   0.2        1.00 s   479 ms   500 ms  ses-1 link  succeeded                        ░░░░░░██████
        b�[31m      text.Split  2          1.60 s   0        3 µs    -           cached                                        █
        score       ml.Score    3          1.60 s   0        900 µs  -           executor.overloaded                           █
        score       ml.Score    4          1.70 s   500 µs   299 ms  ses-1 link  cancelled                                      ████
        score       ml.Score    … 38 more  -        -        -       -           38 succeeded or cancelled
        text.Upper  text.Upper  -          -        -        -       -           not needed
        ");
    }

    /// A map of 200 calls: two failed, one was retried, twelve were cached; beyond 150 the record only counts.
    #[test]
    fn of_many_calls_those_that_failed_were_retried_or_took_longest_have_rows() {
        use pb::CallOutcome::{Failed, Succeeded};
        let calls = (0..150).map(|at| {
            let began = at * 1000;
            let took = 1200 + at * 37 % 101 * 380;
            let mut one = call(at, began, took, Succeeded, vec![attempt(began, took, "")]);
            match at {
                40 => one.attempts = vec![attempt(began, 900, "text.busy"), attempt(began + 1000, 900, "")],
                7 | 90 => {
                    one.set_outcome(Failed);
                    one.attempts = vec![attempt(began, took, "text.sour")];
                }
                100..112 => (one.cached, one.attempts) = (true, vec![]),
                _ => {}
            }
            one
        });
        let mut map = node("score", "ml.Score", 200, calls.collect());
        (map.failed, map.cached) = (2, 12);
        let mut record = pb::RunRecord { duration_us: 200_000, nodes: vec![map], ..pb::RunRecord::default() };
        record.set_outcome(pb::RunOutcome::Succeeded);
        let output = Output::new(false);
        insta::assert_snapshot!(table(&record, Trace::Short, &output), @"
        NODE   MODULE    CALL        START    WAITED  TOOK                PROVIDER    RESULT                    TIMELINE
        score  ml.Score  7           7.00 ms  0       22.9 ms             ses-1 link  text.sour                 ███
        score  ml.Score  19          19.0 ms  0       38.1 ms             ses-1 link  succeeded                   ████
        score  ml.Score  30          30.0 ms  0       39.2 ms             ses-1 link  succeeded                    █████
        score  ml.Score  40.1        40.0 ms  0       900 µs              ses-1 link  text.busy                     █
        score  ml.Score  40.2        41.0 ms  100 µs  900 µs              ses-1 link  succeeded                     █
        score  ml.Score  60          60.0 ms  0       38.8 ms             ses-1 link  succeeded                        ████
        score  ml.Score  90          90.0 ms  0       38.4 ms             ses-1 link  text.sour                           █████
        score  ml.Score  131         131 ms   0       39.2 ms             ses-1 link  succeeded                                █████
        score  ml.Score  … 193 more  -        -       1.20 ms to 38.1 ms  -           181 succeeded, 12 cached
        ");
        // What is only counted may have been cut off by the failure.
        record.set_outcome(pb::RunOutcome::Failed);
        insta::assert_snapshot!(table(&record, Trace::Short, &output).lines().last().unwrap(), @"score  ml.Score  … 193 more  -        -       1.20 ms to 38.1 ms  -           181 succeeded or cancelled, 12 cached");
        let all = table(&record, Trace::All, &output);
        assert_eq!(all.lines().count(), 1 + 151 + 1);
        insta::assert_snapshot!(all.lines().last().unwrap(), @"score  ml.Score  … 50 more  -        -       -        -           50 succeeded or cancelled");
        insta::assert_snapshot!(table(&record, Trace::Short, &Output::with_width(80)), @"
        NODE   CALL        START    WAITED  TOOK                RESULT
        score  7           7.00 ms  0       22.9 ms             text.sour
        score  19          19.0 ms  0       38.1 ms             succeeded
        score  30          30.0 ms  0       39.2 ms             succeeded
        score  40.1        40.0 ms  0       900 µs              text.busy
        score  40.2        41.0 ms  100 µs  900 µs              succeeded
        score  60          60.0 ms  0       38.8 ms             succeeded
        score  90          90.0 ms  0       38.4 ms             text.sour
        score  131         131 ms   0       39.2 ms             succeeded
        score  … 193 more  -        -       1.20 ms to 38.1 ms  181 succeeded or
                                                                cancelled, 12 cached
        ");
        record.nodes[0].recorded.truncate(9);
        record.nodes[0].calls = 9;
        assert_eq!(table(&record, Trace::Short, &output).lines().count(), 10, "a row for a rest of one call says less");
    }

    #[test]
    fn a_time_has_about_three_digits() {
        for (micros, text) in [
            (0, "0"),
            (7, "7 µs"),
            (1234, "1.23 ms"),
            (45_678, "45.7 ms"),
            (456_789, "456 ms"),
            (1_234_567, "1.23 s"),
            (125_000_000, "2 min 5 s"),
        ] {
            assert_eq!(time(micros), text);
        }
    }
}
