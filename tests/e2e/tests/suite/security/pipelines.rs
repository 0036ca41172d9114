//! What tokens permit of pipelines.

use serde_json::{Value, json};

use e2e::{Answer, Http};

use super::callers::{CALLER, READER, STRANGER, answer_in, host_with_clients};
use super::certificates::write;

const AUTHOR: &str = "token-of-the-author-0123456789";

async fn ask(http: &Http, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    http.send(method, path, &headers, if method == "GET" { String::new() } else { body.to_string() }).await
}

fn run(source: &str) -> Value {
    json!({ "source": source })
}

#[tokio::test]
async fn tokens_permit_what_their_scopes_say_of_pipelines() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    write(directory.path(), "author.token", AUTHOR);
    let file = directory.path().join("author.token");
    let author = format!(
        "[[clients]]\nsubject = \"author\"\ntoken_file = {file:?}\nscopes = [\"pipelines\", \"call:text.*\", \"call:pipeline.*\"]\n"
    );
    let host = host_with_clients(&author, &[]);
    let _text = answer_in(&host, "text").await;
    let _other = answer_in(&host, "other").await;
    let http = Http::new(host.url());
    let text = "a = text.Answer()\nout a\n";

    // A source needs the scope of each module in it.
    let answer = ask(&http, CALLER, "POST", "/v1/pipelines:run", &run(text)).await;
    assert_eq!(answer.json()["outputs"], json!({ "a": 42 }));
    let answer = ask(&http, STRANGER, "POST", "/v1/pipelines:run", &run(text)).await;
    assert_eq!(answer.failure(), (403, "host.scope.missing".into()));
    // Who may not list learns nothing of what it may not call.
    let mut told = Vec::new();
    for module in ["other.Answer", "other.Nope", "nope.Nope"] {
        let source = format!("a = {module}()\nout a\n");
        let answer = ask(&http, CALLER, "POST", "/v1/pipelines:run", &run(&source)).await;
        assert_eq!(answer.failure(), (403, "host.scope.missing".into()), "{module}");
        let text = String::from_utf8_lossy(&answer.body).replace(module, "MODULE");
        told.push(text);
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
    let answer = ask(&http, CALLER, "POST", "/v1/pipelines:run", &run("a = text.Nope()\nout a\n")).await;
    assert_eq!(answer.failure(), (400, "pipeline.check.failed".into()));
    // `Answer` is in two namespaces, and this caller knows of one.
    let answer = ask(&http, CALLER, "POST", "/v1/pipelines:run", &run("a = Answer()\nout a\n")).await;
    assert_eq!(answer.json()["outputs"], json!({ "a": 42 }));
    let answer = ask(&http, READER, "POST", "/v1/pipelines:run", &run("a = Answer()\nout a\n")).await;
    assert_eq!(answer.json()["error"]["details"]["first_code"], "E005");

    // Storing needs its own scope, and that of the modules.
    let path = "/v1/pipelines/P";
    assert_eq!(ask(&http, READER, "PUT", path, &run(text)).await.failure(), (403, "host.scope.missing".into()));
    let other = "a = other.Answer()\nout a\n";
    assert_eq!(ask(&http, AUTHOR, "PUT", path, &run(other)).await.failure(), (403, "host.scope.missing".into()));
    assert_eq!(ask(&http, AUTHOR, "PUT", path, &run(text)).await.status, 200);
    let call = "/v1/modules/pipeline.P:call";
    assert_eq!(ask(&http, AUTHOR, "POST", call, &json!({})).await.json()["output"], json!({ "a": 42 }));
    for (method, path, body) in [
        ("POST", call, json!({})),
        ("POST", "/v1/pipelines:run", json!({ "name": "P" })),
        ("POST", "/v1/pipelines:run", json!({ "name": "Nope" })),
        ("POST", "/v1/pipelines:check", run(text)),
        ("GET", "/v1/pipelines", json!({})),
        ("GET", "/v1/pipelines/P", json!({})),
        ("GET", "/v1/runs", json!({})),
        ("DELETE", "/v1/pipelines/P", json!({})),
    ] {
        let answer = ask(&http, CALLER, method, path, &body).await;
        assert_eq!(answer.failure(), (403, "host.scope.missing".into()), "{method} {path}");
    }
    for path in ["/v1/pipelines", "/v1/pipelines/P", "/v1/runs"] {
        assert_eq!(ask(&http, READER, "GET", path, &json!({})).await.status, 200, "{path}");
    }
    assert_eq!(ask(&http, AUTHOR, "DELETE", path, &json!({})).await.status, 200);
}
