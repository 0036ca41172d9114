//! Bytes to a value tree. Written apart from the validator, so that each can be tested against the other.

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use crate::{
    code::Code,
    ctype::{CType, KeyType},
    error::DecodeError,
    path,
    plan::{self, Plan, RecordPlan},
    reader::{Fault, RawKey, Reader, Token, fault, inside},
    value::{CValue, Key},
};

/// The value that `bytes` hold as a `ctype`. None fields are left out of records; undeclared fields are checked and dropped.
///
/// Compiles `ctype` first, which must keep the rules of [`CType::check`]; [`Schema::decode`](crate::Schema::decode) has done so.
///
/// # Errors
/// The first fault in reading order.
pub fn decode(bytes: &[u8], ctype: &CType) -> Result<CValue, DecodeError> {
    Ok(decode_plan(bytes, &plan::identity(ctype))?)
}

/// The value of the source of `plan`. Time and memory are linear in `bytes`, but for the sorting of keys.
pub(crate) fn decode_plan(bytes: &[u8], plan: &Plan) -> Result<CValue, Fault> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader, plan)?;
    reader.end()?;
    Ok(value)
}

fn read(reader: &mut Reader<'_>, plan: &Plan) -> Result<CValue, Fault> {
    Ok(match plan {
        Plan::String => CValue::String(reader.str()?.to_owned()),
        Plan::Int => CValue::Int(reader.int()?),
        Plan::Float => CValue::Float(reader.float()?),
        Plan::Bool => CValue::Bool(reader.bool()?),
        Plan::Bytes => CValue::Bytes(reader.bin()?.to_vec()),
        Plan::Any => any(reader)?,
        Plan::List(item) => {
            let len = reader.array()?;
            items(reader, len, |reader| read(reader, item))?
        }
        Plan::Map(kind, value) => {
            let len = reader.map()?;
            let key = |reader: &mut Reader<'_>| match kind {
                KeyType::String => Ok(Key::String(reader.str()?.to_owned())),
                KeyType::Int => Ok(Key::Int(reader.int()?)),
                KeyType::Bool => Ok(Key::Bool(reader.bool()?)),
            };
            entries(reader, len, key, |reader| read(reader, value))?
        }
        Plan::Record(record) => fields(reader, record)?,
        Plan::Union(variants) => {
            let i = reader.union(variants.len())?;
            let value = read(reader, &variants[i]).map_err(|f| inside(f, path::variant(i)))?;
            reader.leave();
            CValue::variant(i, value)
        }
        Plan::Option(some) => {
            if reader.eat_nil()? {
                CValue::NONE
            } else {
                CValue::some(read(reader, some)?)
            }
        }
        Plan::Wrap(_, inner) => read(reader, inner)?,
    })
}

fn any(reader: &mut Reader<'_>) -> Result<CValue, Fault> {
    Ok(match reader.token()? {
        Token::Nil => CValue::NONE,
        Token::Bool(v) => CValue::Bool(v),
        Token::Int(v) => CValue::Int(v),
        Token::Float(v) => CValue::Float(v),
        Token::Str(v) => CValue::String(v.to_owned()),
        Token::Bin(v) => CValue::Bytes(v.to_vec()),
        Token::Array(len) => items(reader, len, any)?,
        Token::Map(len) => {
            let mut kind: Option<KeyType> = None;
            let key = |reader: &mut Reader<'_>| {
                let start = reader.offset();
                let key = match reader.any_key()? {
                    RawKey::Str(key) => Key::String(key.to_owned()),
                    RawKey::Int(key) => Key::Int(key),
                    RawKey::Bool(key) => Key::Bool(key),
                };
                if *kind.get_or_insert(key.kind()) != key.kind() {
                    return Err(fault(Code::TypeMismatch, start));
                }
                Ok(key)
            };
            entries(reader, len, key, any)?
        }
    })
}

fn items<'a>(
    reader: &mut Reader<'a>,
    len: usize,
    item: impl Fn(&mut Reader<'a>) -> Result<CValue, Fault>,
) -> Result<CValue, Fault> {
    let mut items = Vec::new();
    for i in 0..len {
        items.push(item(reader).map_err(|f| inside(f, path::index(i)))?);
    }
    reader.leave();
    Ok(CValue::List(items))
}

fn entries<'a>(
    reader: &mut Reader<'a>,
    len: usize,
    mut key: impl FnMut(&mut Reader<'a>) -> Result<Key, Fault>,
    value: impl Fn(&mut Reader<'a>) -> Result<CValue, Fault>,
) -> Result<CValue, Fault> {
    let mut entries = BTreeMap::new();
    for _ in 0..len {
        let start = reader.offset();
        let key = key(reader)?;
        let step = key.step();
        match entries.entry(key) {
            Entry::Occupied(_) => return Err(inside(fault(Code::DuplicateKey, start), step)),
            Entry::Vacant(entry) => {
                entry.insert(value(reader).map_err(|f| inside(f, step))?);
            }
        }
    }
    reader.leave();
    Ok(CValue::Map(entries))
}

fn fields(reader: &mut Reader<'_>, record: &RecordPlan) -> Result<CValue, Fault> {
    let start = reader.offset();
    let len = reader.map()?;
    let mut seen = HashSet::new();
    let mut fields = BTreeMap::new();
    for _ in 0..len {
        let key_start = reader.offset();
        let name = reader.str()?;
        let step = |f: Fault| inside(f, path::found_field(name));
        if !seen.insert(name) {
            return Err(step(fault(Code::DuplicateKey, key_start)));
        }
        match record.find(name, seen.len() - 1) {
            None => drop(any(reader).map_err(step)?),
            Some(i) => {
                let field = &record.fields[i];
                let value = read(reader, &field.plan).map_err(step)?;
                if value != CValue::NONE || !field.optional {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
    }
    let mut i = record.next_required[0];
    while let Some(field) = record.fields.get(i) {
        if !seen.contains(&*field.name) {
            return Err(inside(fault(Code::MissingField, start), path::field(&field.name)));
        }
        i = record.next_required[i + 1];
    }
    reader.leave();
    Ok(CValue::Record(fields))
}
