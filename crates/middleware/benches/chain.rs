//! What a chain costs beside the round trips: the question whether anybody wants a call, and one whole course. Asserts nothing.
//!
//! Run by `cargo bench -p middleware`. Prints a table of medians.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use middleware::{
    About, Caller, Chain, Correlation, Hook, Link, Settings, Subject, SubjectKind, Types, WorkflowEnvelope,
};
use serde_json::{Map, Value, json};
use type_schema::{CType, Schema};

/// Repetitions of which the median counts.
const REPETITIONS: usize = 15;
/// Time for one measurement of one repetition.
const SLICE: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let about = About { name: "text.Upper", namespace: "text", caller: "ada", skip: None };
    let none = Chain::default();
    let elsewhere = chain(&vec![json!({ "hooks": ["post_run"] }); 5])?;
    let filtered = json!({ "hooks": ["pre_invoke"], "filter": { "module": "billing.*" } });
    let [one, five] = [chain(&vec![filtered.clone(); 1])?, chain(&vec![filtered; 5])?];
    println!("{:<44} {:>10}", "question", "ns");
    for (what, chain) in [
        ("wants: no components", &none),
        ("wants: five at other hooks", &elsewhere),
        ("wants: one, filtered out", &one),
        ("wants: five, filtered out", &five),
    ] {
        println!("{what:<44} {:>10.1}", nanoseconds(|| chain.wants(Hook::PreInvoke, black_box(&about))));
    }
    let asked = chain(&[json!({ "hooks": ["pre_invoke"], "field_policy": { "change": ["/text"] } })])?;
    let schema = |text: &str| Ok::<_, Box<dyn std::error::Error>>(Arc::new(Schema::new(CType::parse(text)?)?));
    let types = Types { payload: schema("{text: String, limit: Int}")?, answer: Some(schema("String")?) };
    let allow = json!({ "decision": "allow", "reason": "fine" }).to_string();
    let patch = json!({ "text": "ho" });
    let rewrite =
        json!({ "decision": "rewrite", "reason": "r", "patch": patch, "patch_strategy": "merge" }).to_string();
    for (what, body) in [("course: allow", &allow), ("course: rewrite of one field", &rewrite)] {
        let course = || {
            let mut course = asked.begin(envelope(), types.clone(), None);
            black_box(course.next().map(|ask| ask.body));
            course.answer(Ok(body.as_bytes()), Duration::ZERO, |_| None);
            course.finish()
        };
        println!("{what:<44} {:>10.1}", nanoseconds(course));
    }
    Ok(())
}

fn chain(settings: &[Value]) -> Result<Chain, serde_json::Error> {
    let link = |(i, settings): (usize, &Value)| {
        let settings: Settings = serde_json::from_value(settings.clone())?;
        Ok(Link { id: i.to_string().into(), settings })
    };
    settings.iter().enumerate().map(link).collect::<Result<_, _>>().map(Chain::new)
}

fn envelope() -> WorkflowEnvelope {
    WorkflowEnvelope {
        schema_version: "1".to_owned(),
        envelope_id: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        hook: Hook::PreInvoke,
        correlation: Correlation::default(),
        attempt: 1,
        subject: Subject {
            kind: SubjectKind::Module,
            name: "text.Upper".to_owned(),
            namespace: "text".to_owned(),
            revision: 3,
        },
        caller: Caller { subject: "ada".to_owned() },
        payload: json!({ "text": "hi", "limit": 5 }),
        annotations: Map::new(),
        deadline: "2026-01-01T00:00:00.000Z".to_owned(),
        remaining_ms: 1000,
        outcome: None,
    }
}

/// Median time of one run.
fn nanoseconds<T>(work: impl Fn() -> T) -> f64 {
    let mut runs = 1_u32;
    loop {
        let start = Instant::now();
        (0..runs).for_each(|_| drop(black_box(work())));
        if start.elapsed() >= SLICE {
            break;
        }
        runs *= 2;
    }
    let mut times: Vec<f64> = (0..REPETITIONS)
        .map(|_| {
            let start = Instant::now();
            (0..runs).for_each(|_| drop(black_box(work())));
            start.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPETITIONS / 2]
}
