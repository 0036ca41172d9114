//! Which operations of a body become nodes of the picture, and which are a part of another. Draws nothing.

use crate::graph::operands::{Frame, index, is_operator, is_step};
use crate::plan::{NodeId, Op};

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A node of its own.
    Own,
    /// A part of the text of that node.
    In(NodeId),
    /// A step on the way of its operand's value.
    Step,
    /// Depends on no input, and is told by its text where it is used.
    Constant,
    /// Another node speaks for it: the guard of a call, the call that takes a record, the first of chained choices.
    Absent,
}

/// Who needs the value of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Users {
    Nobody,
    /// One node of the picture, in whose text it stands.
    One(NodeId),
    /// Several, or one that needs it as a node.
    Node,
}

impl Users {
    fn and(self, other: Users) -> Users {
        match (self, other) {
            (Users::Nobody, users) | (users, Users::Nobody) => users,
            (Users::One(a), Users::One(b)) if a == b => self,
            _ => Users::Node,
        }
    }
}

/// The parts of a body. `roots` are the nodes whose values leave it, `outer_constant` says whether a captured node is a constant.
pub(super) fn parts(frame: &Frame<'_>, roots: &[NodeId], outer_constant: impl Fn(NodeId) -> bool) -> Vec<Part> {
    let nodes = &frame.body.nodes;
    let constant = constants(frame, outer_constant);
    let mut users = vec![Users::Nobody; nodes.len()];
    let mut parts = vec![Part::Absent; nodes.len()];
    let mut is_root = vec![false; nodes.len()];
    for root in roots {
        users[index(*root)] = Users::Node;
        is_root[index(*root)] = true;
    }
    for at in (0..nodes.len()).rev() {
        let node = &nodes[at];
        parts[at] = match (&node.op, users[at]) {
            (_, Users::Nobody) => Part::Absent,
            // An output has to come from somewhere.
            _ if constant[at] && !is_root[at] => Part::Constant,
            (op, Users::One(home)) if node.name.is_none() && folds(op, &constant) => Part::In(home),
            (op, _) if is_step(op) && !constant[at] => Part::Step,
            _ => Part::Own,
        };
        let own = NodeId(u32::try_from(at).expect("the ids of a plan's nodes are 32 bits wide"));
        for operand in frame.operands(at) {
            let uses = match parts[at] {
                Part::Absent | Part::Constant => continue,
                Part::Step => users[at],
                Part::In(home) => Users::One(home),
                Part::Own if is_operator(&node.op) || operand.is_text => Users::One(own),
                Part::Own => Users::Node,
            };
            let user = &mut users[index(operand.node)];
            *user = user.and(uses);
        }
    }
    parts
}

/// Whether an operation may stand in the text of another: an operator, or a constant that stands in for nothing.
fn folds(op: &Op, constant: &[bool]) -> bool {
    is_operator(op) || matches!(op, Op::Coalesce { default, .. } if constant[index(*default)])
}

/// For each node whether it depends on literals alone. Calls, list functions and choices never do: they are what a picture is for.
fn constants(frame: &Frame<'_>, outer: impl Fn(NodeId) -> bool) -> Vec<bool> {
    let mut constant = vec![false; frame.body.nodes.len()];
    for (at, node) in frame.body.nodes.iter().enumerate() {
        constant[at] = match &node.op {
            Op::Literal(_) => true,
            Op::Capture(of) => outer(*of),
            op if is_step(op) || is_operator(op) => {
                frame.operands(at).iter().all(|operand| constant[index(operand.node)])
            }
            _ => false,
        };
    }
    constant
}
