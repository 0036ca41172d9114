//! The page about a run: one file without scripts or references, for screens of both kinds and for paper. Knows no run but the one it is given.
//!
//! What modules and people wrote stands on it as text: the template escapes every value, the picture escapes its own, and the page
//! forbids scripts and the network whatever stands on it.

mod timeline;
mod view;

use handlebars::Handlebars;
use pipeline::graph::Graph;
use protocol::generated::host::v1 as pb;
use protocol::{Error, codes as wire};
use serde_json::Value;

use crate::failure::Failure;
use crate::pipelines::source::Source;

const TEMPLATE: &str = include_str!("report/page.hbs");

/// What is known of a run. What is none is left out of the page.
pub(super) struct Told<'t> {
    /// What the pipeline is called.
    pub(super) title: &'t str,
    pub(super) source: Option<&'t Source>,
    pub(super) graph: Option<&'t Graph>,
    pub(super) inputs: Option<Value>,
    pub(super) outputs: Option<Value>,
    pub(super) record: &'t pb::RunRecord,
}

/// The page.
pub(super) fn page(told: &Told<'_>) -> Result<String, Failure> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars
        .render_template(TEMPLATE, &view::page(told))
        .map_err(|error| Error::of(wire::INTERNAL, format!("the page cannot be made: {error}")).into())
}

#[cfg(test)]
mod tests;
