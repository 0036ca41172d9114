//! No secret in any log, at the finest level of every part.

use testkit::{Reply, ScriptedExecutor};

use e2e::Host;

use super::callers::{Caller, dialled};
use super::certificates::{Authority, write};

#[tokio::test]
async fn no_secret_reaches_the_log_or_an_error_even_at_trace() {
    let credential = "credential-that-must-not-be-logged";
    let token = "client-token-that-must-not-be-logged";
    let wrong = "wrong-token-that-must-not-be-logged";
    let authority = Authority::new();
    let identity = authority.vouch_for(&["localhost"]);
    let directory = tempfile::tempdir().expect("there is room for a directory");
    identity.write(directory.path(), "host");
    write(directory.path(), "provider", credential);
    write(directory.path(), "client", token);
    let file = "[tls]\ncert_file = \"host.pem\"\nkey_file = \"host.key\"\n\
        [[providers]]\nsubject = \"p\"\ncredential_file = \"provider\"\nnamespaces = [\"*\"]\n\
        [[clients]]\nsubject = \"c\"\ntoken_file = \"client\"\nscopes = [\"call:text.*\"]\n";
    write(directory.path(), "modrack.toml", file);
    let host = Host::start_in(directory, &[("log.filter", "trace")]);
    let executor = ScriptedExecutor::start(|_| Reply::output([42])).await;

    let caller = Caller::tls(&host, &authority, None);
    let mut registry =
        protocol::generated::provider::v1::module_registry_client::ModuleRegistryClient::new(caller.channel());
    let mut told = Vec::new();
    let mut request = dialled("text", &executor.url);
    request.credential = wrong.to_owned();
    told.push(format!("{:?}", registry.register(request.clone()).await.expect_err("it is wrong")));
    request.credential = credential.to_owned();
    let session = registry.register(request).await.expect("it is right").into_inner().session_token;

    assert_eq!(caller.with(token).call("text.Answer").await.expect("it may"), "42");
    assert_eq!(caller.with(&session).call("text.Answer").await.expect("it may"), "42");
    for refused in [wrong, credential, &session[1..]] {
        told.push(format!("{:?}", caller.with(refused).call("text.Answer").await.expect_err("it is wrong")));
    }
    told.push(format!("{:?}", caller.with(token).list().await.expect_err("it may not")));
    told.push(format!("{:?}", caller.with(&session).watch().await.expect_err("it may not")));

    let log = testkit::eventually("the log of all that", || async {
        let log = host.process().output();
        ["session registered", "host.token.refused"].iter().all(|part| log.contains(part)).then_some(log)
    })
    .await;
    assert!(log.contains("TRACE"), "it is the finest level");
    let key: String = identity.key.lines().nth(1).expect("a key has lines").to_owned();
    for secret in [credential, token, wrong, &session, &session[1..], &key] {
        assert!(!log.contains(secret), "`{secret}` is in the log");
        assert!(told.iter().all(|error| !error.contains(secret)), "`{secret}` is in an error: {told:?}");
    }
}
