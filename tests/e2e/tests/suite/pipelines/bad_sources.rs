//! Sources that are none: whatever comes, the host answers with codes and places, and goes on.

use std::time::{Duration, Instant};

use serde_json::json;

use e2e::{Host, Http};

/// Far more than any of these takes, and less than a host that hangs.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn garbage_is_diagnosed_and_the_host_goes_on() {
    let host = Host::start();
    let client = host.client();
    let cyclic = "type A = { a: B }\ntype B = { b: A }\nin x: A\nout x\n".to_owned();
    let nested = format!("x = {}1{}\nout x\n", "(".repeat(10_000), ")".repeat(10_000));
    let noise: String =
        (0..200_000_u32).filter_map(|i| char::from_u32(i.wrapping_mul(2_654_435_761) % 0x11_0000)).collect();
    let large = "x = 1\n".repeat(400_000);
    for (what, source) in [
        ("nothing", String::new()),
        ("cyclic types", cyclic),
        ("10 000 parentheses", nested),
        ("noise", noise),
        ("more than a source may have", large),
        ("a string without end", "x = \"".to_owned()),
        ("nul bytes", "\0".repeat(1000)),
    ] {
        let began = Instant::now();
        let checked = client.check_pipeline(&source).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(!checked.diagnostics.is_empty() && checked.diagnostics.len() <= 100, "{what}: {}", checked.rendered);
        assert!(checked.plan.is_none() && began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
        let error = client.run(&source, json!({})).await.expect_err("it is no pipeline");
        assert_eq!(error.code(), "pipeline.check.failed", "{what}");
        let error = client.store("P", &source).await.expect_err("it is no pipeline");
        assert_eq!(error.code(), "pipeline.check.failed", "{what}");
    }
    assert_eq!(client.run("in a: Int\nout a\n", json!({ "a": 1 })).await.expect("it runs").value, json!({ "a": 1 }));
}

#[tokio::test]
async fn ten_megabytes_are_refused_over_either_surface() {
    let host = Host::start();
    let source = "# ".to_owned() + &"x".repeat(10 << 20);
    let error = host.client().check_pipeline(&source).await.expect_err("no message holds it");
    assert_eq!(error.code(), "protocol.message.too_large");
    let answer = Http::new(host.url()).post("/v1/pipelines:run", &json!({ "source": source })).await;
    assert_eq!(answer.failure(), (413, "protocol.message.too_large".into()));
    assert_eq!(host.client().names("*").await, Vec::<String>::new());
}
