//! Drops what is not needed and numbers the rest in one order. Changes no meaning.

use std::mem;

use super::{Body, ModuleId, Node, NodeId, Op, Plan, SiteId, Test, TypeId};

/// The nodes that `roots` need, each behind its operands, in the order in which a walk from the roots leaves them; and for each old id
/// the new one. Captures inside of lambdas are renumbered with their targets.
pub(super) fn compact(
    mut nodes: Vec<Node>,
    roots: impl IntoIterator<Item = NodeId>,
) -> (Vec<Node>, Vec<Option<NodeId>>) {
    let mut ids = vec![None; nodes.len()];
    let mut order: Vec<NodeId> = Vec::new();
    let mut entered = vec![false; nodes.len()];
    // A node is met twice: on the way in, then behind its operands. No recursion: bindings make chains of any length.
    let mut stack: Vec<(NodeId, bool)> = Vec::new();
    for root in roots {
        stack.push((root, false));
        while let Some((node, leaving)) = stack.pop() {
            let at = node.0 as usize;
            if leaving {
                ids[at] = Some(NodeId(u32::try_from(order.len()).expect("no more nodes than before")));
                order.push(node);
            } else if !mem::replace(&mut entered[at], true) {
                stack.push((node, true));
                let first = stack.len();
                nodes[at].op.operands(|operand, _| stack.push((operand, false)));
                stack[first..].reverse();
            }
        }
    }
    let kept = order.iter().map(|id| {
        let node = &mut nodes[id.0 as usize];
        let mut node =
            Node { op: mem::replace(&mut node.op, Op::Input(0)), name: node.name.take(), early: Vec::new(), ..*node };
        node.op.operands_mut(|operand| *operand = ids[operand.0 as usize].expect("operands stand before"));
        node
    });
    (kept.collect(), ids)
}

/// Numbers types, modules and sites in the order in which inputs and nodes come to them, and drops those that none does.
pub(super) fn tables(plan: &mut Plan) {
    let mut tables = Tables {
        types: Table::new(plan.types.len()),
        modules: Table::new(plan.modules.len()),
        module_types: plan.modules.iter().map(|module| (module.input, module.output)).collect(),
        sites: 0,
    };
    for input in &mut plan.inputs {
        input.ty = tables.ty(input.ty);
    }
    tables.body(&mut plan.root);
    plan.sites = tables.sites;
    plan.types = tables.types.pick(&mut plan.types);
    plan.modules = tables.modules.pick(&mut plan.modules);
    for module in &mut plan.modules {
        module.input = TypeId(tables.types.get(module.input.0));
        module.output = TypeId(tables.types.get(module.output.0));
    }
}

struct Tables {
    types: Table,
    modules: Table,
    module_types: Vec<(TypeId, TypeId)>,
    sites: u32,
}

impl Tables {
    fn ty(&mut self, ty: TypeId) -> TypeId {
        TypeId(self.types.get(ty.0))
    }

    fn test(&mut self, test: &mut Test) {
        if let Test::Fits(ty) = test {
            *ty = self.ty(*ty);
        }
    }

    fn body(&mut self, body: &mut Body) {
        for node in &mut body.nodes {
            node.ty = self.ty(node.ty);
            match &mut node.op {
                Op::Match { arms, .. } => arms.iter_mut().for_each(|(test, _)| self.test(test)),
                Op::Narrow { test, .. } => self.test(test),
                Op::Each(each) => self.body(&mut each.body),
                Op::Call(call) => {
                    call.site = SiteId(self.sites);
                    self.sites += 1;
                    let (input, output) = self.module_types[call.module.0 as usize];
                    self.ty(input);
                    self.ty(output);
                    call.module = ModuleId(self.modules.get(call.module.0));
                }
                _ => {}
            }
        }
    }
}

/// New numbers by old ones, given out as they are asked for.
struct Table {
    new: Vec<Option<u32>>,
    order: Vec<u32>,
}

impl Table {
    fn new(len: usize) -> Self {
        Self { new: vec![None; len], order: Vec::new() }
    }

    fn get(&mut self, old: u32) -> u32 {
        let order = &mut self.order;
        *self.new[old as usize].get_or_insert_with(|| {
            order.push(old);
            u32::try_from(order.len() - 1).expect("no more than before")
        })
    }

    /// The items that were asked for, in the new order.
    fn pick<T>(&self, items: &mut Vec<T>) -> Vec<T> {
        let mut old: Vec<Option<T>> = mem::take(items).into_iter().map(Some).collect();
        self.order.iter().map(|&i| old[i as usize].take().expect("each has one new number")).collect()
    }
}
