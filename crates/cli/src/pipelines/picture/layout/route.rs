//! Where links leave and reach their boxes, and the ways between. Moves no box.

use super::{BETWEEN_LAYERS, Layers, Link, Placed, Point, Route, Size, What};

/// Most distance between the ends of links at one box.
const BETWEEN_ENDS: f64 = 26.0;
/// Part of a box's width that ends may take.
const USABLE: f64 = 0.72;

/// Additional space between layers for each unit that a link goes aside, and the most of it.
const SWING: f64 = 0.16;
const MOST_SWING: f64 = 44.0;

/// Per link, by how much it leaves and reaches its boxes beside their middles.
pub(super) type Ends = Vec<(f64, f64)>;

/// Spreads the ends of the links of each box, in the order in which they come, and tells the ties.
pub(super) fn ends(layers: &mut Layers, links: &[Link]) -> Ends {
    let mut position = vec![0; layers.items.len()];
    for layer in &layers.layers {
        for (at, item) in layer.iter().enumerate() {
            position[*item] = at;
        }
    }
    let mut ends = vec![(0.0, 0.0); links.len()];
    let boxes = layers.items.iter().filter(|item| item.what == What::Box).count();
    let mut leaving = vec![Vec::new(); boxes];
    let mut reaching = vec![Vec::new(); boxes];
    for (index, link) in links.iter().enumerate() {
        if let (Some(first), Some(last)) = (layers.passes[index].first(), layers.passes[index].last()) {
            leaving[link.from].push((position[*first], index));
            reaching[link.to].push((position[*last], index));
        }
    }
    for item in 0..boxes {
        let width = layers.items[item].width * USABLE;
        for (sides, is_leaving) in [(&mut leaving[item], true), (&mut reaching[item], false)] {
            sides.sort_unstable();
            let count = sides.len();
            let distance = BETWEEN_ENDS.min(width / count.max(1) as f64);
            for (at, (_, link)) in sides.iter().enumerate() {
                let beside = (at as f64 - (count as f64 - 1.0) / 2.0) * distance;
                let (end, pass) = match is_leaving {
                    true => (&mut ends[*link].0, layers.passes[*link].first()),
                    false => (&mut ends[*link].1, layers.passes[*link].last()),
                };
                *end = beside;
                if let Some(pass) = pass.copied() {
                    tell(layers, item, pass, is_leaving, beside);
                }
            }
        }
    }
    ends
}

/// Says at both sides of a tie where it ends at the box.
fn tell(layers: &mut Layers, item: usize, pass: usize, is_leaving: bool, beside: f64) {
    let (of_box, of_pass) = match is_leaving {
        true => {
            let tie = layers.items[item].down.iter_mut().find(|tie| tie.item == pass);
            tie.into_iter().for_each(|tie| tie.here = beside);
            (item, &mut layers.items[pass].up)
        }
        false => {
            let tie = layers.items[item].up.iter_mut().find(|tie| tie.item == pass);
            tie.into_iter().for_each(|tie| tie.here = beside);
            (item, &mut layers.items[pass].down)
        }
    };
    of_pass.iter_mut().filter(|tie| tie.item == of_box).for_each(|tie| tie.there = beside);
}

/// The space below a layer: more where a link swings far, so that its way stays easy to follow.
fn gap(layers: &Layers, layer: usize, columns: &[f64]) -> f64 {
    let ties =
        layers.layers[layer].iter().flat_map(|item| layers.items[*item].down.iter().map(move |tie| (*item, tie)));
    let swing =
        ties.map(|(item, tie)| (columns[item] + tie.here - columns[tie.item] - tie.there).abs()).fold(0.0, f64::max);
    BETWEEN_LAYERS + (swing * SWING).min(MOST_SWING)
}

/// Heights for the layers, and everything put together.
pub(super) fn placed(layers: &Layers, links: &[Link], columns: &[f64], ends: &Ends) -> Placed {
    let mut tops = Vec::with_capacity(layers.layers.len());
    let mut y = 0.0;
    let heights: Vec<f64> = layers
        .layers
        .iter()
        .map(|layer| layer.iter().map(|item| layers.items[*item].height).fold(0.0, f64::max))
        .collect();
    for (layer, height) in heights.iter().enumerate() {
        tops.push(y);
        y += height + if layer + 1 < heights.len() { gap(layers, layer, columns) } else { 0.0 };
    }
    let height = y;
    let right = |item: usize| columns[item] + layers.items[item].width / 2.0;
    let width = (0..layers.items.len()).map(right).fold(0.0, f64::max);
    let corner = |item: usize| {
        let size = &layers.items[item];
        let middle = tops[size.layer] + heights[size.layer] / 2.0;
        Point { x: columns[item] - size.width / 2.0, y: middle - size.height / 2.0 }
    };
    let boxes = layers.items.iter().filter(|item| item.what == What::Box).count();
    let boxes: Vec<Point> = (0..boxes).map(corner).collect();
    let routes = links.iter().enumerate().map(|(index, link)| {
        let passes = &layers.passes[index];
        if passes.is_empty() {
            return Route::default();
        }
        let (from, to) = (&layers.items[link.from], &layers.items[link.to]);
        let start = columns[link.from] + ends[index].0;
        let mut points = vec![
            Point { x: start, y: boxes[link.from].y + from.height },
            Point { x: start, y: tops[from.layer] + heights[from.layer] },
        ];
        let mut text = Point::default();
        for pass in passes {
            let layer = layers.items[*pass].layer;
            points.push(Point { x: columns[*pass], y: tops[layer] });
            points.push(Point { x: columns[*pass], y: tops[layer] + heights[layer] });
            if let What::Pass { says: true, .. } = layers.items[*pass].what {
                text = Point { x: columns[*pass], y: tops[layer] + heights[layer] / 2.0 };
            }
        }
        let end = columns[link.to] + ends[index].1;
        points.push(Point { x: end, y: tops[to.layer] });
        points.push(Point { x: end, y: boxes[link.to].y });
        Route { points, text }
    });
    Placed { links: routes.collect(), boxes, size: Size { width, height } }
}
