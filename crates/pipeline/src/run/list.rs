//! Lists by their bytes. Linear in the number of items.

use type_schema::raw::{self, Cursor};

use super::fault::{self, Fault};
use super::number;
use super::value::Value;

pub(super) fn build<'v>(
    items: impl ExactSizeIterator<Item = Result<&'v Value, Fault>> + Clone,
    limit: usize,
) -> Result<Value, Fault> {
    let mut size = 5_usize;
    for item in items.clone() {
        size = size.saturating_add(item?.size());
    }
    if size > limit {
        return Err(fault::too_large(limit));
    }
    let mut out = Vec::with_capacity(size);
    raw::put_array_head(&mut out, items.len());
    for item in items {
        item?.write(&mut out);
    }
    Ok(Value::Bytes(out.into()))
}

pub(super) fn length(list: &Value) -> Result<usize, Fault> {
    Ok(list.list()?.0)
}

pub(super) fn first(list: &Value) -> Result<Value, Fault> {
    let (len, mut cursor) = list.list()?;
    if len == 0 {
        return Err(fault::empty_list());
    }
    Value::part(list.bytes()?, next(&mut cursor)?)
}

pub(super) fn last(list: &Value) -> Result<Value, Fault> {
    let (len, mut cursor) = list.list()?;
    for _ in 1..len {
        next(&mut cursor)?;
    }
    if len == 0 { Err(fault::empty_list()) } else { Value::part(list.bytes()?, next(&mut cursor)?) }
}

/// The sum from first to last; 0 of an empty list.
pub(super) fn sum(list: &Value, float: bool) -> Result<Value, Fault> {
    let (len, mut cursor) = list.list()?;
    let bytes = list.bytes()?;
    let mut sum = if float { Value::Float(0.0) } else { Value::Int(0) };
    for _ in 0..len {
        let item = Value::part(bytes, next(&mut cursor)?)?;
        sum = number::arithmetic(crate::plan::Arithmetic::Add, &sum, &item)?;
    }
    Ok(sum)
}

pub(super) fn concat(a: &Value, b: &Value, limit: usize) -> Result<Value, Fault> {
    let ((a_len, a_items), (b_len, b_items)) = (a.list()?, b.list()?);
    let (a, b) = (&a.bytes()?[a_items.offset()..], &b.bytes()?[b_items.offset()..]);
    let size = a.len().saturating_add(b.len()).saturating_add(5);
    if size > limit {
        return Err(fault::too_large(limit));
    }
    let mut out = Vec::with_capacity(size);
    raw::put_array_head(&mut out, a_len + b_len);
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    Ok(Value::Bytes(out.into()))
}

/// Whether some item equals `value`; `ieee` where both are Floats.
pub(super) fn contains(list: &Value, value: &Value, ieee: bool) -> Result<Value, Fault> {
    let (len, mut cursor) = list.list()?;
    let bytes = list.bytes()?;
    let wanted = value.to_bytes();
    for _ in 0..len {
        let item = next(&mut cursor)?;
        let found = if ieee { number::equal(&Value::part(bytes, item)?, value, true) } else { *item == wanted };
        if found {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn reverse(list: &Value) -> Result<Value, Fault> {
    let (len, mut cursor) = list.list()?;
    let mut items = Vec::with_capacity(len);
    for _ in 0..len {
        items.push(next(&mut cursor)?);
    }
    let mut out = Vec::with_capacity(list.bytes()?.len());
    raw::put_array_head(&mut out, len);
    items.iter().rev().for_each(|item| out.extend_from_slice(item));
    Ok(Value::Bytes(out.into()))
}

fn next<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Fault> {
    cursor.value().ok_or_else(fault::malformed)
}
