//! The canonical bytes of a plan, for its hash and to tell equal operations. Nobody reads them back.

use sha2::{Digest, Sha256};

use super::{Body, Each, Guard, Node, NodeId, OnError, Op, Plan, PlanHash, Policy, Test, TypeId};

/// Stands before all else, so that no other kind of bytes has the hash of a plan. Changes with the meaning of what follows.
const MAGIC: &[u8] = b"modrack plan 1\n";

/// The hash of what a plan means: inputs, outputs, operations, literals, types, options, names and fingerprints of modules. Not what only explains it: places,
/// names of bindings, examples, the description, languages; and not what follows from the rest: `early`, capabilities.
pub(super) fn hash(plan: &Plan) -> PlanHash {
    let mut out = Encoder { out: MAGIC.to_vec() };
    out.length(plan.types.len());
    for ctype in &plan.types {
        out.text(&ctype.to_string());
    }
    out.length(plan.modules.len());
    for module in &plan.modules {
        out.text(&module.name);
        out.text(&module.fingerprint);
    }
    out.length(plan.inputs.len());
    for input in &plan.inputs {
        out.text(&input.name);
        out.ty(input.ty);
    }
    out.body(&plan.root);
    out.length(plan.outputs.len());
    for output in &plan.outputs {
        out.text(&output.name);
        out.node(output.node);
    }
    PlanHash(Sha256::digest(&out.out).into())
}

/// Bytes that equal operations of one body and type have in common, and no others.
pub(super) fn key(op: &Op, ty: TypeId) -> Vec<u8> {
    let mut out = Encoder { out: Vec::with_capacity(32) };
    out.ty(ty);
    out.op(op);
    out.out
}

/// Numbers are big-endian, everything of variable length is behind its length.
struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    fn tag(&mut self, tag: u8) {
        self.out.push(tag);
    }

    fn word(&mut self, v: u64) {
        self.out.extend_from_slice(&v.to_be_bytes());
    }

    fn length(&mut self, v: usize) {
        self.word(v as u64);
    }

    fn bytes(&mut self, v: &[u8]) {
        self.length(v.len());
        self.out.extend_from_slice(v);
    }

    fn text(&mut self, v: &str) {
        self.bytes(v.as_bytes());
    }

    fn node(&mut self, v: NodeId) {
        self.out.extend_from_slice(&v.0.to_be_bytes());
    }

    fn ty(&mut self, v: TypeId) {
        self.out.extend_from_slice(&v.0.to_be_bytes());
    }

    fn nodes(&mut self, nodes: &[NodeId]) {
        self.length(nodes.len());
        nodes.iter().for_each(|&node| self.node(node));
    }

    fn maybe<T>(&mut self, v: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.tag(u8::from(v.is_some()));
        if let Some(v) = v {
            write(self, v);
        }
    }

    fn body(&mut self, body: &Body) {
        self.length(body.nodes.len());
        for Node { op, ty, .. } in &body.nodes {
            self.ty(*ty);
            self.op(op);
        }
        self.maybe(body.result, Self::node);
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Input(i) => {
                self.tag(0);
                self.word(u64::from(*i));
            }
            Op::Param(i) => {
                self.tag(1);
                self.word(u64::from(*i));
            }
            Op::Capture(outer) => self.of(2, &[*outer]),
            Op::Literal(bytes) => {
                self.tag(3);
                self.bytes(bytes);
            }
            Op::Coerce(a) => self.of(4, &[*a]),
            Op::Record(fields) => {
                self.tag(5);
                self.length(fields.len());
                for (name, value) in fields {
                    self.text(name);
                    self.node(*value);
                }
            }
            Op::List(items) => self.of(6, items),
            Op::Field(a, name) => {
                self.of(7, &[*a]);
                self.text(name);
            }
            Op::Project(a) => self.of(8, &[*a]),
            Op::Merge(a, b) => self.of(9, &[*a, *b]),
            Op::FieldEach(a, name) => {
                self.of(10, &[*a]);
                self.text(name);
            }
            Op::ProjectEach(a) => self.of(11, &[*a]),
            Op::MergeEach(a, b) => self.of(12, &[*a, *b]),
            Op::Arithmetic(which, a, b) => {
                self.of(13, &[*a, *b]);
                self.tag(*which as u8);
            }
            Op::Order(which, a, b) => {
                self.of(14, &[*a, *b]);
                self.tag(*which as u8);
            }
            Op::Equal(equal, a, b) => {
                self.of(15, &[*a, *b]);
                self.tag(u8::from(*equal));
            }
            Op::Not(a) => self.of(16, &[*a]),
            Op::And(a, b) => self.of(17, &[*a, *b]),
            Op::Or(a, b) => self.of(18, &[*a, *b]),
            Op::Concat(parts) => self.of(19, parts),
            Op::If { condition, then, otherwise } => self.of(20, &[*condition, *then, *otherwise]),
            Op::When { value, condition } => self.of(21, &[*value, *condition]),
            Op::Coalesce { value, default } => self.of(22, &[*value, *default]),
            Op::Match { subject, arms } => {
                self.of(23, &[*subject]);
                self.length(arms.len());
                for (test, value) in arms {
                    self.test(test);
                    self.node(*value);
                }
            }
            Op::Narrow { subject, test } => {
                self.of(24, &[*subject]);
                self.test(test);
            }
            Op::Std(function, args) => {
                self.of(25, args);
                self.text(function.name());
            }
            Op::Each(each) => {
                let Each { kind, list, initial, body, concurrency } = &**each;
                self.of(26, &[*list]);
                self.tag(*kind as u8);
                self.maybe(*initial, Self::node);
                self.body(body);
                self.maybe(*concurrency, |this, v| this.word(u64::from(v)));
            }
            Op::Call(call) => {
                self.of(27, &[call.input]);
                self.word(u64::from(call.site.0));
                self.word(u64::from(call.module.0));
                self.policy(&call.policy);
            }
            Op::Guard(guard) => {
                let Guard { value, fallback, on_error } = &**guard;
                self.of(28, &[*value]);
                self.maybe(*fallback, Self::node);
                match on_error {
                    OnError::Propagate => self.tag(0),
                    OnError::Skip(zero) => {
                        self.tag(1);
                        self.bytes(zero);
                    }
                    OnError::Log(zero) => {
                        self.tag(2);
                        self.bytes(zero);
                    }
                    OnError::Wrap => self.tag(3),
                }
            }
        }
    }

    fn of(&mut self, tag: u8, operands: &[NodeId]) {
        self.tag(tag);
        self.nodes(operands);
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::Variants(variants) => {
                self.tag(0);
                self.length(variants.len());
                variants.iter().for_each(|&variant| self.word(u64::from(variant)));
            }
            Test::Some => self.tag(1),
            Test::Fits(ty) => {
                self.tag(2);
                self.ty(*ty);
            }
            Test::Always => self.tag(3),
        }
    }

    fn policy(&mut self, policy: &Policy) {
        let Policy {
            timeout,
            retry,
            delay,
            backoff,
            cache,
            cache_backend,
            throttle,
            concurrency,
            priority,
            batch,
            batch_timeout,
        } = policy;
        for duration in [timeout, delay, cache, batch_timeout] {
            self.maybe(*duration, |this, v| this.out.extend_from_slice(&v.as_nanos().to_be_bytes()));
        }
        self.word(u64::from(*retry));
        self.tag(*backoff as u8);
        self.maybe(cache_backend.as_deref(), Self::text);
        self.maybe(*throttle, |this, rate| {
            this.word(u64::from(rate.count));
            this.out.extend_from_slice(&rate.per.as_nanos().to_be_bytes());
        });
        self.maybe(*concurrency, |this, v| this.word(u64::from(v)));
        self.maybe(*priority, |this, v| this.out.extend_from_slice(&v.to_be_bytes()));
        self.maybe(*batch, |this, v| this.word(u64::from(v)));
    }
}
