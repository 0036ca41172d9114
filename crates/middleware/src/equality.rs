//! When two JSON values are equal: numbers by what they are worth, not by how they are written. Compares no types.

use serde_json::{Number, Value};

/// RFC 6902, section 4.6: strings, arrays, objects and literals as they are, numbers numerically.
#[must_use]
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => numbers(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

fn numbers(left: &Number, right: &Number) -> bool {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left == right,
        (None, None) => left.as_f64() == right.as_f64(),
        _ => false,
    }
}

/// The number where it is an integer that `i128` holds; a double is never rounded to get there.
fn whole(number: &Number) -> Option<i128> {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    integer.or_else(|| number.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 1e38).map(|v| v as i128))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_equal_when_they_are_worth_the_same() {
        for (left, right, expected) in [
            (json!(1), json!(1.0), true),
            (json!(-0.0), json!(0), true),
            (json!(1.5), json!(1.5), true),
            (json!(1), json!("1"), false),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0), false),
            (json!(u64::MAX), json!(18_446_744_073_709_551_616.0), false),
            (json!(1e300), json!(1e300), true),
            (json!({ "a": [1] }), json!({ "a": [1.0] }), true),
            (json!([1]), json!([1, 1]), false),
            (json!({ "a": null }), json!({}), false),
        ] {
            assert_eq!(equal(&left, &right), expected, "{left} {right}");
        }
    }
}
