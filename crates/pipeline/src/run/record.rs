//! Records by their bytes: built, read, projected and merged by splicing. Decodes nothing.

use type_schema::raw::{self, Cursor, Head};

use super::fault::{self, Fault};
use super::value::{ListBuilder, Value};

/// Names of fields in the order of the bytes, without a head.
pub(super) type Names = Box<[Box<[u8]>]>;

/// A field of a record that is built.
#[derive(Debug)]
pub(super) struct Part {
    /// Its name as bytes, with the head.
    pub(super) key: Box<[u8]>,
    /// The node with its value.
    pub(super) value: u32,
    /// Whether a None is left out.
    pub(super) optional: bool,
}

/// A record of these parts, which stand in the order of the bytes.
pub(super) fn build<'v>(
    parts: &[Part],
    values: impl Fn(u32) -> Result<&'v Value, Fault>,
    limit: usize,
) -> Result<Value, Fault> {
    let (mut len, mut size) = (0, 5);
    for part in parts {
        let value = values(part.value)?;
        if !(part.optional && matches!(value, Value::Nil)) {
            len += 1;
            size += part.key.len() + value.size();
        }
    }
    if size > limit {
        return Err(fault::too_large(limit));
    }
    let mut out = Vec::with_capacity(size);
    raw::put_map_head(&mut out, len);
    for part in parts {
        let value = values(part.value)?;
        if !(part.optional && matches!(value, Value::Nil)) {
            out.extend_from_slice(&part.key);
            value.write(&mut out);
        }
    }
    Ok(Value::Bytes(out.into()))
}

/// The entries of a record, in the order of the bytes.
struct Entries<'a> {
    bytes: &'a [u8],
    cursor: Cursor<'a>,
    left: usize,
}

/// An entry: its name, its value, and both together.
struct Entry<'a> {
    name: &'a [u8],
    value: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut cursor = Cursor::new(bytes);
        match cursor.head() {
            Some(Head::Map(left)) => Ok(Self { bytes, cursor, left }),
            _ => Err(fault::malformed()),
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Entry<'a>>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let start = self.cursor.offset();
        let name = self.cursor.key().ok_or_else(fault::malformed)?;
        let value = self.cursor.value().ok_or_else(fault::malformed)?;
        Ok(Some(Entry { name, value, whole: &self.bytes[start..self.cursor.offset()] }))
    }
}

/// The bytes of a field; none where it is absent.
fn find<'a>(record: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
    let mut entries = Entries::new(record)?;
    while let Some(entry) = entries.next()? {
        if entry.name == name {
            return Ok(Some(entry.value));
        }
    }
    Ok(None)
}

/// A field of a record, sharing its memory.
pub(super) fn field(record: &Value, name: &[u8]) -> Result<Value, Fault> {
    let bytes = record.bytes()?;
    find(bytes, name)?.map_or(Ok(Value::Nil), |value| Value::part(bytes, value))
}

/// Gives `take` those fields of a record that `names` lists, in the order of the bytes: the position of the name and the value.
pub(super) fn fields<'n>(
    record: &Value,
    names: impl Iterator<Item = &'n [u8]>,
    mut take: impl FnMut(usize, Value),
) -> Result<(), Fault> {
    let bytes = record.bytes()?;
    let mut entries = Entries::new(bytes)?;
    let mut names = names.enumerate().peekable();
    while let Some(entry) = entries.next()? {
        while names.next_if(|(_, name)| *name < entry.name).is_some() {}
        if let Some((at, _)) = names.next_if(|(_, name)| *name == entry.name) {
            take(at, Value::part(bytes, entry.value)?);
        }
    }
    Ok(())
}

/// The same of each record of a list.
pub(super) fn field_each(list: &Value, name: &[u8], limit: usize) -> Result<Value, Fault> {
    each(list, limit, |record, out| {
        match find(record, name)? {
            Some(value) => out.extend_from_slice(value),
            None => raw::put_nil(out),
        }
        Ok(())
    })
}

/// Those fields of a record that are named.
pub(super) fn project(record: &Value, names: &Names, limit: usize) -> Result<Value, Fault> {
    let bytes = record.bytes()?;
    let mut out = Vec::new();
    project_into(bytes, names, &mut Vec::new(), &mut out)?;
    bounded(out, limit)
}

/// The same of each record of a list.
pub(super) fn project_each(list: &Value, names: &Names, limit: usize) -> Result<Value, Fault> {
    let mut kept = Vec::new();
    let bytes = list.bytes()?;
    each_of(bytes, limit, |record, out| project_into(record, names, &mut kept, out))
}

fn project_into<'a>(record: &'a [u8], names: &Names, kept: &mut Vec<&'a [u8]>, out: &mut Vec<u8>) -> Result<(), Fault> {
    kept.clear();
    let mut entries = Entries::new(record)?;
    let mut wanted = names.iter().map(|name| &**name).peekable();
    while let Some(entry) = entries.next()? {
        while wanted.next_if(|&name| name < entry.name).is_some() {}
        if wanted.next_if_eq(&entry.name).is_some() {
            kept.push(entry.whole);
        }
        if wanted.peek().is_none() {
            break;
        }
    }
    splice(kept, out);
    Ok(())
}

/// The fields of both records. `hidden` are the names that the type on the right declares: it wins with them, also where they are absent.
pub(super) fn merge(left: &Value, right: &Value, hidden: &Names, limit: usize) -> Result<Value, Fault> {
    let (left, right) = (left.bytes()?, right.bytes()?);
    if left.len().saturating_add(right.len()) > limit {
        return Err(fault::too_large(limit));
    }
    let mut out = Vec::with_capacity(left.len() + right.len());
    merge_into(left, right, hidden, &mut Vec::new(), &mut out)?;
    bounded(out, limit)
}

/// The same of each record of a list, on the left, with one record.
pub(super) fn merge_each(list: &Value, right: &Value, hidden: &Names, limit: usize) -> Result<Value, Fault> {
    let mut kept = Vec::new();
    let (list, right) = (list.bytes()?, right.bytes()?);
    each_of(list, limit, |left, out| merge_into(left, right, hidden, &mut kept, out))
}

fn merge_into<'a>(
    left: &'a [u8],
    right: &'a [u8],
    hidden: &Names,
    kept: &mut Vec<&'a [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    kept.clear();
    let (mut left, mut right) = (Entries::new(left)?, Entries::new(right)?);
    let shown = |name: &[u8]| hidden.binary_search_by(|hidden| (**hidden).cmp(name)).is_err();
    let mut next_left = left.next()?;
    let mut next_right = right.next()?;
    loop {
        match (&next_left, &next_right) {
            (Some(entry), _) if !shown(entry.name) => next_left = left.next()?,
            (Some(entry), Some(other)) if entry.name < other.name => {
                kept.push(entry.whole);
                next_left = left.next()?;
            }
            (_, Some(entry)) => {
                kept.push(entry.whole);
                next_right = right.next()?;
            }
            (Some(entry), None) => {
                kept.push(entry.whole);
                next_left = left.next()?;
            }
            (None, None) => break,
        }
    }
    splice(kept, out);
    Ok(())
}

fn splice(entries: &[&[u8]], out: &mut Vec<u8>) {
    raw::put_map_head(out, entries.len());
    entries.iter().for_each(|entry| out.extend_from_slice(entry));
}

fn each(
    list: &Value,
    limit: usize,
    write: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    each_of(list.bytes()?, limit, write)
}

fn each_of<'a>(
    list: &'a [u8],
    limit: usize,
    mut write: impl FnMut(&'a [u8], &mut Vec<u8>) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let (len, mut cursor) = super::value::enter_list(list)?;
    let mut items = ListBuilder::new();
    for _ in 0..len {
        write(cursor.value().ok_or_else(fault::malformed)?, items.item())?;
        if items.size() > limit {
            return Err(fault::too_large(limit));
        }
    }
    Ok(items.finish())
}

fn bounded(out: Vec<u8>, limit: usize) -> Result<Value, Fault> {
    if out.len() > limit { Err(fault::too_large(limit)) } else { Ok(Value::Bytes(out.into())) }
}
