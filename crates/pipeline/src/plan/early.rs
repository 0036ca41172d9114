//! Finds what is certainly needed before it is known which arm is taken. Decides nothing about order: the run loop starts whatever is demanded.

use super::{Body, Need, NodeId, Op, StdFn};

/// Bits of one pass. A pass takes memory in proportion to the nodes, and there are as many as nodes that matter, divided by this.
const WIDTH: usize = 512;
const WORDS: usize = WIDTH / 64;

type Bits = [u64; WORDS];

/// Fills in `early` for a body and the lambdas in it. Only nodes that may have to wait for a module are listed, for only those gain by an early start, and of
/// those only the ones that no other of the list needs anyway. Time is nodes times waiting nodes, divided by 64.
pub(super) fn fill(body: &mut Body) {
    for node in &mut body.nodes {
        node.early.clear();
        if let Op::Each(each) = &mut node.op {
            fill(&mut each.body);
        }
    }
    if !body.nodes.iter().any(|node| matches!(node.op, Op::If { .. } | Op::Match { .. })) {
        return;
    }
    let waiting = waiting(body);
    // From the last: a node stands behind what it uses, so what needs others is met before them.
    for chunk in waiting.rchunks(WIDTH) {
        pass(body, chunk);
    }
}

/// The nodes whose value may take a module's answer, ascending, but for those that a guard stands for.
fn waiting(body: &Body) -> Vec<NodeId> {
    let mut waits = vec![false; body.nodes.len()];
    let mut guarded = vec![false; body.nodes.len()];
    for (i, node) in body.nodes.iter().enumerate() {
        let mut wait = is_effect(&node.op) || matches!(node.op, Op::Capture(_));
        node.op.operands(|operand, _| wait |= waits[operand.0 as usize]);
        waits[i] = wait;
        if let Op::Guard(guard) = &node.op {
            guarded[guard.value.0 as usize] = true;
        }
    }
    (0_u32..)
        .zip(waits)
        .zip(guarded)
        .filter(|((_, wait), guarded)| *wait && !guarded)
        .map(|((i, _), _)| NodeId(i))
        .collect()
}

/// Finds which nodes of `chunk` are early where.
fn pass(body: &mut Body, chunk: &[NodeId]) {
    let mut own = vec![None; body.nodes.len()];
    for (bit, node) in chunk.iter().enumerate() {
        own[node.0 as usize] = Some(bit);
    }
    // For each node, which of the chunk are certainly needed once it is.
    let mut certain: Vec<Bits> = Vec::with_capacity(body.nodes.len());
    for (i, own) in own.into_iter().enumerate() {
        let op = &body.nodes[i].op;
        let mut bits = [0; WORDS];
        op.operands(|operand, need| {
            if need == Need::Always {
                unite(&mut bits, &certain[operand.0 as usize]);
            }
        });
        if let Some(mut common) = common(op, &certain) {
            for (common, known) in common.iter_mut().zip(bits) {
                *common &= !known;
            }
            unite(&mut bits, &common);
            // What those need that were found in later chunks is started by them.
            for known in &body.nodes[i].early {
                subtract(&mut common, &certain[known.0 as usize]);
            }
            for bit in (0..chunk.len()).rev() {
                if common[bit / 64] >> (bit % 64) & 1 == 1 {
                    subtract(&mut common, &certain[chunk[bit].0 as usize]);
                    body.nodes[i].early.push(chunk[bit]);
                }
            }
        }
        if let Some(bit) = own {
            bits[bit / 64] |= 1 << (bit % 64);
        }
        certain.push(bits);
    }
    for node in &mut body.nodes {
        node.early.sort_unstable();
    }
}

/// What all arms need; `None` where there are no arms, or one may be left without any being taken.
fn common(op: &Op, certain: &[Bits]) -> Option<Bits> {
    let of = |node: &NodeId| certain[node.0 as usize];
    match op {
        Op::If { then, otherwise, .. } => Some(intersect(of(then), of(otherwise))),
        Op::Match { arms, .. } => arms.iter().map(|(_, value)| of(value)).reduce(intersect),
        _ => None,
    }
}

fn unite(into: &mut Bits, bits: &Bits) {
    into.iter_mut().zip(bits).for_each(|(into, bits)| *into |= bits);
}

fn subtract(from: &mut Bits, bits: &Bits) {
    from.iter_mut().zip(bits).for_each(|(from, bits)| *from &= !bits);
}

fn intersect(mut a: Bits, b: Bits) -> Bits {
    a.iter_mut().zip(b).for_each(|(a, b)| *a &= b);
    a
}

/// Whether an operation does more than make a value: each one is carried out, however alike they are.
pub(super) fn is_effect(op: &Op) -> bool {
    match op {
        Op::Call(_) | Op::Std(StdFn::Log, _) => true,
        Op::Each(each) => each.body.nodes.iter().any(|node| is_effect(&node.op)),
        _ => false,
    }
}
