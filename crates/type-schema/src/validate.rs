//! Walks bytes against a compiled type without allocating. Builds nothing: a refusal is the only thing it makes.

use crate::{
    code::Code,
    ctype::KeyType,
    path,
    plan::{Plan, RecordPlan},
    reader::{Fault, RawKey, Reader, Token, fault, inside},
};

/// Whether valid bytes are the canonical ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// They are: every encoder writes exactly these.
    Canonical,
    /// They mean a value, and another encoding of it is the canonical one.
    Equivalent,
}

/// Why the walk ended early: a refusal, or keys out of order (`None`), where telling duplicates takes memory.
type Stop = Option<Fault>;

/// Checks what `plan` reads. `reader.canonical` tells afterwards whether the bytes are canonical.
pub(crate) fn walk(plan: &Plan, reader: &mut Reader<'_>) -> Result<(), Stop> {
    match plan {
        Plan::String => reader.check_str()?,
        Plan::Int => drop(reader.int()?),
        Plan::Float => drop(reader.float()?),
        Plan::Bool => drop(reader.bool()?),
        Plan::Bytes => drop(reader.bin()?),
        Plan::Any => return any(reader),
        Plan::List(item) => {
            for i in 0..reader.array()? {
                walk(item, reader).map_err(|stop| at(stop, || path::index(i)))?;
            }
            reader.leave();
        }
        Plan::Map(kind, value) => {
            let mut last = None;
            for _ in 0..reader.map()? {
                let start = reader.offset();
                let key = key(*kind, reader)?;
                ascending(&mut last, key, start)?;
                walk(value, reader).map_err(|stop| at(stop, || key.step()))?;
            }
            reader.leave();
        }
        Plan::Record(record) => return fields(record, reader),
        Plan::Union(variants) => {
            let i = reader.union(variants.len())?;
            walk(&variants[i], reader).map_err(|stop| at(stop, || path::variant(i)))?;
            reader.leave();
        }
        Plan::Option(some) => {
            if !reader.eat_nil()? {
                return walk(some, reader);
            }
        }
        Plan::Wrap(_, inner) => return walk(inner, reader),
    }
    Ok(())
}

fn at(stop: Stop, step: impl FnOnce() -> String) -> Stop {
    stop.map(|fault| inside(fault, step()))
}

/// The key of a map as declared.
pub(crate) fn key<'a>(kind: KeyType, reader: &mut Reader<'a>) -> Result<RawKey<'a>, Fault> {
    Ok(match kind {
        KeyType::String => RawKey::Str(reader.str()?),
        KeyType::Int => RawKey::Int(reader.int()?),
        KeyType::Bool => RawKey::Bool(reader.bool()?),
    })
}

/// Takes the next key where it stands after the last one.
fn ascending<'a>(last: &mut Option<RawKey<'a>>, key: RawKey<'a>, start: usize) -> Result<(), Stop> {
    match last.replace(key) {
        Some(last) if last == key => Err(Some(inside(fault(Code::DuplicateKey, start), key.step()))),
        Some(last) if !last.before(key) => Err(None),
        _ => Ok(()),
    }
}

fn any(reader: &mut Reader<'_>) -> Result<(), Stop> {
    match reader.token()? {
        Token::Array(len) => {
            for i in 0..len {
                any(reader).map_err(|stop| at(stop, || path::index(i)))?;
            }
            reader.leave();
        }
        Token::Map(len) => {
            let mut last: Option<RawKey<'_>> = None;
            for _ in 0..len {
                let start = reader.offset();
                let key = reader.any_key()?;
                if last.is_some_and(|last| !last.same_kind(key)) {
                    return Err(Some(fault(Code::TypeMismatch, start)));
                }
                ascending(&mut last, key, start)?;
                any(reader).map_err(|stop| at(stop, || key.step()))?;
            }
            reader.leave();
        }
        _ => {}
    }
    Ok(())
}

fn fields(record: &RecordPlan, reader: &mut Reader<'_>) -> Result<(), Stop> {
    let start = reader.offset();
    let fields = &record.fields;
    let mut next = 0;
    let mut missing = None;
    // The last name, where the order of the declared fields does not vouch for it.
    let mut undeclared: Option<&str> = None;
    for _ in 0..reader.map()? {
        let key_start = reader.offset();
        let found = match fields.get(next) {
            Some(field) if undeclared.is_none() && reader.eat_key(&field.head, &field.key) => Some(next),
            _ => {
                let name = reader.str()?;
                let last = undeclared.or_else(|| Some(&*fields.get(next.checked_sub(1)?)?.name));
                if last == Some(name) {
                    return Err(Some(inside(fault(Code::DuplicateKey, key_start), path::found_field(name))));
                }
                if last.is_some_and(|last| last > name) {
                    return Err(None);
                }
                match record.find(name, next) {
                    Some(i) => Some(i),
                    None => {
                        undeclared = Some(name);
                        reader.canonical = false;
                        any(reader).map_err(|stop| at(stop, || path::found_field(name)))?;
                        None
                    }
                }
            }
        };
        if let Some(i) = found {
            undeclared = None;
            // The names ascend, so a required field that was passed over does not come any more.
            if missing.is_none() && record.next_required[next] < i {
                missing = Some(record.next_required[next]);
            }
            next = i + 1;
            let field = &fields[i];
            let within = |fault| inside(fault, path::field(&field.name));
            if field.optional && reader.eat_nil().map_err(within)? {
                reader.canonical = false;
            } else {
                walk(&field.plan, reader).map_err(|stop| at(stop, || path::field(&field.name)))?;
            }
        }
    }
    let missing = missing.unwrap_or(record.next_required[next]);
    if let Some(field) = fields.get(missing) {
        return Err(Some(inside(fault(Code::MissingField, start), path::field(&field.name))));
    }
    reader.leave();
    Ok(())
}
