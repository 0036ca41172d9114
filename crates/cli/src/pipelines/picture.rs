//! Graphs of pipelines as pictures: SVG, and the texts that Graphviz and Mermaid draw from. What a graph holds is decided in `pipeline`.

mod card;
mod dot;
mod drawing;
mod layout;
mod mermaid;
mod svg;

use std::collections::BTreeMap;

use pipeline::graph::Graph;

pub(crate) use dot::dot;
pub(crate) use mermaid::mermaid;
pub(crate) use svg::svg;

/// What a run says of call sites, to be shown at their nodes.
pub(crate) type Marks = BTreeMap<u32, Mark>;

/// What a run says of one call site.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) state: State,
    /// A short text, e.g. how long it took.
    pub(crate) note: String,
    /// What the node leads to when it is chosen, e.g. `#node-0`.
    pub(crate) link: String,
}

/// What became of a call site in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Succeeded,
    Failed,
    Cached,
    Cancelled,
    /// Nothing needed it.
    Idle,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cached => "cached",
            State::Cancelled => "cancelled",
            State::Idle => "not needed",
        }
    }

    /// As a class of a style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            State::Idle => "idle",
            other => other.as_str(),
        }
    }
}

/// A graph out of `graph_json`; none where it is not one that can be drawn.
pub(crate) fn parse(json: &str) -> Option<Graph> {
    let graph: Graph = serde_json::from_str(json).ok()?;
    let count = u32::try_from(graph.nodes.len()).ok()?;
    let holds =
        graph.nodes.iter().zip(0..).all(|(node, id)| node.id == id && node.parent.is_none_or(|parent| parent < id))
            && graph.edges.iter().all(|edge| edge.from < count && edge.to < count);
    holds.then_some(graph)
}

/// Text inside of an element or a quoted attribute of XML and HTML. What XML cannot hold becomes U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
