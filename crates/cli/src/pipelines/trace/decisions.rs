//! What middleware decided in a run, as a table. Of calls that the record tells one by one; prints nothing.

use comfy_table::{Cell, Color};
use protocol::generated::host::v1 as pb;

use super::time;
use crate::output::{Output, cell, coloured};

/// Most rows; what is left out is counted below them. The record, as JSON, has all.
const ROWS: usize = 40;

/// A row for each decision: those around the run, then those around its calls by when these began. None where nobody was asked.
pub(super) fn table(record: &pb::RunRecord, output: &Output) -> Option<String> {
    let mut calls: Vec<_> = record
        .nodes
        .iter()
        .flat_map(|node| node.recorded.iter().map(move |call| (label(node), call)))
        .filter(|(_, call)| !call.decisions.is_empty())
        .collect();
    calls.sort_by_key(|(_, call)| (call.started_us, call.call));
    let around_run = record.decisions.iter().map(|decision| ("(run)", String::new(), decision));
    let around_calls = calls
        .iter()
        .flat_map(|(label, call)| call.decisions.iter().map(move |decision| (*label, call.call.to_string(), decision)));
    let all: Vec<_> = around_run.chain(around_calls).collect();
    if all.is_empty() {
        return None;
    }
    let rows = all.iter().take(ROWS).map(|(label, call, decision)| row(label, call, decision));
    let mut text = output.table(&["NODE", "CALL", "HOOK", "MIDDLEWARE", "DECISION", "TOOK", "REASON"], rows);
    if all.len() > ROWS {
        text.push_str(&format!("\n… {} more", all.len() - ROWS));
    }
    Some(text)
}

fn label(node: &pb::NodeRecord) -> &str {
    node.node.as_ref().map_or("", |node| node.label.as_str())
}

fn row(label: &str, call: &str, decision: &pb::MiddlewareTrace) -> Vec<Cell> {
    let decided = match (decision.code.as_str(), decision.decision.as_str()) {
        ("", "drop" | "defer" | "reject") => coloured(&decision.decision, Color::Yellow),
        ("", decided) => coloured(decided, Color::Green),
        (code, _) => cell(code).fg(Color::Red),
    };
    vec![
        cell(label),
        cell(if call.is_empty() { "-" } else { call }),
        cell(&decision.hook),
        cell(&decision.component),
        decided,
        cell(time(decision.duration_us)),
        cell(&decision.reason),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(component: &str, hook: &str, decision: &str, reason: &str, code: &str) -> pb::MiddlewareTrace {
        pb::MiddlewareTrace {
            component: component.into(),
            hook: hook.into(),
            decision: decision.into(),
            reason: reason.into(),
            duration_us: 1500,
            code: code.into(),
        }
    }

    #[test]
    fn decisions_around_the_run_come_first_and_then_those_of_calls_by_time() {
        let call = |call, started_us, decisions| pb::CallRecord { call, started_us, decisions, ..Default::default() };
        let node = |label: &str, recorded| pb::NodeRecord {
            node: Some(pb::PipelineNode { label: label.into(), ..Default::default() }),
            recorded,
            ..Default::default()
        };
        let record = pb::RunRecord {
            decisions: vec![decision("guard", "pre_run", "allow", "short", "")],
            nodes: vec![
                node("late", vec![call(1, 900, vec![decision("guard", "pre_invoke", "", "", "middleware.timeout")])]),
                node("early", vec![call(0, 10, vec![decision("dator-http", "pre_invoke", "defer", "full\u{7}", "")])]),
                node("unasked", vec![call(2, 5, vec![])]),
            ],
            ..Default::default()
        };
        insta::assert_snapshot!(table(&record, &Output::new(false)).unwrap(), @"
        NODE   CALL  HOOK        MIDDLEWARE  DECISION            TOOK     REASON
        (run)  -     pre_run     guard       allow               1.50 ms  short
        early  0     pre_invoke  dator-http  defer               1.50 ms  full�
        late   1     pre_invoke  guard       middleware.timeout  1.50 ms
        ");
        assert_eq!(table(&pb::RunRecord::default(), &Output::new(false)), None);
    }

    #[test]
    fn of_very_many_decisions_the_first_have_rows() {
        let many = vec![decision("guard", "pre_run", "allow", "short", ""); ROWS + 3];
        let text = table(&pb::RunRecord { decisions: many, ..Default::default() }, &Output::new(false)).unwrap();
        assert_eq!(text.lines().count(), 1 + ROWS + 1);
        assert!(text.ends_with("\n… 3 more"), "{text}");
    }
}
