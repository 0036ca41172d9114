//! What a run gives: its outputs one by one, and as the record of all.

use bytes::Bytes;
use type_schema::raw;

use super::machine::Machine;
use super::value::Value;
use crate::plan::Plan;

/// The outputs that are known, in declared order.
pub(super) fn partial(plan: &Plan, machine: &Machine<'_>) -> Vec<(String, Value)> {
    let known = plan.outputs.iter().zip(machine.outputs());
    known.filter_map(|(output, value)| Some((output.name.clone(), value?.clone()))).collect()
}

/// All outputs as one record; none where one is not known.
pub(super) fn record(plan: &Plan, outputs: &[(String, Value)]) -> Option<Bytes> {
    if outputs.len() != plan.outputs.len() {
        return None;
    }
    let ty = |i: usize| plan.ctype(plan.root.nodes[plan.outputs[i].node.0 as usize].ty);
    let shown = |&i: &usize| !(ty(i).is_option() && outputs[i].1 == Value::Nil);
    let mut order: Vec<usize> = (0..outputs.len()).filter(shown).collect();
    order.sort_by_key(|&i| &outputs[i].0);
    let mut out =
        Vec::with_capacity(outputs.iter().map(|(name, value)| name.len() + value.size() + 5).sum::<usize>() + 5);
    raw::put_map_head(&mut out, order.len());
    for i in order {
        let (name, value) = &outputs[i];
        raw::put_str(&mut out, name);
        value.write(&mut out);
    }
    Some(out.into())
}
