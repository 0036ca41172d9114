//! Every scenario for every SDK on every plane: one test per SDK and plane, each a process of its own under nextest.

use conformance::{expected_failures, judge, run, scenarios};
use e2e::{Language, Plane};

async fn check(language: Language, plane: Plane) {
    let mut scenarios = scenarios();
    let mut expected = expected_failures(language);
    if let Ok(only) = std::env::var("CONFORMANCE_SCENARIO") {
        scenarios.retain(|scenario| scenario.name == only);
        expected.retain(|entry| entry.scenario == only);
    }
    assert!(!scenarios.is_empty(), "there is no such scenario");
    let outcomes = run(language, plane, &scenarios).await;
    let faults = judge(plane, &expected, &outcomes);
    assert!(faults.is_empty(), "{} of {} scenarios\n\n{}", faults.len(), outcomes.len(), faults.join("\n\n"));
}

macro_rules! matrix {
    ($($language:ident $variant:ident),*) => {$(
        mod $language {
            use super::*;

            #[tokio::test]
            async fn passes_every_scenario_on_link() {
                check(Language::$variant, Plane::Link).await;
            }

            #[tokio::test]
            async fn passes_every_scenario_on_attach() {
                check(Language::$variant, Plane::Attach).await;
            }

            #[tokio::test]
            async fn passes_every_scenario_on_unary() {
                check(Language::$variant, Plane::Unary).await;
            }
        }
    )*};
}

matrix! { python Python, typescript TypeScript, rust Rust }
