//! One envelope's way through the chain: whom to ask next, and what an answer does to it. Which answers are valid is said in `rules`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::chain::rules::{self, Effect};
use crate::chain::{End, Failed, Members, RouteTypes, Traced, Types, Verdict};
use crate::decision::{DecisionFault, MiddlewareDecision};
use crate::envelope::WorkflowEnvelope;
use crate::filter::Facts;
use crate::hook::Hook;
use crate::settings::OnFailure;

/// One envelope on its way through the chain. Ask [`next`](Self::next), bring each answer to [`answer`](Self::answer), and
/// [`finish`](Self::finish) when there is nobody left.
#[derive(Debug)]
pub struct Course {
    members: Arc<Members>,
    /// As the next component sees it.
    envelope: WorkflowEnvelope,
    types: Types,
    skip: Option<Box<str>>,
    /// Where in the hook's positions the next one is looked for.
    position: usize,
    /// The member that was asked and has not answered.
    asked: Option<usize>,
    rewritten: bool,
    route: Option<String>,
    end: Option<End>,
    trace: Vec<Traced>,
}

/// A question to one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The component.
    pub id: &'a str,
    /// The envelope, as JSON.
    pub body: Vec<u8>,
}

impl Course {
    pub(super) fn new(members: Arc<Members>, envelope: WorkflowEnvelope, types: Types, skip: Option<&str>) -> Self {
        Self {
            members,
            envelope,
            types,
            skip: skip.map(Box::from),
            position: 0,
            asked: None,
            rewritten: false,
            route: None,
            end: None,
            trace: Vec::new(),
        }
    }

    /// Whom to ask, and what. None when nobody is left or the end is decided. Filters are evaluated here, on the envelope as it is
    /// by now. Asked again without an answer it gives the same.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a question borrows the course, which an iterator's item cannot")]
    pub fn next(&mut self) -> Option<Ask<'_>> {
        let member = self.wanted()?;
        let body = serde_json::to_vec(&self.envelope).expect("an envelope has names of members that are texts");
        Some(Ask { id: &self.members.all[member].id, body })
    }

    /// Takes the answer of the component that [`next`](Self::next) gave, or why there is none, and how long it took. `resolve` gives the
    /// types of a module by its name; it is called for a `route` alone. Does nothing when nobody was asked.
    pub fn answer(
        &mut self,
        answer: Result<&[u8], Failed>,
        took: Duration,
        resolve: impl FnOnce(&str) -> Option<RouteTypes>,
    ) {
        let Some(asked) = self.asked.take() else { return };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.envelope.remaining_ms = self.envelope.remaining_ms.saturating_sub(took_ms);
        let members = self.members.clone();
        let member = &members.all[asked];
        let hook = self.envelope.hook;
        // Nobody waits for an audit, and nothing that is said there is heard.
        let decided = match answer {
            Ok(_) if hook == Hook::Audit => return self.trace(asked, took, None, None),
            Ok(body) => MiddlewareDecision::read(body).and_then(|decision| {
                let effect = rules::decide(&decision, member, &self.envelope, &self.types, resolve)?;
                let annotations = rules::annotations(&self.envelope.annotations, decision.annotations.as_ref())?;
                Ok((decision, effect, annotations))
            }),
            Err(failed) => return self.fail(asked, took, failed),
        };
        match decided {
            Err(fault) => self.fail(asked, took, fault.into()),
            Ok((decision, effect, annotations)) => {
                if let Some(annotations) = annotations {
                    self.envelope.annotations = annotations;
                }
                let reason = decision.reason.clone();
                self.trace(asked, took, Some(decision), None);
                self.apply(effect, asked, reason);
            }
        }
    }

    /// What came of it. A component that was to be asked and was not, or did not answer, has failed: leaving the chain early skips
    /// nobody.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        while let Some(member) = self.wanted() {
            self.asked = None;
            let message = "the component was not asked in time".to_owned();
            self.fail(member, Duration::ZERO, Failed { code: "middleware.timeout", message });
        }
        let payload = self.rewritten.then_some(self.envelope.payload);
        let end = self.end.unwrap_or(match self.route {
            Some(module) => End::Route { module, payload },
            None => End::Continue { payload },
        });
        Verdict { end, annotations: self.envelope.annotations, trace: self.trace }
    }

    /// The member that is asked now: the one that has not answered, or the next that wants it.
    fn wanted(&mut self) -> Option<usize> {
        if self.end.is_some() {
            return None;
        }
        let positions = &self.members.by_hook[self.envelope.hook as usize];
        while self.asked.is_none() {
            let member = *positions.get(self.position)?;
            self.position += 1;
            let wants = self.members.all[member].wants(Facts::from(&self.envelope), self.skip.as_deref());
            self.asked = (wants == Some(true)).then_some(member);
        }
        self.asked
    }

    fn apply(&mut self, effect: Effect, member: usize, reason: String) {
        let component = self.members.all[member].id.clone();
        match effect {
            Effect::GoOn => {}
            Effect::Rewrite(payload) => self.rewrite(payload),
            Effect::Route { module, revision } => {
                let subject = &mut self.envelope.subject;
                subject.namespace = module.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
                subject.name.clone_from(&module);
                subject.revision = revision;
                self.route = Some(module);
            }
            Effect::Answer(payload) => self.end = Some(End::Answer { payload }),
            Effect::Stop(payload) => {
                if let Some(payload) = payload {
                    self.rewrite(payload);
                }
                // The rest of the chain is passed over; `finish` sees the rewritten payload.
                self.position = usize::MAX;
            }
            Effect::Drop => self.end = Some(End::Dropped { component, reason }),
            Effect::Reject => self.end = Some(End::Rejected { component, reason }),
            Effect::Defer(after) => self.end = Some(End::Deferred { component, reason, after }),
        }
    }

    fn rewrite(&mut self, payload: Value) {
        self.envelope.payload = payload;
        self.rewritten = true;
    }

    fn fail(&mut self, member: usize, took: Duration, failed: Failed) {
        self.trace(member, took, None, Some(failed.clone()));
        let hook = self.envelope.hook;
        let Members { all, .. } = &*self.members;
        if hook != Hook::Audit && all[member].on_failure[hook as usize] == OnFailure::FailClosed {
            self.end = Some(End::Failed { component: all[member].id.clone(), failed });
        }
    }

    fn trace(&mut self, member: usize, took: Duration, decision: Option<MiddlewareDecision>, failure: Option<Failed>) {
        let kind = decision.as_ref().map(|decision| decision.decision);
        let (reason, next_step, diagnostics) =
            decision.map_or_else(Default::default, |said| (said.reason, said.next_step, said.diagnostics));
        self.trace.push(Traced {
            component: self.members.all[member].id.clone(),
            hook: self.envelope.hook,
            decision: kind,
            reason,
            next_step,
            diagnostics,
            duration: took,
            failure,
        });
    }
}

impl From<DecisionFault> for Failed {
    fn from(fault: DecisionFault) -> Self {
        Self { code: fault.code(), message: fault.to_string() }
    }
}
