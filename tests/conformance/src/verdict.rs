//! What a run means: failures that are expected are not failures, and an expectation that does not come true is one.

use std::fs;
use std::path::Path;

use e2e::{Language, Plane};
use serde::Deserialize;

use crate::Outcome;

/// A scenario that an SDK is known not to pass.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFailure {
    /// The name of the scenario.
    pub scenario: String,
    /// The plane on which it fails; all where none is named.
    pub plane: Option<String>,
    /// What is missing.
    pub why: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    failure: Vec<ExpectedFailure>,
}

/// The expected failures of an SDK.
///
/// # Panics
/// When the file is missing or wrong: it is part of the tests.
#[must_use]
pub fn expected_failures(language: Language) -> Vec<ExpectedFailure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected").join(language.as_str()).with_extension("toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str::<File>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).failure
}

/// What is wrong with a run on a plane, one text for each: a failure that nobody expects, an expected one that does not come, and
/// one of a scenario that is not there.
#[must_use]
pub fn judge(plane: Plane, expected: &[ExpectedFailure], outcomes: &[(String, Outcome)]) -> Vec<String> {
    let plane = plane_name(plane);
    let mut faults = Vec::new();
    for (name, outcome) in outcomes {
        let entry = expected.iter().find(|entry| {
            entry.scenario == *name && entry.plane.as_deref().is_none_or(|expected_plane| expected_plane == plane)
        });
        match (outcome, entry) {
            (Ok(()), Some(entry)) => {
                faults
                    .push(format!("{name}: passes, though it is expected to fail ({}); take the entry out", entry.why));
            }
            (Err(fault), None) => faults.push(format!("{name}: {fault}")),
            (Ok(()), None) | (Err(_), Some(_)) => {}
        }
    }
    for entry in expected {
        if !outcomes.iter().any(|(name, _)| *name == entry.scenario) {
            faults.push(format!("{}: is expected to fail, and there is no such scenario", entry.scenario));
        }
        if entry.plane.as_deref().is_some_and(|plane| !["link", "attach", "unary"].contains(&plane)) {
            faults.push(format!("{}: {:?} is no plane", entry.scenario, entry.plane));
        }
    }
    faults
}

pub(crate) fn plane_name(plane: Plane) -> &'static str {
    match plane {
        Plane::Link => "link",
        Plane::Attach => "attach",
        Plane::Unary => "unary",
    }
}
