//! The runner of the conformance scenarios: one set for all SDKs on all planes. Knows no SDK; what a provider can do is said by
//! the modules that every conformance provider has (`providers/`), what it must do by the scenarios (`scenarios/`).
//!
//! `docs/testing.md` describes the files.

mod expectation;
mod provider;
mod scenario;
mod stage;
mod verdict;

use std::panic;
use std::sync::Arc;

use e2e::{Language, Plane};
use tokio::sync::Mutex;

pub use expectation::Values;
pub use scenario::{Scenario, scenarios};
pub use stage::Stage;
pub use verdict::{ExpectedFailure, expected_failures, judge};

/// What became of one scenario: nothing to say, or what was otherwise than it says.
pub type Outcome = Result<(), String>;

/// Runs every scenario for one SDK on one plane and gives what became of each, in the order of their names.
///
/// Scenarios share a host and a provider, but for those that ask for their own, and what comes after one that failed.
pub async fn run(language: Language, plane: Plane, scenarios: &[Scenario]) -> Vec<(String, Outcome)> {
    let mut outcomes = Vec::new();
    let mut shared: Option<Arc<Mutex<Stage>>> = None;
    for scenario in scenarios {
        let outcome = if scenario.is_alone() {
            play(None, language, plane, scenario).await.1
        } else {
            let (stage, outcome) = play(shared.take(), language, plane, scenario).await;
            shared = stage.filter(|_| outcome.is_ok());
            outcome
        };
        outcomes.push((scenario.name.clone(), outcome));
    }
    outcomes
}

/// A wait that is over or a step that is wrong panics; here that is an outcome like any other.
async fn play(
    stage: Option<Arc<Mutex<Stage>>>,
    language: Language,
    plane: Plane,
    scenario: &Scenario,
) -> (Option<Arc<Mutex<Stage>>>, Outcome) {
    let scenario = scenario.clone();
    let played = tokio::spawn(async move {
        let stage = match stage {
            Some(stage) => stage,
            None => Arc::new(Mutex::new(Stage::set(language, plane, &scenario).await)),
        };
        let outcome = stage.lock().await.play(&scenario).await;
        (stage, outcome)
    });
    match played.await {
        Ok((stage, outcome)) => (Some(stage), outcome),
        Err(error) => (None, Err(said(error.into_panic().as_ref()))),
    }
}

/// What a panic says.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

/// Keeps the default report of panics away from the output: [`run`] reports them with their scenario.
pub fn report_panics_once() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if tokio::task::try_id().is_none() {
            report(info);
        }
    }));
}
