//! The runner of the conformance scenarios: one set for all SDKs on all planes. Knows no SDK; what a provider can do is said by
//! the modules that every conformance provider has (`providers/`), what it must do by the scenarios (`scenarios/`).
//!
//! `docs/testing.md` describes the files.

mod expectation;
mod provider;
mod scenario;
mod stage;
mod verdict;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use e2e::{Language, Plane};
use futures::FutureExt as _;

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
    let mut shared: Option<Stage> = None;
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

/// Plays one scenario on the stage, or on one of its own; gives the stage back where it was set.
async fn play(stage: Option<Stage>, language: Language, plane: Plane, scenario: &Scenario) -> (Option<Stage>, Outcome) {
    let stage = match stage {
        Some(stage) => Ok(stage),
        None => AssertUnwindSafe(Stage::set(language, plane, scenario)).catch_unwind().await,
    };
    match stage {
        Ok(mut stage) => {
            let outcome = stage.play(scenario).await;
            (Some(stage), outcome)
        }
        Err(panic) => (None, Err(said(panic.as_ref()))),
    }
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
