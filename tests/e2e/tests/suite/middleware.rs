//! The contract of middleware with a real host and real components: `docs/middleware.md`, heading by heading.

mod chains;
mod decisions;
mod failures;
mod page;
mod runs;
mod streams;

use serde_json::{Value, json};

use e2e::{Host, Http};

/// By which surface a test asks the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    Grpc,
    Http,
}

const SURFACES: [Surface; 2] = [Surface::Grpc, Surface::Http];

/// `words.Say` as a pipeline.
const SOURCE: &str = "in text: String\nresult = words.Say(text)\nout result\n";

/// All that a component of these tests may do.
fn everything() -> Value {
    json!({
        "hooks": ["pre_run", "pre_invoke", "post_invoke", "post_run"],
        "field_policy": { "change": [""], "answer": true, "route": ["*"] },
    })
}

/// A text that tells components what to answer.
fn script(answers: &[(&str, Value)]) -> String {
    answers.iter().map(|(at, answer)| ((*at).to_owned(), answer.clone())).collect::<Value>().to_string()
}

/// Calls a module with a text.
async fn call(host: &Host, surface: Surface, module: &str, text: &str) -> Result<Value, Value> {
    match surface {
        Surface::Grpc => {
            let answer = host.client().call(module, json!({ "text": text })).await;
            answer.map(|output| output.value).map_err(|error| told(&error))
        }
        Surface::Http => {
            let answer =
                Http::new(host.url()).post(&format!("/v1/modules/{module}:call"), &json!({ "text": text })).await;
            of_http(&answer.json(), "/output")
        }
    }
}

/// Runs [`SOURCE`] with a text, and gives `result`.
async fn run(host: &Host, surface: Surface, text: &str) -> Result<Value, Value> {
    match surface {
        Surface::Grpc => {
            let answer = host.client().run(SOURCE, json!({ "text": text })).await;
            answer.map(|outputs| outputs.value["result"].clone()).map_err(|error| told(&error))
        }
        Surface::Http => {
            let body = json!({ "source": SOURCE, "inputs": { "text": text } });
            of_http(&Http::new(host.url()).post("/v1/pipelines:run", &body).await.json(), "/outputs/result")
        }
    }
}

fn of_http(body: &Value, output: &str) -> Result<Value, Value> {
    match body.get("error") {
        None => Ok(body.pointer(output).unwrap_or_else(|| panic!("no {output}: {body}")).clone()),
        Some(error) => Err(failure(
            &error["category"],
            &error["code"],
            &error["message"],
            error.get("retry_after_ms").unwrap_or(&json!(0)),
            &error["details"],
        )),
    }
}

/// What a caller is told of a failure, in one form for both surfaces.
fn told(error: &protocol::Error) -> Value {
    let [category, code, message] = [error.category().as_str(), error.code(), error.message()].map(Value::from);
    failure(&category, &code, &message, &error.retry_after_ms().into(), &json!(error.details()))
}

fn failure(category: &Value, code: &Value, message: &Value, retry_after: &Value, details: &Value) -> Value {
    json!({
        "category": category, "code": code, "message": message, "retry_after_ms": retry_after,
        "component": details["component"], "hook": details["hook"],
    })
}

/// The envelopes that a component saw, as it wrote them to its log.
async fn seen(host: &Host, id: &str) -> Vec<Value> {
    let answer = Http::new(host.url()).get(&format!("/v1/components/{id}/logs?tail=1000")).await.json();
    let lines = answer["lines"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
    let texts = lines.iter().filter_map(|line| line["text"].as_str());
    texts.filter_map(|text| serde_json::from_str::<Value>(text).ok()).filter(|line| line["hook"].is_string()).collect()
}
