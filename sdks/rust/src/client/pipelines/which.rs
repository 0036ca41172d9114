//! Which pipeline a run is of, and what is known of its types. Sends nothing.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::generated::host::v1 as wire;
use crate::types::CType;

/// How many plans a client keeps.
const MOST_PLANS: usize = 256;

/// The text of a `.cst` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub(super) text: String,
    /// Empty where the text is no file.
    pub(super) file: String,
}

impl Source {
    /// Reads a `.cst` file, which messages then name.
    ///
    /// # Errors
    /// As [`std::fs::read_to_string`].
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { text: std::fs::read_to_string(path)?, file })
    }
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), file: String::new() }
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Self { text, file: String::new() }
    }
}

/// A pipeline to run: a source, or one that the host keeps.
///
/// Made of a text, it is what the text is: an identifier is the name of a stored pipeline, since no source is one; anything else is a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline(pub(super) Which);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    Source(Source),
    Stored(String),
}

impl Pipeline {
    /// A stored pipeline by its name, without `pipeline.`.
    pub fn stored(name: impl Into<String>) -> Self {
        Self(Which::Stored(name.into()))
    }
}

impl From<Source> for Pipeline {
    fn from(source: Source) -> Self {
        Self(Which::Source(source))
    }
}

impl From<&str> for Pipeline {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Pipeline {
    fn from(text: String) -> Self {
        let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if is_name { Self::stored(text) } else { Source::from(text).into() }
    }
}

impl Which {
    /// What its plan is kept by.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Source(source) => &source.text,
            Self::Stored(name) => name,
        }
    }

    /// What its span is called.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Source(Source { file, .. }) if file.is_empty() => "pipeline.cst".to_owned(),
            Self::Source(Source { file, .. }) => file.clone(),
            Self::Stored(name) => format!("pipeline.{name}"),
        }
    }

    /// What asks for a run.
    pub(super) fn request(
        &self,
        inputs: wire::run_pipeline_request::Inputs,
        plan_hash: String,
    ) -> wire::RunPipelineRequest {
        use wire::run_pipeline_request::Pipeline as Of;

        let (pipeline, file) = match self {
            Self::Source(Source { text, file }) => (Of::Source(text.clone()), file.clone()),
            Self::Stored(name) => (Of::Name(name.clone()), String::new()),
        };
        wire::RunPipelineRequest { pipeline: Some(pipeline), inputs: Some(inputs), plan_hash, file }
    }
}

/// What is known of a pipeline.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) hash: String,
    pub(super) input: CType,
    pub(super) output: CType,
}

impl Plan {
    pub(super) fn from_wire(plan: wire::PipelinePlan) -> Result<Self, Error> {
        Ok(Self {
            hash: plan.hash,
            input: CType::from_wire(&plan.input.unwrap_or_default())?,
            output: CType::from_wire(&plan.output.unwrap_or_default())?,
        })
    }
}

/// Kept plans by source or name, each with when it was used last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plans(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    plans: HashMap<String, (u64, Arc<Plan>)>,
    uses: u64,
}

impl Plans {
    pub(super) fn get(&self, key: &str) -> Option<Arc<Plan>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let uses = kept.uses;
        let (used, plan) = kept.plans.get_mut(key)?;
        *used = uses;
        Some(Arc::clone(plan))
    }

    /// Keeps a plan; of more than 256 the least recently used is dropped.
    pub(super) fn keep(&self, key: &str, plan: Plan) -> Arc<Plan> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let (uses, plan) = (kept.uses, Arc::new(plan));
        kept.plans.insert(key.to_owned(), (uses, Arc::clone(&plan)));
        if kept.plans.len() > MOST_PLANS {
            let oldest = kept.plans.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.map(|key| kept.plans.remove(&key));
        }
        plan
    }

    pub(super) fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).plans.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_name_and_all_else_a_source() {
        for name in ["words", "_a-1"] {
            assert_eq!(Pipeline::from(name), Pipeline::stored(name));
        }
        for source in ["", "1a", "in text: String", "a\n", "pipeline.words", "wörter"] {
            assert_eq!(Pipeline::from(source), Pipeline::from(Source::from(source)));
        }
    }

    #[test]
    fn the_plans_of_the_last_pipelines_are_kept() {
        let plans = Plans::default();
        let plan = || Plan { hash: String::new(), input: CType::Any, output: CType::Any };
        for i in 0..MOST_PLANS {
            plans.keep(&i.to_string(), plan());
        }
        assert!(plans.get("0").is_some());
        plans.keep("one more", plan());
        assert!(plans.get("0").is_some());
        assert!(plans.get("1").is_none());
    }
}
