//! Which calls of a node people are shown one by one, and what is said of the others. Prints nothing.

use std::cmp::Reverse;

use protocol::generated::host::v1 as pb;

use super::time;

/// Most rows of the calls of one node; a call that stands alone may have more.
const ROWS: usize = 8;

/// The calls of a node, each part in the order of time.
pub(in crate::pipelines) struct Calls<'r> {
    pub(in crate::pipelines) kept: Vec<&'r pb::CallRecord>,
    pub(in crate::pipelines) rest: Vec<&'r pb::CallRecord>,
}

/// What there is to say of many calls in one row.
pub(in crate::pipelines) struct Rest {
    pub(in crate::pipelines) calls: u64,
    /// How many came to what.
    pub(in crate::pipelines) outcomes: String,
    /// The least and the most time, of those that the record tells one by one; empty when it tells of none.
    pub(in crate::pipelines) took: String,
}

/// All calls that the record tells one by one.
pub(in crate::pipelines) fn all(record: &pb::NodeRecord) -> Calls<'_> {
    Calls { kept: by_time(record.recorded.iter().collect()), rest: Vec::new() }
}

/// The calls worth a row: those that failed, then those that were retried, then the slowest.
pub(in crate::pipelines) fn notable(record: &pb::NodeRecord) -> Calls<'_> {
    // The row about the rest takes the place of one call.
    if record.recorded.iter().map(rows).sum::<usize>() <= ROWS + 1 {
        return all(record);
    }
    let mut ranked: Vec<_> = record.recorded.iter().collect();
    ranked.sort_by_key(|call| (rank(call), Reverse(call.duration_us), call.started_us, call.call));
    let mut room = ROWS.saturating_sub(rows(ranked[0]));
    let further = ranked[1..].iter().take_while(|call| match room.checked_sub(rows(call)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    });
    let rest = ranked.split_off(1 + further.count());
    Calls { kept: by_time(ranked), rest: by_time(rest) }
}

fn by_time(mut calls: Vec<&pb::CallRecord>) -> Vec<&pb::CallRecord> {
    calls.sort_by_key(|call| (call.started_us, call.call));
    calls
}

/// A row for each attempt, or one for a call without any.
fn rows(call: &pb::CallRecord) -> usize {
    call.attempts.len().max(1)
}

fn rank(call: &pb::CallRecord) -> u8 {
    match call.outcome() {
        pb::CallOutcome::Failed => 0,
        _ if call.attempts.len() > 1 => 1,
        _ => 2,
    }
}

/// Sums up the calls that have no row, also those that the record only counts; none when there are none.
pub(in crate::pipelines) fn rest(record: &pb::NodeRecord, calls: &Calls<'_>, succeeded: bool) -> Option<Rest> {
    let many = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let count = record.calls.saturating_sub(many(calls.kept.len()));
    if count == 0 {
        return None;
    }
    let failed = |call: &pb::CallRecord| call.outcome() == pb::CallOutcome::Failed;
    let cancelled = |call: &pb::CallRecord| call.outcome() == pb::CallOutcome::Cancelled;
    let kept = |of: &dyn Fn(&pb::CallRecord) -> bool| many(calls.kept.iter().filter(|call| of(call)).count());
    let cached = record.cached.saturating_sub(kept(&|call| call.cached));
    let failures = record.failed.saturating_sub(kept(&failed));
    let left = many(calls.rest.iter().filter(|call| cancelled(call)).count());
    let others = count.saturating_sub(cached + failures + left);
    // Of calls that are only counted nobody knows whether the end of the run cut them off.
    let all_told = record.calls <= many(record.recorded.len());
    let rest = if succeeded || all_told { "succeeded" } else { "succeeded or cancelled" };
    let outcomes = [(others, rest), (cached, "cached"), (failures, "failed"), (left, "cancelled")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"));
    let times = calls.rest.iter().map(|call| call.duration_us);
    let took = match (times.clone().min(), times.max()) {
        (Some(least), Some(most)) if least == most => time(least),
        (Some(least), Some(most)) => format!("{} to {}", time(least), time(most)),
        _ => String::new(),
    };
    Some(Rest { calls: count, outcomes: outcomes.collect::<Vec<_>>().join(", "), took })
}
