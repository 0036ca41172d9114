//! Which envelopes a component is asked about. Asks nobody; the faults of a filter are told by [`Settings::check`].
//!
//! [`Settings::check`]: crate::Settings::check

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::envelope::WorkflowEnvelope;
use crate::equality::equal;
use crate::hook::Hook;
use crate::pattern;

/// Which envelopes a component is asked about. All members of one object must hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Filter {
    /// All of them hold.
    And {
        /// At least one.
        #[serde(rename = "AND")]
        and: Vec<Filter>,
    },
    /// One of them holds.
    Or {
        /// At least one.
        #[serde(rename = "OR")]
        or: Vec<Filter>,
    },
    /// It does not hold.
    Not {
        /// What must not hold.
        #[serde(rename = "NOT")]
        not: Box<Filter>,
    },
    /// Equality on fields of the envelope. `module` is a pattern on the subject's name, `namespace` and `caller` are its texts, `hook`
    /// is a hook; a member that begins with `/` is a JSON pointer into the payload with the value that must be there.
    Fields(BTreeMap<String, Value>),
}

/// What a filter looks at. Without a payload it may not be able to tell.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) hook: Hook,
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) caller: &'a str,
    pub(crate) payload: Option<&'a Value>,
}

impl<'a> From<&'a WorkflowEnvelope> for Facts<'a> {
    fn from(envelope: &'a WorkflowEnvelope) -> Self {
        Self {
            hook: envelope.hook,
            name: &envelope.subject.name,
            namespace: &envelope.subject.namespace,
            caller: &envelope.caller.subject,
            payload: Some(&envelope.payload),
        }
    }
}

impl Filter {
    /// Whether it holds of an envelope. Costs what its comparisons cost; no round trip.
    #[must_use]
    pub fn matches(&self, envelope: &WorkflowEnvelope) -> bool {
        self.holds(Facts::from(envelope)).unwrap_or(false)
    }

    /// None: it depends on the payload, which is not there. Allocates nothing then.
    pub(crate) fn holds(&self, facts: Facts<'_>) -> Option<bool> {
        match self {
            Self::And { and } => all(and.iter().map(|filter| filter.holds(facts))),
            Self::Or { or } => all(or.iter().map(|filter| filter.holds(facts).map(|holds| !holds))).map(|none| !none),
            Self::Not { not } => not.holds(facts).map(|holds| !holds),
            Self::Fields(fields) => all(fields.iter().map(|(name, value)| field(name, value, facts))),
        }
    }

    fn from_members(members: BTreeMap<String, Value>) -> Result<Self, serde_json::Error> {
        let (mut parts, mut fields) = (Vec::new(), BTreeMap::new());
        for (name, value) in members {
            match name.as_str() {
                "AND" => parts.push(Self::And { and: Vec::deserialize(value)? }),
                "OR" => parts.push(Self::Or { or: Vec::deserialize(value)? }),
                "NOT" => parts.push(Self::Not { not: Box::new(Self::deserialize(value)?) }),
                _ => {
                    fields.insert(name, value);
                }
            }
        }
        if !fields.is_empty() || parts.is_empty() {
            parts.push(Self::Fields(fields));
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Self::And { and: parts } })
    }
}

/// True when all are, false when one is not, None when it depends on one that cannot be told.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for part in parts {
        match part {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = None,
        }
    }
    known
}

fn field(name: &str, value: &Value, facts: Facts<'_>) -> Option<bool> {
    let text = value.as_str();
    match name {
        "module" => Some(text.is_some_and(|pattern| pattern::matches(pattern, facts.name))),
        "namespace" => Some(text == Some(facts.namespace)),
        "caller" => Some(text == Some(facts.caller)),
        "hook" => Some(text == Some(facts.hook.as_str())),
        pointer if pointer.starts_with('/') => {
            let payload = facts.payload?;
            Some(payload.pointer(pointer).is_some_and(|there| equal(there, value)))
        }
        _ => Some(false),
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_members(BTreeMap::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Filter {
    fn schema_name() -> Cow<'static, str> {
        "Filter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = |mut schema: Schema, what: &str| {
            schema.insert("description".to_owned(), what.into());
            schema
        };
        let filter = generator.subschema_for::<Self>();
        let not = about(filter.clone(), "It does not hold.");
        let hook = about(generator.subschema_for::<Hook>(), "The hook.");
        json_schema!({
            "description": "Which envelopes a component is asked about. All members of one object must hold. Evaluated by the host before any round trip.",
            "type": "object",
            "minProperties": 1,
            "properties": {
                "AND": { "description": "All of them hold.", "type": "array", "items": filter, "minItems": 1 },
                "OR": { "description": "One of them holds.", "type": "array", "items": filter, "minItems": 1 },
                "NOT": not,
                "module": {
                    "description": "Pattern on the subject's name; `*` is any run of characters.",
                    "type": "string",
                    "minLength": 1,
                },
                "namespace": { "description": "The subject's namespace.", "type": "string" },
                "caller": { "description": "The caller's subject.", "type": "string" },
                "hook": hook,
            },
            "patternProperties": {
                "^/": { "description": "The value that is at this JSON pointer into the payload." },
            },
            "additionalProperties": false,
        })
    }
}
