//! Cards and edges of a whole graph on one page, groups with what is inside them. Writes no format.

use pipeline::graph::{Graph, Kind};

use super::card::{Card, SMALL, card, width};
use super::layout::{Link, Placed, Point, Size, Wish, place};

/// Space around what is inside a group, and around the page.
const INSIDE: f64 = 18.0;
pub(super) const MARGIN: f64 = 24.0;
const TEXT_HEIGHT: f64 = 18.0;

/// A graph with places.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) cards: Vec<Placement>,
    pub(super) lines: Vec<Line>,
    pub(super) size: Size,
}

/// A node on the page.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) card: Card,
    pub(super) at: Point,
    /// Larger than the card where others are inside.
    pub(super) size: Size,
    pub(super) is_group: bool,
}

/// An edge on the page.
#[derive(Debug)]
pub(super) struct Line {
    /// Position in the graph's edges.
    pub(super) edge: usize,
    pub(super) points: Vec<Point>,
    pub(super) text: String,
    pub(super) text_at: Point,
}

/// What stands inside one group, or on the page.
struct Level {
    members: Vec<usize>,
    edges: Vec<usize>,
    placed: Placed,
}

/// Places a graph whose references were checked.
pub(super) fn draw(graph: &Graph) -> Drawing {
    let count = graph.nodes.len();
    let mut members = vec![Vec::new(); count + 1];
    for node in &graph.nodes {
        members[node.parent.map_or(count, |parent| parent as usize)].push(node.id as usize);
    }
    let texts: Vec<String> = (0..graph.edges.len()).map(|edge| text(graph, edge)).collect();
    let mut edges = vec![Vec::new(); count + 1];
    for (index, edge) in graph.edges.iter().enumerate() {
        if let Some((to, level)) = lifted(graph, edge.from as usize, edge.to as usize) {
            edges[level.unwrap_or(count)].push((index, edge.from as usize, to));
        }
    }
    let mut cards: Vec<Placement> = graph
        .nodes
        .iter()
        .map(|node| {
            let card = card(node);
            Placement { at: Point::default(), size: card.size, is_group: !members[node.id as usize].is_empty(), card }
        })
        .collect();
    // A group stands before its members, so that going backwards knows their sizes.
    let mut levels: Vec<Option<Level>> = (0..=count).map(|_| None).collect();
    let order = [count].into_iter().chain(0..count).collect::<Vec<_>>();
    for group in order.iter().rev().copied().filter(|group| !members[*group].is_empty()) {
        let level = level(graph, &members[group], &edges[group], &cards, &texts);
        if group < count {
            let inside = level.placed.size;
            let head = cards[group].card.size;
            cards[group].size = Size {
                width: head.width.max(inside.width + INSIDE * 2.0),
                height: head.height + inside.height + INSIDE,
            };
        }
        levels[group] = Some(level);
    }
    let mut lines = Vec::new();
    for group in order {
        let Some(level) = levels[group].take() else { continue };
        let origin = match cards.get(group) {
            None => Point { x: MARGIN, y: MARGIN },
            Some(placement) => Point {
                x: placement.at.x + (placement.size.width - level.placed.size.width) / 2.0,
                y: placement.at.y + placement.card.size.height,
            },
        };
        let moved = |point: Point| Point { x: point.x + origin.x, y: point.y + origin.y };
        for (member, at) in level.members.iter().zip(&level.placed.boxes) {
            cards[*member].at = moved(*at);
        }
        for (edge, route) in level.edges.iter().zip(level.placed.links) {
            if !route.points.is_empty() {
                let points = route.points.into_iter().map(moved).collect();
                lines.push(Line { edge: *edge, points, text: texts[*edge].clone(), text_at: moved(route.text) });
            }
        }
    }
    let right = cards.iter().map(|card| card.at.x + card.size.width).fold(0.0, f64::max);
    let bottom = cards.iter().map(|card| card.at.y + card.size.height).fold(0.0, f64::max);
    let texts_right =
        lines.iter().map(|line| line.text_at.x + width(&line.text, SMALL) / 2.0 + 6.0).fold(0.0, f64::max);
    Drawing { cards, lines, size: Size { width: right.max(texts_right) + MARGIN, height: bottom + MARGIN } }
}

fn level(
    graph: &Graph,
    members: &[usize],
    edges: &[(usize, usize, usize)],
    cards: &[Placement],
    texts: &[String],
) -> Level {
    let position = |node: usize| members.binary_search(&node).unwrap_or_default();
    let boxes: Vec<_> = members
        .iter()
        .map(|member| {
            let wish = match graph.nodes[*member].kind {
                Kind::Input | Kind::Parameter | Kind::Capture => Wish::First,
                Kind::Output => Wish::Last,
                _ => Wish::None,
            };
            (cards[*member].size, wish)
        })
        .collect();
    let links: Vec<_> = edges
        .iter()
        .map(|(edge, from, to)| {
            let text = &texts[*edge];
            let size = Size { width: width(text, SMALL) + 10.0, height: TEXT_HEIGHT };
            Link {
                from: position(*from),
                to: position(*to),
                text: if text.is_empty() { Size::default() } else { size },
            }
        })
        .collect();
    Level {
        members: members.to_vec(),
        edges: edges.iter().map(|(edge, ..)| *edge).collect(),
        placed: place(&boxes, &links),
    }
}

/// What stands at an edge: what for, the fields that are read, the type.
pub(super) fn text(graph: &Graph, edge: usize) -> String {
    let edge = &graph.edges[edge];
    let to = &graph.nodes[edge.to as usize];
    let label = if to.kind == Kind::Capture { &to.label } else { &edge.label };
    let name = match (label.as_str(), edge.path.as_str()) {
        (label, "") => label.to_owned(),
        ("", path) => path.to_owned(),
        (label, path) => format!("{label} = {path}"),
    };
    if name.is_empty() { edge.ty.clone() } else { format!("{name}: {}", edge.ty) }
}

/// Where an edge ends at the level of its beginning: a value that a lambda captures goes to the lambda's group. With that level.
fn lifted(graph: &Graph, from: usize, mut to: usize) -> Option<(usize, Option<usize>)> {
    let level = graph.nodes[from].parent;
    while graph.nodes[to].parent != level {
        to = graph.nodes[to].parent? as usize;
    }
    Some((to, level.map(|parent| parent as usize)))
}
