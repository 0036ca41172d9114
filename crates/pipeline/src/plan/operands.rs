//! What an operation needs, and when. Says nothing about values.

use super::{Each, Guard, NodeId, Op};

/// When an operand is needed, once the operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// In any case.
    Always,
    /// In one case: an arm, a default, a fallback, what a lambda captures.
    Sometimes,
}

/// One walk for both views of an operation.
macro_rules! walk {
    ($op:expr, $visit:expr, $($mutable:tt)?) => {
        match $op {
            Op::Input(_) | Op::Param(_) | Op::Capture(_) | Op::Literal(_) => {}
            Op::Coerce(a) | Op::Field(a, _) | Op::Project(a) | Op::FieldEach(a, _) | Op::ProjectEach(a) | Op::Not(a) => {
                $visit(a, Need::Always);
            }
            Op::Narrow { subject, .. } => $visit(subject, Need::Always),
            Op::Record(fields) => {
                for (_, value) in fields {
                    $visit(value, Need::Always);
                }
            }
            Op::List(items) | Op::Concat(items) | Op::Std(_, items) => {
                for item in items {
                    $visit(item, Need::Always);
                }
            }
            Op::Merge(a, b) | Op::MergeEach(a, b) | Op::Arithmetic(_, a, b) | Op::Order(_, a, b) | Op::Equal(_, a, b) => {
                $visit(a, Need::Always);
                $visit(b, Need::Always);
            }
            Op::And(a, b) | Op::Or(a, b) => {
                $visit(a, Need::Always);
                $visit(b, Need::Sometimes);
            }
            Op::If { condition, then, otherwise } => {
                $visit(condition, Need::Always);
                $visit(then, Need::Sometimes);
                $visit(otherwise, Need::Sometimes);
            }
            Op::When { value, condition } => {
                $visit(condition, Need::Always);
                $visit(value, Need::Sometimes);
            }
            Op::Coalesce { value, default } => {
                $visit(value, Need::Always);
                $visit(default, Need::Sometimes);
            }
            Op::Match { subject, arms } => {
                $visit(subject, Need::Always);
                for (_, value) in arms {
                    $visit(value, Need::Sometimes);
                }
            }
            Op::Each(each) => {
                let Each { list, initial, body, .. } = &$($mutable)? **each;
                $visit(list, Need::Always);
                if let Some(initial) = initial {
                    $visit(initial, Need::Always);
                }
                for node in &$($mutable)? body.nodes {
                    if let Op::Capture(outer) = &$($mutable)? node.op {
                        $visit(outer, Need::Sometimes);
                    }
                }
            }
            Op::Call(call) => $visit(&$($mutable)? call.input, Need::Always),
            Op::Guard(guard) => {
                let Guard { value, fallback, .. } = &$($mutable)? **guard;
                $visit(value, Need::Always);
                if let Some(fallback) = fallback {
                    $visit(fallback, Need::Sometimes);
                }
            }
        }
    };
}

impl Op {
    /// Shows `visit` the nodes of the same body that this operation uses, in a fixed order; for a lambda those that it captures too.
    /// A node may come more than once. The own operand of an [`Op::Capture`] is a node of the body around, and does not come.
    pub fn operands(&self, mut visit: impl FnMut(NodeId, Need)) {
        let mut visit = |node: &NodeId, need| visit(*node, need);
        walk!(self, visit,);
    }

    /// The same, to renumber.
    pub(super) fn operands_mut(&mut self, mut visit: impl FnMut(&mut NodeId)) {
        let mut visit = |node: &mut NodeId, _| visit(node);
        walk!(self, visit, mut);
    }
}
