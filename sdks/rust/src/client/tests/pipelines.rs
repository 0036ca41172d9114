//! Pipelines as a caller runs, checks and stores them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use super::{Fake, Setup, answers, setup};
use crate::client::{PutOptions, RunOptions};
use crate::codec::{self, Decode};
use crate::error::{Category, ModuleError, Origin};
use crate::generated::host::v1::run_pipeline_request::{Inputs, Pipeline as Of};
use crate::pipelines::{CallOutcome, Pipeline, RunEvent, RunOutcome, Severity, Source};
use crate::provider::Plane;
use crate::value::Value;

const SHOUT: &str = "in text: String\nshouted = Uppercase(text)\nout shouted\n";

#[derive(Debug, PartialEq, modrack::Record)]
struct Text {
    text: String,
}

#[derive(Debug, PartialEq, modrack::Record)]
struct Shouted {
    shouted: String,
}

/// As `Text`, but wider, and its fields in another order.
#[derive(modrack::Record)]
struct Wide<'a> {
    more: i64,
    text: &'a str,
}

fn text(text: &str) -> Text {
    Text { text: text.to_owned() }
}

fn shout() -> Fake {
    Fake {
        input: "{text: String}",
        output: "{shouted: String}",
        fingerprint: "one",
        answer: Arc::new(|inputs| {
            let Text { text } = codec::from_bytes(inputs).unwrap();
            Ok(codec::to_bytes(&Shouted { shouted: text.to_uppercase() }).unwrap())
        }),
    }
}

async fn hosted() -> Setup {
    let host = setup("{}", "Int", answers(1i64)).await;
    host.put(SHOUT, shout());
    host.put("shout", shout());
    host
}

impl Setup {
    fn put(&self, key: &str, fake: Fake) {
        self.state.lock().unwrap().pipelines.insert(key.to_owned(), fake);
    }

    fn asked(&self) -> u32 {
        self.state.lock().unwrap().asked
    }

    fn run_inputs<I: Decode>(&self, run: usize) -> I {
        match self.state.lock().unwrap().runs[run].inputs.as_ref() {
            Some(Inputs::InputData(inputs)) => codec::from_bytes(inputs).unwrap(),
            other => panic!("expected bytes, got {other:?}"),
        }
    }

    fn runs(&self) -> usize {
        self.state.lock().unwrap().runs.len()
    }
}

#[tokio::test]
async fn a_source_runs_with_values_and_its_types_are_asked_for_once() {
    let host = hosted().await;
    for _ in 0..3 {
        let run = host.client.run_pipeline::<_, Shouted>(SHOUT, &text("straße")).await.unwrap();
        assert_eq!(run.outputs.shouted, "STRASSE");
        assert_eq!((run.record.run_id.as_str(), run.record.outcome), ("run-1", RunOutcome::Succeeded));
        assert_eq!(run.record.duration, Duration::from_millis(4));
        let node = &run.record.nodes[0];
        assert_eq!((node.node.module.as_str(), node.node.place.line), ("text.Uppercase", 2));
        assert_eq!(node.recorded[0].queued, Duration::from_micros(500));
        assert_eq!(node.recorded[0].attempts[0].plane, Some(Plane::Link));
    }
    assert_eq!(host.asked(), 1);
    assert!(host.state.lock().unwrap().runs.iter().all(|run| run.plan_hash == "one"));
}

#[tokio::test]
async fn inputs_and_outputs_of_other_types_are_carried_over_where_they_fit() {
    let host = hosted().await;
    let wide = Wide { more: 1, text: "a" };
    assert_eq!(host.client.run_pipeline::<_, Shouted>("shout", &wide).await.unwrap().outputs.shouted, "A");
    assert_eq!(host.run_inputs::<Text>(0), text("a"));
    let value = Value::record([("text", Value::from("a"))]);
    let run = host.client.run_pipeline_value_with("shout", &value, RunOptions::new()).await.unwrap();
    assert_eq!(run.outputs, Value::record([("shouted", Value::from("A"))]));
    let error = host.client.run_pipeline::<_, Shouted>("shout", &1i64).await.unwrap_err();
    assert_eq!(error.code(), "codec.type_mismatch");
    let error = host.client.run_pipeline::<_, i64>("shout", &text("a")).await.unwrap_err();
    assert_eq!(error.details()["actual"], "{shouted: String}");
}

#[tokio::test]
async fn json_goes_as_it_is_and_nothing_is_asked_before() {
    let host = hosted().await;
    let run = host.client.run_pipeline_json("shout", "{}", RunOptions::new()).await.unwrap();
    assert_eq!((run.outputs.as_str(), host.asked()), ("[{}]", 0));
}

#[tokio::test]
async fn a_file_runs_and_is_named_in_messages() {
    let host = hosted().await;
    let path = std::env::temp_dir().join(format!("modrack-{}.cst", std::process::id()));
    std::fs::write(&path, "in text").unwrap();
    let source = Source::file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let file = path.file_name().unwrap().to_str().unwrap();
    let error = host.client.run_pipeline::<_, Shouted>(source, &text("a")).await.unwrap_err();
    assert_eq!((error.category(), error.code()), (Category::InvalidArgument, "pipeline.check.failed"));
    let expected = format!("the pipeline does not check: E002 no module `Upper` at {file}:2:5, and 1 more");
    assert_eq!(error.message(), expected);
    assert_eq!(error.details()["rendered"], format!("error[E002] in {file}"));
    let places = ["count", "code", "line", "column"].map(|key| error.details()[key].clone());
    assert_eq!(places, ["2", "E002", "2", "5"]);
}

#[tokio::test]
async fn an_old_plan_is_asked_for_again_and_the_run_sent_once_more() {
    let host = hosted().await;
    host.client.run_pipeline::<_, Shouted>("shout", &text("a")).await.unwrap();
    host.put("shout", Fake { fingerprint: "two", ..shout() });
    host.client.run_pipeline::<_, Shouted>("shout", &text("b")).await.unwrap();
    assert_eq!((host.asked(), host.runs()), (2, 3));
    let ints = Fake { input: "Int", output: "Int", fingerprint: "three", answer: Arc::new(answers(2i64)) };
    host.put("shout", ints);
    // The inputs do not fit the known plan, so its age is why.
    assert_eq!(host.client.run_pipeline::<_, i64>("shout", &1i64).await.unwrap().outputs, 2);
    assert_eq!((host.asked(), host.runs()), (3, 4));
}

#[tokio::test]
async fn a_stored_pipeline_runs_by_its_name() {
    let host = hosted().await;
    host.client.run_pipeline::<_, Shouted>(Pipeline::stored("shout"), &text("a")).await.unwrap();
    assert_eq!(host.state.lock().unwrap().runs[0].pipeline, Some(Of::Name("shout".to_owned())));
    let error = host.client.run_pipeline::<_, Shouted>("nobody", &text("a")).await.unwrap_err();
    assert_eq!((error.category(), error.code()), (Category::NotFound, "pipeline.unknown"));
}

#[tokio::test]
async fn a_failure_says_where_it_happened_and_the_record_is_there_for_it() {
    let host = hosted().await;
    let refuse = |_: &[u8]| {
        let error = ModuleError::new(Category::Conflict, "text.no", "not today");
        Err(error.with_detail("run_id", "run-1").with_detail("line", "2"))
    };
    host.put("shout", Fake { answer: Arc::new(refuse), ..shout() });
    let error = host.client.run_pipeline::<_, Shouted>("shout", &text("a")).await.unwrap_err();
    assert_eq!((error.code(), error.origin(), error.category()), ("text.no", Origin::Module, Category::Conflict));
    assert_eq!(error.details()["line"], "2");
    let record = host.client.get_run(&error.details()["run_id"]).await.unwrap();
    assert_eq!((record.run_id.as_str(), record.outcome), ("run-1", RunOutcome::Failed));
    assert_eq!(record.error.unwrap().code(), "text.no");
    let partial = [("words".to_owned(), Value::Int(6)), ("text".to_owned(), Value::from("a"))];
    assert_eq!(record.partial_outputs, partial);
}

#[tokio::test]
async fn a_run_ends_at_its_timeout_and_the_host_hears_of_it() {
    let host = hosted().await;
    let (tx, mut cancelled) = mpsc::unbounded_channel();
    host.state.lock().unwrap().cancelled = Some(tx);
    let options = RunOptions::new().timeout(Duration::from_millis(50));
    let error = host.client.run_pipeline_with::<_, Shouted>("shout", &text("a"), options).await.unwrap_err();
    assert_eq!((error.category(), error.code()), (Category::DeadlineExceeded, "client.deadline.exceeded"));
    tokio::time::timeout(Duration::from_secs(10), cancelled.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn dropping_a_run_or_its_stream_cancels_it() {
    let host = hosted().await;
    let (tx, mut cancelled) = mpsc::unbounded_channel();
    host.state.lock().unwrap().cancelled = Some(tx);
    let client = host.client.clone();
    let run = tokio::spawn(async move { client.run_pipeline::<_, Shouted>("shout", &text("a")).await });
    while host.runs() == 0 {
        tokio::task::yield_now().await;
    }
    run.abort();
    tokio::time::timeout(Duration::from_secs(10), cancelled.recv()).await.unwrap().unwrap();
    let stream = host.client.stream_pipeline::<_, Shouted>("shout", &text("a"), RunOptions::new()).await.unwrap();
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), cancelled.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_ends_with_the_outputs() {
    let host = hosted().await;
    let mut run = host.client.stream_pipeline::<_, Shouted>(SHOUT, &text("a"), RunOptions::new()).await.unwrap();
    let mut next = async || run.next().await.unwrap().unwrap();
    assert!(matches!(next().await, RunEvent::Started { run_id, nodes, .. } if run_id == "run-1" && nodes.len() == 1));
    let started = RunEvent::NodeStarted { node: 0, call: 0, bytes_in: 7, at: Duration::from_micros(1500) };
    assert_eq!(next().await, started);
    let ended = next().await;
    assert!(matches!(ended, RunEvent::NodeEnded { call, .. } if call.outcome == CallOutcome::Succeeded));
    let RunEvent::Ended { outputs, record } = next().await else { panic!("the run has ended") };
    assert_eq!((outputs.unwrap().shouted.as_str(), record.outcome), ("A", RunOutcome::Succeeded));
    assert!(run.next().await.is_none());
    // The plan is known by now.
    host.put(SHOUT, Fake { fingerprint: "two", ..shout() });
    host.client.stream_pipeline::<_, Shouted>(SHOUT, &text("a"), RunOptions::new()).await.unwrap();
    assert_eq!((host.asked(), host.runs()), (2, 3));
}

#[tokio::test]
async fn the_failure_of_a_run_is_the_end_of_its_stream() {
    let host = hosted().await;
    let refuse = |_: &[u8]| Err(ModuleError::new(Category::Conflict, "text.no", "not today"));
    host.put("shout", Fake { answer: Arc::new(refuse), ..shout() });
    let mut run = host.client.stream_pipeline::<_, Shouted>("shout", &text("a"), RunOptions::new()).await.unwrap();
    let mut last = None;
    while let Some(event) = run.next().await {
        last = Some(event.unwrap());
    }
    let Some(RunEvent::Ended { outputs, record }) = last else { panic!("the run has ended") };
    assert_eq!((outputs.unwrap_err().code(), record.outcome), ("text.no", RunOutcome::Failed));
}

#[tokio::test]
async fn a_stream_ends_at_its_timeout() {
    let host = hosted().await;
    let (tx, _cancelled) = mpsc::unbounded_channel();
    host.state.lock().unwrap().cancelled = Some(tx);
    let options = RunOptions::new().timeout(Duration::from_millis(100));
    let mut run = host.client.stream_pipeline::<_, Shouted>("shout", &text("a"), options).await.unwrap();
    let error = loop {
        if let Err(error) = run.next().await.expect("an error comes last") {
            break error;
        }
    };
    assert_eq!(error.category(), Category::DeadlineExceeded);
    assert!(run.next().await.is_none());
}

#[tokio::test]
async fn a_check_says_all_there_is_to_say() {
    let host = hosted().await;
    let plan = host.client.check_pipeline(SHOUT).await.unwrap().plan.unwrap();
    assert_eq!(
        (plan.input.to_string().as_str(), plan.modules.as_slice()),
        ("{text: String}", &["text.Uppercase".to_owned()][..])
    );
    assert_eq!(plan.examples, [Value::record([("text", Value::from("a"))])]);
    let check = host.client.check_pipeline("garbage".to_owned()).await.unwrap();
    assert_eq!(check.plan, None);
    let codes: Vec<_> = check.diagnostics.iter().map(|told| (told.code.as_str(), told.severity)).collect();
    assert_eq!(codes, [("W001", Severity::Warning), ("E002", Severity::Error), ("E020", Severity::Error)]);
    let told = &check.diagnostics[1];
    assert_eq!((told.place.line, told.place.column, told.label.as_str()), (2, 5, "here"));
    assert_eq!((told.help[0].as_str(), told.related[0].1.as_str()), ("did you mean `Uppercase`?", "and here"));
}

#[tokio::test]
async fn pipelines_are_put_listed_shown_and_deleted() {
    let host = hosted().await;
    let client = &host.client;
    let put = client.put_pipeline("louder", SHOUT, PutOptions::new().replaces("new")).await.unwrap();
    assert_eq!((put.name.as_str(), put.source.as_str(), put.callable), ("louder", SHOUT, true));
    assert_eq!(put.stored_at, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let again = client.put_pipeline("louder", SHOUT, PutOptions::new().replaces("new").allow_breaking()).await;
    assert_eq!(again.unwrap_err().code(), "pipeline.plan.changed");
    let listed = client.list_pipelines().await.unwrap();
    assert_eq!(listed.iter().map(|stored| stored.name.as_str()).collect::<Vec<_>>(), ["louder", "shout"]);
    assert_eq!(client.get_pipeline("louder").await.unwrap().description, "Shouts.");
    let runs = client.list_runs("louder", 1).await.unwrap();
    assert_eq!((runs.len(), runs[0].pipeline.as_str()), (1, "louder"));
    client.delete_pipeline("louder").await.unwrap();
    assert_eq!(client.get_pipeline("louder").await.unwrap_err().code(), "pipeline.unknown");
}
