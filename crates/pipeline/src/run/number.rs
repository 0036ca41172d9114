//! Numbers and comparisons. Int is 64 bits and fails rather than wraps; Float is IEEE 754.

use std::cmp::Ordering;

use super::fault::{self, Fault};
use super::value::Value;
use crate::plan::{Arithmetic, Order};

pub(super) fn arithmetic(op: Arithmetic, a: &Value, b: &Value) -> Result<Value, Fault> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => int(op, *a, *b).map(Value::Int),
        (Value::Float(a), Value::Float(b)) => Ok(Value::Float(match op {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            Arithmetic::Modulo => a % b,
        })),
        _ => Err(fault::malformed()),
    }
}

fn int(op: Arithmetic, a: i64, b: i64) -> Result<i64, Fault> {
    let result = match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Modulo if b == 0 => return Err(fault::division_by_zero()),
        Arithmetic::Divide => a.checked_div(b),
        // The remainder of a division by -1 is 0, also where the quotient is out of range.
        Arithmetic::Modulo => Some(a.wrapping_rem(b)),
    };
    result.ok_or_else(fault::overflow)
}

/// Order of two Ints, Floats or Strings; NaN stands in no order to anything.
pub(super) fn order(op: Order, a: &Value, b: &Value) -> Result<Value, Fault> {
    let ordering = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        // The order of UTF-8 is that of the characters' numbers.
        _ => Some(a.utf8()?.cmp(b.utf8()?)),
    };
    Ok(Value::Bool(ordering.is_some_and(|ordering| match op {
        Order::Less => ordering.is_lt(),
        Order::LessEqual => ordering.is_le(),
        Order::Greater => ordering.is_gt(),
        Order::GreaterEqual => ordering.is_ge(),
    })))
}

/// Whether two values of one type are equal: `ieee` where the type is Float.
pub(super) fn equal(a: &Value, b: &Value, ieee: bool) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) if !ieee => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

/// The greater of two numbers, the lesser where `least`. A NaN gives way to a number, and -0.0 is less than 0.0.
pub(super) fn extreme(least: bool, a: &Value, b: &Value) -> Result<Value, Fault> {
    let a_wins = match (a, b) {
        (Value::Int(a), Value::Int(b)) => (a < b) == least,
        (Value::Float(a), Value::Float(b)) => {
            b.is_nan() || (!a.is_nan() && (a.total_cmp(b) == Ordering::Less) == least)
        }
        _ => return Err(fault::malformed()),
    };
    Ok(if a_wins { a.clone() } else { b.clone() })
}

pub(super) fn abs(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Int(v) => v.checked_abs().map(Value::Int).ok_or_else(fault::overflow),
        Value::Float(v) => Ok(Value::Float(v.abs())),
        _ => Err(fault::malformed()),
    }
}

pub(super) fn negate(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Int(v) => v.checked_neg().map(Value::Int).ok_or_else(fault::overflow),
        Value::Float(v) => Ok(Value::Float(-v)),
        _ => Err(fault::malformed()),
    }
}

/// The nearest Int, halves away from zero.
pub(super) fn round(value: &Value) -> Result<Value, Fault> {
    to_int(value, f64::round)
}

/// The Int towards zero.
pub(super) fn truncate(value: &Value) -> Result<Value, Fault> {
    to_int(value, f64::trunc)
}

fn to_int(value: &Value, whole: fn(f64) -> f64) -> Result<Value, Fault> {
    let Value::Float(v) = value else { return Err(fault::malformed()) };
    let whole = whole(*v);
    // Both bounds are floats: -2^63 is an Int, 2^63 is none.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
        Ok(Value::Int(whole as i64))
    } else {
        Err(fault::convert_range(*v))
    }
}

pub(super) fn to_float(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Int(v) => Ok(Value::Float(*v as f64)),
        _ => Err(fault::malformed()),
    }
}

/// A scalar as text: a Float with the fewest digits that read back as the same, and always with a dot or an exponent.
pub(super) fn to_text(value: &Value) -> Result<Value, Fault> {
    Ok(match value {
        Value::Bool(v) => Value::text(if *v { "true" } else { "false" }),
        Value::Int(v) => Value::text(&v.to_string()),
        Value::Float(v) if v.is_nan() => Value::text("NaN"),
        Value::Float(v) if v.is_infinite() => Value::text(if *v > 0.0 { "Infinity" } else { "-Infinity" }),
        Value::Float(v) => Value::text(&format!("{v:?}")),
        Value::Nil => return Err(fault::malformed()),
        Value::Bytes(_) => {
            value.utf8()?;
            value.clone()
        }
    })
}
