//! From left to right within the layers, so that links cross as little as a few sweeps find. Knows no lengths.

use super::Layers;

/// How often each layer is sorted by its neighbours. A large graph is told by its size rather than by its beauty.
const SWEEPS: usize = 24;
const SWEEPS_OF_MANY: usize = 6;
const MANY: usize = 4000;

/// Orders all layers.
pub(super) fn order(layers: &mut Layers) {
    walk(layers);
    let mut best = layers.layers.clone();
    let mut fewest = crossings(layers);
    let sweeps = if layers.items.len() > MANY { SWEEPS_OF_MANY } else { SWEEPS };
    for sweep in 0..sweeps {
        if fewest == 0 {
            break;
        }
        let downwards = sweep % 2 == 0;
        let count = layers.layers.len();
        for step in 1..count {
            let layer = if downwards { step } else { count - 1 - step };
            sort(layers, layer, downwards);
        }
        let found = crossings(layers);
        if found < fewest {
            fewest = found;
            best.clone_from(&layers.layers);
        }
    }
    layers.layers = best;
    for _ in 0..4 {
        if !swap(layers) {
            break;
        }
    }
}

/// The first order: as a walk from the boxes of the first layers finds the items.
fn walk(layers: &mut Layers) {
    let mut seen = vec![false; layers.items.len()];
    let starts: Vec<usize> = layers.layers.iter().flatten().copied().collect();
    let mut found = vec![Vec::new(); layers.layers.len()];
    for start in starts {
        let mut open = vec![start];
        while let Some(item) = open.pop() {
            if std::mem::replace(&mut seen[item], true) {
                continue;
            }
            found[layers.items[item].layer].push(item);
            open.extend(layers.items[item].down.iter().rev().map(|tie| tie.item));
        }
    }
    layers.layers = found;
}

fn positions(layers: &Layers) -> Vec<usize> {
    let mut positions = vec![0; layers.items.len()];
    for layer in &layers.layers {
        for (position, item) in layer.iter().enumerate() {
            positions[*item] = position;
        }
    }
    positions
}

/// Sorts a layer by the mean position of the neighbours above, or below. Those without neighbours stay where they are.
fn sort(layers: &mut Layers, layer: usize, by_above: bool) {
    let reference = if by_above { layer - 1 } else { layer + 1 };
    let mut position = std::collections::HashMap::new();
    for (at, item) in layers.layers[reference].iter().enumerate() {
        position.insert(*item, at);
    }
    let mut members: Vec<(f64, usize)> = Vec::with_capacity(layers.layers[layer].len());
    for (at, item) in layers.layers[layer].iter().enumerate() {
        let ties = if by_above { &layers.items[*item].up } else { &layers.items[*item].down };
        let known: Vec<f64> = ties.iter().filter_map(|tie| position.get(&tie.item)).map(|at| *at as f64).collect();
        let mean = if known.is_empty() { at as f64 } else { known.iter().sum::<f64>() / known.len() as f64 };
        members.push((mean, *item));
    }
    members.sort_by(|a, b| a.0.total_cmp(&b.0));
    layers.layers[layer] = members.into_iter().map(|(_, item)| item).collect();
}

/// Exchanges neighbours where that takes crossings away. Whether it did anything.
fn swap(layers: &mut Layers) -> bool {
    let mut positions = positions(layers);
    let mut changed = false;
    for layer in 0..layers.layers.len() {
        for at in 1..layers.layers[layer].len() {
            let (left, right) = (layers.layers[layer][at - 1], layers.layers[layer][at]);
            let count = |a: usize, b: usize| {
                let (a, b) = (&layers.items[a], &layers.items[b]);
                let between = |a: &[super::Tie], b: &[super::Tie]| {
                    let pairs = a.iter().flat_map(|one| b.iter().map(move |other| (one.item, other.item)));
                    pairs.filter(|(one, other)| positions[*one] > positions[*other]).count()
                };
                between(&a.up, &b.up) + between(&a.down, &b.down)
            };
            if count(right, left) < count(left, right) {
                layers.layers[layer].swap(at - 1, at);
                positions.swap(left, right);
                changed = true;
            }
        }
    }
    changed
}

/// How many pairs of ties cross, over all layers; n log n in the ties.
fn crossings(layers: &Layers) -> usize {
    let positions = positions(layers);
    let mut sum = 0;
    for (index, layer) in layers.layers.iter().enumerate() {
        let width = layers.layers.get(index + 1).map_or(0, Vec::len);
        let mut tree = vec![0_usize; width + 1];
        let mut total = 0;
        for item in layer {
            let mut ends: Vec<usize> = layers.items[*item].down.iter().map(|tie| positions[tie.item]).collect();
            ends.sort_unstable();
            for end in &ends {
                // Of the ties before, those that end further right.
                sum += total - prefix(&tree, *end + 1);
            }
            for end in ends {
                add(&mut tree, end + 1);
                total += 1;
            }
        }
    }
    sum
}

fn prefix(tree: &[usize], mut at: usize) -> usize {
    let mut sum = 0;
    while at > 0 {
        sum += tree[at];
        at &= at - 1;
    }
    sum
}

fn add(tree: &mut [usize], mut at: usize) {
    while at < tree.len() {
        tree[at] += 1;
        at += at & at.wrapping_neg();
    }
}
