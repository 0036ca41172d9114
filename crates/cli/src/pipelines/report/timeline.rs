//! When the nodes of a run ran, as bars, and what each waited for. Draws on no page.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::graph::{Graph, Kind};
use protocol::generated::host::v1 as pb;
use serde::Serialize;

use crate::pipelines::trace::time;

/// Bars beside each other in time, at the most; further ones lie on the last.
const LANES: usize = 8;
/// Bars of one node, at the most.
const BARS: usize = 600;

/// The bars of one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Track {
    pub(super) bars: Vec<Bar>,
    pub(super) lanes: usize,
}

/// A piece of time: places in percent of the run, and of the height of the track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bar {
    pub(super) left: String,
    pub(super) width: String,
    pub(super) top: String,
    pub(super) height: String,
    pub(super) class: &'static str,
    /// What it is, for who points at it.
    pub(super) title: String,
}

/// A mark of the scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Tick {
    pub(super) left: String,
    pub(super) text: String,
}

/// About six marks at round times.
pub(super) fn ticks(whole: u64) -> Vec<Tick> {
    let mut step = 1_u64;
    let mut factors = [2, 5, 10].into_iter().cycle();
    let mut base = 1_u64;
    while whole / step > 6 {
        let factor = factors.next().unwrap_or(10);
        step = base.saturating_mul(factor);
        if factor == 10 {
            base = step;
        }
    }
    let marks = (0..=whole / step).map(|at| at * step);
    marks.map(|at| Tick { left: percent(at, whole), text: time(at) }).collect()
}

/// The bars of a node: for each call its wait, its attempts, the pauses between them.
pub(super) fn track(record: &pb::NodeRecord, whole: u64) -> Track {
    let mut calls: Vec<_> = record.recorded.iter().collect();
    calls.sort_by_key(|call| (call.started_us, call.call));
    // Per lane, when it is free.
    let mut free: Vec<u64> = Vec::new();
    let mut placed = Vec::new();
    for call in &calls {
        let lane = match free.iter().position(|until| *until <= call.started_us) {
            Some(lane) => lane,
            None if free.len() < LANES => {
                free.push(0);
                free.len() - 1
            }
            None => LANES - 1,
        };
        free[lane] = free[lane].max(call.started_us.saturating_add(call.duration_us));
        placed.push(lane);
    }
    let lanes = free.len().max(1);
    let mut bars = Vec::new();
    for (call, lane) in calls.iter().zip(placed) {
        let mut bar = |from: u64, took: u64, class: &'static str, title: String| {
            bars.push(Bar {
                left: percent(from, whole),
                width: percent(took, whole),
                top: format!("{:.2}", lane as f64 * 100.0 / lanes as f64),
                height: format!("{:.2}", 100.0 / lanes as f64),
                class,
                title: format!("call {}: {title}", call.call),
            });
        };
        let end = call.started_us.saturating_add(call.duration_us);
        let begun = call.attempts.first().map_or(end, |attempt| attempt.started_us);
        if !call.cached && begun > call.started_us {
            bar(
                call.started_us,
                begun - call.started_us,
                "waited",
                format!("waited {}", time(begun - call.started_us)),
            );
        }
        let mut before: Option<u64> = None;
        for (at, attempt) in call.attempts.iter().enumerate() {
            if let Some(before) = before.filter(|before| attempt.started_us > *before) {
                bar(
                    before,
                    attempt.started_us - before,
                    "waited",
                    format!("paused {}", time(attempt.started_us - before)),
                );
            }
            let is_last = at + 1 == call.attempts.len();
            let (class, how) = match (attempt.code.as_str(), call.outcome()) {
                ("", pb::CallOutcome::Cancelled) if is_last => ("cancelled", "cancelled"),
                ("", _) => ("succeeded", "succeeded"),
                (code, _) => ("failed", code),
            };
            bar(
                attempt.started_us,
                attempt.duration_us,
                class,
                format!("attempt {}, {}, {how}", at + 1, time(attempt.duration_us)),
            );
            before = Some(attempt.started_us.saturating_add(attempt.duration_us));
        }
        if call.cached {
            bar(call.started_us, call.duration_us, "cached", format!("cached, {}", time(call.duration_us)));
        }
        if bars.len() >= BARS {
            break;
        }
    }
    Track { bars, lanes }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.3}", part.min(whole) as f64 * 100.0 / whole.max(1) as f64)
}

/// Per node, the node whose end let it begin: of those that it takes something from, directly or by expressions and choices, the one
/// that ended last before it began.
pub(super) fn waited_for(graph: &Graph, record: &pb::RunRecord) -> BTreeMap<u32, (u32, u64)> {
    let ends: BTreeMap<u32, (u64, u64)> = record
        .nodes
        .iter()
        .filter_map(|node| {
            let begun = node.recorded.iter().map(|call| call.started_us).min()?;
            let end = node.recorded.iter().map(|call| call.started_us.saturating_add(call.duration_us)).max()?;
            Some((node.node.as_ref()?.node, (begun, end)))
        })
        .collect();
    let sites = sites_before(graph);
    let mut waited = BTreeMap::new();
    for (site, before) in sites {
        let Some((begun, _)) = ends.get(&site) else { continue };
        let ended = before.iter().filter_map(|other| Some((ends.get(other)?.1, *other)));
        if let Some((end, other)) = ended.filter(|(end, _)| end <= begun).max() {
            waited.insert(site, (other, end));
        }
    }
    waited
}

/// Per call site, the sites that its input comes from without another call between.
fn sites_before(graph: &Graph) -> BTreeMap<u32, BTreeSet<u32>> {
    let mut into = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        into[edge.to as usize].push(edge.from);
    }
    for node in &graph.nodes {
        if let Some(parent) = node.parent {
            // What a group gives comes from what is inside; what a parameter is comes from what the group takes.
            match node.kind {
                Kind::Parameter => {
                    let list: Vec<u32> = into[parent as usize].iter().copied().filter(|from| *from < parent).collect();
                    into[node.id as usize].extend(list);
                }
                Kind::Capture => {}
                _ => into[parent as usize].push(node.id),
            }
        }
    }
    let mut sites = BTreeMap::new();
    for node in &graph.nodes {
        let Some(site) = node.site else { continue };
        let (mut seen, mut open, mut before) = (BTreeSet::new(), into[node.id as usize].clone(), BTreeSet::new());
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                continue;
            }
            match graph.nodes[at as usize].site {
                Some(other) => {
                    before.insert(other);
                }
                None => open.extend(&into[at as usize]),
            }
        }
        before.remove(&site);
        sites.insert(site, before);
    }
    sites
}
