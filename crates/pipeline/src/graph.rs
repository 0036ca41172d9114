//! A plan as a person draws it: few nodes with names, and what passes between them. Places nothing on a page and decides nothing about a
//! run.
//!
//! A plan has a node for each small operation; a picture of all of them would show the parts of an expression and hide the
//! pipeline. Here a node is an input, a call, a list function (with the calls of its lambda inside it), a choice, an output, or an
//! expression: a run of operators that passes through no call, with its text as it is written. Constants are lines of the
//! node that uses them; reading a field is a step on an edge; `fallback` and `on_error` belong to their call.
//!
//! The serialised form is `graph_json` of the host's answers: `docs/pipelines.md`, heading 10.

mod build;
mod fold;
mod operands;
mod text;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// The picture of a plan, as data. Equal plans of equal sources have equal graphs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Graph {
    /// In an order in which each stands behind what it uses, and behind the node that it is inside.
    pub nodes: Vec<Node>,
    /// In the order of the nodes they lead to, then of the operands there.
    pub edges: Vec<Edge>,
}

/// One thing to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its position in [`Graph::nodes`].
    pub id: u32,
    /// What it is.
    pub kind: Kind,
    /// What it does, in a line: the name of an input, output or parameter, the qualified name of a module, else a part of the source of at most
    /// 96 characters.
    pub label: String,
    /// The binding whose value it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The list function that it is inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Type of its value as text, shortened to at most 200 characters.
    #[serde(rename = "type")]
    pub ty: String,
    /// What it takes that no edge shows, a line each of at most 80 characters: constants, with the names of their parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// The call site, as runs name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<u32>,
    /// Qualified name of the module that it calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Language of that module's provider, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The options of the call as they are written, e.g. `retry: 3`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An input of the pipeline.
    Input,
    /// An output of the pipeline.
    Output,
    /// A call of a module.
    Call,
    /// A list function. Where its lambda calls modules they are inside it.
    Each,
    /// `if`, `branch`, `match`, `when` or `??`.
    Choice,
    /// Operators and functions of the standard library.
    Expression,
    /// A parameter of the lambda that it is inside.
    Parameter,
    /// A value from outside that a lambda uses.
    Capture,
}

/// A place of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
    /// Line of the start, from 1.
    pub line: u32,
    /// Column of the start in characters, from 1.
    pub column: u32,
}

/// A value that passes from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Whose value it is.
    pub from: u32,
    /// Who takes it.
    pub to: u32,
    /// What for: a parameter, `then`, `else`, `fallback`, what an arm matches; empty where there is nothing to tell apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The fields that are read on the way, e.g. `.customer.name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Type of the value that arrives, shortened to at most 32 characters.
    #[serde(rename = "type")]
    pub ty: String,
    /// Set where the value is needed only in some runs: an arm, a default, a fallback.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
}

impl Graph {
    /// The picture of a plan that came from this source. Time and size are linear in the plan's; a `source` of another plan gives wrong
    /// texts and no panic.
    #[must_use]
    pub fn of(plan: &Plan, source: &str) -> Self {
        build::graph(plan, source)
    }

    /// The node that calls modules at a site of the plan.
    #[must_use]
    pub fn site(&self, site: u32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.site == Some(site))
    }
}

#[cfg(test)]
mod tests;
