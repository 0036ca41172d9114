//! The page about a run that somebody wants to break out of, and what it says of who waited for whom.

use pipeline::graph::Graph;
use protocol::generated::error::v1 as error;
use protocol::generated::host::v1 as pb;
use protocol::generated::provider::v1::DataPlane;
use serde_json::json;

use super::timeline::{ticks, track, waited_for};
use super::{Told, page};
use crate::pipelines::source::Source;

const NASTY: &str =
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\" onload=\"alert(3)' {{title}} \u{1b}[31m";

fn attempt(started_us: u64, duration_us: u64, code: &str) -> pb::AttemptRecord {
    pb::AttemptRecord {
        session_id: format!("ses-{NASTY}"),
        plane: DataPlane::Link.into(),
        started_us,
        duration_us,
        code: code.into(),
    }
}

fn node(node: u32, label: &str, calls: Vec<pb::CallRecord>) -> pb::NodeRecord {
    let described = pb::PipelineNode {
        node,
        label: label.into(),
        module: NASTY.into(),
        language: NASTY.into(),
        span: Some(pb::SourceSpan { start: 0, end: 1, line: 2, column: 1 }),
        repeated: calls.len() > 1,
    };
    let (count, failed) = (calls.len() as u64, calls.iter().filter(|call| call.error.is_some()).count() as u64);
    pb::NodeRecord {
        node: Some(described),
        calls: count,
        attempts: count,
        failed,
        recorded: calls,
        ..pb::NodeRecord::default()
    }
}

fn call(call: u64, started_us: u64, duration_us: u64, attempts: Vec<pb::AttemptRecord>) -> pb::CallRecord {
    let outcome = pb::CallOutcome::Succeeded.into();
    pb::CallRecord { call, started_us, duration_us, attempts, outcome, ..pb::CallRecord::default() }
}

/// A run that failed in its second node after a retry.
fn failed() -> pb::RunRecord {
    let why = error::Error { code: "text.sour".into(), message: NASTY.into(), ..error::Error::default() };
    let mut second =
        call(1, 40_000, 60_000, vec![attempt(41_000, 20_000, "text.busy"), attempt(80_000, 20_000, "text.sour")]);
    second.outcome = pb::CallOutcome::Failed.into();
    second.error = Some(why.clone());
    let details = [("line", "2"), ("column", "1"), ("module", NASTY), ("note", NASTY)];
    pb::RunRecord {
        run_id: NASTY.into(),
        plan_hash: "ab".repeat(32),
        duration_us: 100_000,
        outcome: pb::RunOutcome::Failed.into(),
        error: Some(error::Error {
            details: details.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..why
        }),
        nodes: vec![
            node(0, NASTY, vec![call(0, 0, 39_000, vec![attempt(500, 38_500, "")])]),
            node(1, "second", vec![second]),
            node(2, "third", vec![]),
        ],
        partial_outputs: vec![pb::PartialOutput {
            name: NASTY.into(),
            value: Some(pb::partial_output::Value::Json(json!(NASTY).to_string())),
        }],
        ..pb::RunRecord::default()
    }
}

/// An input, two calls one behind the other with an expression between, and a third.
fn graph() -> Graph {
    let place = json!({ "start": 0, "end": 1, "line": 2, "column": 1 });
    let node = |id: u32, kind: &str, site: Option<u32>| json!({ "id": id, "kind": kind, "label": NASTY, "name": NASTY, "type": NASTY, "site": site, "language": NASTY, "place": place });
    let edges = [(0, 1), (1, 2), (2, 3), (3, 4)]
        .map(|(from, to)| json!({ "from": from, "to": to, "label": NASTY, "type": NASTY }));
    serde_json::from_value(json!({
        "nodes": [node(0, "input", None), node(1, "call", Some(0)), node(2, "expression", None), node(3, "call", Some(1)), node(4, "call", Some(2))],
        "edges": edges,
    }))
    .unwrap()
}

#[test]
fn nothing_that_a_module_or_a_person_wrote_is_markup() {
    let source = Source { name: NASTY.into(), text: format!("# {NASTY}\n{NASTY}\n") };
    let (graph, record) = (graph(), failed());
    let told = Told {
        title: NASTY,
        source: Some(&source),
        graph: Some(&graph),
        inputs: Some(json!({ NASTY: NASTY, "list": [NASTY] })),
        outputs: None,
        record: &record,
    };
    let page = page(&told).unwrap();
    for tag in ["<script", "<img", "onload=\"", "onerror=alert(2)>"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown as text");
    assert!(page.contains("{{title}}"), "a value is no template");
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"), "and no script would run");
    assert_eq!(
        page.matches("http").collect::<Vec<_>>().len(),
        page.matches("http://www.w3.org/2000/svg").count() + page.matches("http-equiv").count(),
        "nothing is loaded"
    );
    for part in ["failure", "graph", "timeline", "nodes", "inputs", "outputs", "source", "node-0", "node-1", "node-2"] {
        assert!(page.contains(&format!(" id=\"{part}\"")), "{part}");
    }
    assert!(page.contains("<span class=\"hot\"><b>2</b>"), "the line that failed is marked");
}

#[test]
fn a_page_shows_what_is_known_and_leaves_out_the_rest() {
    let record = failed();
    let told = Told {
        title: "run-1",
        source: None,
        graph: None,
        inputs: None,
        outputs: Some(json!({ "a": 1 })),
        record: &record,
    };
    let page = page(&told).unwrap();
    for part in ["graph", "inputs", "source"] {
        assert!(!page.contains(&format!("id=\"{part}\"")), "{part}");
    }
    assert!(page.contains("<h2 id=\"outputs-title\">Outputs</h2>"));
}

#[test]
fn a_node_waited_for_the_call_before_it_also_through_an_expression() {
    // Site 2 never ran; site 0 takes from no call.
    assert_eq!(waited_for(&graph(), &failed()), [(1, (0, 39_000))].into());
}

#[test]
fn a_call_is_a_bar_for_its_wait_for_each_attempt_and_for_the_pause_between() {
    let record = failed();
    let bars: Vec<_> = track(&record.nodes[1], 100_000)
        .bars
        .into_iter()
        .map(|bar| format!("{} {} {} {}", bar.left, bar.width, bar.class, bar.title))
        .collect();
    insta::assert_snapshot!(bars.join("\n"), @"
    40.000 1.000 waited call 1: waited 1.00 ms
    41.000 20.000 failed call 1: attempt 1, 20.0 ms, text.busy
    61.000 19.000 waited call 1: paused 19.0 ms
    80.000 20.000 failed call 1: attempt 2, 20.0 ms, text.sour
    ");
}

#[test]
fn calls_at_once_lie_beside_each_other() {
    let calls = (0..20).map(|at| call(at, at, 1000, vec![attempt(at, 1000, "")])).collect();
    let track = track(&node(0, "a", calls), 2000);
    assert_eq!((track.lanes, track.bars.len()), (8, 20));
    assert_eq!((track.bars[1].top.as_str(), track.bars[19].top.as_str()), ("12.50", "87.50"));
    let calls = (0..20).map(|at| call(at, at * 10, 10, vec![attempt(at * 10, 10, "")])).collect();
    assert_eq!(super::timeline::track(&node(0, "a", calls), 200).lanes, 1);
}

#[test]
fn a_scale_has_few_round_marks() {
    let texts = |whole: u64| ticks(whole).into_iter().map(|tick| tick.text).collect::<Vec<_>>().join(" ");
    assert_eq!(texts(0), "0");
    assert_eq!(texts(18_100), "0 5.00 ms 10.0 ms 15.0 ms");
    assert_eq!(texts(1_000_000), "0 200 ms 400 ms 600 ms 800 ms 1.00 s");
    assert!(ticks(u64::MAX).len() < 10);
}

#[test]
fn a_page_shows_few_of_many_calls_and_folds_all() {
    let calls = |count| (0..count).map(|at| call(at, at, 1000, vec![attempt(at, 1000, "")])).collect();
    let nodes = vec![node(0, "few", calls(9)), node(1, "many", calls(500))];
    let record = pb::RunRecord { nodes, outcome: pb::RunOutcome::Succeeded.into(), ..pb::RunRecord::default() };
    let told = Told { title: "run-1", source: None, graph: None, inputs: None, outputs: None, record: &record };
    let page = page(&told).unwrap();
    let articles: Vec<_> = page.split("<article").skip(1).collect();
    let rows = |part: &str| part.matches("<td class=\"succeeded\">").count();
    assert_eq!((rows(articles[0]), articles[0].contains("<details>")), (9, false));
    let (shown, folded) = articles[1].split_once("<details><summary>All 500 calls one by one</summary>").unwrap();
    assert_eq!((rows(shown), rows(folded)), (8, 500));
    assert!(shown.contains("<p>… 492 more calls: 492 succeeded; took 1.00 ms</p>"), "{shown}");
}
