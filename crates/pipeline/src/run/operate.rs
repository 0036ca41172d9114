//! Carries out the operations that have all they need. Chooses nothing and calls nobody.

use std::borrow::Cow;

use bytes::Bytes;
use type_schema::Transcoder;
use type_schema::raw::{self, Cursor, Head};

use super::fault::{self, Fault};
use super::program::{Check, Instr};
use super::value::Value;
use super::{list, number, record, text};
use crate::plan::StdFn;

/// Carries out `instr`, whose operands `of` gives. `limit` is the most bytes of a value that is made.
///
/// # Errors
/// What the operation finds, and a malformed value where `instr` is none of those that are complete with their operands.
pub(super) fn operate<'v>(
    instr: &Instr,
    of: impl Fn(u32) -> Result<&'v Value, Fault> + Copy,
    limit: usize,
) -> Result<Value, Fault> {
    match instr {
        Instr::Literal(value) => Ok(value.clone()),
        Instr::Same(a) => of(*a).cloned(),
        Instr::Transcode(a, transcoder) => transcode(of(*a)?, transcoder, limit),
        Instr::Record(parts) => record::build(parts, of, limit),
        Instr::List(items) => list::build(items.iter().map(|&item| of(item)), limit),
        Instr::Field(a, name) => record::field(of(*a)?, name),
        Instr::Project(a, names) => record::project(of(*a)?, names, limit),
        Instr::Merge(a, b, hidden) => record::merge(of(*a)?, of(*b)?, hidden, limit),
        Instr::FieldEach(a, name) => record::field_each(of(*a)?, name, limit),
        Instr::ProjectEach(a, names) => record::project_each(of(*a)?, names, limit),
        Instr::MergeEach(a, b, hidden) => record::merge_each(of(*a)?, of(*b)?, hidden, limit),
        Instr::Arithmetic(op, a, b) => number::arithmetic(*op, of(*a)?, of(*b)?),
        Instr::Order(op, a, b) => number::order(*op, of(*a)?, of(*b)?),
        Instr::Equal { equal, ieee, a, b } => Ok(Value::Bool(number::equal(of(*a)?, of(*b)?, *ieee) == *equal)),
        Instr::Not(a) => Ok(Value::Bool(!of(*a)?.bool()?)),
        Instr::Concat(parts) => text::concat(parts.iter().map(|&part| of(part)), limit),
        Instr::Unwrap { subject, variant } => {
            let subject = of(*subject)?.bytes()?;
            let (position, value) = union(subject)?;
            if position != *variant {
                return Err(fault::malformed());
            }
            Value::part(subject, value)
        }
        Instr::Renumber { subject, variants } => {
            let (position, value) = union(of(*subject)?.bytes()?)?;
            let to = variants.iter().find(|(from, _)| *from == position).ok_or_else(fault::malformed)?.1;
            let mut out = Vec::with_capacity(value.len() + 6);
            raw::put_array_head(&mut out, 2);
            raw::put_int(&mut out, i64::from(to));
            out.extend_from_slice(value);
            Ok(Value::Bytes(out.into()))
        }
        Instr::Cast(subject, schema) => {
            let bytes = of(*subject)?.to_bytes();
            let cast = schema.canonicalize(&bytes).map_err(|_| fault::any_mismatch())?;
            adopt(cast, &bytes, limit)
        }
        Instr::Std { function, float, args } => std(*function, *float, args, of, limit),
        Instr::Input(_)
        | Instr::Param(_)
        | Instr::Capture(_)
        | Instr::And(..)
        | Instr::Or(..)
        | Instr::If { .. }
        | Instr::When { .. }
        | Instr::Coalesce { .. }
        | Instr::Match { .. }
        | Instr::Each(_)
        | Instr::Call(_)
        | Instr::Guard(_) => Err(fault::malformed()),
    }
}

fn std<'v>(
    function: StdFn,
    float: bool,
    args: &[u32],
    of: impl Fn(u32) -> Result<&'v Value, Fault>,
    limit: usize,
) -> Result<Value, Fault> {
    let arg = |i: usize| of(*args.get(i).ok_or_else(fault::malformed)?);
    match function {
        StdFn::Max => number::extreme(false, arg(0)?, arg(1)?),
        StdFn::Min => number::extreme(true, arg(0)?, arg(1)?),
        StdFn::Abs => number::abs(arg(0)?),
        StdFn::Negate => number::negate(arg(0)?),
        StdFn::Round => number::round(arg(0)?),
        StdFn::StringLength => text::length(arg(0)?),
        StdFn::Join => text::join(arg(0)?, arg(1)?, limit),
        StdFn::Split => text::split(arg(0)?, arg(1)?, limit),
        StdFn::Contains => text::contains(arg(0)?, arg(1)?),
        StdFn::Trim => text::trim(arg(0)?),
        StdFn::Replace => text::replace(arg(0)?, arg(1)?, arg(2)?, limit),
        StdFn::ListLength => Ok(Value::Int(list::length(arg(0)?)? as i64)),
        StdFn::ListFirst => list::first(arg(0)?),
        StdFn::ListLast => list::last(arg(0)?),
        StdFn::ListIsEmpty => Ok(Value::Bool(list::length(arg(0)?)? == 0)),
        StdFn::ListSum => list::sum(arg(0)?, float),
        StdFn::ListConcat => list::concat(arg(0)?, arg(1)?, limit),
        StdFn::ListContains => list::contains(arg(0)?, arg(1)?, float),
        StdFn::ListReverse => list::reverse(arg(0)?),
        StdFn::ToString => number::to_text(arg(0)?),
        StdFn::ToInt => number::truncate(arg(0)?),
        StdFn::ToFloat => number::to_float(arg(0)?),
        StdFn::Log => Ok(arg(0)?.clone()),
    }
}

/// The position of the first arm whose test holds for `subject`.
pub(super) fn arm(arms: &[(Check, u32)], subject: &Value) -> Result<u32, Fault> {
    let mut any = false;
    for (check, value) in arms {
        let holds = match check {
            Check::Always => true,
            Check::Some => *subject != Value::Nil,
            Check::Variants(variants) => variants.contains(&union(subject.bytes()?)?.0),
            Check::Fits(schema) => {
                any = true;
                schema.validate(&subject.to_bytes()).is_ok()
            }
        };
        if holds {
            return Ok(*value);
        }
    }
    Err(if any { fault::any_mismatch() } else { fault::malformed() })
}

/// Position and value of a union.
fn union(bytes: &[u8]) -> Result<(u32, &[u8]), Fault> {
    let mut cursor = Cursor::new(bytes);
    match (cursor.head(), cursor.head()) {
        (Some(Head::Array(2)), Some(Head::Int(position))) => {
            let position = u32::try_from(position).map_err(|_| fault::malformed())?;
            Ok((position, &bytes[cursor.offset()..]))
        }
        _ => Err(fault::malformed()),
    }
}

fn transcode(value: &Value, transcoder: &Transcoder, limit: usize) -> Result<Value, Fault> {
    let bytes = value.to_bytes();
    adopt(transcoder.transcode(&bytes).map_err(|_| fault::malformed())?, &bytes, limit)
}

/// A value that was written, or is `bytes` as they were.
fn adopt(written: Cow<'_, [u8]>, bytes: &Bytes, limit: usize) -> Result<Value, Fault> {
    match written {
        Cow::Borrowed(_) => Value::new(bytes.clone()),
        Cow::Owned(written) if written.len() > limit => Err(fault::too_large(limit)),
        Cow::Owned(written) => Value::new(written.into()),
    }
}

/// `{ok: value}` as the first variant of what `on_error: wrap` gives.
pub(super) fn wrap_ok(value: &Value, optional: bool) -> Value {
    let mut out = Vec::with_capacity(value.size() + 6);
    raw::put_array_head(&mut out, 2);
    raw::put_int(&mut out, 0);
    if optional && *value == Value::Nil {
        raw::put_map_head(&mut out, 0);
    } else {
        raw::put_map_head(&mut out, 1);
        raw::put_str(&mut out, "ok");
        value.write(&mut out);
    }
    Value::Bytes(out.into())
}

/// `{error: {category, code, message, retryable}}` as the second variant of what `on_error: wrap` gives.
pub(super) fn wrap_error(failure: &super::Failure) -> Value {
    let mut out = Vec::new();
    raw::put_array_head(&mut out, 2);
    raw::put_int(&mut out, 1);
    raw::put_map_head(&mut out, 1);
    raw::put_str(&mut out, "error");
    raw::put_map_head(&mut out, 4);
    raw::put_str(&mut out, "category");
    raw::put_str(&mut out, &failure.category);
    raw::put_str(&mut out, "code");
    raw::put_str(&mut out, &failure.code);
    raw::put_str(&mut out, "message");
    raw::put_str(&mut out, &failure.message);
    raw::put_str(&mut out, "retryable");
    raw::put_bool(&mut out, failure.retryable);
    Value::Bytes(out.into())
}
