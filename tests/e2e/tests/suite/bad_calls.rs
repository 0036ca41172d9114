//! Clients that ask for what cannot be: each is told why with a code, and nobody else notices.

use std::time::Duration;

use protocol::Category;
use protocol::generated::host::v1::{CallRequest, ListModulesRequest, call_request::Input};
use serde_json::json;
use testkit::{Client, coded};

use e2e::Host;

use crate::others::Others;

const PICKY: &str =
    "{text: String, count: Int, tags: List<String>, at: Map<String, Float>, kind: String | Int, note: Option<Bytes>}";

/// A provider whose modules nobody may reach with a bad input: it answers nothing.
async fn picky(host: &Host) -> testkit::Session {
    let modules = [testkit::module("Picky", PICKY, "Int"), testkit::module("Any", "Any", "Any")];
    let session = host.client().register(testkit::registration("picky", modules)).await.expect("it is right");
    let session = session.keep_alive();
    let mut connection = session.link().await;
    tokio::spawn(async move {
        let call = connection.call().await;
        panic!("a bad input reached the provider: {call:?}");
    });
    session
}

async fn refused(client: &Client, request: CallRequest) -> protocol::Error {
    coded(&client.call_request(request, None).await.expect_err("it is refused"))
}

fn call(module: &str, input: Input) -> CallRequest {
    CallRequest { module: module.to_owned(), input: Some(input), ..CallRequest::default() }
}

#[tokio::test]
async fn json_that_does_not_fit_is_refused_with_the_path_to_the_fault() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let _provider = picky(&host).await;
    let client = host.client();
    let right = json!({"text": "a", "count": 1, "tags": ["x"], "at": {"k": 1.5}, "kind": 1});
    for (member, value, codec_code, path) in [
        ("text", json!(1), "codec.type_mismatch", ".text"),
        ("text", json!(null), "codec.type_mismatch", ".text"),
        ("count", json!("many"), "codec.type_mismatch", ".count"),
        ("count", json!(1.5), "codec.type_mismatch", ".count"),
        ("count", json!(1e300), "codec.int_range", ".count"),
        ("tags", json!("x"), "codec.type_mismatch", ".tags"),
        ("tags", json!(["x", 2]), "codec.type_mismatch", ".tags[1]"),
        ("at", json!({"k": "fast"}), "codec.type_mismatch", ".at{\"k\"}"),
        ("kind", json!(true), "codec.no_variant", ".kind"),
        ("kind", json!({"$variant": 2, "value": 1}), "codec.union_variant", ".kind"),
        ("note", json!("no base64!"), "codec.base64", ".note"),
    ] {
        let mut input = right.clone();
        input[member] = value;
        let error = client.call("picky.Picky", input.clone()).await.expect_err("the input is wrong");
        assert_eq!((error.code(), error.category()), ("executor.input.invalid", Category::InvalidArgument), "{input}");
        let details = error.details();
        assert_eq!(
            (details["codec_code"].as_str(), details["path"].as_str()),
            (codec_code, path),
            "{input}: {error:?}"
        );
    }
    for (text, codec_code) in [
        ("", "codec.json_syntax"),
        ("{", "codec.json_syntax"),
        ("{} {}", "codec.json_syntax"),
        ("nonsense", "codec.json_syntax"),
        ("[]", "codec.type_mismatch"),
        ("null", "codec.type_mismatch"),
        (r#"{"text": "a"}"#, "codec.missing_field"),
        (r#"{"text": "a", "text": "b"}"#, "codec.duplicate_key"),
    ] {
        let error = refused(&client, call("picky.Picky", Input::InputJson(text.to_owned()))).await;
        assert_eq!(error.code(), "executor.input.invalid", "{text}: {error:?}");
        assert_eq!(error.details()["codec_code"], codec_code, "{text}: {error:?}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let error = refused(&client, call("picky.Any", Input::InputJson(deep))).await;
    assert_eq!(error.details()["codec_code"], "codec.depth", "{error:?}");
    others.are_unharmed().await;
}

#[tokio::test]
async fn messagepack_that_does_not_fit_is_refused_before_it_reaches_a_provider() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let _provider = picky(&host).await;
    let client = host.client();
    let record = |fields: &[&[u8]]| {
        let mut bytes = vec![0x80 + u8::try_from(fields.len()).expect("few fields")];
        fields.iter().for_each(|field| bytes.extend_from_slice(field));
        bytes
    };
    for (bytes, codec_code) in [
        (vec![], "codec.truncated"),
        (vec![0xc0], "codec.type_mismatch"),
        (vec![0x80], "codec.missing_field"),
        (record(&[b"\xa5count\xa4many"]), "codec.type_mismatch"),
        (record(&[b"\xa5count\xcf\xff\xff\xff\xff\xff\xff\xff\xff"]), "codec.int_range"),
        (record(&[b"\xa4text\xa1\xff"]), "codec.utf8"),
        (record(&[b"\xa4text\xa1a", b"\xa4text\xa1b"]), "codec.duplicate_key"),
        (record(&[b"\xa4kind\x92\x02\x01"]), "codec.union_variant"),
        (record(&[b"\xa4tags\xdd\xff\xff\xff\xff"]), "codec.truncated"),
        (vec![0xdf, 0xff, 0xff, 0xff, 0xff], "codec.truncated"),
        (vec![0xc1], "codec.unsupported"),
        (vec![0xd4, 0x00, 0x00], "codec.unsupported"),
    ] {
        let error = refused(&client, call("picky.Picky", Input::InputData(bytes.clone().into()))).await;
        assert_eq!(error.code(), "executor.input.invalid", "{bytes:02x?}: {error:?}");
        assert_eq!(error.details()["codec_code"], codec_code, "{bytes:02x?}: {error:?}");
    }
    let mut trailing = testkit::msgpack("Any", "1").to_vec();
    trailing.push(0x01);
    for (bytes, codec_code) in [(trailing, "codec.trailing_bytes"), (vec![0x91; 200], "codec.depth")] {
        let error = refused(&client, call("picky.Any", Input::InputData(bytes.into()))).await;
        assert_eq!(error.details()["codec_code"], codec_code, "{error:?}");
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn calls_of_nothing_and_calls_without_input_are_refused() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let _provider = picky(&host).await;
    let client = host.client();
    let empty = || Input::InputJson("{}".to_owned());
    for (name, code) in [
        ("picky.Missing", "registry.module.unknown"),
        ("nobody.Picky", "registry.module.unknown"),
        ("picky.picky", "registry.module.unknown"),
        ("", "registry.name.invalid"),
        ("Picky", "registry.name.invalid"),
        ("picky.", "registry.name.invalid"),
        (".Picky", "registry.name.invalid"),
        ("picky..Picky", "registry.name.invalid"),
        ("picky.Pic ky", "registry.name.invalid"),
        ("picky.Picky\0", "registry.name.invalid"),
        ("picky.Pïcky", "registry.name.invalid"),
        ("../../etc.passwd", "registry.name.invalid"),
    ] {
        let error = refused(&client, call(name, empty())).await;
        assert_eq!(error.code(), code, "{name:?}: {error:?}");
        let error = client.get_module(name).await.expect_err("there is none");
        assert_eq!(error.code(), code, "{name:?}: {error:?}");
    }
    let long = "x".repeat(100_000);
    let error = refused(&client, call(&format!("{long}.{long}"), empty())).await;
    assert_eq!(error.code(), "registry.name.invalid");
    assert!(error.message().len() < 300, "a name comes back bounded: {} bytes", error.message().len());

    let without = CallRequest { module: "picky.Picky".into(), ..CallRequest::default() };
    let error = refused(&client, without).await;
    assert_eq!((error.code(), error.details()["field"].as_str()), ("protocol.field.missing", "input"));

    let stale = CallRequest { schema_fingerprint: "00".repeat(32), ..call("picky.Any", empty()) };
    let error = refused(&client, stale).await;
    assert_eq!((error.code(), error.category()), ("registry.schema.changed", Category::FailedPrecondition));
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_deadline_that_is_over_or_absurd_ends_in_a_code_too() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    let error = client.call_for("others.Echo", json!({"n": 1}), Some(Duration::from_nanos(1))).await;
    assert_eq!(error.expect_err("no time is left").code(), "executor.deadline.exceeded");
    let forever = Some(Duration::from_secs(99_999_999 * 3600));
    let answer = client.call_for("others.Echo", json!({"n": 1}), forever).await.expect("it is cut to the longest");
    assert_eq!(answer.value, json!({"n": 1}));
    others.are_unharmed().await;
}

#[tokio::test]
async fn more_calls_than_a_provider_may_have_are_told_to_come_back() {
    let host = Host::start_with(&[("limits.in_flight_per_provider", "1"), ("limits.queued_per_provider", "1")]);
    let client = host.client();
    let session =
        client.register(testkit::registration("busy", [testkit::module("Echo", "{n: Int}", "{n: Int}")])).await;
    let session = session.expect("the namespace is free").keep_alive();
    let mut connection = session.link().await;
    let call = |n: i64| {
        let client = client.clone();
        tokio::spawn(async move { client.call("busy.Echo", json!({"n": n})).await })
    };
    let calls = [call(0), call(1), call(2)];
    let begun = connection.call().await;
    // One runs and one waits; the third is refused while they do.
    let refused = testkit::eventually("a refusal", || async { calls.iter().position(|call| call.is_finished()) }).await;
    let mut answers = Vec::new();
    connection.send([testkit::frames::output(begun.id, begun.request.input_data)]).await.expect("it is open");
    let waited = connection.call().await;
    connection.send([testkit::frames::output(waited.id, waited.request.input_data)]).await.expect("it is open");
    for call in calls {
        answers.push(call.await.expect("a call does not panic"));
    }
    let error = answers.swap_remove(refused).expect_err("there was no room for it");
    assert_eq!((error.code(), error.category()), ("executor.overloaded", Category::RateLimited), "{error:?}");
    assert!(error.retryable() && error.retry_after_ms() > 0, "{error:?}");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn listings_take_any_pattern_and_token_and_come_in_pages() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for pattern in ["", "*", "others.*", "*.Echo", "**", "*h*o*"] {
        assert!(client.names(pattern).await.contains(&"others.Echo".to_owned()), "{pattern:?}");
    }
    for pattern in ["nothing", "others", "\0", "[a-z]*", "(", &"*a".repeat(5000)] {
        assert_eq!(client.names(pattern).await, Vec::<String>::new(), "{pattern:?}");
    }
    let page = |token: &str| ListModulesRequest { page_size: 1, page_token: token.to_owned(), ..Default::default() };
    let first = client.list_modules(page("")).await.expect("it is answered");
    assert_eq!((first.modules[0].name.as_str(), first.modules.len()), ("others.Echo", 1));
    let second = client.list_modules(page(&first.next_page_token)).await.expect("it is answered");
    assert_eq!((second.modules[0].name.as_str(), second.next_page_token.as_str()), ("others.Held", ""));
    let beyond = client.list_modules(page("zzz")).await.expect("a token is a place in the order of names");
    assert_eq!((beyond.modules.len(), beyond.next_page_token.as_str()), (0, ""));
    others.are_unharmed().await;
}
