//! What each operation of a plan takes, and what for. Draws nothing.

use type_schema::CType;

use crate::graph::text::{short_type, snippet};
use crate::plan::{Body, Each, EachKind, NodeId, Op, Plan, Test};

/// One operand of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operand {
    pub(super) node: NodeId,
    /// What for; empty where there is nothing to tell apart.
    pub(super) label: String,
    /// Needed in some runs only.
    pub(super) conditional: bool,
    /// Part of the text of the node that takes it, as a condition is.
    pub(super) is_text: bool,
    /// Used by a lambda alone.
    pub(super) is_capture: bool,
    /// The condition under which an arm of a `branch` is taken.
    case: Option<NodeId>,
    /// The test under which an arm of a `match` is taken.
    test: Option<Test>,
}

fn certain(node: NodeId, label: &str) -> Operand {
    Operand {
        node,
        label: label.to_owned(),
        conditional: false,
        is_text: false,
        is_capture: false,
        case: None,
        test: None,
    }
}

fn conditional(node: NodeId, label: &str) -> Operand {
    Operand { conditional: true, ..certain(node, label) }
}

/// Whether an operation takes one value and gives a part of it, or the same in another type.
pub(super) fn is_step(op: &Op) -> bool {
    matches!(
        op,
        Op::Coerce(_) | Op::Field(..) | Op::FieldEach(..) | Op::Project(_) | Op::ProjectEach(_) | Op::Narrow { .. }
    )
}

/// Whether an operation belongs to an expression: it passes through no call and chooses nothing.
pub(super) fn is_operator(op: &Op) -> bool {
    matches!(
        op,
        Op::Record(_)
            | Op::List(_)
            | Op::Merge(..)
            | Op::MergeEach(..)
            | Op::Arithmetic(..)
            | Op::Order(..)
            | Op::Equal(..)
            | Op::Not(_)
            | Op::And(..)
            | Op::Or(..)
            | Op::Concat(_)
            | Op::Std(..)
    )
}

/// A body with what a picture knows of it besides.
pub(super) struct Frame<'p> {
    pub(super) body: &'p Body,
    /// Per node whether it is an `if` that stands only in the `else` of another: together they are one choice.
    chained: Vec<bool>,
}

impl<'p> Frame<'p> {
    pub(super) fn new(body: &'p Body, roots: &[NodeId]) -> Self {
        let mut users = vec![0_u32; body.nodes.len()];
        let mut chained = vec![false; body.nodes.len()];
        let mut frame = Self { body, chained: Vec::new() };
        frame.chained.resize(body.nodes.len(), false);
        let operands = (0..body.nodes.len()).flat_map(|at| frame.operands(at)).map(|operand| operand.node);
        for node in operands.chain(roots.iter().copied()) {
            users[index(node)] += 1;
        }
        for node in &body.nodes {
            if let Op::If { otherwise, .. } = node.op {
                let inner = &body.nodes[index(otherwise)];
                chained[index(otherwise)] =
                    matches!(inner.op, Op::If { .. }) && inner.name.is_none() && users[index(otherwise)] == 1;
            }
        }
        Self { body, chained }
    }

    pub(super) fn op(&self, node: NodeId) -> &'p Op {
        &self.body.nodes[index(node)].op
    }

    /// The operands of a node in its own body. A list function also takes what its lambda captures, a call its arguments, a
    /// guard what its call takes.
    pub(super) fn operands(&self, at: usize) -> Vec<Operand> {
        let plain = |nodes: &[NodeId]| nodes.iter().map(|node| certain(*node, "")).collect();
        match &self.body.nodes[at].op {
            Op::Input(_) | Op::Param(_) | Op::Capture(_) | Op::Literal(_) => Vec::new(),
            Op::Coerce(a)
            | Op::Field(a, _)
            | Op::FieldEach(a, _)
            | Op::Project(a)
            | Op::ProjectEach(a)
            | Op::Not(a)
            | Op::Narrow { subject: a, .. } => plain(&[*a]),
            Op::Record(fields) => fields.iter().map(|(_, node)| certain(*node, "")).collect(),
            Op::List(items) | Op::Concat(items) | Op::Std(_, items) => plain(items),
            Op::Merge(a, b)
            | Op::MergeEach(a, b)
            | Op::Arithmetic(_, a, b)
            | Op::Order(_, a, b)
            | Op::Equal(_, a, b) => plain(&[*a, *b]),
            Op::And(a, b) | Op::Or(a, b) => vec![certain(*a, ""), conditional(*b, "")],
            Op::If { .. } => self.cases(at),
            Op::When { value, condition } => vec![text(*condition), conditional(*value, "then")],
            Op::Coalesce { value, default } => vec![certain(*value, ""), conditional(*default, "else")],
            Op::Match { subject, arms } => {
                let arms =
                    arms.iter().map(|(test, node)| Operand { test: Some(test.clone()), ..conditional(*node, "") });
                [text(*subject)].into_iter().chain(arms).collect()
            }
            Op::Each(each) => {
                let mut operands = vec![certain(each.list, "")];
                operands.extend(each.initial.map(|node| certain(node, "start")));
                operands.extend(captures(&each.body).map(|node| Operand { is_capture: true, ..certain(node, "") }));
                operands
            }
            Op::Call(call) => match self.arguments(call.input) {
                Op::Record(fields) => fields.iter().map(|(name, node)| certain(*node, name)).collect(),
                _ => vec![certain(call.input, "")],
            },
            Op::Guard(guard) => {
                let mut operands = match self.op(guard.value) {
                    Op::Call(_) => self.operands(index(guard.value)),
                    _ => vec![certain(guard.value, "")],
                };
                operands.extend(guard.fallback.map(|node| conditional(node, "fallback")));
                operands
            }
        }
    }

    /// What a call takes, before parameters that are left out widen its type.
    fn arguments(&self, input: NodeId) -> &'p Op {
        match self.op(input) {
            Op::Coerce(inner) => match self.op(*inner) {
                record @ Op::Record(_) => record,
                _ => self.op(input),
            },
            op => op,
        }
    }

    /// The operands of an `if` with those that are chained to it. With more than one case each is told by its condition.
    fn cases(&self, at: usize) -> Vec<Operand> {
        let mut operands = Vec::new();
        let mut next = at;
        while let Op::If { condition, then, otherwise } = self.body.nodes[next].op {
            operands.push(text(condition));
            operands.push(Operand { case: Some(condition), ..conditional(then, "then") });
            next = index(otherwise);
            if !self.chained[next] {
                operands.push(conditional(otherwise, "else"));
                break;
            }
        }
        if operands.len() == 3 {
            operands[1].case = None;
        }
        operands
    }

    /// A value as it is written where it is used: a binding by its name.
    pub(super) fn text(&self, node: NodeId, source: &str) -> String {
        let node = &self.body.nodes[index(node)];
        match &node.name {
            Some(name) => name.to_string(),
            None => snippet(source, node.span),
        }
    }

    /// What a node is as one line.
    pub(super) fn label(&self, at: usize, source: &str) -> String {
        let of = |node: NodeId| self.text(node, source);
        match &self.body.nodes[at].op {
            Op::If { otherwise, .. } if self.chained[index(*otherwise)] => "branch".into(),
            Op::If { condition, .. } => format!("if {}", of(*condition)),
            Op::When { condition, .. } => format!("when {}", of(*condition)),
            Op::Coalesce { .. } => "??".into(),
            Op::Match { subject, .. } => format!("match {}", of(*subject)),
            Op::Each(each) if calls(&each.body) => each_name(each).into(),
            _ => snippet(source, self.body.nodes[at].span),
        }
    }

    /// What an operand is for, as the edge to it says.
    pub(super) fn operand_label(&self, at: usize, operand: &Operand, plan: &Plan, source: &str) -> String {
        match (&self.body.nodes[at].op, operand) {
            (Op::Match { subject, .. }, Operand { test: Some(test), .. }) => self.arm(*subject, test, plan),
            (_, Operand { case: Some(condition), .. }) => self.text(*condition, source).chars().take(32).collect(),
            _ => operand.label.clone(),
        }
    }

    fn arm(&self, subject: NodeId, test: &Test, plan: &Plan) -> String {
        match test {
            Test::Always => "otherwise".into(),
            Test::Some => "some".into(),
            Test::Fits(ty) => short_type(plan.ctype(*ty), 32),
            Test::Variants(variants) => match plan.ctype(self.body.nodes[index(subject)].ty) {
                CType::Union(types) => {
                    let named = variants.iter().filter_map(|variant| types.get(*variant as usize));
                    let names: Vec<_> = named.map(|ctype| short_type(ctype, 24)).collect();
                    names.join(" | ")
                }
                other => short_type(other, 24),
            },
        }
    }
}

fn text(node: NodeId) -> Operand {
    Operand { is_text: true, ..certain(node, "") }
}

/// The nodes of the enclosing body that a lambda uses.
pub(super) fn captures(body: &Body) -> impl Iterator<Item = NodeId> + '_ {
    body.nodes.iter().filter_map(|node| match node.op {
        Op::Capture(outer) => Some(outer),
        _ => None,
    })
}

/// Whether a lambda calls modules, itself or in a lambda inside it.
pub(super) fn calls(body: &Body) -> bool {
    body.nodes.iter().any(|node| match &node.op {
        Op::Call(_) => true,
        Op::Each(each) => calls(&each.body),
        _ => false,
    })
}

/// As the function is called in a source.
pub(super) fn each_name(each: &Each) -> &'static str {
    match each.kind {
        EachKind::Filter => "filter",
        EachKind::Map => "map",
        EachKind::All => "all",
        EachKind::Any => "any",
        EachKind::SortBy => "sort-by",
        EachKind::Fold => "fold",
    }
}

/// As an index of the body's nodes.
pub(super) fn index(node: NodeId) -> usize {
    node.0 as usize
}
