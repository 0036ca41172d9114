//! Reads the bytes of one type and writes the canonical bytes of another, in one pass. Also the road of the validator
//! where keys are out of order. Decides nothing about types: the plan did.

use std::{cmp::Ordering, collections::HashSet};

use crate::{
    code::Code,
    path,
    plan::{Fate, FieldPlan, KeyOrder, Plan, RecordPlan},
    reader::{Fault, RawKey, Reader, Token, fault, inside},
    validate,
    writer::Writer,
};

/// The canonical bytes for the target of what `bytes` hold for the source.
pub(crate) fn transcode(plan: &Plan, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let writer = Writer { out: Vec::with_capacity(bytes.len() + bytes.len() / 8 + 16) };
    let mut transcoder = Transcoder { input: bytes, reader: Reader::new(bytes), writer };
    transcoder.value(plan)?;
    transcoder.reader.end()?;
    Ok(transcoder.writer.out)
}

struct Transcoder<'a> {
    input: &'a [u8],
    reader: Reader<'a>,
    writer: Writer,
}

impl<'a> Transcoder<'a> {
    fn value(&mut self, plan: &Plan) -> Result<(), Fault> {
        match plan {
            Plan::String => self.writer.str(self.reader.str()?),
            Plan::Int => self.writer.int(self.reader.int()?),
            Plan::Float => self.writer.float(self.reader.float()?),
            Plan::Bool => self.writer.bool(self.reader.bool()?),
            Plan::Bytes => self.writer.bin(self.reader.bin()?),
            Plan::Any => return self.any(),
            Plan::List(item) => {
                let len = self.reader.array()?;
                self.writer.array(len);
                for i in 0..len {
                    self.value(item).map_err(|f| inside(f, path::index(i)))?;
                }
                self.reader.leave();
            }
            Plan::Map(kind, value) => {
                let len = self.reader.map()?;
                return self.entries(len, |this, _| validate::key(*kind, &mut this.reader), |this| this.value(value));
            }
            Plan::Record(record) => return self.record(record),
            Plan::Union(variants) => {
                let i = self.reader.union(variants.len())?;
                self.value(&variants[i]).map_err(|f| inside(f, path::variant(i)))?;
                self.reader.leave();
            }
            Plan::Option(some) => {
                if !self.reader.eat_nil()? {
                    return self.value(some);
                }
                self.writer.nil();
            }
            Plan::Wrap(i, inner) => {
                self.writer.array(2);
                self.writer.int(*i as i64);
                return self.value(inner);
            }
        }
        Ok(())
    }

    fn any(&mut self) -> Result<(), Fault> {
        match self.reader.token()? {
            Token::Nil => self.writer.nil(),
            Token::Bool(v) => self.writer.bool(v),
            Token::Int(v) => self.writer.int(v),
            Token::Float(v) => self.writer.float(v),
            Token::Str(v) => self.writer.str(v),
            Token::Bin(v) => self.writer.bin(v),
            Token::Array(len) => {
                self.writer.array(len);
                for i in 0..len {
                    self.any().map_err(|f| inside(f, path::index(i)))?;
                }
                self.reader.leave();
            }
            Token::Map(len) => {
                let key = |this: &mut Self, last: Option<RawKey<'a>>| {
                    let start = this.reader.offset();
                    let key = this.reader.any_key()?;
                    match last {
                        Some(last) if !last.same_kind(key) => Err(fault(Code::TypeMismatch, start)),
                        _ => Ok(key),
                    }
                };
                return self.entries(len, key, Self::any);
            }
        }
        Ok(())
    }

    /// The entries of a map that was entered. `key` reads a key and learns the one before it.
    fn entries(
        &mut self,
        len: usize,
        key: impl Fn(&mut Self, Option<RawKey<'a>>) -> Result<RawKey<'a>, Fault>,
        value: impl Fn(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.writer.map(len);
        let mut keys = Keys::new(KeyOrder::Encoded, |key| key.step());
        let mut read = || {
            for _ in 0..len {
                let start = self.reader.offset();
                let key = key(self, keys.last)?;
                keys.take(key, start, self.writer.out.len());
                match key {
                    RawKey::Str(key) => self.writer.str(key),
                    RawKey::Int(key) => self.writer.int(key),
                    RawKey::Bool(key) => self.writer.bool(key),
                }
                value(self).map_err(|f| inside(f, key.step()))?;
            }
            Ok(())
        };
        let read = read();
        keys.settle(read, self.input, &mut self.writer.out)?;
        self.reader.leave();
        Ok(())
    }

    fn record(&mut self, record: &RecordPlan) -> Result<(), Fault> {
        let start = self.reader.offset();
        let len = self.reader.map()?;
        let header = self.writer.out.len();
        // The number of fields is known at the end; room for the largest is made here.
        self.writer.map(record.kept);
        let body = self.writer.out.len();
        let mut keys = Keys::new(record.order, field_step);
        let mut tally = Tally::default();
        let read = self.fields(record, len, &mut keys, &mut tally);
        let read = read.and_then(|()| complete(record, start, &keys, &tally, self.input));
        keys.settle(read, self.input, &mut self.writer.out)?;
        if tally.written != record.kept {
            let mut exact = Writer::default();
            exact.map(tally.written);
            self.writer.out.splice(header..body, exact.out);
        }
        self.reader.leave();
        Ok(())
    }

    fn fields(&mut self, record: &RecordPlan, len: usize, keys: &mut Keys<'a>, tally: &mut Tally) -> Result<(), Fault> {
        let mut next = 0;
        for _ in 0..len {
            let key_start = self.reader.offset();
            let name = self.reader.str()?;
            let mark = self.writer.out.len();
            keys.take(RawKey::Str(name), key_start, mark);
            let field = record.find(name, next).map(|i| {
                next = i + 1;
                &record.fields[i]
            });
            let step = |f: Fault| inside(f, path::found_field(name));
            match field {
                None => {
                    self.any().map_err(step)?;
                    self.writer.out.truncate(mark);
                }
                Some(FieldPlan { fate: Fate::Drop, plan, optional, .. }) => {
                    self.value(plan).map_err(step)?;
                    self.writer.out.truncate(mark);
                    tally.required += usize::from(!optional);
                }
                Some(FieldPlan { fate: Fate::Keep { omit_nil }, key, plan, optional, .. }) => {
                    self.writer.out.extend_from_slice(key);
                    let value = self.writer.out.len();
                    self.value(plan).map_err(step)?;
                    tally.required += usize::from(!optional);
                    if *omit_nil && self.writer.out[value..] == [rmp::Marker::Null.to_u8()] {
                        self.writer.out.truncate(mark);
                    } else {
                        tally.written += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Refuses a record without a required field.
fn complete(record: &RecordPlan, start: usize, keys: &Keys<'_>, tally: &Tally, input: &[u8]) -> Result<(), Fault> {
    // No name counts twice: a duplicate is refused before what is found here.
    if tally.required >= record.required {
        return Ok(());
    }
    let found: HashSet<_> = keys.entries.iter().map(|&entry| keys.key(entry, input)).collect();
    let missing = record.fields.iter().find(|field| !field.optional && !found.contains(&RawKey::Str(&field.name)));
    missing.map_or(Ok(()), |field| Err(inside(fault(Code::MissingField, start), path::field(&field.name))))
}

/// What the fields of a record came to.
#[derive(Default)]
struct Tally {
    required: usize,
    written: usize,
}

/// The keys of one map or record: whether they ascend, and where each entry was written. Two words an entry.
struct Keys<'a> {
    order: KeyOrder,
    /// The step of a path to the value of a key.
    step: fn(RawKey<'_>) -> String,
    entries: Vec<Entry>,
    last: Option<RawKey<'a>>,
    ascending: bool,
}

/// Where a key stands in the input, and where its entry was written.
#[derive(Clone, Copy)]
struct Entry {
    key: usize,
    out: usize,
}

impl<'a> Keys<'a> {
    fn new(order: KeyOrder, step: fn(RawKey<'_>) -> String) -> Self {
        Self { order, step, entries: Vec::new(), last: None, ascending: true }
    }

    fn take(&mut self, key: RawKey<'a>, start: usize, out: usize) {
        self.ascending &= self.last.is_none_or(|last| compare(self.order, last, key) == Ordering::Less);
        self.last = Some(key);
        self.entries.push(Entry { key: start, out });
    }

    fn key<'k>(&self, entry: Entry, input: &'k [u8]) -> RawKey<'k> {
        Reader::new(&input[entry.key..]).any_key().expect("this key was read before")
    }

    /// Refuses the first duplicate, which stands before any fault that `read` met; then puts the entries in order.
    fn settle(&self, read: Result<(), Fault>, input: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.ascending {
            return read;
        }
        let mut sorted: Vec<usize> = (0..self.entries.len()).collect();
        let key = |i: usize| self.key(self.entries[i], input);
        sorted.sort_unstable_by(|&a, &b| compare(self.order, key(a), key(b)).then(a.cmp(&b)));
        let again = sorted.windows(2).filter(|pair| key(pair[0]) == key(pair[1])).map(|pair| pair[1]).min();
        if let Some(i) = again {
            return Err(inside(fault(Code::DuplicateKey, self.entries[i].key), (self.step)(key(i))));
        }
        read?;
        let Some(first) = self.entries.first() else { return Ok(()) };
        let body = out.split_off(first.out);
        for i in sorted {
            let start = self.entries[i].out - first.out;
            let end = self.entries.get(i + 1).map_or(body.len(), |next| next.out - first.out);
            out.extend_from_slice(&body[start..end]);
        }
        Ok(())
    }
}

fn field_step(key: RawKey<'_>) -> String {
    match key {
        RawKey::Str(name) => path::found_field(name),
        _ => key.step(),
    }
}

fn compare(order: KeyOrder, a: RawKey<'_>, b: RawKey<'_>) -> Ordering {
    match (order, a, b) {
        (KeyOrder::Name, RawKey::Str(a), RawKey::Str(b)) => a.cmp(b),
        _ if a == b => Ordering::Equal,
        _ if a.before(b) => Ordering::Less,
        _ => Ordering::Greater,
    }
}
