//! Who may do what with components, and what components may do.

use serde_json::json;
use testkit::{module, registration};

use e2e::{Http, Language};
use protocol::generated::provider::v1::RegisterRequest;

use super::{OPERATOR, VIEWER, host_with_clients, outcome, send, token_of};
use crate::supervision::{directory, host, provider, until_state};

#[tokio::test]
async fn operators_need_the_scope_and_those_who_look_need_to_list() {
    let host = host_with_clients(
        &[(
            "gone",
            json!({ "kind": "grpc_local", "module_id": "gone", "enabled": false,
        "launch": { "executable": "none", "cwd": "." } }),
        )],
        "",
    );
    for (token, method, path, expected) in [
        (VIEWER, "GET", "/v1/components", (200, "")),
        (VIEWER, "GET", "/v1/components/gone", (200, "")),
        (VIEWER, "GET", "/v1/components/other", (404, "component.unknown")),
        (VIEWER, "GET", "/v1/components/gone/logs", (403, "host.scope.missing")),
        (VIEWER, "POST", "/v1/components/gone:start", (403, "host.scope.missing")),
        (VIEWER, "POST", "/v1/components/gone:stop", (403, "host.scope.missing")),
        (VIEWER, "POST", "/v1/components/other:restart", (403, "host.scope.missing")),
        (OPERATOR, "GET", "/v1/components/gone/logs", (200, "")),
        (OPERATOR, "GET", "/v1/components/gone/logs?tail=0", (400, "protocol.field.invalid")),
        (OPERATOR, "GET", "/v1/components/gone/logs?follow=1", (400, "protocol.field.invalid")),
        (OPERATOR, "GET", "/v1/components/other/logs", (404, "component.unknown")),
        (OPERATOR, "POST", "/v1/components/gone:start", (412, "component.executable.missing")),
        (OPERATOR, "POST", "/v1/components/gone:stop", (200, "")),
        (OPERATOR, "GET", "/v1/components/gone:stop", (405, "http.method.unsupported")),
        (OPERATOR, "GET", "/v1/staging/key", (403, "host.scope.missing")),
        ("no-token-of-anybody-0123456789ab", "GET", "/v1/components", (401, "host.token.refused")),
    ] {
        let answer = send(&host, token, method, path, "").await;
        assert_eq!(outcome(&answer), (expected.0, expected.1.to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn a_component_gets_what_was_granted_until_its_start_is_over() {
    let mut text = Language::Python.component();
    text["capabilities"] = json!([{ "id": "call", "modules": ["fixture.Inspect"] }, { "id": "staging" }]);
    for host in [host(&[("text", text.clone())]), host_with_clients(&[("text", text)], "")] {
        let bearer = format!("Bearer {OPERATOR}");
        let ready = testkit::eventually("a ready component", async || {
            let headers = [("authorization", bearer.as_str())];
            let now = Http::new(host.url()).send("GET", "/v1/components/text", &headers, "").await.json();
            (now["state"] == "ready").then_some(now)
        })
        .await;
        let token = token_of(&ready);
        for (method, path, expected) in [
            ("POST", "/v1/modules/fixture.Inspect:call", (200, "")),
            ("POST", "/v1/modules/fixture.Cancelled:call", (403, "host.scope.missing")),
            ("GET", "/v1/modules", (403, "host.scope.missing")),
            ("GET", "/v1/components", (403, "host.scope.missing")),
            ("POST", "/v1/components/text:stop", (403, "host.scope.missing")),
            ("GET", "/metrics", (403, "host.scope.missing")),
            ("PUT", "/v1/staging/key", (200, "")),
        ] {
            let answer = send(&host, &token, method, path, "{}").await;
            assert_eq!(outcome(&answer), (expected.0, expected.1.to_owned()), "{method} {path}");
        }
        let restarted = send(&host, OPERATOR, "POST", "/v1/components/text:restart", "").await;
        assert_eq!(outcome(&restarted), (200, String::new()));
        let fresh = token_of(&restarted.json());
        assert_ne!(token, fresh);
        assert_eq!(
            outcome(&send(&host, &fresh, "GET", "/v1/staging/key", "").await).0,
            200,
            "values outlive a restart"
        );
        let old = send(&host, &token, "GET", "/v1/staging/key", "").await;
        // Where everybody is somebody, an old token is nobody's, and nobody keeps values.
        assert!(matches!(outcome(&old).1.as_str(), "host.token.refused" | "host.scope.missing"), "{old:?}");
    }
}

#[tokio::test]
async fn a_component_registers_what_it_may_serve_and_others_need_a_credential_of_their_own() {
    let directory = directory(&[("text", Language::Python.component())]);
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("there is room");
    write("other.credential", "credential-of-the-other-0123456789");
    write(
        "modrack.toml",
        "components_dir = \"components\"\n[[providers]]\nsubject = \"other\"\ncredential_file = \"other.credential\"\nnamespaces = [\"other\"]\n",
    );
    let host = e2e::Host::start_in(directory, &[]);
    let token = token_of(&until_state(&host, "text", "ready").await);
    let register = async |namespace: &str, credential: &str| {
        let request = RegisterRequest {
            credential: credential.to_owned(),
            ..registration(namespace, [module("Answer", "{}", "Int")])
        };
        host.client().register(request).await.map(drop).map_err(|error| error.code().to_owned())
    };
    let refused = |code: &str| Err(code.to_owned());
    assert_eq!(register("other", &token).await, refused("registry.namespace.denied"));
    assert_eq!(register("fixture.en", &token).await, refused("registry.namespace.denied"), "`fixture` is that alone");
    assert_eq!(register("fixture", "credential-of-nobody-0123456789").await, refused("registry.credential.refused"));
    assert_eq!(register("fixture", "credential-of-the-other-0123456789").await, refused("registry.namespace.denied"));
    assert_eq!(register("other", "credential-of-the-other-0123456789").await, Ok(()));
}

#[tokio::test]
async fn what_a_component_keeps_is_its_own_and_bounded() {
    let mut granted = Language::Python.component();
    granted["capabilities"] = json!([{ "id": "staging" }]);
    let mut other = provider("replica", "tests/fixtures/python/replica.py");
    other["capabilities"] = json!([{ "id": "staging" }]);
    let staging = "[staging]\nmax_entries = 2\nmax_bytes = 1024\n";
    let host = host_with_clients(&[("one", granted), ("two", other)], staging);
    let mut tokens = Vec::new();
    for id in ["one", "two"] {
        let started = send(&host, OPERATOR, "POST", &format!("/v1/components/{id}:start"), "").await;
        tokens.push(token_of(&started.json()));
    }
    let large = format!("\"{}\"", "x".repeat(1100));
    for (who, method, key, body, expected) in [
        (0, "PUT", "run/1:out", "[1, 2.50]", (200, "")),
        (0, "GET", "run%2F1%3Aout", "", (200, "")),
        (1, "GET", "run/1:out", "", (404, "staging.unknown")),
        (0, "PUT", "b", "{}", (200, "")),
        (0, "PUT", "c", "{}", (429, "staging.limit")),
        (1, "PUT", "c", "{}", (200, "")),
        (0, "PUT", "b", large.as_str(), (429, "staging.limit")),
        (0, "GET", "b", "", (200, "")),
        (0, "PUT", "b", "{", (400, "protocol.field.invalid")),
        (0, "PUT", "a%20b", "{}", (400, "staging.key.invalid")),
        (0, "DELETE", "b", "", (200, "")),
        (0, "DELETE", "b", "", (404, "staging.unknown")),
        (0, "PUT", "c", "{}", (200, "")),
    ] {
        let answer = send(&host, &tokens[who], method, &format!("/v1/staging/{key}"), body).await;
        assert_eq!(outcome(&answer), (expected.0, expected.1.to_owned()), "{method} {key} {body:.20}");
    }
    let kept = send(&host, &tokens[0], "GET", "/v1/staging/run/1:out", "").await;
    assert_eq!(kept.body, "[1, 2.50]", "as it was put");
}
