//! One pipeline over the modules of a provider, in each language and on each plane.

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::run_pipeline_stream_response::Event;
use serde_json::json;
use testkit::source_run;

use e2e::{Host, Language, Plane, Provider};

const SOURCE: &str = "
use fixture as f

in waits: List<Int>
slept = map(waits, (ms) => f.Sleep(ms))
seen = f.Inspect()
safe = f.Fail(\"NOT_FOUND\", \"fixture.absent\", \"nothing here\", false) with fallback: \"stood in\"
total = list-sum(slept)
spared = if (total < 0) f.Crash() else total

out slept
out seen
out safe
out spared
";

on_every_plane! {
    async fn a_pipeline_calls_in_parallel_catches_and_spares(language, plane) {
        let host = Host::start();
        let _provider = Provider::start(&host, language, plane, "fixture").await;
        let run = source_run(SOURCE, &json!({ "waits": [200, 201, 202] }));
        let mut events = host.client().run_stream(run).await.expect("it checks");
        let (mut begun, mut most) = (0_i32, 0);
        let ended = loop {
            match events.next().await.expect("it goes on").expect("the last event is the end") {
                Event::NodeStarted(_) => begun += 1,
                Event::NodeEnded(_) => begun -= 1,
                Event::Ended(ended) => break ended,
                Event::Started(_) => {}
            }
            most = most.max(begun);
        };
        let Some(pb::run_ended::Outputs::OutputJson(outputs)) = ended.outputs else { panic!("{ended:?}") };
        let outputs: serde_json::Value = serde_json::from_str(&outputs).expect("it is JSON");
        let record = ended.record.expect("it is set");
        assert_eq!(outputs["slept"], json!([200, 201, 202]));
        assert_eq!((&outputs["safe"], &outputs["spared"]), (&json!("stood in"), &json!(603)));
        let seen = &outputs["seen"];
        assert_eq!(
            (&seen["language"], &seen["attempt"], &seen["has_deadline"], &seen["execution_id"]),
            (&json!(language.as_str()), &json!(1), &json!(true), &json!(record.run_id))
        );
        assert!(most >= 5, "at most {most} calls at once");
        let of = |module: &str| {
            let site = |node: &&pb::NodeRecord| node.node.as_ref().is_some_and(|node| node.module == module);
            record.nodes.iter().find(site).expect("each call is told")
        };
        assert_eq!((of("fixture.Sleep").calls, of("fixture.Crash").calls, of("fixture.Fail").failed), (3, 0, 1));
        let call = &of("fixture.Inspect").recorded[0];
        assert_eq!((call.attempts[0].plane(), call.attempts[0].session_id.is_empty()), (plane.to_proto(), false));
        let node = of("fixture.Inspect").node.as_ref().expect("it is set");
        assert_eq!((node.language.as_str(), node.label.as_str()), (language.as_str(), "seen"));
    }
}

#[tokio::test]
async fn one_pipeline_passes_values_between_three_languages() {
    let host = Host::start();
    let _python = Provider::start(&host, Language::Python, Plane::Link, "py").await;
    let _typescript = Provider::start(&host, Language::TypeScript, Plane::Attach, "ts").await;
    let _rust = Provider::start(&host, Language::Rust, Plane::Unary, "rs").await;
    let source = "in size: Int\nbytes = py.Big(size)\nslept = rs.Sleep(1)\nwhere = [py.Inspect().language, ts.Inspect().language, rs.Inspect().language]\n\
                  nested = ts.Nest(\"py.Sleep\", { ms: slept })\nout bytes\nout where\nout nested\n";
    let outputs = host.client().run(source, json!({ "size": 3 })).await.expect("it runs");
    assert_eq!(outputs.value, json!({ "bytes": "AAAA", "where": ["python", "typescript", "rust"], "nested": 1 }));
}
