//! The pipelines of `examples` against a real host and the example providers in three languages: they give what they are said to give,
//! check offline, and are formatted.

use std::collections::BTreeSet;

use e2e::{Host, Process};
use protocol::generated::host::v1::{CallOutcome, CallRecord, NodeRecord, RunRecord};
use serde_json::{Value, json};
use tokio::process::Command;

/// A host with everything that the examples call. All of it ends with the value.
struct World {
    host: Host,
    _providers: Vec<Process>,
}

impl World {
    async fn start() -> Self {
        let host = Host::start();
        let providers = e2e::example_providers(&host).await;
        let source = source("reading_time");
        host.client().store("reading_time", &source).await.expect("the example checks");
        Self { host, _providers: providers }
    }
}

fn source(name: &str) -> String {
    let example = e2e::examples().into_iter().find(|example| example.name == name);
    example.unwrap_or_else(|| panic!("there is no example `{name}`")).source
}

/// Runs `modrack` in `examples` and expects that it ends well.
async fn modrack(host: Option<&Host>, arguments: &[&str]) {
    let mut command = Command::new(e2e::program());
    command.args(arguments).current_dir(e2e::examples_directory()).env_clear().env("HOME", "/nonexistent");
    if let Some(host) = host {
        command.env("MODRACK_HOST", host.url());
    }
    let output = testkit::within("the end of the command", command.kill_on_drop(true).output()).await.expect("it ran");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn files() -> Vec<String> {
    e2e::examples().iter().map(|example| format!("{}.cst", example.name)).collect()
}

#[tokio::test]
async fn each_example_gives_what_is_expected() {
    let world = World::start().await;
    let client = world.host.client();
    for example in e2e::examples() {
        assert!(!example.cases.is_empty(), "{} has no case", example.name);
        for (inputs, outputs) in example.cases {
            let run = client.run(&example.source, inputs.clone()).await;
            let run = run.unwrap_or_else(|error| panic!("{} with {inputs}: {error:?}", example.name));
            assert_eq!(run.value, outputs, "{} with {inputs}", example.name);
        }
    }
}

#[tokio::test]
async fn the_first_case_of_each_example_is_that_of_its_annotations() {
    let world = World::start().await;
    for example in e2e::examples() {
        let checked = world.host.client().check_pipeline(&example.source).await.expect("it can be checked");
        assert_eq!(checked.rendered, "", "{} has neither errors nor warnings", example.name);
        let plan = checked.plan.expect("it checks");
        assert!(plan.hash.len() == 64 && !plan.graph_json.is_empty());
        let annotated: Vec<Value> =
            plan.examples_json.iter().map(|inputs| serde_json::from_str(inputs).expect("it is JSON")).collect();
        let [annotated] = annotated.as_slice() else { panic!("{} has one example: {annotated:?}", example.name) };
        assert_eq!(annotated, &example.cases[0].0, "{}", example.name);
    }
}

#[tokio::test]
async fn the_lock_of_the_examples_is_that_of_their_providers() {
    let world = World::start().await;
    modrack(Some(&world.host), &["modules", "lock", "--check"]).await;
}

#[tokio::test]
async fn the_examples_check_offline_and_are_formatted() {
    let files = files();
    let files = files.iter().map(String::as_str);
    modrack(None, &["check", "--lock", "modules.lock.json"].into_iter().chain(files.clone()).collect::<Vec<_>>()).await;
    modrack(None, &["fmt", "--check"].into_iter().chain(files).collect::<Vec<_>>()).await;
}

/// What happened at the calls of a module.
fn node<'r>(record: &'r RunRecord, label: &str) -> &'r NodeRecord {
    let label_of = |node: &NodeRecord| node.node.as_ref().expect("a record names its node").label.clone();
    let found = record.nodes.iter().find(|node| label_of(node) == label);
    found.unwrap_or_else(|| panic!("no node `{label}` in {:?}", record.nodes.iter().map(label_of).collect::<Vec<_>>()))
}

fn calls(node: &NodeRecord) -> impl Iterator<Item = (CallOutcome, &CallRecord)> {
    node.recorded.iter().map(|call| (call.outcome(), call))
}

#[tokio::test]
async fn the_mixed_example_runs_on_the_shipped_text_with_all_that_it_shows() {
    let world = World::start().await;
    let client = world.host.client();
    let play = e2e::examples_directory().join("texts/as-you-like-it.txt");
    let play = std::fs::read_to_string(play).expect("the text is there");
    let inputs = json!({ "text": play, "speaker": "ROSALIND", "long": "many" });
    let run = client.run(&source("mixed"), inputs.clone()).await.expect("it runs");
    let expected = json!({
        "summary": "ROSALIND: 5,606 words, speeches: 202, acts: 1",
        "average": 27.752_475_247_524_753,
        "longest": 253,
        "long_speeches": 28,
    });
    assert_eq!(run.value, expected);

    let record = run.record;
    let languages: BTreeSet<&str> =
        record.nodes.iter().map(|node| node.node.as_ref().expect("it is named").language.as_str()).collect();
    assert_eq!(languages, BTreeSet::from(["python", "rust", "typescript"]));
    // A module that takes batches is called for all speeches in a few of them.
    let measured = node(&record, "text.Measure");
    assert_eq!((measured.calls, measured.failed), (202, 0));
    // The delimiter is empty, which no further attempt would change, and the fallback stands in.
    let acts = node(&record, "acts");
    assert_eq!((acts.calls, acts.failed), (1, 1));
    assert!(calls(acts).all(|(outcome, call)| {
        outcome == CallOutcome::Failed && call.error.as_ref().is_some_and(|e| e.code == "strings.delimiter.empty")
    }));
    assert_eq!(node(&record, "speeches").cached, 0);

    let again = client.run(&source("mixed"), inputs).await.expect("it runs again");
    assert_eq!(again.value, expected);
    assert_eq!(node(&again.record, "speeches").cached, 1, "the text was split less than five minutes ago");
}
