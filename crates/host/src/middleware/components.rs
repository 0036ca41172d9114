//! Asks the components of one chain, one behind the other, and notes what came of it: counters, spans, the supervisor's own
//! counts. Judges no answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use middleware::Hook;
use middleware::chain::{Course, Failed, Link, RouteTypes, Traced, Verdict};
use protocol::frame::TraceContext;
use protocol::generated::host::v1 as pb;
use supervisor::Part;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::middleware::{Middleware, passage};

/// The components, as the supervisor has them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Components(supervisor::Handle);

impl Components {
    pub(super) fn new(supervisor: supervisor::Handle) -> Self {
        Self(supervisor)
    }

    /// Those that are asked now: first in the configured order, then in that of their ids.
    pub(super) fn links(&self, order: &[String]) -> Vec<Link> {
        let mut parts = self.0.configs().to_vec();
        let place = |part: &Part| order.iter().position(|id| **id == *part.id).unwrap_or(order.len());
        parts.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.id.cmp(&b.id)));
        parts.into_iter().map(|Part { id, settings }| Link { id, settings }).collect()
    }

    pub(super) fn changes(&self) -> Changes {
        Changes(self.0.watch_configs())
    }

    async fn invoke(&self, id: &str, body: Bytes, deadline: Instant) -> Result<Bytes, Failed> {
        let asked = self.0.invoke(id, body, deadline.into_std());
        match tokio::time::timeout_at(deadline, asked).await {
            Ok(answer) => answer.map_err(|error| Failed { code: error.code().name, message: error.to_string() }),
            Err(_) => Err(passage::out_of_time()),
        }
    }
}

/// Tells when other components are to be asked.
pub(super) struct Changes(watch::Receiver<Arc<[Part]>>);

impl Changes {
    /// Never, once the supervisor is gone.
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Asks whoever the course names, until it ends or the deadline passes: then also gives who let it pass.
pub(super) async fn carry(
    middleware: &Middleware,
    mut course: Course,
    hook: Hook,
    deadline: Instant,
    trace: &TraceContext,
    resolve: &mut (dyn FnMut(&Middleware, &str) -> Option<RouteTypes> + Send),
) -> (Verdict, Option<String>) {
    let mut began = Vec::new();
    let mut late = None;
    while late.is_none() {
        let Some(ask) = course.next() else { break };
        let at = Instant::now();
        began.push(at);
        let answer = middleware.0.components.invoke(ask.id, ask.body.into(), deadline).await;
        if answer.is_err() && Instant::now() >= deadline {
            late = Some(ask.id.to_owned());
        }
        let took = at.elapsed();
        match &answer {
            Ok(bytes) => course.answer(Ok(bytes), took, |name| resolve(middleware, name)),
            Err(failed) => course.answer(Err(failed.clone()), took, |_| None),
        }
    }
    let verdict = course.finish();
    for (traced, began) in verdict.trace.iter().zip(began) {
        note(middleware, hook, traced, began, trace);
    }
    (verdict, late)
}

fn note(middleware: &Middleware, hook: Hook, traced: &Traced, began: Instant, trace: &TraceContext) {
    let came = match (traced.decision, &traced.failure) {
        (Some(decision), None) => Ok(decision),
        (_, Some(failed)) => Err(failed.code),
        // What is told at an audit needs no answer.
        (None, None) => Ok(middleware::DecisionKind::Allow),
    };
    let middleware = &middleware.0;
    middleware.counted.count(&traced.component, hook, came, traced.duration);
    middleware.components.0.invoked(&traced.component, came.is_ok());
    middleware.telemetry.decision(trace, &told(hook, traced), began.into_std());
    if let Some(Failed { code, message }) = &traced.failure {
        tracing::debug!(component = &*traced.component, %hook, code, "a component failed: {message}");
    }
}

/// A decision as records tell it.
pub(super) fn told(hook: Hook, traced: &Traced) -> pb::MiddlewareTrace {
    pb::MiddlewareTrace {
        component: traced.component.to_string(),
        hook: hook.as_str().to_owned(),
        decision: traced.decision.map_or("", middleware::DecisionKind::as_str).to_owned(),
        reason: traced.reason.clone(),
        duration_us: micros(traced.duration),
        code: traced.failure.as_ref().map_or("", |failed| failed.code).to_owned(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
