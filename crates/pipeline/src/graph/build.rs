//! Makes the nodes and edges of a picture out of a plan. What becomes a node is decided in `fold`.

use std::collections::HashSet;
use std::sync::Arc;

use type_schema::CType;

use crate::diagnostic::{LineIndex, Span};
use crate::graph::fold::{Part, parts};
use crate::graph::operands::{Frame, calls, index, is_step};
use crate::graph::text::{options, short_type, snippet};
use crate::graph::{Edge, Graph, Kind, Node, Place};
use crate::plan::{Call, Guard, NodeId, OnError, Op, Plan, TypeId};

/// Most characters of a type on a node, and on an edge.
const NODE_TYPE: usize = 200;
const EDGE_TYPE: usize = 32;
/// Most characters of a line with a constant.
const LINE: usize = 80;

pub(super) fn graph(plan: &Plan, source: &str) -> Graph {
    let mut builder = Builder { plan, source, lines: LineIndex::new(source), graph: Graph::default() };
    let inputs: Vec<_> = plan
        .inputs
        .iter()
        .map(|input| builder.push(Kind::Input, None, input.name.clone(), input.ty, input.span))
        .collect();
    let roots: Vec<_> = plan.outputs.iter().map(|output| output.node).collect();
    let frame = Frame::new(&plan.root, &roots);
    let parts = parts(&frame, &roots, |_| false);
    let scene = builder.body(Scene { frame, parts, ids: Vec::new(), inputs, outer: None }, None);
    for output in &plan.outputs {
        let ty = plan.root.nodes[index(output.node)].ty;
        let id = builder.push(Kind::Output, None, output.name.clone(), ty, output.span);
        builder.edges(&scene, id, &[(output.node, String::new(), false)]);
    }
    builder.graph
}

/// A body while it is drawn.
struct Scene<'p, 's> {
    frame: Frame<'p>,
    parts: Vec<Part>,
    /// Per node of the body, its node in the picture.
    ids: Vec<Option<u32>>,
    inputs: Vec<u32>,
    outer: Option<&'s Scene<'p, 's>>,
}

/// Where a value comes from.
struct Leaf {
    id: u32,
    path: String,
    ty: TypeId,
}

struct Builder<'p> {
    plan: &'p Plan,
    source: &'p str,
    lines: LineIndex,
    graph: Graph,
}

impl<'p> Builder<'p> {
    /// Draws the nodes of a body inside `parent`.
    fn body<'s>(&mut self, mut scene: Scene<'p, 's>, parent: Option<u32>) -> Scene<'p, 's> {
        let body = scene.frame.body;
        scene.ids = vec![None; body.nodes.len()];
        for at in 0..body.nodes.len() {
            if scene.parts[at] == Part::Own {
                scene.ids[at] = Some(self.node(&scene, at, parent));
            }
        }
        scene
    }

    /// Draws one node with what leads to it.
    fn node(&mut self, scene: &Scene<'p, '_>, at: usize, parent: Option<u32>) -> u32 {
        let node = &scene.frame.body.nodes[at];
        let kind = match &node.op {
            Op::Input(position) => return scene.inputs[*position as usize],
            Op::Param(_) => Kind::Parameter,
            Op::Capture(_) => Kind::Capture,
            Op::Each(_) => Kind::Each,
            Op::If { .. } | Op::When { .. } | Op::Coalesce { .. } | Op::Match { .. } => Kind::Choice,
            Op::Call(_) => Kind::Call,
            Op::Guard(guard) if matches!(scene.frame.op(guard.value), Op::Call(_)) => Kind::Call,
            _ => Kind::Expression,
        };
        let label = match (&node.op, kind) {
            (Op::Capture(outer), _) => self.captured(scene, *outer),
            (_, Kind::Parameter) => self.parameter(node.span, node.name.as_ref()),
            _ => scene.frame.label(at, self.source),
        };
        let id = self.push(kind, parent, label, node.ty, node.span);
        self.graph.nodes[id as usize].name = node.name.as_ref().map(ToString::to_string);
        match &node.op {
            Op::Call(call) => self.call(id, call),
            Op::Guard(guard) => self.guard(scene, id, guard),
            Op::Capture(outer) => {
                if let Some(scene) = scene.outer {
                    self.edges(scene, id, &[(*outer, String::new(), false)]);
                }
            }
            _ => {}
        }
        let mut taken = Vec::new();
        for operand in scene.frame.operands(at) {
            let is_group = matches!(&node.op, Op::Each(each) if calls(&each.body));
            if operand.is_capture && is_group {
                continue;
            }
            let label = scene.frame.operand_label(at, &operand, self.plan, self.source);
            let is_constant = scene.parts[index(operand.node)] == Part::Constant;
            if is_constant && (kind == Kind::Call || kind == Kind::Choice || is_group) && !operand.is_text {
                self.line(id, &label, scene.frame.body.nodes[index(operand.node)].span, node.span);
            } else {
                taken.push((operand.node, label, operand.conditional));
            }
        }
        self.edges(scene, id, &taken);
        if let Op::Each(each) = &node.op
            && calls(&each.body)
        {
            let result: Vec<_> = each.body.result.into_iter().collect();
            let frame = Frame::new(&each.body, &result);
            let parts = parts(&frame, &result, |outer| scene.parts[index(outer)] == Part::Constant);
            self.body(Scene { frame, parts, ids: Vec::new(), inputs: Vec::new(), outer: Some(scene) }, Some(id));
        }
        id
    }

    fn push(&mut self, kind: Kind, parent: Option<u32>, label: String, ty: TypeId, span: Span) -> u32 {
        let id = u32::try_from(self.graph.nodes.len()).expect("a graph has no more nodes than its plan");
        self.graph.nodes.push(Node {
            id,
            kind,
            label,
            name: None,
            parent,
            ty: short_type(self.plan.ctype(ty), NODE_TYPE),
            lines: Vec::new(),
            site: None,
            module: None,
            language: None,
            options: Vec::new(),
            place: self.place(span),
        });
        id
    }

    fn call(&mut self, id: u32, call: &Call) {
        let module = &self.plan.modules[call.module.0 as usize];
        let node = &mut self.graph.nodes[id as usize];
        node.label = module.name.to_string();
        node.site = Some(call.site.0);
        node.module = Some(module.name.to_string());
        node.language = (!module.language.is_empty()).then(|| module.language.to_string());
        node.options = options(&call.policy);
    }

    fn guard(&mut self, scene: &Scene<'p, '_>, id: u32, guard: &Guard) {
        let value = &scene.frame.body.nodes[index(guard.value)];
        if let Op::Call(call) = &value.op {
            self.call(id, call);
            let place = self.place(value.span);
            let node = &mut self.graph.nodes[id as usize];
            node.name = node.name.take().or_else(|| value.name.as_ref().map(ToString::to_string));
            node.place = place;
        }
        let fallback = guard.fallback.map(|node| {
            let text = scene.frame.text(node, self.source);
            cut(format!("fallback: {text}"))
        });
        let on_error = match guard.on_error {
            OnError::Propagate => None,
            OnError::Skip(_) => Some("on_error: skip".to_owned()),
            OnError::Log(_) => Some("on_error: log".to_owned()),
            OnError::Wrap => Some("on_error: wrap".to_owned()),
        };
        self.graph.nodes[id as usize].options.extend(fallback.into_iter().chain(on_error));
    }

    /// A constant that a node takes. One whose place is that of the whole node has no text of its own.
    fn line(&mut self, id: u32, label: &str, span: Span, whole: Span) {
        let text = snippet(self.source, span);
        // A fallback is told as the option that it is.
        if label == "fallback" || text.is_empty() || span == whole {
            return;
        }
        let line = if label.is_empty() { text } else { format!("{label}: {text}") };
        self.graph.nodes[id as usize].lines.push(cut(line));
    }

    /// An edge from each node that these operands come from.
    fn edges(&mut self, scene: &Scene<'p, '_>, to: u32, operands: &[(NodeId, String, bool)]) {
        let mut seen = HashSet::new();
        let mut entered = HashSet::new();
        for (operand, label, conditional) in operands {
            for leaf in leaves(scene, *operand, &mut entered, self.plan) {
                if seen.insert((leaf.id, label.clone(), leaf.path.clone())) {
                    self.graph.edges.push(Edge {
                        from: leaf.id,
                        to,
                        label: label.clone(),
                        path: leaf.path,
                        ty: short_type(self.plan.ctype(leaf.ty), EDGE_TYPE),
                        conditional: *conditional,
                    });
                }
            }
        }
    }

    /// What a lambda calls a value from outside.
    fn captured(&self, scene: &Scene<'p, '_>, outer: NodeId) -> String {
        let Some(outside) = scene.outer else { return String::new() };
        let node = &outside.frame.body.nodes[index(outer)];
        match (&node.op, &node.name) {
            (_, Some(name)) => name.to_string(),
            (Op::Input(position), None) => self.plan.inputs[*position as usize].name.clone(),
            (Op::Capture(further), None) => self.captured(outside, *further),
            (Op::Param(_), None) => self.parameter(node.span, None),
            _ => snippet(self.source, node.span),
        }
    }

    /// The name of a parameter: what its place says, when that is a name.
    fn parameter(&self, span: Span, name: Option<&Arc<str>>) -> String {
        let text = snippet(self.source, span);
        let is_name = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        match name {
            Some(name) => name.to_string(),
            None if is_name(&text) => text,
            None => "item".into(),
        }
    }

    fn place(&self, span: Span) -> Place {
        let (line, column) = self.lines.line_column(span.start);
        Place { start: span.start, end: span.end, line, column }
    }
}

/// The nodes of the picture that a value comes from. `entered` are the parts of expressions that were followed before.
fn leaves(scene: &Scene<'_, '_>, node: NodeId, entered: &mut HashSet<NodeId>, plan: &Plan) -> Vec<Leaf> {
    let nodes = &scene.frame.body.nodes;
    let mut leaves = Vec::new();
    let mut open = vec![(node, String::new(), nodes[index(node)].ty)];
    while let Some((node, path, ty)) = open.pop() {
        let op = &nodes[index(node)].op;
        match scene.parts[index(node)] {
            Part::Own => leaves.extend(scene.ids[index(node)].map(|id| Leaf { id, path, ty })),
            Part::Step => {
                let path = format!("{}{path}", step(op, plan.ctype(nodes[index(node)].ty)));
                open.extend(
                    scene.frame.operands(index(node)).into_iter().map(|operand| (operand.node, path.clone(), ty)),
                );
            }
            Part::In(_) if entered.insert(node) => {
                let operands = scene.frame.operands(index(node)).into_iter().rev();
                open.extend(operands.map(|operand| (operand.node, String::new(), nodes[index(operand.node)].ty)));
            }
            Part::In(_) | Part::Constant | Part::Absent => {}
        }
    }
    leaves
}

/// A step as it is written behind a value.
fn step(op: &Op, ctype: &CType) -> String {
    debug_assert!(is_step(op), "only a step has a text");
    let record = |ctype: &CType| match ctype {
        CType::Record(record) => {
            let names: Vec<_> = record.fields.iter().map(|field| field.name.as_str()).take(4).collect();
            let more = if record.fields.len() > 4 { ", …" } else { "" };
            format!("[{}{more}]", names.join(", "))
        }
        _ => String::new(),
    };
    match (op, ctype) {
        (Op::Field(_, name) | Op::FieldEach(_, name), _) => format!(".{name}"),
        (Op::Project(_), ctype) => record(ctype),
        (Op::ProjectEach(_), CType::List(item)) => record(item),
        _ => String::new(),
    }
}

fn cut(text: String) -> String {
    if text.chars().count() <= LINE { text } else { text.chars().take(LINE - 1).chain(['…']).collect() }
}
