//! The way of one call or run through the chain: before it, after it, and the audit. Makes no call itself.

use std::sync::Arc;

use bytes::Bytes;
use middleware::chain::{Chain, End, Failed, RouteTypes, Types, Verdict};
use middleware::{Correlation, Hook, Outcome};
use protocol::frame::TraceContext;
use protocol::generated::host::v1 as pb;
use protocol::{Error, codes};
use registry::Route;
use serde_json::{Map, Value};
use tokio::time::Instant;
use type_schema::{Schema, Transcoder, from_json, msgpack_to_json};

use crate::middleware::{Middleware, Subject, Wants, audit, component, refusal};

/// What a call or run says of itself where somebody wants to be asked about it.
#[derive(Debug)]
pub(crate) struct Asking {
    /// Of the module; 0 for a pipeline that is not stored.
    pub(crate) revision: u64,
    /// All but the trace, which is read from the context.
    pub(crate) correlation: Correlation,
    /// With the host's span as parent.
    pub(crate) trace: TraceContext,
    pub(crate) deadline: Instant,
    /// Type of the input.
    pub(crate) input: Arc<Schema>,
    /// Type of the output, or of an item of it.
    pub(crate) output: Arc<Schema>,
    /// Whether the output comes in items.
    pub(crate) streams: bool,
    /// What components said of what this is a part of.
    pub(crate) annotations: Map<String, Value>,
}

/// One call or run on its way through the chain. Dropped without an end, its caller left.
pub(crate) struct Passage {
    pub(super) middleware: Middleware,
    pub(super) chain: Arc<Chain>,
    wants: Wants,
    pub(super) subject: middleware::Subject,
    pub(super) caller: String,
    pub(super) asking: Asking,
    pub(super) attempts: u32,
    began: Instant,
    /// What components said so far.
    pub(super) annotations: Map<String, Value>,
    /// What they decided.
    decisions: Vec<pb::MiddlewareTrace>,
}

/// How a call or run goes on behind the hook before it.
pub(crate) enum Step {
    /// With this input, of the declared type.
    Go(Bytes),
    /// At another module.
    Elsewhere(Elsewhere),
    /// Not at all: this is the output, canonical bytes of the declared type.
    Answered(Bytes),
}

/// A call that goes to another module.
pub(crate) struct Elsewhere {
    pub(crate) route: Arc<Route>,
    /// Canonical bytes of that module's input type.
    pub(crate) input: Bytes,
    back: Transcoder,
}

impl Elsewhere {
    /// An output of the other module as one of the module that was asked for.
    ///
    /// # Errors
    /// `host.internal`: the executor has checked the output.
    pub(crate) fn back(&self, output: Bytes) -> Result<Bytes, Error> {
        transcoded(&self.back, output)
    }
}

impl Passage {
    pub(super) fn new(
        middleware: Middleware,
        chain: Arc<Chain>,
        wants: Wants,
        subject: Subject<'_>,
        mut asking: Asking,
    ) -> Self {
        let trace_id = asking.trace.parent.split('-').nth(1).unwrap_or_default();
        trace_id.clone_into(&mut asking.correlation.trace_id);
        Self {
            middleware,
            chain,
            wants,
            subject: middleware::Subject {
                kind: subject.kind,
                name: subject.name.to_owned(),
                namespace: super::namespace(subject.name).to_owned(),
                revision: asking.revision,
            },
            caller: subject.caller.to_owned(),
            attempts: 1,
            began: Instant::now(),
            annotations: std::mem::take(&mut asking.annotations),
            decisions: Vec::new(),
            asking,
        }
    }

    /// Asks those who want to be asked before it. An input that has not its type goes on as it is: who takes it refuses it.
    ///
    /// # Errors
    /// What a component decided or how it failed, and `executor.deadline.exceeded`; with the component and the hook.
    pub(crate) async fn before(&mut self, input: Bytes) -> Result<Step, Error> {
        if !self.wants.before {
            return Ok(Step::Go(input));
        }
        let Ok(payload) = msgpack_to_json(&input, &self.asking.input) else { return Ok(Step::Go(input)) };
        let (payload_type, answer) = (Arc::clone(&self.asking.input), Some(Arc::clone(&self.asking.output)));
        let (hook, _) = self.hooks();
        let mut found = Vec::new();
        let end = self.ask(hook, payload, Types { payload: payload_type, answer }, &mut found).await?;
        match end {
            End::Continue { payload: None } => Ok(Step::Go(input)),
            End::Continue { payload: Some(payload) } => Ok(Step::Go(encoded(&payload, &self.asking.input)?)),
            End::Answer { payload } => Ok(Step::Answered(encoded(&payload, &self.asking.output)?)),
            End::Route { module, payload } => {
                let input = match payload {
                    Some(payload) => encoded(&payload, &self.asking.input)?,
                    None => input,
                };
                // The last one of that name is the one whose types were looked at last.
                let route = found.into_iter().rfind(|route: &Arc<Route>| route.name.as_str() == module);
                self.elsewhere(route.ok_or_else(|| internal("a route to a module that nobody asked for"))?, input)
            }
            end => Err(self.refused(hook, end)),
        }
    }

    fn elsewhere(&self, route: Arc<Route>, input: Bytes) -> Result<Step, Error> {
        let fits = |error: type_schema::Mismatch| internal(error);
        let forth = Transcoder::new(&self.asking.input, &route.input).map_err(fits)?;
        let back = Transcoder::new(&route.output, &self.asking.output).map_err(fits)?;
        let input = transcoded(&forth, input)?;
        Ok(Step::Elsewhere(Elsewhere { route, input, back }))
    }

    /// Says how many attempts the output or the last failure took.
    pub(crate) fn took(&mut self, attempts: usize) {
        self.attempts = u32::try_from(attempts).unwrap_or(u32::MAX).max(1);
    }

    /// Asks those who want to be asked behind it about an output, canonical bytes of the declared type.
    ///
    /// # Errors
    /// As [`Passage::before`].
    pub(crate) async fn after(&mut self, output: Bytes) -> Result<Bytes, Error> {
        if !self.wants.after {
            return Ok(output);
        }
        let (_, hook) = self.hooks();
        let payload = msgpack_to_json(&output, &self.asking.output).map_err(internal)?;
        let types = Types { payload: Arc::clone(&self.asking.output), answer: None };
        match self.ask(hook, payload, types, &mut Vec::new()).await? {
            End::Continue { payload: None } => Ok(output),
            End::Continue { payload: Some(payload) } | End::Answer { payload } => {
                encoded(&payload, &self.asking.output)
            }
            end => Err(self.refused(hook, end)),
        }
    }

    /// The same about one item of several: what components say of it is not told of the next one.
    ///
    /// # Errors
    /// As [`Passage::before`].
    pub(crate) async fn after_item(&mut self, item: Bytes) -> Result<Bytes, Error> {
        if !self.wants.after {
            return Ok(item);
        }
        let annotations = self.annotations.clone();
        let item = self.after(item).await;
        self.annotations = annotations;
        // A stream has no end that this could grow to.
        self.decisions.clear();
        item
    }

    /// What components decided until now.
    pub(crate) fn take_decisions(&mut self) -> Vec<pb::MiddlewareTrace> {
        std::mem::take(&mut self.decisions)
    }

    /// What components said until now.
    pub(crate) fn annotations(&self) -> &Map<String, Value> {
        &self.annotations
    }

    /// Tells the audit what came of it. What was refused for its input alone is not told.
    pub(crate) fn end(mut self, failure: Option<&Error>) {
        let code = failure.map_or("", Error::code);
        if code == codes::INPUT_INVALID.name {
            self.wants.audit = false;
        }
        self.audit(code);
    }

    fn audit(&mut self, code: &str) {
        if !std::mem::take(&mut self.wants.audit) {
            return;
        }
        let duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let outcome = Outcome { ok: code.is_empty(), code: code.to_owned(), duration_us };
        let mut envelope = self.envelope(Hook::Audit, Value::Null);
        envelope.outcome = Some(outcome);
        let skip = component(&self.caller).map(str::to_owned);
        let types = Types { payload: Arc::clone(&self.asking.input), answer: None };
        let told = audit::Told { chain: Arc::clone(&self.chain), envelope, types, skip };
        self.middleware.0.audits.tell(told);
    }

    /// Before and behind.
    fn hooks(&self) -> (Hook, Hook) {
        super::hooks(self.subject.kind)
    }

    fn refused(&self, hook: Hook, end: End) -> Error {
        refusal::of(hook, end).traced(&self.asking.correlation.execution_id)
    }

    /// Carries one hook out. `found` takes the modules that a component may route to.
    async fn ask(
        &mut self,
        hook: Hook,
        payload: Value,
        types: Types,
        found: &mut Vec<Arc<Route>>,
    ) -> Result<End, Error> {
        let envelope = self.envelope(hook, payload);
        let streams = self.asking.streams;
        let deadline = self.asking.deadline;
        let mut resolve = |middleware: &Middleware, name: &str| {
            let route = middleware.route(name).filter(|route| route.spec.capabilities.stream == streams)?;
            let types = RouteTypes {
                input: route.input.ctype().clone(),
                output: route.output.ctype().clone(),
                revision: route.revision,
            };
            found.push(route);
            Some(types)
        };
        let carried = super::components::carry(
            &self.middleware,
            self.chain.begin(envelope, types, component(&self.caller)),
            hook,
            deadline,
            &self.asking.trace,
            &mut resolve,
        );
        let (Verdict { end, annotations, trace }, late) = carried.await;
        self.annotations = annotations;
        self.decisions.extend(trace.iter().map(|traced| super::components::told(hook, traced)));
        match late {
            Some(component) => Err(refusal::late(hook, &component).traced(&self.asking.correlation.execution_id)),
            None => Ok(end),
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.audit(codes::CALL_CANCELLED.name);
    }
}

/// A payload that left the chain, which has checked it.
fn encoded(payload: &Value, schema: &Schema) -> Result<Bytes, Error> {
    let value = from_json(payload, schema.ctype()).map_err(internal)?;
    schema.encode(&value).map(Bytes::from).map_err(internal)
}

fn transcoded(transcoder: &Transcoder, bytes: Bytes) -> Result<Bytes, Error> {
    match transcoder.transcode(&bytes).map_err(internal)? {
        std::borrow::Cow::Borrowed(_) => Ok(bytes),
        std::borrow::Cow::Owned(bytes) => Ok(bytes.into()),
    }
}

fn internal(why: impl std::fmt::Display) -> Error {
    Error::of(codes::INTERNAL, why.to_string())
}

/// How a component failed that did not answer before the caller's time was over.
pub(super) fn out_of_time() -> Failed {
    Failed { code: codes::MIDDLEWARE_TIMEOUT.name, message: "the time of the caller was over before the answer".into() }
}
