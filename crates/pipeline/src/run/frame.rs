//! One body in progress: what is known of each of its nodes. Says who goes on when something becomes known, and runs nothing.

use super::RunFailure;
use super::program::Code;
use super::value::Value;

/// A body in progress. The memory of one that ended is used again for the same body.
#[derive(Debug)]
pub(super) struct Frame {
    /// Which code.
    pub(super) code: u32,
    /// Changes when the frame ends, so that late work for it is told.
    pub(super) serial: u32,
    pub(super) cells: Vec<Cell>,
    pub(super) params: [Value; 2],
    /// The element that this is; `None` for the root.
    pub(super) home: Option<Home>,
    /// Whether calls of the same site may run beside those of this body.
    pub(super) many: bool,
}

/// An element of a lambda over a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    /// The lambda in progress.
    pub(super) each: u32,
    /// Which element.
    pub(super) index: usize,
    /// Where its item stands in the list, from byte to byte.
    pub(super) item: (usize, usize),
    /// Its position among the elements in progress.
    pub(super) place: usize,
}

/// What is known of a node.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) slot: Slot,
    /// How often its value may still be used. At 0 it is dropped, or never computed.
    pub(super) left: u32,
}

#[derive(Debug)]
pub(super) enum Slot {
    /// Nobody has needed it.
    Idle,
    /// Needed, and so many operands are not known yet; at 0 its turn comes.
    Waiting(u32),
    /// It will be what this operand is.
    Chosen(u32),
    /// Waits for a node of the body around.
    Asked,
    /// A lambda is in progress.
    Each(u32),
    /// A call is in flight.
    Call(u32),
    /// Known.
    Done(Value),
    /// Failed, and somebody caught it.
    Failed(Box<RunFailure>),
    /// Not used any more.
    Gone,
}

/// What there is to be had of a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its value.
    Value,
    /// Its failure.
    Failure,
    /// Nothing yet.
    Nothing,
    /// The frame has failed, because the node needs what has failed.
    Over,
}

impl Frame {
    pub(super) fn new(code: u32) -> Self {
        Self { code, serial: 0, cells: Vec::new(), params: [Value::Nil, Value::Nil], home: None, many: false }
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self, code: &Code) {
        self.cells.clear();
        self.cells.extend(code.steps.iter().map(|step| Cell { slot: Slot::Idle, left: step.uses }));
    }

    pub(super) fn known(&self, node: u32) -> Known {
        match self.cells[node as usize].slot {
            Slot::Done(_) => Known::Value,
            Slot::Failed(_) => Known::Failure,
            _ => Known::Nothing,
        }
    }

    pub(super) fn value(&self, node: u32) -> Option<&Value> {
        match &self.cells[node as usize].slot {
            Slot::Done(value) => Some(value),
            _ => None,
        }
    }
}
