//! How far to the right each item stands: as straight below its neighbours as the room allows. Changes no order.

use super::{BETWEEN_BOXES, BETWEEN_LINKS, Item, Layers, Tie, What};

/// How often every layer is placed by its neighbours.
const ROUNDS: usize = 40;
const ROUNDS_OF_MANY: usize = 10;
const MANY: usize = 4000;

/// The middles of all items; the leftmost edge is 0.
pub(super) fn columns(layers: &Layers) -> Vec<f64> {
    let mut columns = vec![0.0; layers.items.len()];
    for layer in &layers.layers {
        let gaps = gaps(layers, layer);
        let width: f64 = gaps.iter().sum();
        let mut x = -width / 2.0;
        for (at, item) in layer.iter().enumerate() {
            columns[*item] = x;
            x += gaps.get(at).copied().unwrap_or_default();
        }
    }
    let rounds = if layers.items.len() > MANY { ROUNDS_OF_MANY } else { ROUNDS };
    for round in 0..rounds {
        // First whole sweeps, which carry a shift through all layers; then each between both its neighbours.
        let by = match (round * 4 < rounds, round % 2) {
            (true, 0) => By::Above,
            (true, _) => By::Below,
            (false, _) => By::Both,
        };
        let count = layers.layers.len();
        for step in 0..count {
            let layer = if round % 2 == 0 { step } else { count - 1 - step };
            settle(layers, layer, by, &mut columns);
        }
    }
    straighten(layers, &mut columns);
    let left = |item: usize| columns[item] - layers.items[item].width / 2.0;
    let least = (0..layers.items.len()).map(left).fold(f64::INFINITY, f64::min);
    columns.iter().map(|x| x - least).collect()
}

/// Puts what a link passes through into one column where the neighbours leave room, so that its way has few bends and those are clear ones.
fn straighten(layers: &Layers, columns: &mut [f64]) {
    let mut at = vec![0; layers.items.len()];
    for layer in &layers.layers {
        for (position, item) in layer.iter().enumerate() {
            at[*item] = position;
        }
    }
    for passes in &layers.passes {
        let mut rest = &passes[..];
        // The column that the link comes from, as far as it reaches.
        let mut wish =
            rest.first().and_then(|pass| layers.items[*pass].up.first()).map(|tie| columns[tie.item] + tie.there);
        while let (Some(first), Some(start)) = (rest.first(), wish) {
            let (mut low, mut high) = room(layers, &at, columns, *first);
            let mut length = 1;
            for pass in &rest[1..] {
                let (left, right) = room(layers, &at, columns, *pass);
                if low.max(left) > high.min(right) {
                    break;
                }
                (low, high) = (low.max(left), high.min(right));
                length += 1;
            }
            let (run, behind) = rest.split_at(length);
            let last = run[length - 1];
            let end = layers.items[last].down.first().map_or(start, |tie| columns[tie.item] + tie.there);
            // Straight from above where that is free, else straight into what is below, else as near to the first as can be.
            let free = |x: f64| (low..=high).contains(&x);
            let x = if free(start) || !free(end) { start.clamp(low, high.max(low)) } else { end };
            for pass in run {
                columns[*pass] = x;
            }
            wish = Some(x);
            rest = behind;
        }
    }
    // A box with one link alone stands straight at its end.
    for item in 0..layers.items.len() {
        let here = &layers.items[item];
        if let (What::Box, [tie], []) | (What::Box, [], [tie]) = (here.what, &here.up[..], &here.down[..]) {
            let (low, high) = room(layers, &at, columns, item);
            columns[item] = (columns[tie.item] - tie.here).min(high).max(low);
        }
    }
}

/// How far an item may go to both sides without coming too near to its neighbours.
fn room(layers: &Layers, at: &[usize], columns: &[f64], item: usize) -> (f64, f64) {
    let layer = &layers.layers[layers.items[item].layer];
    let position = at[item];
    let distance = |other: usize| gap(&layers.items[item], &layers.items[other]);
    let left = position.checked_sub(1).map(|before| layer[before]);
    let right = layer.get(position + 1).copied();
    (
        left.map_or(f64::NEG_INFINITY, |left| columns[left] + distance(left)),
        right.map_or(f64::INFINITY, |right| columns[right] - distance(right)),
    )
}

#[derive(Clone, Copy)]
enum By {
    Above,
    Below,
    Both,
}

/// Distances between the middles of neighbours that must at least be.
fn gaps(layers: &Layers, layer: &[usize]) -> Vec<f64> {
    layer.windows(2).map(|pair| gap(&layers.items[pair[0]], &layers.items[pair[1]])).collect()
}

fn gap(a: &Item, b: &Item) -> f64 {
    let between = if a.what == What::Box && b.what == What::Box { BETWEEN_BOXES } else { BETWEEN_LINKS };
    (a.width + b.width) / 2.0 + between
}

/// How much a tie pulls: long links should be straight before all.
fn pull(a: &Item, b: &Item) -> f64 {
    match (a.what, b.what) {
        (What::Pass { .. }, What::Pass { .. }) => 8.0,
        (What::Box, What::Box) => 1.0,
        _ => 2.0,
    }
}

/// Puts the items of a layer as near as possible, by squares, to where their neighbours want them, in their order and with their gaps.
fn settle(layers: &Layers, layer: usize, by: By, columns: &mut [f64]) {
    let members = &layers.layers[layer];
    let gaps = gaps(layers, members);
    // Blocks of items that touch: weight, weighted sum of where the first would be, number of items.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(members.len());
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(members.len());
    for (at, item) in members.iter().enumerate() {
        let here = &layers.items[*item];
        let wish = |tie: &Tie| (pull(here, &layers.items[tie.item]), columns[tie.item] + tie.there - tie.here);
        let wishes: Vec<(f64, f64)> = match by {
            By::Above => here.up.iter().map(wish).collect(),
            By::Below => here.down.iter().map(wish).collect(),
            By::Both => here.up.iter().chain(&here.down).map(wish).collect(),
        };
        let (mut weight, mut sum) = wishes.iter().fold((0.0, 0.0), |(w, s), (pull, x)| (w + pull, s + pull * x));
        if wishes.is_empty() {
            (weight, sum) = (0.05, 0.05 * columns[*item]);
        }
        offsets.push(offset);
        blocks.push((weight, sum - weight * offset, 1));
        while let [.., (w0, s0, n0), (w1, s1, n1)] = blocks[..] {
            if s0 / w0 <= s1 / w1 {
                break;
            }
            blocks.pop();
            if let Some(last) = blocks.last_mut() {
                *last = (w0 + w1, s0 + s1, n0 + n1);
            }
        }
        offset += gaps.get(at).copied().unwrap_or_default();
    }
    let mut at = 0;
    for (weight, sum, count) in blocks {
        for _ in 0..count {
            columns[members[at]] = sum / weight + offsets[at];
            at += 1;
        }
    }
}
