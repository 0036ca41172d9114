//! What a run means, and that a scenario which is wrong about a provider does not pass.

use conformance::{ExpectedFailure, Outcome, Scenario, judge, run};
use e2e::{Language, Plane};

fn entry(scenario: &str, plane: Option<&str>) -> ExpectedFailure {
    ExpectedFailure { scenario: scenario.to_owned(), plane: plane.map(str::to_owned), why: "of a reason".to_owned() }
}

fn outcomes() -> Vec<(String, Outcome)> {
    vec![("call".to_owned(), Ok(())), ("stream".to_owned(), Err("step 1: it failed".to_owned()))]
}

#[test]
fn a_failure_that_nobody_expects_is_told() {
    assert_eq!(judge(Plane::Link, &[], &outcomes()), ["stream: step 1: it failed"]);
}

#[test]
fn an_expected_failure_is_none() {
    assert_eq!(judge(Plane::Link, &[entry("stream", None)], &outcomes()), [""; 0]);
    assert_eq!(judge(Plane::Link, &[entry("stream", Some("link"))], &outcomes()), [""; 0]);
}

#[test]
fn a_failure_that_is_expected_on_another_plane_is_told() {
    let faults = judge(Plane::Link, &[entry("stream", Some("unary"))], &outcomes());
    assert_eq!(faults, ["stream: step 1: it failed"]);
}

#[test]
fn an_entry_that_passes_fails_the_run() {
    let faults = judge(Plane::Unary, &[entry("stream", None), entry("call", Some("unary"))], &outcomes());
    assert_eq!(faults, ["call: passes, though it is expected to fail (of a reason); take the entry out"]);
}

#[test]
fn an_entry_without_its_scenario_fails_the_run() {
    let faults = judge(Plane::Unary, &[entry("stream", None), entry("strem", None)], &outcomes());
    assert_eq!(faults, ["strem: is expected to fail, and there is no such scenario"]);
}

#[tokio::test]
async fn a_scenario_that_is_wrong_about_a_provider_does_not_pass() {
    let wrong = |name: &str, step: &str| {
        Scenario::parse(name, &format!("about = \"\"\n[[step]]\n{step}")).expect("the scenario can be read")
    };
    let scenarios = [
        wrong(
            "category",
            r#"do = "call"
module = "Raise"
input = '{"message": ""}'
error = { category = "CONFLICT", code = "module.failed" }"#,
        ),
        wrong(
            "items",
            r#"do = "stream"
module = "Count"
input = '{"to": 2}'
items = '[1, 2, 3]'"#,
        ),
        wrong(
            "output",
            r#"do = "call"
module = "Double"
input = '{"n": 2}'
output = '5'"#,
        ),
        wrong(
            "right",
            r#"do = "call"
module = "Double"
input = '{"n": 2}'
output = '4'"#,
        ),
    ];
    let outcomes = run(Language::Rust, Plane::Link, &scenarios).await;
    let told: Vec<(&str, bool)> = outcomes.iter().map(|(name, outcome)| (name.as_str(), outcome.is_ok())).collect();
    assert_eq!(told, [("category", false), ("items", false), ("output", false), ("right", true)], "{outcomes:?}");
    let output = outcomes[2].1.as_ref().expect_err("it was wrong");
    assert!(output.contains("output: 4 came, expected 5"), "{output}");
}

#[test]
fn a_scenario_with_a_word_that_means_nothing_is_refused() {
    let error =
        Scenario::parse("typo", "about = \"\"\n[[step]]\ndo = \"call\"\nmodul = \"Echo\"\n").expect_err("a typo");
    assert!(error.contains("modul"), "{error}");
}
