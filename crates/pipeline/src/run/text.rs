//! Strings by their bytes. Linear in what they read and write.

use type_schema::raw;

use super::fault::{self, Fault};
use super::value::{ListBuilder, Value};

/// Longest head of a String.
const HEAD: usize = 5;

/// Strings one after the other.
pub(super) fn concat<'v>(
    parts: impl Iterator<Item = Result<&'v Value, Fault>> + Clone,
    limit: usize,
) -> Result<Value, Fault> {
    let mut len = 0_usize;
    for part in parts.clone() {
        len = len.saturating_add(part?.utf8()?.len());
    }
    let mut out = head(len, limit)?;
    for part in parts {
        out.extend_from_slice(part?.utf8()?);
    }
    Ok(Value::Bytes(out.into()))
}

/// The Strings of a list with a separator between them.
pub(super) fn join(list: &Value, separator: &Value, limit: usize) -> Result<Value, Fault> {
    let separator = separator.utf8()?;
    let (count, first) = list.list()?;
    let mut len = separator.len().saturating_mul(count.saturating_sub(1));
    let mut items = first;
    for _ in 0..count {
        len = len.saturating_add(items.key().ok_or_else(fault::malformed)?.len());
    }
    let mut out = head(len, limit)?;
    let mut items = first;
    for i in 0..count {
        if i > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(items.key().ok_or_else(fault::malformed)?);
    }
    Ok(Value::Bytes(out.into()))
}

/// The parts between the occurrences of `substring`, all of them; the characters one by one where it is empty.
pub(super) fn split(value: &Value, substring: &Value, limit: usize) -> Result<Value, Fault> {
    let (value, substring) = (value.str()?, substring.str()?);
    let mut parts = ListBuilder::new();
    let mut add = |part: &str| {
        raw::put_str(parts.item(), part);
        if parts.size() > limit { Err(fault::too_large(limit)) } else { Ok(()) }
    };
    if substring.is_empty() {
        let mut buffer = [0; 4];
        value.chars().try_for_each(|c| add(c.encode_utf8(&mut buffer)))?;
    } else {
        value.split(substring).try_for_each(add)?;
    }
    Ok(parts.finish())
}

pub(super) fn contains(value: &Value, substring: &Value) -> Result<Value, Fault> {
    Ok(Value::Bool(value.str()?.contains(substring.str()?)))
}

/// The same String where there is nothing to trim.
pub(super) fn trim(value: &Value) -> Result<Value, Fault> {
    let text = value.str()?;
    let trimmed = text.trim();
    Ok(if trimmed.len() == text.len() { value.clone() } else { Value::text(trimmed) })
}

/// Each occurrence of `target` replaced; an empty target stands before, between and behind all characters.
pub(super) fn replace(value: &Value, target: &Value, replacement: &Value, limit: usize) -> Result<Value, Fault> {
    let (text, target, replacement) = (value.str()?, target.str()?, replacement.str()?);
    let count = text.matches(target).count();
    if count == 0 {
        return Ok(value.clone());
    }
    let len = (text.len() - count * target.len()).saturating_add(count.saturating_mul(replacement.len()));
    let mut out = head(len, limit)?;
    let mut rest = 0;
    for (at, found) in text.match_indices(target) {
        out.extend_from_slice(&text.as_bytes()[rest..at]);
        out.extend_from_slice(replacement.as_bytes());
        rest = at + found.len();
    }
    out.extend_from_slice(&text.as_bytes()[rest..]);
    Ok(Value::Bytes(out.into()))
}

/// How many characters.
pub(super) fn length(value: &Value) -> Result<Value, Fault> {
    let count = value.str()?.chars().count();
    Ok(Value::Int(count as i64))
}

/// The head of a String of `len` bytes, with room for them.
fn head(len: usize, limit: usize) -> Result<Vec<u8>, Fault> {
    if len.saturating_add(HEAD) > limit {
        return Err(fault::too_large(limit));
    }
    let mut out = Vec::with_capacity(len + HEAD);
    raw::put_str_head(&mut out, len);
    Ok(out)
}
