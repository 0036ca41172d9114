//! Reads an answer and checks its form: what holds of it whatever the hook and the payload.

use std::str;

use serde::Deserialize;
use serde_json::{Map, Value};
use type_schema::parse_json_text;

use crate::decision::{DecisionKind, MiddlewareDecision};

/// Longest `reason`.
pub const MAX_REASON_BYTES: usize = 1024;
/// Longest `next_step`.
pub const MAX_NEXT_STEP_BYTES: usize = 1024;
/// Longest `diagnostics`, as JSON.
pub const MAX_DIAGNOSTICS_BYTES: usize = 16 * 1024;
/// Longest name in `route`.
pub const MAX_ROUTE_BYTES: usize = 512;
/// Longest `retry_after_ms`: an hour.
pub const MAX_RETRY_AFTER_MS: u64 = 3_600_000;
/// Most annotations that a chain gathers, and most of one decision.
pub const MAX_ANNOTATIONS: usize = 64;
/// Most that the annotations of a chain take, as one JSON object.
pub const MAX_ANNOTATION_BYTES: usize = 16 * 1024;
/// Most arrays and objects inside each other in an annotation or in `diagnostics`.
pub const MAX_ANNOTATION_DEPTH: usize = 32;

/// Why an answer is no valid decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionFault {
    /// It is not what the schema says: `middleware.response.invalid`.
    #[error("the answer is no decision: {0}")]
    Malformed(String),
    /// It says something that such a decision may not say, or not here: `middleware.decision.invalid`.
    #[error("{0}")]
    Invalid(String),
}

impl DecisionFault {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "middleware.response.invalid",
            Self::Invalid(_) => "middleware.decision.invalid",
        }
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, DecisionFault> {
    Err(DecisionFault::Invalid(message.into()))
}

impl MiddlewareDecision {
    /// Reads the body of an answer. A member that is null is one that is left out.
    ///
    /// # Errors
    /// [`DecisionFault::Malformed`] for a body that is not UTF-8, no JSON, nested too deeply, repeats a name, has a member that no
    /// decision has, or lacks `decision` or `reason`; [`DecisionFault::Invalid`] for members that do not belong to the decision, that it
    /// lacks, or that are too large.
    pub fn read(body: &[u8]) -> Result<Self, DecisionFault> {
        let malformed = |detail: String| DecisionFault::Malformed(detail);
        let text = str::from_utf8(body).map_err(|e| malformed(e.to_string()))?;
        let json = parse_json_text(text).map_err(|e| malformed(e.to_string()))?;
        // A map, because serde would take an array for the members in their order.
        let Value::Object(members) = json else { return Err(malformed("it is no object".to_owned())) };
        let decision = Self::deserialize(members).map_err(|e| malformed(e.to_string()))?;
        decision.check_form()?;
        Ok(decision)
    }

    /// What holds of a decision whatever the hook and the payload.
    ///
    /// # Errors
    /// [`DecisionFault::Invalid`].
    pub fn check_form(&self) -> Result<(), DecisionFault> {
        self.check_members()?;
        self.check_sizes()
    }

    fn check_members(&self) -> Result<(), DecisionFault> {
        use DecisionKind::{Annotate, Defer, Return, Rewrite, Route};
        let kind = self.decision;
        for (member, given, allowed, required) in [
            ("patch", self.patch.is_some(), matches!(kind, Rewrite | Return), kind == Rewrite),
            ("patch_strategy", self.patch_strategy.is_some(), matches!(kind, Rewrite | Return), self.patch.is_some()),
            ("route", self.route.is_some(), kind == Route, kind == Route),
            ("retry_after_ms", self.retry_after_ms.is_some(), kind == Defer, false),
            ("annotations", self.annotations.is_some(), true, kind == Annotate),
        ] {
            if given && !allowed {
                return invalid(format!("`{member}` does not belong to `{}`", kind.as_str()));
            }
            if required && !given {
                return invalid(format!("`{}` needs `{member}`", kind.as_str()));
            }
        }
        if self.patch_strategy.is_some() && self.patch.is_none() {
            return invalid("`patch_strategy` needs `patch`");
        }
        if kind == Annotate && self.annotations.as_ref().is_some_and(Map::is_empty) {
            return invalid("`annotate` needs `annotations`");
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), DecisionFault> {
        if self.reason.trim().is_empty() || self.reason.len() > MAX_REASON_BYTES {
            return invalid(format!("`reason` is empty or longer than {MAX_REASON_BYTES} bytes"));
        }
        if self.next_step.as_ref().is_some_and(|text| text.len() > MAX_NEXT_STEP_BYTES) {
            return invalid(format!("`next_step` is longer than {MAX_NEXT_STEP_BYTES} bytes"));
        }
        if self.route.as_ref().is_some_and(|name| name.is_empty() || name.len() > MAX_ROUTE_BYTES) {
            return invalid(format!("`route` is empty or longer than {MAX_ROUTE_BYTES} bytes"));
        }
        if self.retry_after_ms.is_some_and(|ms| !(1..=MAX_RETRY_AFTER_MS).contains(&ms)) {
            return invalid(format!("`retry_after_ms` is not within 1 and {MAX_RETRY_AFTER_MS}"));
        }
        if let Some(diagnostics) = &self.diagnostics {
            if diagnostics.to_string().len() > MAX_DIAGNOSTICS_BYTES {
                return invalid(format!("`diagnostics` are longer than {MAX_DIAGNOSTICS_BYTES} bytes"));
            }
            if is_deeper(diagnostics, MAX_ANNOTATION_DEPTH) {
                return invalid(format!("`diagnostics` are nested deeper than {MAX_ANNOTATION_DEPTH}"));
            }
        }
        self.annotations.as_ref().map_or(Ok(()), check_annotations)
    }
}

/// The bounds of annotations, of one decision as of a whole chain.
pub(crate) fn check_annotations(annotations: &Map<String, Value>) -> Result<(), DecisionFault> {
    if annotations.len() > MAX_ANNOTATIONS {
        return invalid(format!("there are more than {MAX_ANNOTATIONS} annotations"));
    }
    if annotations.values().any(|value| is_deeper(value, MAX_ANNOTATION_DEPTH)) {
        return invalid(format!("an annotation is nested deeper than {MAX_ANNOTATION_DEPTH}"));
    }
    let length = serde_json::to_vec(annotations).map_or(usize::MAX, |json| json.len());
    if length > MAX_ANNOTATION_BYTES {
        return invalid(format!("the annotations take more than {MAX_ANNOTATION_BYTES} bytes"));
    }
    Ok(())
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    let deeper = |value: &Value| levels == 0 || is_deeper(value, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(deeper),
        Value::Object(members) => levels == 0 || members.values().any(deeper),
        _ => false,
    }
}
