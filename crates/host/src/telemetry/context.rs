//! W3C trace context (<https://www.w3.org/TR/trace-context/>): headers to a span's context and back. Begins no span.

use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use protocol::frame::TraceContext;

/// The caller's span; `None` where the header is missing or malformed, which are to be treated alike. Allocates only for a
/// trace state.
pub(super) fn read(trace: &TraceContext) -> Option<SpanContext> {
    let mut parts = trace.parent.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let well_formed = hex(version, 2) && hex(trace_id, 32) && hex(span_id, 16) && hex(flags, 2);
    // A later version may have more parts; `ff` is none.
    if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let (trace_id, span_id) = (TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = match trace.state.as_str() {
        "" => TraceState::NONE,
        text => TraceState::from_str(text).unwrap_or(TraceState::NONE),
    };
    Some(SpanContext::new(trace_id, span_id, flags, true, state)).filter(SpanContext::is_valid)
}

/// The headers of a span.
pub(super) fn write(span: &SpanContext) -> TraceContext {
    let flags = span.trace_flags().to_u8();
    TraceContext {
        parent: format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()),
        state: span.trace_state().header(),
        attempts: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trace_parent_is_none() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        for (parent, read_as) in [
            (format!("00-{id}-b7ad6b7169203331-01"), Some(true)),
            (format!("00-{id}-b7ad6b7169203331-00"), Some(false)),
            (format!("cc-{id}-b7ad6b7169203331-03-what-comes"), Some(true)),
            (format!("00-{id}-b7ad6b7169203331-01-more"), None),
            (format!("ff-{id}-b7ad6b7169203331-01"), None),
            (format!("00-{id}-0000000000000000-01"), None),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None),
            (format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()), None),
            (format!("00-{id}-b7ad6b7169203331"), None),
            (format!("00-{id}-b7ad6b716920333é-01"), None),
            (String::new(), None),
            ("-".repeat(60), None),
        ] {
            let read = read(&TraceContext { parent: parent.clone(), ..TraceContext::default() });
            assert_eq!(read.map(|span| span.is_sampled()), read_as, "{parent}");
        }
    }
}
