//! Reads the deadline that a gRPC client sent. Does not enforce it.

use std::time::Duration;

use http::HeaderMap;

/// The time that the caller allows, from `grpc-timeout`; `None` without one or with one that does not parse, which
/// the gRPC specification tells servers to treat alike.
pub(crate) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// The part of a caller's time that the host uses: a twentieth, and at most 20 ms, is left for the answer to travel, so
/// that the caller hears the coded error and not its own clock, nor that of the gRPC library, which is set to the same moment.
pub(crate) fn to_answer(asked: Duration) -> Duration {
    asked - (asked / 20).min(Duration::from_millis(20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_the_time_is_left_for_the_answer() {
        assert_eq!(to_answer(Duration::from_millis(100)), Duration::from_millis(95));
        assert_eq!(to_answer(Duration::from_secs(30)), Duration::from_millis(29_980));
        assert_eq!(to_answer(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn every_unit_of_the_specification_is_read_and_nothing_else() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("5u", Some(Duration::from_micros(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("", None),
            ("S", None),
            ("-1S", None),
            ("1.5S", None),
            ("999999999S", None),
            ("1é", None),
            ("1x", None),
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = text.parse() {
                headers.insert("grpc-timeout", value);
            }
            assert_eq!(of(&headers), expected, "{text:?}");
        }
    }
}
