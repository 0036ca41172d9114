//! Patches: RFC 6902 and RFC 7396 on a payload. Knows no type and no policy; what comes out is for others to check.

use std::slice;

use json_patch::{Patch, PatchErrorKind, PatchOperation};
use serde::Deserialize;
use serde_json::Value;

use crate::decision::PatchStrategy;
use crate::equality::equal;

/// Most operations of one JSON patch.
pub const MAX_OPERATIONS: usize = 1000;
/// Most that the operations of one JSON patch may copy, move and shift, in bytes or elements: what bounds its time and the size of
/// its result whatever it says.
pub const MAX_WORK: usize = 16 << 20;
/// Deepest that the operations of a JSON patch may put a value.
pub const MAX_DEPTH: usize = 512;

/// Why a patch has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchFault {
    /// It is no list of operations.
    #[error("the patch is no JSON patch: {detail}")]
    Malformed {
        /// What the reader said.
        detail: String,
    },
    /// It has more than [`MAX_OPERATIONS`].
    #[error("the patch has more than {MAX_OPERATIONS} operations")]
    TooMany,
    /// It takes more than [`MAX_WORK`].
    #[error("operation {operation} of the patch copies or moves too much")]
    TooCostly {
        /// Its index.
        operation: usize,
    },
    /// It puts a value deeper than [`MAX_DEPTH`].
    #[error("operation {operation} of the patch nests too deeply")]
    TooDeep {
        /// Its index.
        operation: usize,
    },
    /// A `test` did not hold.
    #[error("operation {operation} of the patch: the value to test is another")]
    TestFailed {
        /// Its index.
        operation: usize,
    },
    /// It points at nothing.
    #[error("operation {operation} of the patch: {detail}")]
    Refused {
        /// Its index.
        operation: usize,
        /// Why.
        detail: &'static str,
    },
}

/// The patched payload. `payload` itself stays as it is, also where the patch fails half-way.
///
/// # Errors
/// A merge patch has always a result; of a JSON patch the first operation that cannot be applied.
pub fn apply(payload: &Value, patch: &Value, strategy: PatchStrategy) -> Result<Value, PatchFault> {
    let mut patched = payload.clone();
    match strategy {
        PatchStrategy::Merge => json_patch::merge(&mut patched, patch),
        PatchStrategy::JsonPatch => {
            // serde would take a list for the members in their order.
            if patch.as_array().is_none_or(|operations| !operations.iter().all(Value::is_object)) {
                return Err(PatchFault::Malformed { detail: "it is no list of objects".to_owned() });
            }
            let operations = Patch::deserialize(patch).map_err(|e| PatchFault::Malformed { detail: e.to_string() })?;
            if operations.len() > MAX_OPERATIONS {
                return Err(PatchFault::TooMany);
            }
            let mut work = MAX_WORK;
            for (i, operation) in operations.iter().enumerate() {
                step(&mut patched, operation, i, &mut work)?;
            }
        }
    }
    Ok(patched)
}

fn step(document: &mut Value, operation: &PatchOperation, i: usize, work: &mut usize) -> Result<(), PatchFault> {
    // The crate compares numbers as they are written; the RFC wants them compared by value.
    if let PatchOperation::Test(test) = operation {
        let there = document.pointer(test.path.as_str());
        let there = there.ok_or(PatchFault::Refused { operation: i, detail: "nothing is at its `path`" })?;
        return if equal(there, &test.value) { Ok(()) } else { Err(PatchFault::TestFailed { operation: i }) };
    }
    let value = match operation {
        PatchOperation::Add(add) => Some(&add.value),
        PatchOperation::Replace(replace) => Some(&replace.value),
        PatchOperation::Copy(copy) => document.pointer(copy.from.as_str()),
        PatchOperation::Move(from) => document.pointer(from.from.as_str()),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
    };
    let costly = |()| PatchFault::TooCostly { operation: i };
    if let Some(value) = value {
        let depth = operation.path().as_str().matches('/').count() + measure(value, work).map_err(costly)?;
        if depth > MAX_DEPTH {
            return Err(PatchFault::TooDeep { operation: i });
        }
    }
    // What is put into an array or taken out of it shifts those behind it.
    for place in [Some(operation.path().as_str()), origin(operation)].into_iter().flatten() {
        let parent = place.rsplit_once('/').and_then(|(parent, _)| document.pointer(parent));
        spend(work, parent.and_then(Value::as_array).map_or(0, Vec::len)).map_err(costly)?;
    }
    // One operation at a time on a copy: a patch that fails half-way is dropped with it, and nothing has to be undone.
    json_patch::patch_unsafe(document, slice::from_ref(operation)).map_err(|error| {
        let detail = match error.kind {
            PatchErrorKind::InvalidFromPointer => "nothing is at its `from`",
            PatchErrorKind::CannotMoveInsideItself => "a value cannot be moved into itself",
            _ => "its `path` cannot be reached",
        };
        PatchFault::Refused { operation: i, detail }
    })
}

fn origin(operation: &PatchOperation) -> Option<&str> {
    match operation {
        PatchOperation::Move(from) => Some(from.from.as_str()),
        _ => None,
    }
}

/// How deep a value is, with what it weighs taken off the work that is left. A text or number is 0 deep.
fn measure(value: &Value, work: &mut usize) -> Result<usize, ()> {
    const NODE: usize = 8;
    match value {
        Value::String(text) => spend(work, NODE + text.len()).map(|()| 0),
        Value::Array(items) => {
            spend(work, NODE)?;
            items.iter().try_fold(1, |depth, item| Ok(depth.max(1 + measure(item, work)?)))
        }
        Value::Object(members) => {
            spend(work, NODE)?;
            members.iter().try_fold(1, |depth, (name, member)| {
                spend(work, name.len())?;
                Ok(depth.max(1 + measure(member, work)?))
            })
        }
        _ => spend(work, NODE).map(|()| 0),
    }
}

fn spend(work: &mut usize, cost: usize) -> Result<(), ()> {
    *work = work.checked_sub(cost).ok_or(())?;
    Ok(())
}
