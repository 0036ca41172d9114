//! A graph as Graphviz reads it. Decides no place and no more colour than a document needs.

use std::fmt::Write as _;

use pipeline::graph::{Graph, Kind};

use super::drawing;

/// The graph as a `digraph`.
pub(crate) fn dot(graph: &Graph) -> String {
    let mut out = String::from(
        "digraph pipeline {\n  rankdir=TB;\n  compound=true;\n  node [shape=box, style=rounded, fontname=\"monospace\", fontsize=11];\n  \
         edge [fontname=\"monospace\", fontsize=9];\n",
    );
    inside(&mut out, graph, None, 1);
    for (index, edge) in graph.edges.iter().enumerate() {
        let style = if edge.conditional { ", style=dashed" } else { "" };
        let (from, tail) = end(graph, edge.from, "ltail");
        let (to, head) = end(graph, edge.to, "lhead");
        let text = quoted(&drawing::text(graph, index));
        writeln!(out, "  n{from} -> n{to} [label={text}{tail}{head}{style}];").expect("a String takes all text");
    }
    out.push_str("}\n");
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
        let is_plain = matches!(node.kind, Kind::Input | Kind::Output | Kind::Parameter | Kind::Capture);
        if is_plain {
            lines = vec![format!("{}: {}", node.label, node.ty)];
        }
        let text = quoted(&lines.join("\n"));
        if is_group(graph, node.id) {
            writeln!(out, "{indent}subgraph cluster_{} {{\n{indent}  label={text};\n{indent}  style=rounded;", node.id)
                .expect("a String takes all text");
            inside(out, graph, Some(node.id), depth + 1);
            writeln!(out, "{indent}}}").expect("a String takes all text");
            continue;
        }
        let shape = match node.kind {
            Kind::Input | Kind::Output | Kind::Parameter | Kind::Capture => ", shape=ellipse",
            Kind::Choice => ", shape=diamond, style=solid",
            Kind::Call | Kind::Each | Kind::Expression => "",
        };
        writeln!(out, "{indent}n{} [label={text}{shape}];", node.id).expect("a String takes all text");
    }
}

fn is_group(graph: &Graph, id: u32) -> bool {
    graph.nodes.iter().any(|node| node.parent == Some(id))
}

/// The node that an edge ends at. An edge of a group ends at one of its nodes and is cut off at its border.
fn end(graph: &Graph, id: u32, attribute: &str) -> (u32, String) {
    let mut inner = id;
    let last = |id: u32| graph.nodes.iter().filter(|node| node.parent == Some(id)).map(|node| node.id).next_back();
    while let Some(next) = last(inner) {
        inner = next;
    }
    (inner, if inner == id { String::new() } else { format!(", {attribute}=cluster_{id}") })
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push('\u{fffd}'),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
