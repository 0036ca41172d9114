//! Whether a source checks, said by a host or by a lock, in one form. Prints what there is to say.

use std::path::PathBuf;

use pipeline::graph::Graph;
use pipeline::{Catalog, Code, Diagnostic, MAX_SOURCE_BYTES, Severity, Span, diagnostic};
use protocol::generated::host::v1 as pb;
use protocol::{Error, codes as wire, schema};
use serde_json::Value;
use type_schema::CType;

use crate::args::AgainstFlags;
use crate::client::Client;
use crate::codes;
use crate::failure::{Failure, Failures, printable};
use crate::modules::lock;
use crate::pipelines::source::Source;
use crate::pipelines::{counted, picture};
use crate::target;

/// Who knows the modules.
pub(super) enum Checker {
    Lock(Box<Catalog>),
    Host(Box<Client>),
}

/// What there is to say of a source.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What the host said, in place of diagnostics with codes that this version does not know.
    told: Option<(String, usize)>,
    pub(super) plan: Option<Planned>,
}

/// What a source means.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) hash: String,
    pub(super) input: CType,
    pub(super) output: CType,
    pub(super) modules: Vec<String>,
    pub(super) graph: Graph,
    /// JSON of the input type.
    pub(super) examples: Vec<String>,
}

impl Checker {
    pub(super) async fn of(against: AgainstFlags, config: Option<PathBuf>) -> Result<Self, Failures> {
        match against.lock {
            Some(file) => Ok(Self::Lock(Box::new(Catalog::from_lock(&lock::read(&file)?)))),
            None => {
                let target = target::resolve(against.connect, config)?;
                Ok(Self::Host(Box::new(Client::connect(&target).await?)))
            }
        }
    }

    pub(super) async fn check(&self, source: &Source) -> Result<Verdict, Failures> {
        match self {
            Self::Lock(catalog) => Ok(by_lock(source, catalog)),
            Self::Host(client) => by_host(source, client).await,
        }
    }
}

fn by_lock(source: &Source, catalog: &Catalog) -> Verdict {
    let checked = pipeline::compile(&source.text, catalog);
    let plan = checked.plan.map(|plan| Planned {
        hash: plan.hash.to_string(),
        input: plan.input_type(),
        output: plan.output_type(),
        modules: {
            let mut names: Vec<_> = plan.modules.iter().map(|module| module.name.to_string()).collect();
            names.sort_unstable();
            names
        },
        graph: Graph::of(&plan, &source.text),
        examples: Vec::new(),
    });
    Verdict { diagnostics: checked.diagnostics, told: None, plan }
}

/// Whether a source checks against the modules of a host. What no host reads is refused without it.
pub(super) async fn by_host(source: &Source, client: &Client) -> Result<Verdict, Failures> {
    if source.text.len() > MAX_SOURCE_BYTES {
        let diagnostics = pipeline::parse(&source.text).diagnostics;
        return Ok(Verdict { diagnostics, told: None, plan: None });
    }
    let request = pb::CheckPipelineRequest { source: source.text.clone(), file: source.name.clone() };
    let answer = client.check_pipeline(request).await?;
    verdict(&answer.diagnostics, Some(answer.rendered), answer.plan)
}

/// What a host says of a source.
pub(super) fn verdict(
    diagnostics: &[pb::Diagnostic],
    rendered: Option<String>,
    plan: Option<pb::PipelinePlan>,
) -> Result<Verdict, Failures> {
    let plan = plan.map(Planned::from_proto).transpose()?;
    let known: Option<Vec<_>> = diagnostics.iter().map(from_proto).collect();
    Ok(match known {
        Some(diagnostics) => Verdict { diagnostics, told: None, plan },
        None => {
            let errors = diagnostics.iter().filter(|one| one.severity() != pb::DiagnosticSeverity::Warning).count();
            let lines = || diagnostics.iter().map(|one| format!("{}: {}\n", one.code, one.message)).collect();
            Verdict { diagnostics: Vec::new(), told: Some((rendered.unwrap_or_else(lines), errors)), plan }
        }
    })
}

impl Planned {
    pub(super) fn from_proto(plan: pb::PipelinePlan) -> Result<Self, Failure> {
        let graph = picture::parse(&plan.graph_json)
            .ok_or_else(|| Error::of(wire::FIELD_INVALID, "the host's `graph_json` is no graph"))?;
        Ok(Self {
            hash: plan.hash,
            input: schema::from_proto(plan.input, "plan.input")?,
            output: schema::from_proto(plan.output, "plan.output")?,
            modules: plan.modules,
            graph,
            examples: plan.examples_json,
        })
    }
}

/// None where the code is one of a later version.
fn from_proto(one: &pb::Diagnostic) -> Option<Diagnostic> {
    let span = |span: Option<&pb::SourceSpan>| span.map_or(Span::default(), |span| Span::new(span.start, span.end));
    let code = Code::ALL.iter().copied().find(|code| code.as_str() == one.code)?;
    let related = one.related.iter().map(|related| (span(related.span.as_ref()), related.message.clone()));
    Some(Diagnostic {
        related: related.collect(),
        help: one.help.clone(),
        ..Diagnostic::new(code, span(one.span.as_ref()), one.message.clone()).label(one.label.clone())
    })
}

impl Verdict {
    pub(super) fn errors(&self) -> usize {
        let errors = self.diagnostics.iter().filter(|one| one.severity() == Severity::Error).count();
        self.told.as_ref().map_or(errors, |(_, errors)| *errors)
    }

    pub(super) fn warnings(&self) -> usize {
        self.diagnostics.iter().filter(|one| one.severity() == Severity::Warning).count()
    }

    /// The diagnostics as people read them; empty when there are none.
    pub(super) fn rendered(&self, source: &Source, colour: bool) -> String {
        match &self.told {
            Some((text, _)) => printable(text),
            None if self.diagnostics.is_empty() => String::new(),
            None => diagnostic::render(&source.name, &source.text, &self.diagnostics, colour),
        }
    }

    pub(super) fn json(&self, source: &Source) -> Value {
        match &self.told {
            Some((text, _)) => Value::String(text.clone()),
            None => diagnostic::json(&diagnostic::LineIndex::new(&source.text), &self.diagnostics),
        }
    }

    /// The plan, with the warnings on stderr; the failure where there is none.
    pub(super) fn into_plan(self, source: &Source, json: bool) -> Result<Planned, Failures> {
        if !json {
            let rendered = self.rendered(source, crate::output::colour_of_stderr());
            if !rendered.is_empty() {
                anstream::eprintln!("{}\n", rendered.trim_end());
            }
        }
        let errors = self.errors();
        let (facts, first) = (self.json(source), self.diagnostics.iter().find(|one| one.severity() == Severity::Error));
        let message = match first {
            Some(first) if json => format!("`{}`: {}: {}", source.name, first.code, first.message),
            _ => format!("`{}` has {}", source.name, counted(errors.max(1), "error")),
        };
        self.plan
            .filter(|_| errors == 0)
            .ok_or_else(|| Failure::local(codes::PIPELINE_INVALID, message).fact("diagnostics", facts).into())
    }
}
