//! A line per node while a pipeline runs, on a terminal. Silent elsewhere; decides nothing about the run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::generated::host::v1 as pb;

use crate::failure::printable;
use crate::pipelines::{counted, trace};

/// How often a line that waits for its node shows the time.
const TICK: Duration = Duration::from_millis(100);
/// Most lines; a terminal has not many more.
const LINES: usize = 40;

/// What the nodes do.
pub(super) struct Progress {
    /// None where nobody watches.
    lines: Option<MultiProgress>,
    nodes: RefCell<BTreeMap<u32, Node>>,
}

struct Node {
    bar: ProgressBar,
    repeated: bool,
    running: u64,
    done: u64,
    failed: u64,
    cached: u64,
    began: Option<Instant>,
}

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        let watched = !json && std::io::stderr().is_terminal();
        let lines = watched.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { lines, nodes: RefCell::default() }
    }

    pub(super) fn started(&self, started: &pb::RunStarted) {
        let Some(lines) = &self.lines else { return };
        let wide = started.nodes.iter().take(LINES).map(|node| node.label.chars().count()).max().unwrap_or_default();
        for node in started.nodes.iter().take(LINES) {
            let bar = lines.add(ProgressBar::no_length());
            bar.set_style(style("· {prefix:.dim} {msg:.dim}"));
            let label = printable(&node.label);
            bar.set_prefix(format!("{label:wide$}  {}", printable(&node.module)));
            bar.set_message("waits");
            bar.tick();
            let (repeated, running, done) = (node.repeated, 0, 0);
            let line = Node { bar, repeated, running, done, failed: 0, cached: 0, began: None };
            self.nodes.borrow_mut().insert(node.node, line);
        }
    }

    pub(super) fn node_started(&self, started: &pb::NodeStarted) {
        let mut nodes = self.nodes.borrow_mut();
        let Some(node) = nodes.get_mut(&started.node) else { return };
        if node.began.is_none() {
            node.began = Some(Instant::now());
            node.bar.reset_elapsed();
            node.bar.set_style(style("{spinner:.cyan} {prefix} {msg} {elapsed:.dim}"));
            node.bar.enable_steady_tick(TICK);
        }
        node.running += 1;
        node.say();
    }

    pub(super) fn node_ended(&self, ended: &pb::NodeEnded) {
        let mut nodes = self.nodes.borrow_mut();
        let (Some(node), Some(call)) = (nodes.get_mut(&ended.node), &ended.call) else { return };
        node.running = node.running.saturating_sub(1);
        node.done += 1;
        node.failed += u64::from(call.outcome() == pb::CallOutcome::Failed);
        node.cached += u64::from(call.cached);
        node.say();
        // Of a node in a lambda nobody knows whether more calls come.
        if !node.repeated {
            let sign =
                if node.failed > 0 { "{spinner:.red} {prefix} {msg:.red}" } else { "{spinner:.green} {prefix} {msg}" };
            node.bar.set_style(style(sign).tick_strings(&[if node.failed > 0 { "✗" } else { "✓" }; 2]));
            let took = trace::time(call.duration_us);
            let how = match (call.cached, call.attempts.len()) {
                (true, _) => format!("{took}, cached"),
                (false, tries @ 2..) => format!("{took}, {tries} attempts"),
                _ => took,
            };
            node.bar.abandon_with_message(how);
        }
    }

    /// Says above the lines that they do not show everything, where that is so.
    pub(super) fn missed(&self, events: u64) {
        let Some(lines) = self.lines.as_ref().filter(|_| events > 0) else { return };
        let note = format!("note: {events} events of calls were missed; `--trace` counts every call");
        // A terminal that takes no text shows no lines either.
        let _unseen = lines.println(note).is_err();
    }

    /// Takes back the lines of nodes that never ran, and leaves the others as they are.
    pub(super) fn end(&self) {
        for (_, node) in std::mem::take(&mut *self.nodes.borrow_mut()) {
            match node.began {
                None => node.bar.finish_and_clear(),
                Some(began) if !node.bar.is_finished() => {
                    let sign = if node.failed > 0 || node.running > 0 { "✗" } else { "✓" };
                    node.bar.set_style(style("{spinner} {prefix} {msg}").tick_strings(&[sign; 2]));
                    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    node.bar.abandon_with_message(format!("{}, {}", node.count(), trace::time(micros)));
                }
                Some(_) => {}
            }
        }
    }
}

impl Node {
    fn count(&self) -> String {
        let mut text = counted(usize::try_from(self.done).unwrap_or(usize::MAX), "call");
        for (count, what) in [(self.cached, "cached"), (self.failed, "failed"), (self.running, "running")] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }

    fn say(&self) {
        let text = if self.repeated { self.count() } else { "runs".to_owned() };
        self.bar.set_message(text);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is right")
}
