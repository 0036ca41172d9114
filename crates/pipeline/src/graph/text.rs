//! Parts of the source, types and options as short texts. Knows no graph.

use std::time::Duration;

use type_schema::{CType, KeyType};

use crate::diagnostic::Span;
use crate::plan::{Backoff, Policy};

/// Most characters of a part of the source.
const SNIPPET: usize = 80;

/// A part of the source on one line, without comments, cut to 80 characters.
pub(super) fn snippet(source: &str, span: Span) -> String {
    let part = source.get(span.range()).unwrap_or_default();
    let mut text = String::new();
    let mut characters = 0;
    let (mut in_string, mut escaped, mut in_comment, mut blank) = (false, false, false, false);
    for c in part.chars() {
        if in_comment {
            in_comment = c != '\n';
            blank = true;
            continue;
        }
        if !in_string && (c.is_whitespace() || c == '#') {
            in_comment = c == '#';
            blank = true;
            continue;
        }
        if characters >= SNIPPET {
            // The last character makes room for the mark.
            text.pop();
            text.push('…');
            return text;
        }
        if blank && !text.is_empty() {
            text.push(' ');
            characters += 1;
        }
        blank = false;
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        // A string may hold line feeds and worse.
        text.push(if c.is_control() { ' ' } else { c });
        characters += 1;
    }
    text
}

/// A type in at most that many characters: what is deep inside goes first.
pub(super) fn short_type(ctype: &CType, room: usize) -> String {
    for depth in (0..6).rev() {
        let text = type_to(ctype, depth, room);
        if text.chars().count() <= room {
            return text;
        }
    }
    type_to(ctype, 0, room).chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// A type down to a depth, and not much longer than `room`.
fn type_to(ctype: &CType, depth: usize, room: usize) -> String {
    let inner = |ctype: &CType| if depth == 0 { "…".to_owned() } else { type_to(ctype, depth - 1, room) };
    match ctype {
        CType::String => "String".into(),
        CType::Int => "Int".into(),
        CType::Float => "Float".into(),
        CType::Bool => "Bool".into(),
        CType::Bytes => "Bytes".into(),
        CType::Any => "Any".into(),
        CType::List(item) => format!("List<{}>", inner(item)),
        CType::Option(value) => format!("Option<{}>", inner(value)),
        CType::Map(key, value) => {
            let key = match key {
                KeyType::String => "String",
                KeyType::Int => "Int",
                KeyType::Bool => "Bool",
            };
            format!("Map<{key}, {}>", inner(value))
        }
        CType::Record(record) => {
            let fields = record.fields.iter().map(|field| match depth {
                0 => field.name.clone(),
                _ => format!("{}: {}", field.name, inner(&field.ctype)),
            });
            format!("{{{}}}", joined(fields, ", ", room))
        }
        CType::Union(variants) => {
            joined(variants.iter().map(|variant| type_to(variant, depth.saturating_sub(1), room)), " | ", room)
        }
    }
}

/// Parts until the room is used up; the rest is `…`.
fn joined(parts: impl Iterator<Item = String>, separator: &str, room: usize) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push_str(separator);
        }
        if text.len() > room {
            text.push('…');
            break;
        }
        text.push_str(&part);
    }
    text
}

/// The options of a call in the order of the documentation, as they are written.
pub(super) fn options(policy: &Policy) -> Vec<String> {
    let mut options = Vec::new();
    let mut push = |name: &str, value: Option<String>| options.extend(value.map(|value| format!("{name}: {value}")));
    push("timeout", policy.timeout.map(duration));
    push("retry", (policy.retry > 0).then(|| policy.retry.to_string()));
    push("delay", policy.delay.map(duration));
    push(
        "backoff",
        match policy.backoff {
            Backoff::Fixed => None,
            Backoff::Linear => Some("linear".into()),
            Backoff::Exponential => Some("exponential".into()),
        },
    );
    push("batch", policy.batch.map(|size| size.to_string()));
    push("batch_timeout", policy.batch_timeout.map(duration));
    push("cache", policy.cache.map(duration));
    push("cache_backend", policy.cache_backend.as_ref().map(|name| format!("\"{name}\"")));
    push("throttle", policy.throttle.map(|rate| format!("{}/{}", rate.count, duration(rate.per))));
    push("concurrency", policy.concurrency.map(|count| count.to_string()));
    push(
        "priority",
        policy.priority.map(|priority| match priority {
            0 => "background".into(),
            20 => "low".into(),
            50 => "normal".into(),
            80 => "high".into(),
            100 => "critical".into(),
            other => other.to_string(),
        }),
    );
    options
}

/// In the greatest unit that gives a whole number.
fn duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let (size, unit) = units.into_iter().find(|(size, _)| ms >= *size && ms.is_multiple_of(*size)).unwrap_or((1, "ms"));
    format!("{}{unit}", ms / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_snippet(source: &str, expected: &str) {
        let end = u32::try_from(source.len()).unwrap();
        assert_eq!(snippet(source, Span::new(0, end)), expected);
    }

    #[test]
    fn a_part_of_the_source_is_one_line_without_comments() {
        check_snippet("a\n  + b # the rest\n  + c", "a + b + c");
        check_snippet(r#""no # comment  here" + x"#, r#""no # comment  here" + x"#);
        check_snippet(r#""a \" # b" # c"#, r#""a \" # b""#);
        check_snippet("# only\na", "a");
    }

    #[test]
    fn a_long_part_is_cut_and_says_so() {
        let text = snippet(&"a".repeat(200), Span::new(0, 200));
        assert_eq!(text, format!("{}…", "a".repeat(79)));
        assert_eq!(snippet(&"a".repeat(80), Span::new(0, 80)), "a".repeat(80));
    }

    #[test]
    fn a_place_outside_the_source_gives_nothing() {
        assert_eq!(snippet("ä", Span::new(1, 2)), "");
        assert_eq!(snippet("a", Span::new(5, 9)), "");
    }

    #[test]
    fn a_type_loses_what_is_deepest_first() {
        let check = |text: &str, room: usize, expected: &str| {
            let found = short_type(&CType::parse(text).unwrap(), room);
            assert_eq!(found, expected);
            assert!(found.chars().count() <= room, "{found}");
        };
        check("List<{a: Int}>", 32, "List<{a: Int}>");
        check("List<{name: String, total: Float, count: Int}>", 32, "List<{name, total, count}>");
        check("List<{name: String, total: Float, count: Int}>", 12, "List<…>");
        check("{order: {id: Int, lines: List<Int>}, paid: Bool}", 40, "{order: {id, lines}, paid: Bool}");
        check("{order: {id: Int, lines: List<Int>}, paid: Bool}", 20, "{order, paid}");
        check("Map<String, List<Option<Int>>>", 20, "Map<String, List<…>>");
        check("String | Int", 32, "String | Int");
        check("{a_rather_long_name: Int, another_long_name: Int}", 20, "{a_rather_long_name…");
    }

    #[test]
    fn options_read_as_they_are_written() {
        let policy = Policy {
            timeout: Some(Duration::from_secs(2)),
            retry: 3,
            cache: Some(Duration::from_secs(300)),
            throttle: Some(crate::plan::Rate { count: 10, per: Duration::from_secs(1) }),
            priority: Some(80),
            batch_timeout: Some(Duration::from_millis(1500)),
            backoff: Backoff::Exponential,
            ..Policy::default()
        };
        assert_eq!(
            options(&policy).join(", "),
            "timeout: 2s, retry: 3, backoff: exponential, batch_timeout: 1500ms, cache: 5min, throttle: 10/1s, priority: high"
        );
    }
}
