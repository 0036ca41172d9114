//! Places boxes in layers, top down, with room for what their links say: Sugiyama's method. Knows no pipeline and no drawing.
//!
//! A layer holds either boxes or the texts of links, in turn, so that no text is ever crossed by a box. The crates that do
//! this have neither texts on links nor boxes of their own sizes in one, which is most of what a typed graph needs.

mod order;
mod place;
mod rank;
mod route;

/// Width and height.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A place on the page; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where in the order of the layers a box wants to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wish {
    /// Wherever its links put it.
    #[default]
    None,
    /// In the first layer.
    First,
    /// In the last layer.
    Last,
}

/// A link from one box to another, which stands behind it in the list of boxes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Room that its text needs.
    pub(super) text: Size,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Placed {
    /// Upper left corners, one per box.
    pub(super) boxes: Vec<Point>,
    /// One per link.
    pub(super) links: Vec<Route>,
    pub(super) size: Size,
}

/// The way of a link.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Route {
    /// Pieces that are straight down and pieces that swing from one column to another, in turn: the ends of the straight ones.
    pub(super) points: Vec<Point>,
    /// The middle of its text.
    pub(super) text: Point,
}

/// Space between boxes of a layer, between the ways of links, and between layers.
const BETWEEN_BOXES: f64 = 28.0;
const BETWEEN_LINKS: f64 = 14.0;
const BETWEEN_LAYERS: f64 = 16.0;

/// What stands in a layer: a box, or a link that passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Box,
    /// Passes, and where it says something says it here.
    Pass {
        link: usize,
        says: bool,
    },
}

/// One member of a layer.
#[derive(Debug, Clone)]
struct Item {
    what: What,
    layer: usize,
    width: f64,
    height: f64,
    /// Neighbours in the layer above and below: item, and by how much the way begins or ends beside the middles of this and that item.
    up: Vec<Tie>,
    down: Vec<Tie>,
}

#[derive(Debug, Clone, Copy)]
struct Tie {
    item: usize,
    here: f64,
    there: f64,
}

/// The layers while they are worked on. The items of the boxes come first, in the boxes' order.
#[derive(Debug, Default)]
struct Layers {
    items: Vec<Item>,
    /// Per layer its items from left to right.
    layers: Vec<Vec<usize>>,
    /// Per link the items that it passes through, from top to bottom.
    passes: Vec<Vec<usize>>,
}

/// Places all boxes. Deterministic; time is near to linear in boxes, links and the layers that links pass.
///
/// A link whose ends stand in the wrong order is left out: its route is empty.
pub(super) fn place(boxes: &[(Size, Wish)], links: &[Link]) -> Placed {
    if boxes.is_empty() {
        return Placed::default();
    }
    let ranks = rank::ranks(boxes, links);
    let mut layers = Layers::new(boxes, links, &ranks);
    order::order(&mut layers);
    let ends = route::ends(&mut layers, links);
    let columns = place::columns(&layers);
    route::placed(&layers, links, &columns, &ends)
}

impl Layers {
    fn new(boxes: &[(Size, Wish)], links: &[Link], ranks: &[usize]) -> Self {
        let mut layers = Self::default();
        for ((size, _), rank) in boxes.iter().zip(ranks) {
            layers.push(What::Box, rank * 2, size.width, size.height);
        }
        for (index, link) in links.iter().enumerate() {
            let (top, bottom) = (ranks[link.from] * 2, ranks[link.to] * 2);
            let mut passes = Vec::new();
            if link.from < link.to && top < bottom {
                // A text stands in a layer of texts, those with an odd number; near the end, where the parameter is that it names.
                let speaks = if link.text.width > 0.0 { Some(bottom - 1) } else { None };
                let mut above = link.from;
                for layer in top + 1..bottom {
                    let says = speaks == Some(layer);
                    let size = if says { link.text } else { Size::default() };
                    let item = layers.push(What::Pass { link: index, says }, layer, size.width, size.height);
                    layers.tie(above, item);
                    passes.push(item);
                    above = item;
                }
                layers.tie(above, link.to);
            }
            layers.passes.push(passes);
        }
        layers
    }

    fn push(&mut self, what: What, layer: usize, width: f64, height: f64) -> usize {
        let index = self.items.len();
        self.items.push(Item { what, layer, width, height, up: Vec::new(), down: Vec::new() });
        if self.layers.len() <= layer {
            self.layers.resize(layer + 1, Vec::new());
        }
        self.layers[layer].push(index);
        index
    }

    fn tie(&mut self, above: usize, below: usize) {
        self.items[above].down.push(Tie { item: below, here: 0.0, there: 0.0 });
        self.items[below].up.push(Tie { item: above, here: 0.0, there: 0.0 });
    }
}
