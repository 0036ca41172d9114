//! What a component is told of a call or run. Asks nobody.

use std::time::SystemTime;

use middleware::{Caller, Hook, WorkflowEnvelope};
use prost_types::Timestamp;
use serde_json::Value;

use crate::middleware::Passage;

/// Version of the form of an envelope.
const SCHEMA_VERSION: &str = "1";

impl Passage {
    pub(super) fn envelope(&self, hook: Hook, payload: Value) -> WorkflowEnvelope {
        let left = self.asking.deadline.saturating_duration_since(tokio::time::Instant::now());
        WorkflowEnvelope {
            schema_version: SCHEMA_VERSION.to_owned(),
            envelope_id: self.middleware.envelope_id(),
            hook,
            correlation: self.asking.correlation.clone(),
            attempt: self.attempts,
            subject: self.subject.clone(),
            caller: Caller { subject: self.caller.clone() },
            payload,
            annotations: self.annotations.clone(),
            deadline: SystemTime::now().checked_add(left).map(rfc3339).unwrap_or_default(),
            remaining_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            outcome: None,
        }
    }
}

/// In UTC with milliseconds.
fn rfc3339(at: SystemTime) -> String {
    let Timestamp { seconds, nanos } = Timestamp::from(at);
    let whole = Timestamp { seconds, nanos: 0 }.to_string();
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_moment_always_has_its_milliseconds() {
        for (millis, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (7, "1970-01-01T00:00:00.007Z"),
            (1_700_000_000_120, "2023-11-14T22:13:20.120Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(millis)), shown);
        }
    }
}
