//! From the operations of a plan to those of a program. Trusts the checker for types, and says so where they do not fit.

use std::collections::HashMap;
use std::sync::Arc;

use type_schema::{CType, Record, Schema, Transcoder, raw};

use super::{CallInstr, Check, Code, EachInstr, GuardInstr, Instr, InvalidPlan, Step, User};
use crate::diagnostic::Span;
use crate::plan::{Body, Call, Each, EachKind, Guard, Need, Node, NodeId, OnError, Op, Plan, StdFn, Test, TypeId};
use crate::run::record::{Names, Part};
use crate::run::value::Value;

type Compiled<T> = Result<T, InvalidPlan>;

/// The codes of all bodies, the root first.
pub(super) fn compile(plan: &Plan) -> Compiled<Vec<Code>> {
    let mut compiler = Compiler { plan, codes: Vec::new(), schemas: HashMap::new() };
    compiler.body(&plan.root, false)?;
    Ok(compiler.codes.into_iter().map(|code| code.expect("each body has been compiled")).collect())
}

struct Compiler<'p> {
    plan: &'p Plan,
    codes: Vec<Option<Code>>,
    schemas: HashMap<TypeId, Arc<Schema>>,
}

impl<'p> Compiler<'p> {
    /// Compiles a body and the lambdas in it, and gives its position. Recursion ends with the nesting of lambdas.
    fn body(&mut self, body: &Body, cancellable: bool) -> Compiled<u32> {
        let id = self.codes.len();
        self.codes.push(None);
        // A lambda whose failure is caught is given up while the run goes on.
        let mut caught = vec![false; body.nodes.len()];
        for node in &body.nodes {
            if let Op::Guard(guard) = &node.op {
                caught[at(guard.value)] = true;
            }
        }
        let mut steps = Vec::with_capacity(body.nodes.len());
        for (i, node) in body.nodes.iter().enumerate() {
            self.operands_stand_before(body, i)?;
            let instr = self.instr(body, node, cancellable || caught[i])?;
            steps.push(step(node, instr));
        }
        connect(&mut steps);
        if let Some(result) = body.result {
            let step = steps.get_mut(at(result)).ok_or_else(|| broken(Span::default(), "a lambda gives no node"))?;
            step.uses += 1;
        } else {
            for output in &self.plan.outputs {
                let step =
                    steps.get_mut(at(output.node)).ok_or_else(|| broken(output.span, "an output has no node"))?;
                step.uses += 1;
                step.output = true;
            }
        }
        let pure = steps.iter().all(|step| match &step.instr {
            Instr::Call(_) => false,
            Instr::Each(each) => self.codes[each.code as usize].as_ref().is_some_and(|code| code.pure),
            _ => true,
        });
        let code = Code { steps: steps.into(), result: body.result.map(|result| result.0), pure, cancellable };
        self.codes[id] = Some(code);
        Ok(u32::try_from(id).expect("fewer bodies than nodes"))
    }

    fn operands_stand_before(&self, body: &Body, i: usize) -> Compiled<()> {
        let node = &body.nodes[i];
        let mut late = false;
        node.op.operands(|operand, _| late |= at(operand) >= i);
        if late || node.early.iter().any(|&early| at(early) >= i) {
            return Err(broken(node.span, "a node stands before what it uses"));
        }
        Ok(())
    }

    fn instr(&mut self, body: &Body, node: &Node, cancellable: bool) -> Compiled<Instr> {
        let ty = |of: NodeId| self.plan.ctype(body.nodes[at(of)].ty);
        let own = self.plan.ctype(node.ty);
        let span = node.span;
        Ok(match &node.op {
            Op::Input(i) if (*i as usize) < self.plan.inputs.len() => Instr::Input(*i),
            Op::Input(_) => return Err(broken(span, "there is no such input")),
            Op::Param(i) => Instr::Param(*i),
            Op::Capture(outer) => Instr::Capture(outer.0),
            Op::Literal(bytes) => {
                Instr::Literal(Value::new(bytes.clone()).map_err(|_| broken(span, "a literal is no canonical bytes"))?)
            }
            Op::Coerce(a) => self.coerce(*a, body.nodes[at(*a)].ty, node)?,
            Op::Record(fields) => Instr::Record(parts(fields, record(own, span)?, span)?),
            Op::List(items) => Instr::List(numbers(items)),
            Op::Field(a, name) => Instr::Field(a.0, name.as_bytes().into()),
            Op::FieldEach(a, name) => Instr::FieldEach(a.0, name.as_bytes().into()),
            Op::Project(a) => Instr::Project(a.0, names(record(own, span)?)),
            Op::ProjectEach(a) => Instr::ProjectEach(a.0, names(record(item(own, span)?, span)?)),
            Op::Merge(a, b) => Instr::Merge(a.0, b.0, names(record(ty(*b), span)?)),
            Op::MergeEach(a, b) => Instr::MergeEach(a.0, b.0, names(record(ty(*b), span)?)),
            Op::Arithmetic(op, a, b) => Instr::Arithmetic(*op, a.0, b.0),
            Op::Order(op, a, b) => Instr::Order(*op, a.0, b.0),
            Op::Equal(equal, a, b) => {
                Instr::Equal { equal: *equal, ieee: matches!(ty(*a), CType::Float), a: a.0, b: b.0 }
            }
            Op::Not(a) => Instr::Not(a.0),
            Op::And(a, b) => Instr::And(a.0, b.0),
            Op::Or(a, b) => Instr::Or(a.0, b.0),
            Op::Concat(parts) => Instr::Concat(numbers(parts)),
            Op::If { condition, then, otherwise } => {
                Instr::If { condition: condition.0, then: then.0, otherwise: otherwise.0 }
            }
            Op::When { value, condition } => Instr::When { value: value.0, condition: condition.0 },
            Op::Coalesce { value, default } => Instr::Coalesce { value: value.0, default: default.0 },
            Op::Match { subject, arms } => {
                let arms = arms.iter().map(|(test, value)| Ok((self.check(test, span)?, value.0)));
                Instr::Match { subject: subject.0, arms: arms.collect::<Compiled<_>>()? }
            }
            Op::Narrow { subject, test } => {
                let from = ty(*subject);
                self.narrow(*subject, from, test, own, span)?
            }
            Op::Std(function, args) => {
                let float = match function {
                    StdFn::ListSum => matches!(own, CType::Float),
                    StdFn::ListContains => args.get(1).is_some_and(|&value| matches!(ty(value), CType::Float)),
                    _ => false,
                };
                if args.len() != arity(*function) {
                    return Err(broken(span, "a function has the wrong number of arguments"));
                }
                Instr::Std { function: *function, float, args: numbers(args) }
            }
            Op::Each(each) => self.each(each, span, cancellable)?,
            Op::Call(call) => self.call(call, span)?,
            Op::Guard(guard) => self.guard(guard, own, body, span)?,
        })
    }

    fn coerce(&mut self, a: NodeId, from: TypeId, node: &Node) -> Compiled<Instr> {
        let (from, to) = (self.schema(from, node.span)?, self.schema(node.ty, node.span)?);
        let transcoder = Transcoder::new(&from, &to).map_err(|mismatch| broken(node.span, mismatch.to_string()))?;
        Ok(if transcoder.keeps_layout() { Instr::Same(a.0) } else { Instr::Transcode(a.0, Box::new(transcoder)) })
    }

    fn check(&mut self, test: &Test, span: Span) -> Compiled<Check> {
        Ok(match test {
            Test::Variants(variants) => Check::Variants(variants.as_slice().into()),
            Test::Some => Check::Some,
            Test::Fits(ty) => Check::Fits(self.schema(*ty, span)?),
            Test::Always => Check::Always,
        })
    }

    fn narrow(&mut self, subject: NodeId, from: &CType, test: &Test, to: &CType, span: Span) -> Compiled<Instr> {
        let subject = subject.0;
        Ok(match test {
            Test::Some | Test::Always => Instr::Same(subject),
            Test::Fits(ty) => Instr::Cast(subject, self.schema(*ty, span)?),
            Test::Variants(variants) => {
                let CType::Union(members) = from else { return Err(broken(span, "only a union has variants")) };
                match (variants.as_slice(), to) {
                    (&[variant], _) => Instr::Unwrap { subject, variant },
                    (variants, CType::Union(left)) => {
                        let position = |&variant: &u32| {
                            let member = members.get(variant as usize)?;
                            let to = left.iter().position(|left| left == member)?;
                            Some((variant, u32::try_from(to).ok()?))
                        };
                        let variants = variants.iter().map(position).collect::<Option<_>>();
                        let variants = variants.ok_or_else(|| broken(span, "a variant is not in the narrowed type"))?;
                        Instr::Renumber { subject, variants }
                    }
                    _ => return Err(broken(span, "several variants are a union")),
                }
            }
        })
    }

    fn each(&mut self, each: &Each, span: Span, cancellable: bool) -> Compiled<Instr> {
        let decides = matches!(each.kind, EachKind::All | EachKind::Any);
        if each.body.result.is_none() {
            return Err(broken(span, "a lambda gives nothing"));
        }
        if (each.kind == EachKind::Fold) != each.initial.is_some() {
            return Err(broken(span, "a fold alone has a start"));
        }
        let code = self.body(&each.body, cancellable || decides)?;
        let pure = self.codes[code as usize].as_ref().is_some_and(|code| code.pure);
        let limit = match each.concurrency {
            _ if pure || each.kind == EachKind::Fold => Some(1),
            Some(limit) => Some((limit as usize).max(1)),
            None => None,
        };
        let initial = each.initial.map(|initial| initial.0);
        Ok(Instr::Each(Box::new(EachInstr { kind: each.kind, list: each.list.0, initial, code, limit })))
    }

    fn call(&mut self, call: &Call, span: Span) -> Compiled<Instr> {
        let module = call.module.0 as usize;
        if module >= self.plan.modules.len() || call.site.0 >= self.plan.sites {
            return Err(broken(span, "a call has no module or site"));
        }
        let policy = call.policy.clone();
        Ok(Instr::Call(Box::new(CallInstr { site: call.site, module, input: call.input.0, policy })))
    }

    fn guard(&mut self, guard: &Guard, own: &CType, body: &Body, span: Span) -> Compiled<Instr> {
        let zero = match &guard.on_error {
            OnError::Skip(zero) | OnError::Log(zero) => {
                Value::new(zero.clone()).map_err(|_| broken(span, "a zero value is no canonical bytes"))?
            }
            OnError::Propagate | OnError::Wrap => Value::Nil,
        };
        let optional = match own {
            CType::Union(variants) => match variants.first() {
                Some(CType::Record(ok)) => ok.get("ok").is_some_and(CType::is_option),
                _ => false,
            },
            _ => false,
        };
        let what = match &body.nodes[at(guard.value)].op {
            Op::Call(call) => self.plan.modules[call.module.0 as usize].name.to_string(),
            Op::Std(function, _) => function.name().to_owned(),
            Op::Each(each) => each.kind.name().to_owned(),
            _ => "an operation".to_owned(),
        };
        Ok(Instr::Guard(Box::new(GuardInstr {
            value: guard.value.0,
            fallback: guard.fallback.map(|fallback| fallback.0),
            on_error: guard.on_error.clone(),
            zero,
            optional,
            what: what.into(),
        })))
    }

    fn schema(&mut self, ty: TypeId, span: Span) -> Compiled<Arc<Schema>> {
        if let Some(schema) = self.schemas.get(&ty) {
            return Ok(Arc::clone(schema));
        }
        let schema = Schema::new(self.plan.ctype(ty).clone()).map_err(|error| broken(span, error.to_string()))?;
        let schema = Arc::new(schema);
        self.schemas.insert(ty, Arc::clone(&schema));
        Ok(schema)
    }
}

/// A step without its users, which stand behind it.
fn step(node: &Node, instr: Instr) -> Step {
    let mut needs: Vec<u32> = Vec::new();
    let mut operands: Vec<u32> = Vec::new();
    node.op.operands(|operand, need| {
        operands.push(operand.0);
        if need == Need::Always {
            needs.push(operand.0);
        }
    });
    for list in [&mut needs, &mut operands] {
        list.sort_unstable();
        list.dedup();
    }
    Step {
        instr,
        needs: needs.into(),
        early: numbers(&node.early),
        operands: operands.into(),
        users: Box::default(),
        uses: 0,
        output: false,
        span: node.span,
    }
}

/// Tells each step who uses it.
fn connect(steps: &mut [Step]) {
    let mut users: Vec<Vec<User>> = vec![Vec::new(); steps.len()];
    for (i, step) in (0_u32..).zip(&*steps) {
        for &operand in &step.operands {
            let always = step.needs.binary_search(&operand).is_ok();
            users[operand as usize].push(User { node: i, always });
        }
    }
    for (step, users) in steps.iter_mut().zip(users) {
        step.uses = u32::try_from(users.len()).expect("fewer users than nodes");
        step.users = users.into();
    }
}

fn parts(fields: &[(String, NodeId)], record: &Record, span: Span) -> Compiled<Box<[Part]>> {
    let mut fields: Vec<&(String, NodeId)> = fields.iter().collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let twice = fields.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if twice || fields.len() != record.fields.len() {
        return Err(broken(span, "a record has not the fields of its type"));
    }
    let part = |(name, value): &(String, NodeId)| {
        let ctype = record.get(name).ok_or_else(|| broken(span, format!("the type has no field `{name}`")))?;
        let mut key = Vec::new();
        raw::put_str(&mut key, name);
        Ok(Part { key: key.into(), value: value.0, optional: ctype.is_option() })
    };
    fields.into_iter().map(part).collect()
}

fn names(record: &Record) -> Names {
    record.sorted().into_iter().map(|field| field.name.as_bytes().into()).collect()
}

fn record(ctype: &CType, span: Span) -> Compiled<&Record> {
    match ctype {
        CType::Record(record) => Ok(record),
        other => Err(broken(span, format!("expected a record, found {other}"))),
    }
}

fn item(ctype: &CType, span: Span) -> Compiled<&CType> {
    match ctype {
        CType::List(item) => Ok(item),
        other => Err(broken(span, format!("expected a list, found {other}"))),
    }
}

fn numbers(nodes: &[NodeId]) -> Box<[u32]> {
    nodes.iter().map(|node| node.0).collect()
}

fn at(node: NodeId) -> usize {
    node.0 as usize
}

fn arity(function: StdFn) -> usize {
    match function {
        StdFn::Max | StdFn::Min | StdFn::Join | StdFn::Split | StdFn::Contains | StdFn::ListConcat => 2,
        StdFn::ListContains => 2,
        StdFn::Replace => 3,
        StdFn::Abs
        | StdFn::Negate
        | StdFn::Round
        | StdFn::StringLength
        | StdFn::Trim
        | StdFn::ListLength
        | StdFn::ListFirst
        | StdFn::ListLast
        | StdFn::ListIsEmpty
        | StdFn::ListSum
        | StdFn::ListReverse
        | StdFn::ToString
        | StdFn::ToInt
        | StdFn::ToFloat
        | StdFn::Log => 1,
    }
}

fn broken(span: Span, reason: impl Into<String>) -> InvalidPlan {
    InvalidPlan { span, reason: reason.into() }
}
