//! A source that was checked, and with everything that its runs need where it checks. Made once, shared by all runs.

use std::sync::Arc;
use std::time::Duration;

use pipeline::diagnostic::{self, LineIndex};
use pipeline::graph::Graph;
use pipeline::plan::{self, Body, NodeId, Op, SiteId};
use pipeline::run::{InvalidPlan, Program};
use pipeline::{Catalog, Code, Diagnostic, Plan, Severity, Span};
use protocol::generated::host::v1 as pb;
use protocol::{Error, codes, schema};
use type_schema::{Schema, TypeError, msgpack_to_json};

/// Most inputs that are made of examples.
const EXAMPLES: usize = 32;

/// What a check found.
pub(crate) struct Checked {
    pub(crate) source: Arc<str>,
    pub(crate) lines: LineIndex,
    /// In the order of their places.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The comment lines at the head of the source.
    pub(crate) description: String,
    /// Set when none of them is an error.
    pub(crate) prepared: Option<Arc<Prepared>>,
}

/// A plan, ready to run.
pub(crate) struct Prepared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) program: Program,
    pub(crate) lines: Arc<LineIndex>,
    pub(crate) input: Arc<Schema>,
    pub(crate) output: Arc<Schema>,
    /// Of each output, in declared order.
    pub(crate) outputs: Vec<(String, Schema)>,
    /// By their ids.
    pub(crate) sites: Vec<Site>,
    /// As clients see it.
    pub(crate) view: pb::PipelinePlan,
}

/// Why a plan that checks cannot run all the same.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    /// Its inputs or outputs are no type together.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// The run loop does not take it.
    #[error(transparent)]
    Plan(#[from] InvalidPlan),
}

/// A place where a module is called.
pub(crate) struct Site {
    pub(crate) node: pb::PipelineNode,
    /// As providers are told it.
    pub(crate) node_id: String,
    pub(crate) policy: executor::Policy,
}

impl Checked {
    /// Checks a source. Takes time in proportion to it: for a thread that may be held up.
    pub(crate) fn new(source: &str, catalog: &Catalog, call_timeout: Duration) -> Self {
        let compiled = pipeline::compile(source, catalog);
        let lines = LineIndex::new(source);
        let mut diagnostics = compiled.diagnostics;
        let description = match &compiled.plan {
            Some(plan) => plan.description.clone(),
            None => pipeline::parse(source).file.description,
        };
        let prepared = compiled.plan.and_then(|plan| match Prepared::new(plan, source, call_timeout) {
            Ok(prepared) => Some(Arc::new(prepared)),
            Err(error) => {
                // Each input is of a legal type; all of them as one record may be too deep or too large.
                let message = format!("the pipeline is no module: {error}");
                diagnostics.push(Diagnostic::new(Code::TypeMismatch, Span::default(), message));
                None
            }
        });
        Self { source: source.into(), lines, diagnostics, description, prepared }
    }

    /// The same with an error that the check itself cannot find.
    pub(crate) fn refused(&self, error: Diagnostic) -> Self {
        let mut diagnostics = vec![error];
        diagnostics.extend(self.diagnostics.iter().cloned());
        Self {
            source: Arc::clone(&self.source),
            lines: LineIndex::new(&self.source),
            diagnostics,
            description: self.description.clone(),
            prepared: None,
        }
    }

    /// What runs.
    ///
    /// # Errors
    /// `pipeline.check.failed` with the first error.
    pub(crate) fn runnable(&self) -> Result<&Arc<Prepared>, Error> {
        self.prepared.as_ref().ok_or_else(|| self.failed())
    }

    /// As text for a terminal.
    pub(crate) fn rendered(&self, file: &str) -> String {
        if self.diagnostics.is_empty() {
            return String::new();
        }
        diagnostic::render(file, &self.source, &self.diagnostics, false)
    }

    pub(crate) fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity() == Severity::Error)
    }

    fn failed(&self) -> Error {
        let count = self.errors().count();
        let Some(first) = self.errors().next() else {
            return Error::of(codes::INTERNAL, "a source without errors has no plan");
        };
        let (line, column) = self.lines.line_column(first.span.start);
        let more = if count > 1 { format!(" (the first of {count} errors)") } else { String::new() };
        let message = format!("the pipeline does not check: {line}:{column}: {}: {}{more}", first.code, first.message);
        Error::of(codes::CHECK_FAILED, message)
            .detail("count", count.to_string())
            .detail("first_code", first.code.as_str())
            .detail("line", line.to_string())
            .detail("column", column.to_string())
    }
}

impl Prepared {
    fn new(plan: Plan, source: &str, call_timeout: Duration) -> Result<Self, Unfit> {
        let plan = Arc::new(plan);
        let lines = Arc::new(LineIndex::new(source));
        let (input, output) = (Schema::new(plan.input_type())?.into(), Schema::new(plan.output_type())?.into());
        let output_type = |output: &plan::Output| {
            let ty = plan.root.nodes[output.node.0 as usize].ty;
            Ok((output.name.clone(), Schema::new(plan.ctype(ty).clone())?))
        };
        let outputs = plan.outputs.iter().map(output_type).collect::<Result<_, TypeError>>()?;
        let mut sites = Sites { plan: &plan, lines: &lines, call_timeout, found: Vec::new() };
        sites.collect(&plan.root, false);
        let mut sites = sites.found;
        sites.sort_by_key(|site| site.node.node);
        let view = view(&plan, source);
        let program = Program::new(Arc::clone(&plan))?;
        Ok(Self { program, plan, lines, input, output, outputs, sites, view })
    }

    pub(crate) fn site(&self, site: SiteId) -> Option<&Site> {
        self.sites.get(site.0 as usize)
    }

    /// The calls that a run may make, as clients see them.
    pub(crate) fn nodes(&self) -> Vec<pb::PipelineNode> {
        self.sites.iter().map(|site| site.node.clone()).collect()
    }
}

/// Collects call sites.
struct Sites<'p> {
    plan: &'p Plan,
    lines: &'p LineIndex,
    call_timeout: Duration,
    found: Vec<Site>,
}

impl Sites<'_> {
    fn collect(&mut self, body: &Body, repeated: bool) {
        for (position, node) in body.nodes.iter().enumerate() {
            match &node.op {
                Op::Each(each) => self.collect(&each.body, true),
                Op::Call(call) => {
                    let module = &self.plan.modules[call.module.0 as usize];
                    let id = NodeId(u32::try_from(position).unwrap_or(u32::MAX));
                    let label = node.name.clone().or_else(|| guarded(body, id)).unwrap_or_else(|| module.name.clone());
                    let node = pb::PipelineNode {
                        node: call.site.0,
                        label: label.to_string(),
                        module: module.name.to_string(),
                        span: Some(span(self.lines, node.span)),
                        language: module.language.to_string(),
                        repeated,
                    };
                    let policy = policy(&call.policy, module, self.call_timeout, repeated);
                    self.found.push(Site { node, node_id: call.site.0.to_string(), policy });
                }
                _ => {}
            }
        }
    }
}

/// The name of what guards a node: the binding is named, and the call is what it holds.
fn guarded(body: &Body, id: NodeId) -> Option<Arc<str>> {
    body.nodes.iter().find_map(|node| match &node.op {
        Op::Guard(guard) if guard.value == id => node.name.clone(),
        _ => None,
    })
}

/// What the executor does of the options of a call. A call among many of a module that takes batches travels with those that wait with
/// it, without a wait of its own.
fn policy(policy: &plan::Policy, module: &plan::PlannedModule, timeout: Duration, repeated: bool) -> executor::Policy {
    let plan::Policy { retry, backoff, throttle, concurrency, .. } = *policy;
    let cache = policy.cache.map(|ttl| executor::CachePolicy {
        ttl,
        backend: policy.cache_backend.clone().unwrap_or_else(|| executor::DEFAULT_CACHE.to_owned()),
    });
    let batch = match policy.batch {
        Some(size) => Some((size, policy.batch_timeout.unwrap_or_default())),
        None if module.batch && (repeated || policy.batch_timeout.is_some()) => {
            Some((BATCH, policy.batch_timeout.unwrap_or_default()))
        }
        None => None,
    };
    executor::Policy {
        timeout: Some(policy.timeout.unwrap_or(timeout)),
        retry,
        delay: policy.delay.unwrap_or_default(),
        backoff: match backoff {
            plan::Backoff::Fixed => executor::Backoff::Fixed,
            plan::Backoff::Linear => executor::Backoff::Linear,
            plan::Backoff::Exponential => executor::Backoff::Exponential,
        },
        cache,
        throttle: throttle.map(|rate| executor::Rate { count: rate.count, per: rate.per }),
        concurrency,
        priority: policy.priority.unwrap_or(executor::NORMAL),
        batch: batch.map(|(size, wait)| executor::BatchPolicy { size, wait }),
    }
}

/// Most calls of a batch where nobody says how many.
const BATCH: u32 = 64;

fn view(plan: &Plan, source: &str) -> pb::PipelinePlan {
    let (input_type, output_type) = (plan.input_type(), plan.output_type());
    let mut modules: Vec<_> = plan.modules.iter().map(|module| module.name.to_string()).collect();
    modules.sort_unstable();
    let graph = serde_json::to_string(&Graph::of(plan, source)).expect("a graph is plain data with text keys");
    pb::PipelinePlan {
        hash: plan.hash.to_string(),
        input: Some(schema::to_proto(&input_type)),
        output: Some(schema::to_proto(&output_type)),
        input_text: input_type.to_string(),
        output_text: output_type.to_string(),
        schema_fingerprint: plan.fingerprint(),
        modules,
        graph_json: graph,
        examples_json: examples(plan),
    }
}

/// Inputs made of the examples: as many as the input with the most examples has, those with fewer begin anew.
fn examples(plan: &Plan) -> Vec<String> {
    let most = plan.inputs.iter().map(|input| input.examples.len()).max().unwrap_or_default();
    let complete = plan.inputs.iter().all(|input| !input.examples.is_empty() || plan.ctype(input.ty).is_option());
    if !complete {
        return Vec::new();
    }
    let schemas: Vec<_> = plan
        .inputs
        .iter()
        .map(|input| Schema::new(plan.ctype(input.ty).clone()).expect("the checker keeps the rules of types"))
        .collect();
    let made = (0..most.min(EXAMPLES)).map(|i| {
        let given = plan.inputs.iter().zip(&schemas).filter(|(input, _)| !input.examples.is_empty());
        let fields = given.map(|(input, schema)| {
            let bytes = &input.examples[i % input.examples.len()];
            let json = msgpack_to_json(bytes, schema).expect("an example is canonical bytes of its type");
            (input.name.clone(), json)
        });
        serde_json::Value::Object(fields.collect()).to_string()
    });
    made.collect()
}

/// A range of a source as clients see it.
pub(crate) fn span(lines: &LineIndex, span: Span) -> pb::SourceSpan {
    let (line, column) = lines.line_column(span.start);
    pb::SourceSpan { start: span.start, end: span.end, line, column }
}

/// Diagnostics as clients see them.
pub(crate) fn diagnostics(lines: &LineIndex, diagnostics: &[Diagnostic]) -> Vec<pb::Diagnostic> {
    let shown = |diagnostic: &Diagnostic| pb::Diagnostic {
        code: diagnostic.code.as_str().to_owned(),
        severity: match diagnostic.severity() {
            Severity::Error => pb::DiagnosticSeverity::Error,
            Severity::Warning => pb::DiagnosticSeverity::Warning,
        }
        .into(),
        message: diagnostic.message.clone(),
        span: Some(span(lines, diagnostic.span)),
        label: diagnostic.label.clone(),
        related: diagnostic
            .related
            .iter()
            .map(|(place, message)| pb::RelatedSpan { span: Some(span(lines, *place)), message: message.clone() })
            .collect(),
        help: diagnostic.help.clone(),
    };
    diagnostics.iter().map(shown).collect()
}
