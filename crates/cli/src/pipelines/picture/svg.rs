//! A graph as SVG: one file with its own style, for light and dark pages, without scripts or references. Decides no place.

use std::fmt::Write as _;

use pipeline::graph::{Graph, Kind};

use super::card::{Chip, Role, SMALL, Text, width};
use super::drawing::{Drawing, Line, Placement, draw};
use super::layout::{Point, Size};
use super::{Mark, Marks, State, escape};

/// Length of the head of an arrow.
const HEAD: f64 = 7.0;

/// The style; also of the report, which holds the same picture.
const STYLE: &str = include_str!("style.css");

/// The picture of a graph. `title` is read out where the picture cannot be seen. With `marks` the nodes tell what a run made of them.
pub(crate) fn svg(graph: &Graph, title: &str, marks: &Marks) -> String {
    let drawing = draw(graph);
    let mut out = String::new();
    let size = drawing.size;
    let (w, h) = (size.width.ceil(), size.height.ceil());
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pipeline-graph\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n<style>{}</style>\n\
         <rect class=\"page\" width=\"{w}\" height=\"{h}\" rx=\"12\"/>\n",
        escape(title),
        escape(title),
        STYLE.trim()
    )
    .expect("a String takes all text");
    // A group is drawn before what is inside it, and lines run over groups and under cards.
    for is_group in [true, false] {
        if !is_group {
            drawing.lines.iter().for_each(|line| edge(&mut out, graph, line));
        }
        for (node, placement) in graph.nodes.iter().zip(&drawing.cards).filter(|(_, card)| card.is_group == is_group) {
            let mark = node.site.and_then(|site| marks.get(&site));
            card(&mut out, node, placement, mark);
        }
    }
    texts(&mut out, graph, &drawing);
    out.push_str("</svg>\n");
    out
}

fn edge(out: &mut String, graph: &Graph, line: &Line) {
    let edge = &graph.edges[line.edge];
    let mut points = line.points.clone();
    let Some(end) = points.last().copied() else { return };
    // The line ends where the head begins.
    for point in &mut points {
        point.y = point.y.min(end.y - HEAD);
    }
    let class = if edge.conditional { "edge maybe" } else { "edge" };
    let mut path = format!("M{} {}", number(points[0].x), number(points[0].y));
    for pair in points.windows(2) {
        let [from, to] = pair else { continue };
        if from.x == to.x {
            write!(path, "V{}", number(to.y)).expect("a String takes all text");
        } else {
            let middle = number((from.y + to.y) / 2.0);
            let (x0, x1, y1) = (number(from.x), number(to.x), number(to.y));
            write!(path, "C{x0} {middle} {x1} {middle} {x1} {y1}").expect("a String takes all text");
        }
    }
    let Point { x, y } = end;
    let head = format!(
        "M{} {}L{} {}L{} {}Z",
        number(x - 4.0),
        number(y - HEAD),
        number(x),
        number(y),
        number(x + 4.0),
        number(y - HEAD)
    );
    writeln!(out, "<path class=\"{class}\" d=\"{path}\"/><path class=\"head\" d=\"{head}\"/>")
        .expect("a String takes all text");
}

fn texts(out: &mut String, graph: &Graph, drawing: &Drawing) {
    for line in drawing.lines.iter().filter(|line| !line.text.is_empty()) {
        let wide = width(&line.text, SMALL) + 8.0;
        let is_inside = graph.nodes[graph.edges[line.edge].from as usize].parent.is_some();
        let under = if is_inside { "under inside" } else { "under" };
        let Point { x, y } = line.text_at;
        writeln!(
            out,
            "<rect class=\"{under}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"16\" rx=\"4\"/>\
             <text class=\"type\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            number(x - wide / 2.0),
            number(y - 8.0),
            number(wide),
            number(x),
            number(y + 3.5),
            escape(&line.text)
        )
        .expect("a String takes all text");
    }
}

fn card(out: &mut String, node: &pipeline::graph::Node, placement: &Placement, mark: Option<&Mark>) {
    let Placement { card, at, size, is_group } = placement;
    let kind = match node.kind {
        _ if *is_group => "group",
        Kind::Input => "input",
        Kind::Output => "output",
        Kind::Call => "call",
        Kind::Each => "each",
        Kind::Choice => "choice",
        Kind::Expression => "expression",
        Kind::Parameter => "parameter",
        Kind::Capture => "capture",
    };
    let state = mark.map_or("", |mark| mark.state.class());
    let link = mark.filter(|mark| !mark.link.is_empty());
    if let Some(mark) = link {
        write!(out, "<a href=\"{}\">", escape(&mark.link)).expect("a String takes all text");
    }
    let (x, y) = (number(at.x), number(at.y));
    write!(out, "<g class=\"{kind} {state}\" transform=\"translate({x} {y})\"><title>{}</title>", escape(&tip(node)))
        .expect("a String takes all text");
    let (w, h) = (size.width, size.height);
    let round = match node.kind {
        Kind::Input | Kind::Output | Kind::Parameter | Kind::Capture => (h / 2.0).min(16.0),
        _ => 9.0,
    };
    if node.kind == Kind::Choice {
        // Cut corners, as where ways part.
        let c = 10.0;
        let (right, bottom) = (number(w - c), number(h - c));
        let (w, h) = (number(w), number(h));
        write!(out, "<path class=\"card\" d=\"M{c} 0H{right}L{w} {c}V{bottom}L{right} {h}H{c}L0 {bottom}V{c}Z\"/>")
            .expect("a String takes all text");
    } else {
        let (w, h) = (number(w), number(h));
        write!(out, "<rect class=\"card\" width=\"{w}\" height=\"{h}\" rx=\"{}\"/>", number(round))
            .expect("a String takes all text");
    }
    // What a pill holds stands in its middle, what a card holds at its left.
    let shift = if *is_group { 0.0 } else { ((w - card.size.width) / 2.0).max(0.0) };
    card.texts.iter().for_each(|line| text(out, line, shift));
    for one in &card.chips {
        chip(out, one, shift, node.language.as_deref());
    }
    if let Some(mark) = mark {
        note(out, mark, *size);
    }
    out.push_str("</g>");
    out.push_str(if link.is_some() { "</a>\n" } else { "\n" });
}

fn text(out: &mut String, line: &Text, shift: f64) {
    let class = match line.role {
        Role::Title => "title",
        Role::Plain => "plain",
        Role::Faint => "faint",
    };
    let (x, y) = (number(line.x + shift), number(line.y));
    write!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" xml:space=\"preserve\">{}", escape(&line.content))
        .expect("a String takes all text");
    if !line.faint.is_empty() {
        write!(out, "<tspan class=\"behind\">{}</tspan>", escape(&line.faint)).expect("a String takes all text");
    }
    out.push_str("</text>");
}

fn chip(out: &mut String, chip: &Chip, shift: f64, language: Option<&str>) {
    let class = match language {
        Some("python") if chip.language => "chip python",
        Some("typescript") if chip.language => "chip typescript",
        Some("rust") if chip.language => "chip rust",
        _ if chip.language => "chip language",
        _ => "chip",
    };
    let (x, y, height) = (chip.x + shift, chip.y, chip.height);
    write!(
        out,
        "<g class=\"{class}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
        number(x),
        number(y),
        number(chip.width),
        number(height),
        number(height / 2.0),
        number(x + chip.width / 2.0),
        number(y + height / 2.0 + 3.6),
        escape(&chip.content)
    )
    .expect("a String takes all text");
}

/// What a run says, on the lower edge of the card.
fn note(out: &mut String, mark: &Mark, size: Size) {
    let sign = match mark.state {
        State::Succeeded => "✓",
        State::Failed => "✗",
        State::Cached => "≡",
        State::Cancelled => "■",
        State::Idle => "–",
    };
    let content = if mark.note.is_empty() { sign.to_owned() } else { format!("{sign} {}", mark.note) };
    let wide = width(&content, SMALL) + 14.0;
    let (x, y) = (size.width - wide - 8.0, size.height);
    write!(
        out,
        "<g class=\"note\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"18\" rx=\"9\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
        number(x),
        number(y - 9.0),
        number(wide),
        number(x + wide / 2.0),
        number(y + 3.6),
        escape(&content)
    )
    .expect("a String takes all text");
}

/// What is shown when somebody points at a node.
fn tip(node: &pipeline::graph::Node) -> String {
    format!(
        "{}: {}\nline {}, column {}",
        node.name.as_deref().unwrap_or(&node.label),
        node.ty,
        node.place.line,
        node.place.column
    )
}

/// A coordinate with at most one digit behind the dot, so that a picture is the same on every machine.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".into(),
        Some(whole) => whole.into(),
        None => text,
    }
}
