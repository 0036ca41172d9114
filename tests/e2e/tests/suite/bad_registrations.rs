//! Providers that may not register as they want to: nothing of theirs is stored, and each is told why.

use std::fs;

use protocol::generated::provider::v1::{DataPlane, ModuleExample, ModuleSpec, RegisterRequest};
use protocol::generated::types::v1::{TypeKind, TypeSchema};
use testkit::{Client, module, registration, schema};

use e2e::Host;

use crate::others::Others;

/// A registration that would be taken.
fn right() -> RegisterRequest {
    registration("fresh", [module("Right", "{text: String}", "Int")])
}

/// Asserts that the request is refused with the code, and that nothing of it is there.
async fn refused(client: &Client, request: RegisterRequest, code: &str) -> protocol::Error {
    let namespace = request.namespace.clone();
    let error = match client.register(request.clone()).await {
        Err(error) => error,
        Ok(session) => panic!("{:?} was accepted: {request:?}", session.response.results),
    };
    assert_eq!(error.code(), code, "{error:?}");
    let there = client.names("*").await.into_iter().filter(|name| *name == format!("{namespace}.Right")).count();
    assert_eq!(there, 0, "a refused registration leaves nothing");
    error
}

fn node(kind: TypeKind, children: Vec<TypeSchema>) -> TypeSchema {
    TypeSchema { kind: kind.into(), children, ..TypeSchema::default() }
}

fn field(name: &str, schema: TypeSchema) -> TypeSchema {
    TypeSchema { field_name: name.to_owned(), ..schema }
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    let long = "n".repeat(129);
    for name in ["", "a b", "1a", "-a", "é", "a\0b", "a/b", "a:b", &long] {
        for namespace in [name.to_owned(), format!("a.{name}"), format!("{name}.a")] {
            refused(&client, RegisterRequest { namespace, ..right() }, "registry.name.invalid").await;
        }
        refused(&client, RegisterRequest { service_id: name.to_owned(), ..right() }, "registry.name.invalid").await;
        if !name.is_empty() {
            refused(&client, RegisterRequest { group_id: name.to_owned(), ..right() }, "registry.name.invalid").await;
        }
        let request = RegisterRequest { modules: vec![module(name, "{}", "Int")], ..right() };
        refused(&client, request, "registry.name.invalid").await;
    }
    let request = RegisterRequest { modules: vec![module("a.b", "{}", "Int")], ..right() };
    refused(&client, request, "registry.name.invalid").await;
    for namespace in ["std", "std.text", "stdlib", "stdlib.a.b", "pipeline"] {
        let request = RegisterRequest { namespace: namespace.to_owned(), ..right() };
        refused(&client, request, "registry.namespace.reserved").await;
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn registrations_that_are_wrong_as_a_whole_are_refused() {
    let host = Host::start_with(&[("limits.modules_per_provider", "3")]);
    let others = Others::start(&host).await;
    let client = host.client();
    refused(&client, RegisterRequest { modules: vec![], ..right() }, "registry.registration.empty").await;
    let modules = ["A", "B", "C", "D"].map(|name| module(name, "{}", "Int")).to_vec();
    refused(&client, RegisterRequest { modules, ..right() }, "registry.registration.too_large").await;
    let modules = ["A", "B", "A"].map(|name| module(name, "{}", "Int")).to_vec();
    refused(&client, RegisterRequest { modules, ..right() }, "registry.module.duplicate").await;
    for protocol_version in [0, 2, u32::MAX] {
        let request = RegisterRequest { protocol_version, ..right() };
        refused(&client, request, "registry.protocol.unsupported").await;
    }
    for service_url in [
        "nonsense",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:50051/path",
        "http://user@127.0.0.1:80",
        "http://127.0.0.1:80?query",
        "file:///etc/passwd",
        "unix:/tmp/socket",
    ] {
        let request = RegisterRequest { service_url: service_url.to_owned(), planes: vec![], ..right() };
        refused(&client, request, "registry.service_url.invalid").await;
    }
    let planes = vec![DataPlane::Unary.into()];
    refused(&client, RegisterRequest { planes, ..right() }, "protocol.field.missing").await;
    for planes in [vec![0], vec![99], vec![-1]] {
        refused(&client, RegisterRequest { planes, ..right() }, "registry.plane.unsupported").await;
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn types_that_break_the_rules_are_refused_with_the_path_to_the_fault() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    let int = || node(TypeKind::Int, vec![]);
    let list = |item| node(TypeKind::List, vec![item]);
    let rows = |item| node(TypeKind::Record, vec![field("rows", list(item))]);
    let cases = [
        (node(TypeKind::Unspecified, vec![]), "type.kind", ""),
        (TypeSchema { kind: 99, ..TypeSchema::default() }, "type.kind", ""),
        (node(TypeKind::Int, vec![int()]), "type.kind", ""),
        (rows(node(TypeKind::List, vec![])), "type.kind", ".rows[]"),
        (rows(node(TypeKind::Map, vec![int()])), "type.kind", ".rows[]"),
        (rows(node(TypeKind::Union, vec![])), "type.union.empty", ".rows[]"),
        (rows(node(TypeKind::Union, vec![int()])), "type.union.empty", ".rows[]"),
        (rows(node(TypeKind::Union, vec![int(), int()])), "type.union.duplicate", ".rows[]|1"),
        (rows(node(TypeKind::Union, vec![schema("String"), schema("Int | Bool")])), "type.union.nested", ".rows[]|1"),
        (node(TypeKind::Option, vec![schema("Option<Int>")]), "type.option.nested", "?"),
        (rows(node(TypeKind::Record, vec![field("a", int()), field("a", int())])), "type.field.duplicate", ".rows[].a"),
        (node(TypeKind::Record, vec![field("1a", int())]), "type.field.name", ".1a"),
        (node(TypeKind::Record, vec![field("", int())]), "type.field.name", "."),
        (node(TypeKind::Map, vec![schema("Float"), int()]), "type.map.key", "{key}"),
        (testkit::nested_lists(65), "type.depth", &*"[]".repeat(65)),
        (testkit::record_of(10_000), "type.size", ".f9999"),
    ];
    for (wrong, type_code, path) in cases {
        for (input, output, side) in [(wrong.clone(), schema("Int"), "input"), (schema("Int"), wrong.clone(), "output")]
        {
            let spec = ModuleSpec { input: Some(input), output: Some(output), ..module("Right", "{}", "Int") };
            let request = RegisterRequest { modules: vec![spec], ..right() };
            let error = refused(&client, request, "registry.schema.invalid").await;
            let details = error.details();
            let found = ["type_code", "path", "type"].map(|key| details.get(key).map_or("", String::as_str));
            assert_eq!(found, [type_code, path, side], "{error:?}");
        }
    }
    for deepest in [testkit::nested_lists(64), testkit::record_of(9_999)] {
        let spec = ModuleSpec { input: Some(deepest), ..module("Right", "{}", "Int") };
        let request = RegisterRequest { modules: vec![spec], ..right() };
        let session = client.register(request).await.expect("the limit itself is legal");
        session.unregister().await.expect("it is there");
    }
    // As bytes, for no library here builds or drops such a tree without recursion.
    let around = |tag: u8, inner: Vec<u8>| {
        let mut outer = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    };
    let tower = (0..5000).fold(vec![0x08, 0x07], |child, _| around(0x12, child));
    let request = around(0x22, around(0x1a, tower));
    let answer = client.send_bytes("/modrack.provider.v1.ModuleRegistry/Register", request).await;
    assert_eq!(testkit::coded(&answer.expect_err("it is too deep")).code(), "protocol.message.malformed");
    for (input, output) in [(None, Some(schema("Int"))), (Some(schema("Int")), None)] {
        let spec = ModuleSpec { input, output, ..module("Right", "{}", "Int") };
        refused(&client, RegisterRequest { modules: vec![spec], ..right() }, "protocol.field.missing").await;
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn examples_and_versions_that_do_not_fit_are_refused() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    let spec = || module("Right", "{text: String}", "Int");
    for (input, output) in [
        (testkit::msgpack("Int", "1"), testkit::msgpack("Int", "1")),
        (testkit::msgpack("{text: String}", r#"{"text": "a"}"#), testkit::msgpack("String", "\"1\"")),
        ("\u{1}\u{2}".into(), testkit::msgpack("Int", "1")),
    ] {
        let example = ModuleExample { input_data: input.to_vec(), output_data: output.to_vec() };
        let modules = vec![ModuleSpec { examples: vec![example], ..spec() }];
        refused(&client, RegisterRequest { modules, ..right() }, "registry.example.invalid").await;
    }
    for version in ["1", "1.2", "v1.2.3", "1.2.3.4", "latest", "01.2.3", "1.2.99999999999999999999"] {
        let modules = vec![ModuleSpec { version: version.to_owned(), ..spec() }];
        refused(&client, RegisterRequest { modules, ..right() }, "registry.version.invalid").await;
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn all_or_nothing_stores_nothing_and_partial_stores_what_is_right() {
    let host = Host::start();
    let client = host.client();
    let modules = vec![module("Good", "{}", "Int"), module("not good", "{}", "Int"), module("Fine", "{}", "Int")];
    let request = RegisterRequest { modules, ..right() };
    let error = refused(&client, request.clone(), "registry.name.invalid").await;
    assert!(error.details().contains_key("module.not good"), "{error:?}");
    assert_eq!(client.names("fresh.*").await, Vec::<String>::new());

    let session = client.register(RegisterRequest { partial: true, ..request.clone() }).await.expect("some are right");
    let results: Vec<_> = session
        .response
        .results
        .iter()
        .map(|result| (result.name.as_str(), result.accepted, result.error.as_ref().map_or("", |error| &error.code)))
        .collect();
    assert_eq!(results, [("Good", true, ""), ("not good", false, "registry.name.invalid"), ("Fine", true, "")]);
    assert_eq!(client.names("fresh.*").await, ["fresh.Fine", "fresh.Good"]);
    session.unregister().await.expect("it is there");

    let modules = vec![module("not good", "{}", "Int")];
    refused(&client, RegisterRequest { modules, partial: true, ..request }, "registry.name.invalid").await;
}

#[tokio::test]
async fn a_namespace_belongs_to_one_provider_until_it_leaves() {
    let host = Host::start();
    let client = host.client();
    let owner = client.register(right()).await.expect("the namespace is free").keep_alive();
    let _connection = owner.link().await;
    let stranger = RegisterRequest { service_id: "stranger".into(), ..right() };
    for request in [stranger.clone(), RegisterRequest { group_id: "replicas".into(), ..stranger.clone() }] {
        let error = client.register(request).await.expect_err("it is owned");
        assert_eq!((error.code(), error.retryable()), ("registry.namespace.owned", true), "{error:?}");
        assert_ne!(error.retry_after_ms(), 0, "{error:?}");
    }
    // The service id alone proves nothing, nor does a token that is none.
    for session_token in [String::new(), "00".repeat(32), "garbage".into()] {
        let error = client.register(RegisterRequest { session_token, ..right() }).await.expect_err("it is owned");
        assert_eq!(error.code(), "registry.namespace.owned");
    }
    owner.unregister().await.expect("it is there");
    client.register(stranger).await.expect("the namespace is free again");
}

#[tokio::test]
async fn a_member_of_a_group_declares_what_the_group_declares() {
    let host = Host::start();
    let client = host.client();
    let member = |service: &str, modules: Vec<ModuleSpec>| RegisterRequest {
        service_id: service.into(),
        group_id: "replicas".into(),
        modules,
        ..right()
    };
    let first = client.register(member("first", vec![module("A", "{n: Int}", "Int")])).await.expect("it is free");
    let _connection = first.link().await;
    for modules in [
        vec![module("A", "{n: Float}", "Int")],
        vec![module("A", "{n: Int}", "Float")],
        vec![module("A", "{n: Int}", "Int"), module("B", "{}", "Int")],
        vec![module("B", "{}", "Int")],
    ] {
        let error = client.register(member("second", modules)).await.expect_err("it differs");
        assert_eq!(error.code(), "registry.group.schema_mismatch", "{error:?}");
    }
    let other = RegisterRequest { group_id: "others".into(), ..member("second", vec![module("A", "{n: Int}", "Int")]) };
    assert_eq!(client.register(other).await.expect_err("it is owned").code(), "registry.namespace.owned");
    client.register(member("second", vec![module("A", "{n: Int}", "Int")])).await.expect("it agrees");
}

#[tokio::test]
async fn a_replacement_keeps_old_callers_unless_it_says_otherwise() {
    let host = Host::start();
    let client = host.client();
    let first = client.register(right()).await.expect("it is free").keep_alive();
    let _connection = first.link().await;
    let replacement = |input: &str, output: &str| RegisterRequest {
        session_token: first.token().to_owned(),
        modules: vec![module("Right", input, output)],
        ..right()
    };
    for (input, output) in [
        ("{text: String, more: Int}", "Int"),
        ("{text: Int}", "Int"),
        ("{text: String}", "Int | String"),
        ("{text: String}", "Option<Int>"),
    ] {
        let error = client.register(replacement(input, output)).await.expect_err("it breaks callers");
        assert_eq!(error.code(), "registry.schema.incompatible", "{input} -> {output}: {error:?}");
        let live = client.get_module("fresh.Right").await.expect("the old one stays");
        assert_eq!((live.input_text.as_str(), live.revision), ("{text: String}", 1));
    }
    let wider = replacement("{text: String, more: Option<Int>}", "Int");
    let answer = client.register(wider).await.expect("it widens the input").response.clone();
    assert_eq!((answer.session_id.as_str(), answer.results[0].revision), (&*first.response.session_id, 2));
    let breaking = RegisterRequest { allow_breaking: true, ..replacement("{other: Bool}", "String") };
    let answer = client.register(breaking).await.expect("it says that it breaks").response.clone();
    assert_eq!(answer.results[0].revision, 3);
    let live = client.get_module("fresh.Right").await.expect("it is there");
    assert_eq!((live.input_text.as_str(), live.output_text.as_str()), ("{other: Bool}", "String"));
}

#[tokio::test]
async fn a_host_that_asks_for_credentials_takes_only_those_it_knows_where_they_hold() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let secret = "0123456789abcdef0123456789abcdef";
    fs::write(directory.path().join("text.credential"), secret).expect("the directory is ours");
    let file =
        "[[providers]]\nsubject = \"text-team\"\ncredential_file = \"text.credential\"\nnamespaces = [\"text.*\"]\n";
    fs::write(directory.path().join("modrack.toml"), file).expect("the directory is ours");
    let host = Host::start_in(directory, &[]);
    let client = host.client();
    let with = |namespace: &str, credential: &str| RegisterRequest {
        namespace: namespace.to_owned(),
        credential: credential.to_owned(),
        ..right()
    };
    for credential in ["", "wrong", "0123456789abcdef0123456789abcdee", &secret[1..]] {
        let error = refused(&client, with("text", credential), "registry.credential.refused").await;
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    for namespace in ["texts", "other", "a.text"] {
        refused(&client, with(namespace, secret), "registry.namespace.denied").await;
    }
    for namespace in ["text", "text.en"] {
        let session = client.register(with(namespace, secret)).await.expect("the credential covers it");
        // Whoever has the credential needs no token to take its names over.
        let again = client.register(with(namespace, secret)).await.expect("it is the same owner");
        assert_ne!(session.response.session_token, again.response.session_token);
    }
    let log = host.process().output();
    assert!(!log.contains(secret), "a secret is in the log: {log}");
}

#[tokio::test]
async fn a_host_takes_as_many_sessions_as_it_was_told() {
    let host = Host::start_with(&[("limits.sessions", "2")]);
    let client = host.client();
    let numbered = |n: usize| registration(&format!("n{n}"), [module("Right", "{}", "Int")]);
    let first = client.register(numbered(1)).await.expect("there is room");
    client.register(numbered(2)).await.expect("there is room");
    let error = client.register(numbered(3)).await.expect_err("there is none left");
    assert_eq!((error.code(), error.retryable()), ("registry.session.limit", true), "{error:?}");
    first.unregister().await.expect("it is there");
    client.register(numbered(3)).await.expect("there is room again");
}

#[tokio::test]
async fn tokens_that_are_none_prove_nothing() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for token in [String::new(), "00".repeat(32), "x".repeat(64), "y".repeat(1 << 20)] {
        let answer = client.heartbeat(&token).await.expect("it is told what to do");
        assert_eq!((answer.lease_ms, answer.commands), (0, vec![2]), "the provider registers again");
        let error = client.unregister(&token).await.expect_err("there is no such session");
        assert_eq!(error.code(), "registry.session.unknown");
    }
    let session = client.register(right()).await.expect("it is right");
    session.unregister().await.expect("it is there");
    assert_eq!(session.unregister().await.expect_err("it is over").code(), "registry.session.unknown");
    assert_eq!(client.heartbeat(session.token()).await.expect("it is told what to do").commands, [2]);
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_session_that_never_connects_or_beats_leaves_by_itself() {
    let host = Host::start_with(&[
        ("timeouts.attach_ms", "400"),
        ("timeouts.lease_ms", "900"),
        ("timeouts.heartbeat_ms", "300"),
    ]);
    let client = host.client();
    let mut watch = client.watch("fresh.*").await.expect("the host can be watched");
    let late = client.register(right()).await.expect("it is right");
    assert_eq!(watch.removed().await.reason, "attach_timeout");
    let error = late.dial_link().await;
    let error = say_hello(error, late.token()).await;
    assert_eq!(error.code(), "registry.session.unknown");

    let silent = client.register(right()).await.expect("the namespace is free again");
    let mut connection = silent.link().await;
    assert_eq!(watch.removed().await.reason, "lease_expired");
    connection.closed().await;
}

async fn say_hello(mut connection: testkit::Connection, token: &str) -> protocol::Error {
    connection.send([testkit::frames::hello(token)]).await.expect("the host reads");
    connection.refusal().await
}
