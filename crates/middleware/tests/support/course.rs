//! Chains, envelopes and scripted components for the tests. Checks nothing.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::time::Duration;

use middleware::{
    Caller, Chain, Correlation, Failed, Hook, Link, RouteTypes, Settings, Subject, SubjectKind, Types, Verdict,
    WorkflowEnvelope,
};
use serde_json::{Map, Value, json};
use type_schema::{CType, Schema};

/// How long each answer takes.
pub(crate) const TOOK: Duration = Duration::from_millis(3);

pub(crate) fn link(id: &str, settings: Value) -> Link {
    Link { id: id.into(), settings: serde_json::from_value::<Settings>(settings).unwrap() }
}

/// One component that is asked at all hooks, with these settings besides.
pub(crate) fn everywhere(mut settings: Value) -> Link {
    settings["hooks"] = json!(["pre_run", "pre_invoke", "post_invoke", "post_run", "audit"]);
    link("it", settings)
}

pub(crate) fn envelope(hook: Hook, payload: Value) -> WorkflowEnvelope {
    WorkflowEnvelope {
        schema_version: "1".to_owned(),
        envelope_id: "e-1".to_owned(),
        hook,
        correlation: Correlation::default(),
        attempt: 1,
        subject: Subject {
            kind: SubjectKind::Module,
            name: "text.Upper".to_owned(),
            namespace: "text".to_owned(),
            revision: 3,
        },
        caller: Caller { subject: "ada".to_owned() },
        payload,
        annotations: Map::new(),
        deadline: "2026-01-01T00:00:00.000Z".to_owned(),
        remaining_ms: 1000,
        outcome: None,
    }
}

pub(crate) fn schema(text: &str) -> Arc<Schema> {
    Arc::new(Schema::new(CType::parse(text).unwrap()).unwrap())
}

pub(crate) fn types(payload: &str, answer: Option<&str>) -> Types {
    Types { payload: schema(payload), answer: answer.map(schema) }
}

/// What modules there are to route to.
pub(crate) fn resolve(name: &str) -> Option<RouteTypes> {
    let (input, output) = match name {
        "text.Lower" => ("{text: String}", "String"),
        "text.Wide" => ("{text: String, limit: Option<Int>} | Int", "String"),
        "text.Narrow" => ("{text: String, limit: Int}", "String"),
        "text.Count" => ("{text: String}", "Int"),
        "other.Lower" => ("{text: String}", "String"),
        _ => return None,
    };
    let parse = |text: &str| CType::parse(text).unwrap();
    Some(RouteTypes { input: parse(input), output: parse(output), revision: 7 })
}

/// Plays a whole course. `component` gives the answer of a component to an envelope.
pub(crate) fn play(
    chain: &Chain,
    envelope: WorkflowEnvelope,
    types: Types,
    mut component: impl FnMut(&str, WorkflowEnvelope) -> Result<Vec<u8>, Failed>,
) -> Verdict {
    let mut course = chain.begin(envelope, types, None);
    while let Some(ask) = course.next() {
        let answer = component(ask.id, serde_json::from_slice(&ask.body).unwrap());
        course.answer(answer.as_deref().map_err(Clone::clone), TOOK, resolve);
    }
    course.finish()
}

/// One component answers one envelope with this body; input `{text: String, limit: Option<Int>}`, output `String`.
pub(crate) fn decide(settings: Value, hook: Hook, body: &str) -> Verdict {
    let chain = Chain::new(vec![everywhere(settings)]);
    let types = match hook {
        Hook::PreRun | Hook::PreInvoke => types("{text: String, limit: Option<Int>}", Some("String")),
        _ => types("{text: String, limit: Option<Int>}", None),
    };
    let payload = json!({ "text": "hi", "limit": 5 });
    play(&chain, envelope(hook, payload), types, |_, _| Ok(body.as_bytes().to_vec()))
}
