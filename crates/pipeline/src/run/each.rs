//! One lambda over one list in progress: which elements run, and what those came to that ended. Runs nothing itself.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::mem;

use bytes::Bytes;
use type_schema::raw::{self, Cursor};

use super::fault::{self, Fault};
use super::frame::Home;
use super::program::EachInstr;
use super::value::{ListBuilder, Value, enter_list};
use crate::plan::EachKind;

/// A lambda in progress.
#[derive(Debug)]
pub(super) struct EachRun<'p> {
    pub(super) instr: &'p EachInstr,
    /// The frame and node that it is the value of.
    pub(super) owner: (u32, u32),
    /// Tells it from a later one with the same number.
    pub(super) serial: u32,
    list: Bytes,
    /// Where the next item stands.
    offset: usize,
    /// Which item that is.
    next: usize,
    len: usize,
    limit: usize,
    ended: usize,
    /// The frames of the elements in progress.
    pub(super) live: Vec<u32>,
    /// Nodes of elements that wait for a node of the frame around: frame, node, what for.
    pub(super) asks: Vec<(u32, u32, u32)>,
    /// Whether its turn to begin elements is in the queue.
    pub(super) queued: bool,
    gather: Gather,
}

/// What has come of the elements that ended.
#[derive(Debug)]
enum Gather {
    /// Values in the order of the items; those that came before their turn wait.
    Map { out: Vec<u8>, waiting: VecDeque<Option<Value>>, first: usize, held: usize },
    /// The same, of whether an item stays and where it stands.
    Filter { out: ListBuilder, waiting: VecDeque<Option<(bool, (usize, usize))>>, first: usize },
    /// Ends at this Bool.
    Decide(bool),
    /// By key and, as the sort is stable, by position. In order at any time: no long sort at the end.
    Sort(BTreeMap<(SortKey, usize), (usize, usize)>),
    /// What came so far.
    Fold(Value),
}

/// What a list is sorted by.
#[derive(Debug)]
enum SortKey {
    Int(i64),
    Float(f64),
    /// A String with its head.
    Text(Value),
}

/// An element that begins.
pub(super) struct Begun {
    pub(super) index: usize,
    pub(super) item: (usize, usize),
    pub(super) params: [Value; 2],
}

impl<'p> EachRun<'p> {
    /// Begins with `list`; `initial` is the start of a fold.
    pub(super) fn new(
        instr: &'p EachInstr,
        owner: (u32, u32),
        serial: u32,
        list: &Value,
        initial: Option<Value>,
        limit: usize,
    ) -> Result<Self, Fault> {
        let list = list.bytes()?.clone();
        let (len, items) = enter_list(&list)?;
        let offset = items.offset();
        let gather = match instr.kind {
            EachKind::Map => {
                let mut out = Vec::new();
                raw::put_array_head(&mut out, len);
                Gather::Map { out, waiting: VecDeque::new(), first: 0, held: 0 }
            }
            EachKind::Filter => Gather::Filter { out: ListBuilder::new(), waiting: VecDeque::new(), first: 0 },
            EachKind::All => Gather::Decide(false),
            EachKind::Any => Gather::Decide(true),
            EachKind::SortBy => Gather::Sort(BTreeMap::new()),
            EachKind::Fold => Gather::Fold(initial.ok_or_else(fault::malformed)?),
        };
        Ok(Self {
            instr,
            owner,
            serial,
            list,
            offset,
            next: 0,
            len,
            limit,
            ended: 0,
            live: Vec::new(),
            asks: Vec::new(),
            queued: false,
            gather,
        })
    }

    /// Whether several elements may run at once.
    pub(super) fn is_many(&self) -> bool {
        self.limit > 1 && self.len > 1
    }

    /// Whether an element may begin.
    pub(super) fn can_begin(&self) -> bool {
        self.next < self.len && self.live.len() < self.limit
    }

    /// Takes the next item, which [`EachRun::can_begin`] says there is.
    pub(super) fn begin(&mut self) -> Result<Begun, Fault> {
        let mut cursor = Cursor::resume(&self.list, self.offset);
        let part = cursor.value().ok_or_else(fault::malformed)?;
        let item = (self.offset, cursor.offset());
        let value = Value::part(&self.list, part)?;
        let params = match &mut self.gather {
            Gather::Fold(so_far) => [mem::replace(so_far, Value::Nil), value],
            _ => [value, Value::Nil],
        };
        let begun = Begun { index: self.next, item, params };
        self.offset = item.1;
        self.next += 1;
        Ok(begun)
    }

    /// Takes what an element came to. Gives the value of the whole, once it is known.
    pub(super) fn end(&mut self, home: Home, value: Value, limit: usize) -> Result<Option<Value>, Fault> {
        self.ended += 1;
        let size = match &mut self.gather {
            Gather::Map { out, waiting, first, held } => {
                *held += value.size();
                put(waiting, home.index - *first, value);
                while let Some(Some(_)) = waiting.front() {
                    if let Some(Some(value)) = waiting.pop_front() {
                        *held -= value.size();
                        value.write(out);
                        *first += 1;
                    }
                }
                out.len() + *held
            }
            Gather::Filter { out, waiting, first } => {
                put(waiting, home.index - *first, (value.bool()?, home.item));
                while let Some(Some(_)) = waiting.front() {
                    if let Some(Some((stays, item))) = waiting.pop_front() {
                        if stays {
                            out.item().extend_from_slice(&self.list[item.0..item.1]);
                        }
                        *first += 1;
                    }
                }
                0
            }
            Gather::Decide(at) => {
                if value.bool()? == *at {
                    return Ok(Some(Value::Bool(*at)));
                }
                0
            }
            Gather::Sort(sorted) => {
                sorted.insert((SortKey::new(value)?, home.index), home.item);
                0
            }
            Gather::Fold(so_far) => {
                *so_far = value;
                0
            }
        };
        if size > limit {
            return Err(fault::too_large(limit));
        }
        if self.ended == self.len { Ok(Some(self.finish())) } else { Ok(None) }
    }

    /// What the whole is where there is no item at all.
    pub(super) fn if_empty(&mut self) -> Option<Value> {
        (self.len == 0).then(|| self.finish())
    }

    fn finish(&mut self) -> Value {
        match &mut self.gather {
            Gather::Map { out, .. } => Value::Bytes(mem::take(out).into()),
            Gather::Filter { out, .. } => mem::replace(out, ListBuilder::new()).finish(),
            Gather::Decide(at) => Value::Bool(!*at),
            Gather::Sort(sorted) => {
                let mut out = Vec::with_capacity(self.list.len());
                raw::put_array_head(&mut out, self.len);
                sorted.values().for_each(|item| out.extend_from_slice(&self.list[item.0..item.1]));
                Value::Bytes(out.into())
            }
            Gather::Fold(so_far) => mem::replace(so_far, Value::Nil),
        }
    }
}

/// Puts a value at a place that may be behind the end.
fn put<T>(waiting: &mut VecDeque<Option<T>>, at: usize, value: T) {
    if waiting.len() <= at {
        waiting.resize_with(at + 1, || None);
    }
    waiting[at] = Some(value);
}

impl SortKey {
    fn new(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Int(v) => Ok(Self::Int(v)),
            Value::Float(v) => Ok(Self::Float(v)),
            other => {
                other.utf8()?;
                Ok(Self::Text(other))
            }
        }
    }

    fn text(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.utf8().unwrap_or_default(),
            _ => &[],
        }
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            // The zeros are equal; a NaN stands behind all numbers.
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            (a, b) => a.text().cmp(b.text()),
        }
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortKey {}
