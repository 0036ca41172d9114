//! What a host tells of pipelines: sources, plans, stored ones. Asks for nothing itself.

use std::time::SystemTime;

use crate::error::{Category, Error};
use crate::generated::host::v1 as wire;
use crate::json;
use crate::types::CType;
use crate::value::Value;

/// A range of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
    /// Line of the start, from 1.
    pub line: u32,
    /// Column of the start in characters, from 1.
    pub column: u32,
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The pipeline cannot run.
    Error,
    /// The pipeline runs.
    Warning,
}

/// One thing said about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable, e.g. `E002`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a line.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What is at that place; may be empty.
    pub label: String,
    /// Other places that explain it, and what is there.
    pub related: Vec<(Place, String)>,
    /// What to do, a line each.
    pub help: Vec<String>,
}

/// What a source means.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelinePlan {
    /// Equal for equal sources against equal modules on every host.
    pub hash: String,
    /// Type of the inputs: a record in declared order.
    pub input: CType,
    /// Type of the outputs: a record in declared order.
    pub output: CType,
    /// SHA-256 of both types, in hex.
    pub fingerprint: String,
    /// The modules that it may call, in ascending order.
    pub modules: Vec<String>,
    /// The plan as a picture needs it (`docs/pipelines.md`); empty in listings.
    pub graph_json: String,
    /// Inputs made of the `@example`s; empty unless each required input has one.
    pub examples: Vec<Value>,
}

/// What there is to say of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineCheck {
    /// Errors and warnings in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// The diagnostics as text for a terminal; empty when there are none.
    pub rendered: String,
    /// `None` when a diagnostic is an error.
    pub plan: Option<PipelinePlan>,
}

/// A pipeline that the host keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPipeline {
    /// Without `pipeline.`.
    pub name: String,
    /// Empty in listings.
    pub source: String,
    /// The plan that runs; while `diagnostics` has errors, the last one that checked, if any.
    pub plan: Option<PipelinePlan>,
    /// Has errors when it checks no longer against the modules that are registered now.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether it checks, so that `pipeline.NAME` can be called.
    pub callable: bool,
    /// When this source was stored.
    pub stored_at: SystemTime,
    /// The comment lines at the head of the source.
    pub description: String,
}

impl Place {
    pub(super) fn from_wire(span: Option<wire::SourceSpan>) -> Self {
        let span = span.unwrap_or_default();
        Self { start: span.start, end: span.end, line: span.line, column: span.column }
    }
}

impl Diagnostic {
    fn from_wire(diagnostic: wire::Diagnostic) -> Self {
        let severity = match diagnostic.severity() {
            wire::DiagnosticSeverity::Warning => Severity::Warning,
            wire::DiagnosticSeverity::Error | wire::DiagnosticSeverity::Unspecified => Severity::Error,
        };
        let related = |other: wire::RelatedSpan| (Place::from_wire(other.span), other.message);
        Self {
            severity,
            code: diagnostic.code,
            message: diagnostic.message,
            place: Place::from_wire(diagnostic.span),
            label: diagnostic.label,
            related: diagnostic.related.into_iter().map(related).collect(),
            help: diagnostic.help,
        }
    }
}

impl PipelinePlan {
    pub(super) fn from_wire(plan: wire::PipelinePlan) -> Result<Self, Error> {
        let input = CType::from_wire(&plan.input.unwrap_or_default())?;
        let examples = plan.examples_json.iter().map(|example| json::parse(&input, example));
        Ok(Self {
            examples: examples.collect::<Result<_, _>>()?,
            input,
            hash: plan.hash,
            output: CType::from_wire(&plan.output.unwrap_or_default())?,
            fingerprint: plan.schema_fingerprint,
            modules: plan.modules,
            graph_json: plan.graph_json,
        })
    }
}

impl PipelineCheck {
    pub(super) fn from_wire(answer: wire::CheckPipelineResponse) -> Result<Self, Error> {
        Ok(Self {
            diagnostics: answer.diagnostics.into_iter().map(Diagnostic::from_wire).collect(),
            rendered: answer.rendered,
            plan: answer.plan.map(PipelinePlan::from_wire).transpose()?,
        })
    }

    /// The failure of a source that does not check; `None` where no diagnostic is an error.
    pub(super) fn refusal(&self, file: &str) -> Option<Error> {
        let mut errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let first = errors.next()?;
        let (count, place) = (errors.count() + 1, first.place);
        let file = if file.is_empty() { "pipeline.cst" } else { file };
        let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        let message = format!(
            "the pipeline does not check: {} {} at {file}:{}:{}{more}",
            first.code, first.message, place.line, place.column
        );
        let error = Error::new(Category::InvalidArgument, "pipeline.check.failed", message)
            .with_detail("count", count.to_string())
            .with_detail("code", &first.code)
            .with_detail("line", place.line.to_string())
            .with_detail("column", place.column.to_string())
            .with_detail("rendered", &self.rendered);
        Some(error)
    }
}

impl StoredPipeline {
    pub(super) fn from_wire(stored: Option<wire::StoredPipeline>) -> Result<Self, Error> {
        let stored = stored.ok_or_else(|| {
            Error::new(Category::Internal, "client.answer.invalid", "the host answered without the pipeline")
        })?;
        Ok(Self {
            plan: stored.plan.map(PipelinePlan::from_wire).transpose()?,
            diagnostics: stored.diagnostics.into_iter().map(Diagnostic::from_wire).collect(),
            stored_at: time(stored.stored_at),
            name: stored.name,
            source: stored.source,
            callable: stored.callable,
            description: stored.description,
        })
    }
}

/// The time of a message; the epoch where it says none.
pub(super) fn time(timestamp: Option<prost_types::Timestamp>) -> SystemTime {
    timestamp.and_then(|timestamp| SystemTime::try_from(timestamp).ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}
