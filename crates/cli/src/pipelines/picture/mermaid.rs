//! A graph as Mermaid reads it, for pages that draw such texts. Decides no place.

use std::fmt::Write as _;

use pipeline::graph::{Graph, Kind};

use super::drawing;

/// The graph as a `flowchart`.
pub(crate) fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("flowchart TB\n");
    inside(&mut out, graph, None, 1);
    for (index, edge) in graph.edges.iter().enumerate() {
        let arrow = if edge.conditional { "-.->" } else { "-->" };
        let text = quoted(&drawing::text(graph, index));
        writeln!(out, "  n{} {arrow}|{text}| n{}", edge.from, edge.to).expect("a String takes all text");
    }
    out
}

/// The nodes of one group, or of the page.
fn inside(out: &mut String, graph: &Graph, group: Option<u32>, depth: usize) {
    let indent = "  ".repeat(depth);
    for node in graph.nodes.iter().filter(|node| node.parent == group) {
        let mut lines = vec![node.label.clone()];
        lines.extend(node.name.clone().filter(|name| *name != node.label));
        lines.extend(node.language.as_ref().map(|language| format!("({language})")));
        lines.extend(node.lines.iter().chain(&node.options).cloned());
        let (open, close) = match node.kind {
            Kind::Input | Kind::Output | Kind::Parameter | Kind::Capture => {
                lines = vec![format!("{}: {}", node.label, node.ty)];
                ("([", "])")
            }
            Kind::Choice => ("{{", "}}"),
            Kind::Call => ("[", "]"),
            Kind::Each | Kind::Expression => ("(", ")"),
        };
        let text = quoted(&lines.join("\n"));
        if graph.nodes.iter().any(|inner| inner.parent == Some(node.id)) {
            writeln!(out, "{indent}subgraph n{}[{text}]", node.id).expect("a String takes all text");
            inside(out, graph, Some(node.id), depth + 1);
            writeln!(out, "{indent}end").expect("a String takes all text");
        } else {
            writeln!(out, "{indent}n{}{open}{text}{close}", node.id).expect("a String takes all text");
        }
    }
}

/// A text in which nothing is markup: Mermaid reads entities by number, and neither quotes nor Markdown in them.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("<br>"),
            c if c.is_alphanumeric() || " .,:-=()/".contains(c) => quoted.push(c),
            c if c.is_control() => quoted.push('\u{fffd}'),
            c => write!(quoted, "#{};", u32::from(c)).expect("a String takes all text"),
        }
    }
    quoted.push('"');
    quoted
}
