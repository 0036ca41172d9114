//! What a [`Client`](crate::Client) runs, and what it is told of pipelines and runs. Runs nothing itself.

pub use crate::client::pipelines::info::{Diagnostic, PipelineCheck, PipelinePlan, Place, Severity, StoredPipeline};
pub use crate::client::pipelines::records::{
    Attempt, CallOutcome, CallRecord, NodeRecord, PipelineNode, PipelineRun, RunEvent, RunOutcome, RunRecord,
};
pub use crate::client::pipelines::stream::RunStream;
pub use crate::client::pipelines::which::{Pipeline, Source};
