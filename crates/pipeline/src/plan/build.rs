//! Builds plans, node by node, as the checker comes to them. Checks no types: what it is given is taken to be well typed.

use std::collections::HashMap;
use std::sync::Arc;

use type_schema::CType;

use crate::catalog::ModuleSignature;
use crate::diagnostic::Span;
use crate::plan::{Body, Input, ModuleId, Node, NodeId, Op, Output, Plan, PlanHash, PlannedModule, SiteId, TypeId};

use super::{early, encode, renumber};

/// A plan on its way. Equal pure operations of one body become one node, so that common subexpressions are computed once.
#[derive(Debug)]
pub struct Builder {
    types: Vec<CType>,
    type_ids: HashMap<CType, TypeId>,
    modules: Vec<PlannedModule>,
    module_ids: HashMap<Arc<str>, ModuleId>,
    /// The root and the lambdas that are open, innermost last.
    open: Vec<Draft>,
    sites: u32,
}

/// A body on its way.
#[derive(Debug, Default)]
struct Draft {
    nodes: Vec<Node>,
    shared: HashMap<Vec<u8>, NodeId>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            type_ids: HashMap::new(),
            modules: Vec::new(),
            module_ids: HashMap::new(),
            open: vec![Draft::default()],
            sites: 0,
        }
    }
}

impl Builder {
    /// An empty plan, whose root is open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a type. Linear in the type.
    pub fn ty(&mut self, ctype: &CType) -> TypeId {
        if let Some(&id) = self.type_ids.get(ctype) {
            return id;
        }
        let id = TypeId(index(self.types.len()));
        self.types.push(ctype.clone());
        self.type_ids.insert(ctype.clone(), id);
        id
    }

    /// The id of a module. One name always means one module.
    pub fn module(&mut self, signature: &Arc<ModuleSignature>) -> ModuleId {
        if let Some(&id) = self.module_ids.get(&signature.name) {
            return id;
        }
        let id = ModuleId(index(self.modules.len()));
        let module = PlannedModule {
            name: Arc::clone(&signature.name),
            fingerprint: Arc::clone(&signature.fingerprint),
            input: self.ty(&signature.input),
            output: self.ty(&signature.output),
            batch: signature.batch,
            idempotent: signature.idempotent,
            language: Arc::clone(&signature.language),
        };
        self.modules.push(module);
        self.module_ids.insert(Arc::clone(&signature.name), id);
        id
    }

    /// A call site that no other call has.
    pub fn site(&mut self) -> SiteId {
        let site = SiteId(self.sites);
        self.sites += 1;
        site
    }

    /// Begins the body of a lambda inside the innermost open body.
    pub fn open(&mut self) {
        self.open.push(Draft::default());
    }

    /// Ends the innermost lambda. Holds only what its result may need.
    ///
    /// # Panics
    /// When no lambda is open.
    pub fn close(&mut self, result: NodeId) -> Body {
        assert!(self.open.len() > 1, "every close has its open");
        let draft = self.open.pop().expect("a lambda is open");
        let (nodes, ids) = renumber::compact(draft.nodes, [result]);
        Body { nodes, result: ids[result.0 as usize] }
    }

    /// How many lambdas are open; 0 in the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.open.len() - 1
    }

    /// A node of the innermost open body with this operation: an equal one that is there already, which keeps its place, or a new one.
    /// A call, a line for the log, and a lambda with either are always new.
    pub fn node(&mut self, op: Op, ty: TypeId, span: Span) -> NodeId {
        let depth = self.depth();
        self.node_at(depth, op, ty, span)
    }

    /// The node of the body at `depth` as the innermost open body sees it: itself, or an [`Op::Capture`] in each body between. A literal is
    /// repeated rather than captured.
    pub fn at(&mut self, depth: usize, node: NodeId) -> NodeId {
        let mut seen = node;
        for inner in depth + 1..self.open.len() {
            let Node { op, ty, span, .. } = &self.open[inner - 1].nodes[seen.0 as usize];
            let (ty, span) = (*ty, *span);
            let op = match op {
                Op::Literal(bytes) => Op::Literal(bytes.clone()),
                _ => Op::Capture(seen),
            };
            seen = self.node_at(inner, op, ty, span);
        }
        seen
    }

    /// Says which binding has the value of a node of the innermost open body. The first name stays.
    pub fn name(&mut self, node: NodeId, name: &str) {
        let draft = self.innermost_mut();
        draft.nodes[node.0 as usize].name.get_or_insert_with(|| name.into());
    }

    /// The operation of a node of the innermost open body.
    #[must_use]
    pub fn op(&self, node: NodeId) -> &Op {
        &self.innermost().nodes[node.0 as usize].op
    }

    /// The type of a node of the innermost open body.
    #[must_use]
    pub fn type_of(&self, node: NodeId) -> TypeId {
        self.innermost().nodes[node.0 as usize].ty
    }

    /// The type with that id.
    #[must_use]
    pub fn ctype(&self, ty: TypeId) -> &CType {
        &self.types[ty.0 as usize]
    }

    /// The plan. Drops what no output may need, and numbers what is left in the order in which the outputs come to it, so that neither the order of
    /// the source nor what was dropped shows.
    ///
    /// # Panics
    /// When a lambda is still open.
    #[must_use]
    pub fn finish(mut self, inputs: Vec<Input>, mut outputs: Vec<Output>, description: String) -> Plan {
        assert!(self.open.len() == 1, "every lambda is closed");
        let draft = self.open.pop().expect("the root is open");
        let (nodes, ids) = renumber::compact(draft.nodes, outputs.iter().map(|output| output.node));
        for output in &mut outputs {
            output.node = ids[output.node.0 as usize].expect("an output keeps its node");
        }
        let mut plan = Plan {
            inputs,
            outputs,
            types: self.types,
            modules: self.modules,
            root: Body { nodes, result: None },
            sites: 0,
            description,
            hash: PlanHash([0; 32]),
        };
        renumber::tables(&mut plan);
        early::fill(&mut plan.root);
        plan.hash = encode::hash(&plan);
        plan
    }

    fn node_at(&mut self, depth: usize, op: Op, ty: TypeId, span: Span) -> NodeId {
        let draft = &mut self.open[depth];
        let id = NodeId(index(draft.nodes.len()));
        if !early::is_effect(&op) {
            let key = encode::key(&op, ty);
            if let Some(&equal) = draft.shared.get(&key) {
                return equal;
            }
            draft.shared.insert(key, id);
        }
        draft.nodes.push(Node { op, ty, span, name: None, early: Vec::new() });
        id
    }

    fn innermost(&self) -> &Draft {
        self.open.last().expect("the root is open until the end")
    }

    fn innermost_mut(&mut self) -> &mut Draft {
        self.open.last_mut().expect("the root is open until the end")
    }
}

/// Ids have 32 bits. A source of the longest legal length has far fewer nodes.
fn index(len: usize) -> u32 {
    u32::try_from(len).expect("a plan has fewer than 2^32 parts")
}
