//! A line per node while a pipeline runs, on a terminal. Silent elsewhere; decides nothing about the run.

mod line;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use protocol::generated::host::v1 as pb;

use crate::pipelines::counted;
use crate::pipelines::run::progress::line::{Became, Layout, Sign};

/// How often a line that waits for its node shows the time, and how often at most the lines are drawn.
const TICK: Duration = Duration::from_millis(100);
const DRAWS_PER_SECOND: u8 = 10;
/// Most lines, however high the terminal is.
const LINES: usize = 40;

/// What the nodes do.
pub(super) struct Progress {
    /// None where nobody watches.
    lines: Option<MultiProgress>,
    nodes: RefCell<BTreeMap<u32, Node>>,
    /// The line about the nodes that have none, while there is one.
    others: RefCell<Option<ProgressBar>>,
}

struct Node {
    /// Hidden where it has no room.
    bar: ProgressBar,
    name: String,
    repeated: bool,
    running: u64,
    done: u64,
    failed: u64,
    cancelled: u64,
    cached: u64,
    /// When its first call began and its last one ended, since the run began, in microseconds.
    began: Option<u64>,
    ended: u64,
    /// What became of it, when that is known.
    became: Option<Became>,
}

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        let watched = !json && std::io::stderr().is_terminal();
        let lines =
            watched.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND)));
        Self { lines, nodes: RefCell::default(), others: RefCell::default() }
    }

    pub(super) fn started(&self, started: &pb::RunStarted) {
        let Some(lines) = &self.lines else { return };
        let (width, height) = line::terminal();
        // Lines that leave the screen could not be drawn anew: one stays for those that have no room, and one for the cursor.
        let room = LINES.min(height.saturating_sub(2)).max(1);
        let kept = &started.nodes[..started.nodes.len().min(LINES)];
        let layout = Layout::of(kept, width);
        for (at, node) in kept.iter().enumerate() {
            let name = layout.name(node);
            let mut bar = ProgressBar::hidden();
            if at < room {
                bar = lines.add(line::waiting(name.clone()));
                bar.tick();
            }
            self.nodes.borrow_mut().insert(node.node, Node::new(bar, name, node.repeated));
        }
        let left = started.nodes.len().saturating_sub(room);
        if left > 0 {
            let others = lines.add(line::note(format!("… {}", counted(left, "more node"))));
            others.tick();
            self.others.replace(Some(others));
        }
    }

    pub(super) fn node_started(&self, started: &pb::NodeStarted) {
        let mut nodes = self.nodes.borrow_mut();
        let Some(node) = nodes.get_mut(&started.node) else { return };
        if node.began.is_none() {
            node.began = Some(started.at_us);
            line::run(&node.bar, TICK);
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
        node.cancelled += u64::from(call.outcome() == pb::CallOutcome::Cancelled);
        node.cached += u64::from(call.cached);
        node.ended = node.ended.max(call.started_us.saturating_add(call.duration_us));
        // Of a node in a lambda nobody knows whether more calls come.
        if node.repeated {
            node.say();
            return;
        }
        let (sign, how) = match (call.outcome(), call.attempts.len()) {
            (pb::CallOutcome::Cancelled, _) => (Sign::Cancelled, "cancelled".to_owned()),
            (pb::CallOutcome::Failed, 2..) => (Sign::Failed, format!("failed, {} attempts", call.attempts.len())),
            (pb::CallOutcome::Failed, _) => (Sign::Failed, "failed".to_owned()),
            (_, _) if call.cached => (Sign::Succeeded, "cached".to_owned()),
            (_, attempts @ 2..) => (Sign::Succeeded, format!("{attempts} attempts")),
            _ => (Sign::Succeeded, String::new()),
        };
        let became = Became { sign, micros: call.duration_us, how };
        line::end(&node.bar, &became);
        node.became = Some(became);
    }

    /// Says above the lines that they do not show everything, where that is so.
    pub(super) fn missed(&self, events: u64) {
        let Some(lines) = self.lines.as_ref().filter(|_| events > 0) else { return };
        let note = format!("note: {events} events of calls were missed; `--trace` counts every call");
        // A terminal that takes no text shows no lines either.
        let _unseen = lines.println(note).is_err();
    }

    /// Leaves the lines of nodes that ran, as plain lines with what became of them: by the record, where there is one.
    pub(super) fn end(&self, record: Option<&pb::RunRecord>) {
        if let Some(others) = self.others.take() {
            others.finish_and_clear();
        }
        let nodes = std::mem::take(&mut *self.nodes.borrow_mut());
        // Drawn lines are filled up with blanks to the width: plain ones outlive a change of it, and have no need to fit the screen.
        for node in nodes.values() {
            node.bar.finish_and_clear();
        }
        let (width, _) = line::terminal();
        for (site, node) in nodes {
            let told = record.and_then(|record| {
                record.nodes.iter().find(|node| node.node.as_ref().is_some_and(|node| node.node == site))
            });
            let name = node.name.clone();
            if let Some(became) = node.became(told) {
                anstream::eprintln!("{}", line::plain(&name, &became, width));
            }
        }
    }
}

impl Node {
    fn new(bar: ProgressBar, name: String, repeated: bool) -> Self {
        let (running, done, failed, cancelled, cached) = (0, 0, 0, 0, 0);
        let (began, ended, became) = (None, 0, None);
        Self { bar, name, repeated, running, done, failed, cancelled, cached, began, ended, became }
    }

    /// None where it never ran.
    fn became(mut self, record: Option<&pb::NodeRecord>) -> Option<Became> {
        if self.became.is_some() {
            return self.became;
        }
        if let Some(record) = record {
            self.read(record);
        }
        let began = self.began?;
        let (sign, micros) = match self.running {
            0 => (self.sign(), self.ended.saturating_sub(began)),
            // What still runs is cut off now.
            _ => (Sign::Cancelled, u64::try_from(self.bar.elapsed().as_micros()).unwrap_or(u64::MAX)),
        };
        Some(Became { sign, micros, how: self.count() })
    }

    /// Takes over what a record says, which knows also of calls that nobody was told of.
    fn read(&mut self, record: &pb::NodeRecord) {
        (self.done, self.failed, self.cached) = (record.calls, record.failed, record.cached);
        self.running = 0;
        let cancelled = |call: &&pb::CallRecord| call.outcome() == pb::CallOutcome::Cancelled;
        self.cancelled = self.cancelled.max(record.recorded.iter().filter(cancelled).count() as u64);
        for call in &record.recorded {
            self.began = Some(self.began.map_or(call.started_us, |began| began.min(call.started_us)));
            self.ended = self.ended.max(call.started_us.saturating_add(call.duration_us));
        }
    }

    fn sign(&self) -> Sign {
        match (self.failed, self.cancelled) {
            (0, 0) => Sign::Succeeded,
            (0, _) => Sign::Cancelled,
            (failed, _) if failed < self.done => Sign::Mixed,
            _ => Sign::Failed,
        }
    }

    fn count(&self) -> String {
        if !self.repeated {
            return if self.running > 0 { "cancelled".to_owned() } else { String::new() };
        }
        let mut text = counted(usize::try_from(self.done).unwrap_or(usize::MAX), "call");
        let parts = [
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
            (self.cached, "cached"),
            (self.running, "running"),
        ];
        for (count, what) in parts {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }

    fn say(&self) {
        self.bar.set_message(if self.repeated { self.count() } else { String::new() });
    }
}
