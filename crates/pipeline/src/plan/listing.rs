//! A plan as text, for people and for snapshots: a line for each input, node and output. Nobody reads it back.

use std::fmt::{self, Display, Formatter, Write as _};

use type_schema::{decode, to_json};

use super::{Body, Call, Each, Guard, Node, NodeId, OnError, Op, Plan, Policy, Test, TypeId};

/// Longest literal that is shown whole, in characters.
const SHOWN: usize = 60;

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for input in &self.inputs {
            writeln!(f, "in {}: {}", input.name, self.ctype(input.ty))?;
        }
        self.body(f, &self.root, "")?;
        for output in &self.outputs {
            writeln!(f, "out {} = {}", output.name, output.node)?;
        }
        Ok(())
    }
}

impl Display for NodeId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl Plan {
    fn body(&self, f: &mut Formatter<'_>, body: &Body, indent: &str) -> fmt::Result {
        for (i, node) in body.nodes.iter().enumerate() {
            write!(f, "{indent}%{i}")?;
            if let Some(name) = &node.name {
                write!(f, " {name}")?;
            }
            write!(f, ": {} = ", self.ctype(node.ty))?;
            self.op(f, node)?;
            if !node.early.is_empty() {
                write!(f, ", early {}", list(&node.early))?;
            }
            f.write_char('\n')?;
            if let Op::Each(each) = &node.op {
                let deeper = format!("{indent}  ");
                self.body(f, &each.body, &deeper)?;
                if let Some(result) = each.body.result {
                    writeln!(f, "{deeper}give {result}")?;
                }
            }
        }
        Ok(())
    }

    fn op(&self, f: &mut Formatter<'_>, node: &Node) -> fmt::Result {
        match &node.op {
            Op::Input(i) => write!(f, "input {}", self.inputs.get(*i as usize).map_or("?", |input| &input.name)),
            Op::Param(i) => write!(f, "param {i}"),
            Op::Capture(outer) => write!(f, "capture {outer}"),
            Op::Literal(bytes) => f.write_str(&self.literal(bytes, node.ty)),
            Op::Coerce(a) => write!(f, "coerce {a}"),
            Op::Record(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
            Op::List(items) => write!(f, "[{}]", list(items)),
            Op::Field(a, name) => write!(f, "{a}.{name}"),
            Op::Project(a) => write!(f, "project {a}"),
            Op::Merge(a, b) => write!(f, "merge {a}, {b}"),
            Op::FieldEach(a, name) => write!(f, "each {a}.{name}"),
            Op::ProjectEach(a) => write!(f, "each project {a}"),
            Op::MergeEach(a, b) => write!(f, "each merge {a}, {b}"),
            Op::Arithmetic(op, a, b) => write!(f, "{a} {} {b}", op.name()),
            Op::Order(op, a, b) => write!(f, "{a} {} {b}", op.name()),
            Op::Equal(equal, a, b) => write!(f, "{a} {} {b}", if *equal { "==" } else { "!=" }),
            Op::Not(a) => write!(f, "not {a}"),
            Op::And(a, b) => write!(f, "{a} and {b}"),
            Op::Or(a, b) => write!(f, "{a} or {b}"),
            Op::Concat(parts) => write!(f, "concat {}", list(parts)),
            Op::If { condition, then, otherwise } => write!(f, "if {condition} then {then} else {otherwise}"),
            Op::When { value, condition } => write!(f, "{value} when {condition}"),
            Op::Coalesce { value, default } => write!(f, "{value} ?? {default}"),
            Op::Match { subject, arms } => {
                let arms: Vec<String> =
                    arms.iter().map(|(test, value)| format!("{} -> {value}", self.test(test))).collect();
                write!(f, "match {subject} {{{}}}", arms.join(", "))
            }
            Op::Narrow { subject, test } => write!(f, "{subject} as {}", self.test(test)),
            Op::Std(function, args) => write!(f, "{} {}", function.name(), list(args)),
            Op::Each(each) => {
                let Each { kind, list, initial, concurrency, .. } = &**each;
                write!(f, "{} {list}", kind.name())?;
                if let Some(initial) = initial {
                    write!(f, " from {initial}")?;
                }
                concurrency.map_or(Ok(()), |at_once| write!(f, " with concurrency {at_once}"))
            }
            Op::Call(call) => {
                let Call { site, module, input, policy } = &**call;
                write!(f, "call @{} {} {input}", site.0, self.modules[module.0 as usize].name)?;
                write!(f, "{}", Options(policy))
            }
            Op::Guard(guard) => {
                let Guard { value, fallback, on_error } = &**guard;
                write!(f, "guard {value}")?;
                if let Some(fallback) = fallback {
                    write!(f, " else {fallback}")?;
                }
                match on_error {
                    OnError::Propagate => Ok(()),
                    OnError::Skip(zero) => write!(f, ", skip to {}", self.literal(zero, node.ty)),
                    OnError::Log(zero) => write!(f, ", log and skip to {}", self.literal(zero, node.ty)),
                    OnError::Wrap => f.write_str(", wrap"),
                }
            }
        }
    }

    fn test(&self, test: &Test) -> String {
        match test {
            Test::Variants(variants) => {
                let variants: Vec<String> = variants.iter().map(|variant| format!("|{variant}")).collect();
                variants.join(" ")
            }
            Test::Some => "some".to_owned(),
            Test::Fits(ty) => format!("is {}", self.ctype(*ty)),
            Test::Always => "any".to_owned(),
        }
    }

    /// A value as JSON, cut where it is long.
    fn literal(&self, bytes: &[u8], ty: TypeId) -> String {
        let ctype = self.ctype(ty);
        let text = match decode(bytes, ctype) {
            Ok(value) => to_json(&value, ctype).to_string(),
            Err(error) => format!("({error})"),
        };
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

fn list(nodes: &[NodeId]) -> String {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    nodes.join(", ")
}

/// The options of a call that are set, each behind a comma or `with`.
struct Options<'p>(&'p Policy);

impl Display for Options<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let policy = self.0;
        let mut shown = Vec::new();
        let durations = [("timeout", policy.timeout), ("delay", policy.delay), ("cache", policy.cache)];
        if policy.retry > 0 {
            shown.push(format!("retry {}", policy.retry));
        }
        shown.extend(durations.into_iter().filter_map(|(name, v)| Some(format!("{name} {:?}", v?))));
        if policy.backoff != super::Backoff::Fixed {
            shown.push(format!("backoff {}", format!("{:?}", policy.backoff).to_lowercase()));
        }
        shown.extend(policy.cache_backend.as_ref().map(|name| format!("cache_backend {name:?}")));
        shown.extend(policy.throttle.map(|rate| format!("throttle {}/{:?}", rate.count, rate.per)));
        shown.extend(policy.concurrency.map(|v| format!("concurrency {v}")));
        shown.extend(policy.priority.map(|v| format!("priority {v}")));
        shown.extend(policy.batch.map(|v| format!("batch {v}")));
        shown.extend(policy.batch_timeout.map(|v| format!("batch_timeout {v:?}")));
        if shown.is_empty() { Ok(()) } else { write!(f, " with {}", shown.join(", ")) }
    }
}
