//! What a decision may do at a hook, and to this payload. Changes nothing itself: it gives the effect, or why there is none.

use std::time::Duration;

use serde_json::{Map, Value};
use type_schema::{Schema, from_json, is_subtype, to_json};

use crate::chain::{Member, RouteTypes, Types};
use crate::decision::{DecisionFault, DecisionKind, MiddlewareDecision, PatchStrategy, check_annotations};
use crate::envelope::WorkflowEnvelope;
use crate::hook::Hook;
use crate::{patch, pattern};

/// When to ask again after a `defer` that does not say so.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a valid decision does.
pub(super) enum Effect {
    GoOn,
    /// Go on with this payload, of the hook's type.
    Rewrite(Value),
    Route {
        module: String,
        revision: u64,
    },
    /// Answer in the module's place, with a payload of the answer's type.
    Answer(Value),
    /// Ask nobody else; with this payload, of the hook's type, where it is another.
    Stop(Option<Value>),
    Drop,
    Reject,
    Defer(Duration),
}

fn invalid<T>(message: impl Into<String>) -> Result<T, DecisionFault> {
    Err(DecisionFault::Invalid(message.into()))
}

/// The effect of a decision whose form is right.
pub(super) fn decide(
    decision: &MiddlewareDecision,
    member: &Member,
    envelope: &WorkflowEnvelope,
    types: &Types,
    resolve: impl FnOnce(&str) -> Option<RouteTypes>,
) -> Result<Effect, DecisionFault> {
    let kind = decision.decision;
    if !is_allowed(kind, envelope.hook) {
        return invalid(format!("`{}` is not allowed at `{}`", kind.as_str(), envelope.hook));
    }
    Ok(match kind {
        DecisionKind::Allow | DecisionKind::Annotate => Effect::GoOn,
        DecisionKind::Rewrite => Effect::Rewrite(rewritten(decision, member, envelope, types)?),
        DecisionKind::Route => route(decision, member, types, resolve)?,
        DecisionKind::Return if is_before(envelope.hook) => answered(decision, member, envelope, types)?,
        DecisionKind::Return if decision.patch.is_none() => Effect::Stop(None),
        DecisionKind::Return => Effect::Stop(Some(rewritten(decision, member, envelope, types)?)),
        DecisionKind::Drop => Effect::Drop,
        DecisionKind::Defer => Effect::Defer(decision.retry_after_ms.map_or(RETRY_AFTER, Duration::from_millis)),
        DecisionKind::Reject => Effect::Reject,
    })
}

/// The annotations for those who follow: a later one takes the place of an earlier one. None where there are no new ones.
pub(super) fn annotations(
    so_far: &Map<String, Value>,
    new: Option<&Map<String, Value>>,
) -> Result<Option<Map<String, Value>>, DecisionFault> {
    let Some(new) = new.filter(|new| !new.is_empty()) else { return Ok(None) };
    let mut all = so_far.clone();
    all.extend(new.iter().map(|(name, value)| (name.clone(), value.clone())));
    check_annotations(&all)?;
    Ok(Some(all))
}

fn is_allowed(kind: DecisionKind, hook: Hook) -> bool {
    match kind {
        DecisionKind::Route => hook == Hook::PreInvoke,
        DecisionKind::Defer => is_before(hook),
        _ => true,
    }
}

fn is_before(hook: Hook) -> bool {
    matches!(hook, Hook::PreRun | Hook::PreInvoke)
}

/// The patched payload as the hook's type shows it.
fn rewritten(
    decision: &MiddlewareDecision,
    member: &Member,
    envelope: &WorkflowEnvelope,
    types: &Types,
) -> Result<Value, DecisionFault> {
    let patched = typed(&patched(decision, &envelope.payload)?, &types.payload, "payload")?;
    // Both as the type shows them, so that what makes no difference to the value is no change.
    let before = typed(&envelope.payload, &types.payload, "payload")?;
    match member.changeable.first_forbidden(&before, &patched) {
        Some(pointer) => invalid(format!("the field policy does not let it change `{pointer}`")),
        None => Ok(patched),
    }
}

fn answered(
    decision: &MiddlewareDecision,
    member: &Member,
    envelope: &WorkflowEnvelope,
    types: &Types,
) -> Result<Effect, DecisionFault> {
    if !member.may_answer {
        return invalid(format!("the field policy does not let it `return` at `{}`", envelope.hook));
    }
    let Some(answer) = &types.answer else {
        return invalid(format!("there is nothing to `return` at `{}`", envelope.hook));
    };
    Ok(Effect::Answer(typed(&patched(decision, &envelope.payload)?, answer, "answer")?))
}

fn route(
    decision: &MiddlewareDecision,
    member: &Member,
    types: &Types,
    resolve: impl FnOnce(&str) -> Option<RouteTypes>,
) -> Result<Effect, DecisionFault> {
    let module = decision.route.as_deref().unwrap_or_default();
    if !member.routes.iter().any(|pattern| pattern::matches(pattern, module)) {
        return invalid(format!("the field policy does not let it route to `{module}`"));
    }
    let Some(target) = resolve(module) else { return invalid(format!("there is no module `{module}`")) };
    let Some(answer) = &types.answer else { return invalid("there is nothing to route here") };
    if let Err(mismatch) = is_subtype(types.payload.ctype(), &target.input) {
        return invalid(format!("`{module}` does not take this input: {mismatch}"));
    }
    if let Err(mismatch) = is_subtype(&target.output, answer.ctype()) {
        return invalid(format!("`{module}` does not give this output: {mismatch}"));
    }
    Ok(Effect::Route { module: module.to_owned(), revision: target.revision })
}

/// The payload with the decision's patch, or as it is.
fn patched(decision: &MiddlewareDecision, payload: &Value) -> Result<Value, DecisionFault> {
    let Some(patch) = &decision.patch else { return Ok(payload.clone()) };
    let strategy = decision.patch_strategy.unwrap_or(PatchStrategy::Merge);
    patch::apply(payload, patch, strategy).map_err(|fault| DecisionFault::Invalid(fault.to_string()))
}

/// The value that the JSON shows, written as its type shows it: what the type does not declare is gone.
fn typed(json: &Value, schema: &Schema, what: &str) -> Result<Value, DecisionFault> {
    match from_json(json, schema.ctype()) {
        Ok(value) => Ok(to_json(&value, schema.ctype())),
        Err(error) => invalid(format!("the patched {what} is not of the declared type: {error}")),
    }
}
