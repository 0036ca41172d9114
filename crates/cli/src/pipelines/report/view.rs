//! What stands on the page about a run, as plain texts. The template escapes them; only the picture is markup already.

use protocol::Error;
use protocol::generated::host::v1 as pb;
use protocol::generated::provider::v1::DataPlane;
use protocol::listing;
use serde::Serialize;
use serde_json::Value;

use super::Told;
use super::timeline::{self, Tick, Track};
use crate::pipelines::picture::{self, Mark, Marks, State};
use crate::pipelines::trace::{calls, time};
use crate::pipelines::{counted, place};

/// Most bytes of one value that are shown.
const VALUE: usize = 64 * 1024;

/// The whole page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    outcome: &'static str,
    run_id: String,
    plan_hash: String,
    started: String,
    duration: String,
    summary: String,
    failure: Option<Failed>,
    graph: Option<String>,
    ticks: Vec<Tick>,
    nodes: Vec<Node>,
    inputs: Option<Vec<Named>>,
    outputs: Vec<Named>,
    outputs_title: &'static str,
    source: Option<Vec<Line>>,
    source_name: String,
}

#[derive(Debug, Serialize)]
struct Failed {
    code: String,
    message: String,
    facts: String,
    place: String,
    details: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    value: String,
    rest: String,
}

#[derive(Debug, Serialize)]
struct Line {
    number: usize,
    text: String,
    hot: bool,
}

#[derive(Debug, Serialize)]
struct Node {
    id: u32,
    label: String,
    module: String,
    language: String,
    state: &'static str,
    class: &'static str,
    waited_for: Option<Before>,
    line: u32,
    facts: String,
    height: usize,
    track: Track,
    calls: Vec<Call>,
    /// What calls there are beside those.
    rest: String,
    /// All calls, where those above are not all, under this title.
    folded: Vec<Call>,
    folded_title: String,
}

/// What a node waited for.
#[derive(Debug, Serialize)]
struct Before {
    id: u32,
    label: String,
    until: String,
}

#[derive(Debug, Serialize)]
struct Call {
    call: u64,
    attempt: String,
    started: String,
    waited: String,
    took: String,
    provider: String,
    outcome: String,
    class: &'static str,
    message: String,
}

/// The page about a run.
pub(super) fn page(told: &Told<'_>) -> Page {
    let record = told.record;
    let whole = span_of(record);
    let nodes = nodes(told, whole);
    let graph = told.graph.map(|graph| {
        let marks: Marks = record.nodes.iter().filter_map(mark).collect();
        picture::svg(graph, &format!("the pipeline {}", told.title), &marks)
    });
    let error = record.error.clone().map(Error::from_proto);
    let hot = error.as_ref().and_then(|error| error.details().get("line")?.parse::<usize>().ok());
    let (outputs, outputs_title) = outputs(told);
    Page {
        title: told.title.to_owned(),
        outcome: listing::pipelines::outcome(record.outcome()),
        run_id: record.run_id.clone(),
        plan_hash: record.plan_hash.clone(),
        started: record.started_at.as_ref().map(|at| moment(at.seconds)).unwrap_or_default(),
        duration: time(record.duration_us),
        summary: summary(record),
        failure: error.map(|error| failed(&error, told)),
        graph,
        ticks: timeline::ticks(whole),
        nodes,
        inputs: told.inputs.as_ref().map(members),
        outputs,
        outputs_title,
        source_name: told.source.map(|source| source.name.clone()).unwrap_or_default(),
        source: told.source.map(|source| {
            let lines = source.text.lines().enumerate();
            lines.map(|(at, text)| Line { number: at + 1, text: text.to_owned(), hot: hot == Some(at + 1) }).collect()
        }),
    }
}

/// How long the timeline is: the run, and whatever was told beyond its end.
fn span_of(record: &pb::RunRecord) -> u64 {
    let calls = record.nodes.iter().flat_map(|node| &node.recorded);
    let ends = calls.map(|call| call.started_us.saturating_add(call.duration_us));
    ends.fold(record.duration_us, u64::max)
}

fn summary(record: &pb::RunRecord) -> String {
    let sum = |of: fn(&pb::NodeRecord) -> u64| {
        usize::try_from(record.nodes.iter().map(of).sum::<u64>()).unwrap_or(usize::MAX)
    };
    let mut text =
        format!("{}, {}", counted(sum(|node| node.calls), "call"), counted(sum(|node| node.attempts), "attempt"));
    for (count, what) in [(sum(|node| node.cached), "cached"), (sum(|node| node.failed), "failed")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}

fn failed(error: &Error, told: &Told<'_>) -> Failed {
    let retry = if error.retryable() { "the same run may succeed later" } else { "the same run fails again" };
    Failed {
        code: error.code().to_owned(),
        message: error.message().to_owned(),
        facts: format!("{}, told by {}; {retry}", error.category(), error.origin().as_str()),
        place: told.source.and_then(|source| place::render(error, source, false)).unwrap_or_default(),
        details: error.details().iter().map(|(name, value)| named(name, value.clone())).collect(),
    }
}

fn state(record: &pb::NodeRecord) -> State {
    let cancelled = record.recorded.iter().any(|call| call.outcome() == pb::CallOutcome::Cancelled);
    match record {
        record if record.calls == 0 => State::Idle,
        record if record.failed > 0 => State::Failed,
        _ if cancelled => State::Cancelled,
        record if record.cached == record.calls => State::Cached,
        _ => State::Succeeded,
    }
}

fn mark(record: &pb::NodeRecord) -> Option<(u32, Mark)> {
    let node = record.node.as_ref()?;
    let took = record.recorded.iter().map(|call| call.duration_us).max().unwrap_or_default();
    let note = match record.calls {
        0 => String::new(),
        1 => time(took),
        calls => format!("{calls} calls"),
    };
    Some((node.node, Mark { state: state(record), note, link: format!("#node-{}", node.node) }))
}

fn nodes(told: &Told<'_>, whole: u64) -> Vec<Node> {
    let record = told.record;
    let waited = told.graph.map(|graph| timeline::waited_for(graph, record)).unwrap_or_default();
    let label_of = |site: u32| {
        let node = record.nodes.iter().filter_map(|node| node.node.as_ref()).find(|node| node.node == site);
        node.map_or_else(String::new, |node| node.label.clone())
    };
    let mut records: Vec<_> = record.nodes.iter().collect();
    records.sort_by_key(|node| node.recorded.iter().map(|call| call.started_us).min().unwrap_or(u64::MAX));
    let view = |record: &pb::NodeRecord| {
        let node = record.node.clone().unwrap_or_default();
        let track = timeline::track(record, whole);
        let state = state(record);
        let before =
            waited.get(&node.node).map(|(site, end)| Before { id: *site, label: label_of(*site), until: time(*end) });
        let succeeded = told.record.outcome() == pb::RunOutcome::Succeeded;
        let (notable, all) = (calls::notable(record), calls::all(record));
        let rest = calls::rest(record, &notable, succeeded).map(|rest| beside(&rest)).unwrap_or_default();
        let folded = if notable.rest.is_empty() { Vec::new() } else { listed(&all) };
        Node {
            id: node.node,
            height: if track.lanes == 1 { 16 } else { (track.lanes * 7).max(16) },
            track,
            state: state.as_str(),
            class: state.class(),
            waited_for: before,
            line: node.span.map(|span| span.line).unwrap_or_default(),
            facts: facts(record),
            label: node.label,
            module: node.module,
            language: node.language,
            calls: listed(&notable),
            rest,
            folded_title: match record.recorded.len() as u64 {
                told if told < record.calls => format!("The first {told} calls one by one"),
                told => format!("All {told} calls one by one"),
            },
            folded,
        }
    };
    records.into_iter().map(view).collect()
}

fn facts(record: &pb::NodeRecord) -> String {
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    if record.calls == 0 {
        return "no output needed it".to_owned();
    }
    let mut text = format!("{}, {}", counted(count(record.calls), "call"), counted(count(record.attempts), "attempt"));
    for (count, what) in [(record.cached, "cached"), (record.failed, "failed")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text.push_str(&format!(
        ", {} busy, {} in, {} out",
        time(record.busy_us),
        bytes(record.bytes_in),
        bytes(record.bytes_out)
    ));
    text
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

fn listed(calls: &calls::Calls<'_>) -> Vec<Call> {
    calls.kept.iter().flat_map(|call| rows(call)).collect()
}

fn beside(rest: &calls::Rest) -> String {
    let calls = counted(usize::try_from(rest.calls).unwrap_or(usize::MAX), "more call");
    let took = if rest.took.is_empty() { String::new() } else { format!("; took {}", rest.took) };
    format!("… {calls}: {}{took}", rest.outcomes)
}

/// A row for each attempt, or one for a call without any.
fn rows(call: &pb::CallRecord) -> Vec<Call> {
    let message = call.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    let row = |attempt: String, started: u64, waited: u64, took: u64, provider: String, outcome: &str, class| Call {
        call: call.call,
        attempt,
        started: time(started),
        waited: time(waited),
        took: time(took),
        provider,
        outcome: outcome.to_owned(),
        class,
        message: message.clone(),
    };
    if call.attempts.is_empty() {
        let (outcome, class) = match (call.cached, call.outcome()) {
            (true, pb::CallOutcome::Succeeded) => ("cached", "cached"),
            (_, pb::CallOutcome::Cancelled) => ("cancelled", "cancelled"),
            (_, pb::CallOutcome::Failed) => {
                (call.error.as_ref().map_or("failed", |error| error.code.as_str()), "failed")
            }
            (_, other) => (listing::pipelines::call_outcome(other), "succeeded"),
        };
        return vec![row(
            String::new(),
            call.started_us,
            call.queued_us,
            call.duration_us,
            String::new(),
            outcome,
            class,
        )];
    }
    let mut before = call.started_us;
    let count = call.attempts.len();
    let each = call.attempts.iter().enumerate().map(|(at, attempt)| {
        let (outcome, class) = match (attempt.code.as_str(), call.outcome()) {
            ("", pb::CallOutcome::Cancelled) if at + 1 == count => ("cancelled", "cancelled"),
            ("", _) => ("succeeded", "succeeded"),
            (code, _) => (code, "failed"),
        };
        let waited = attempt.started_us.saturating_sub(before);
        before = attempt.started_us.saturating_add(attempt.duration_us);
        let plane = listing::plane(DataPlane::try_from(attempt.plane).unwrap_or_default());
        let provider = [attempt.session_id.as_str(), plane].join(" ").trim().to_owned();
        let mut row =
            row((at + 1).to_string(), attempt.started_us, waited, attempt.duration_us, provider, outcome, class);
        if class != "failed" || at + 1 != count {
            row.message.clear();
        }
        row
    });
    each.collect()
}

/// The outputs, or those that were there when the run failed.
fn outputs(told: &Told<'_>) -> (Vec<Named>, &'static str) {
    if let Some(outputs) = &told.outputs {
        return (members(outputs), "Outputs");
    }
    let partial = told.record.partial_outputs.iter().map(|one| match &one.value {
        Some(pb::partial_output::Value::Json(text)) => {
            let value = serde_json::from_str::<Value>(text).map_or_else(|_| text.clone(), |value| format!("{value:#}"));
            named(&one.name, value)
        }
        Some(pb::partial_output::Value::Data(data)) => {
            named(&one.name, format!("{} of MessagePack", bytes(data.len() as u64)))
        }
        None => named(&one.name, String::new()),
    });
    (partial.collect(), "Outputs that were there at the end")
}

/// The members of an object, each as text that is laid out for reading.
fn members(value: &Value) -> Vec<Named> {
    match value {
        Value::Object(object) => object.iter().map(|(name, value)| named(name, format!("{value:#}"))).collect(),
        other => vec![named("", format!("{other:#}"))],
    }
}

fn named(name: &str, mut value: String) -> Named {
    let mut rest = String::new();
    if value.len() > VALUE {
        let end = value.floor_char_boundary(VALUE);
        rest = format!("… and {} more", bytes((value.len() - end) as u64));
        value.truncate(end);
    }
    Named { name: name.to_owned(), value, rest }
}

/// A moment in UTC, `2026-11-21 19:30:05 UTC`; by Hinnant's `civil_from_days`.
fn moment(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_and_a_time() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_289_405, "2026-11-21 19:30:05 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(moment(seconds), text);
        }
    }

    #[test]
    fn a_large_value_is_cut_and_says_so() {
        let value = named("a", "ä".repeat(VALUE));
        assert_eq!((value.value.len(), value.rest.as_str()), (VALUE, "… and 65.5 kB more"));
    }
}
