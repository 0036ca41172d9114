//! `:call` and `:batch`: a body of JSON to a request of the gRPC surface, and its answer back. Checks no types itself.

use http::Response;
use http::request::Parts;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host as _;
use protocol::{Error, codes, listing};
use registry::Route;
use serde_json::{Value, json};
use tonic::body::Body;
use type_schema::{from_json, msgpack_to_json, parse_json_text};

use crate::access::Principal;
use crate::http::modules::coded;
use crate::http::request::{self, CallHeaders};
use crate::http::{answer, modules};
use crate::surface::client::ClientSurface;

/// `POST /v1/modules/{name}:call`: the body is the input.
pub(crate) async fn one(
    client: &ClientSurface,
    head: Parts,
    body: Body,
    module: String,
) -> Result<Response<Body>, Error> {
    let (request, timeout) = call_request(client, &head, body, module).await?;
    match client.call(request::to_grpc(head, timeout, request)).await {
        Ok(response) => {
            let (metadata, response, _) = response.into_parts();
            // The output is JSON text already, and is not read again.
            let text = format!(r#"{{"output":{},"info":{}}}"#, output_json(response.output)?, info(response.info));
            Ok(answer::traced(answer::json(text), &metadata))
        }
        Err(status) => {
            let failure = answer::failure(&modules::coded(status.clone()));
            Ok(answer::traced(failure, status.metadata()))
        }
    }
}

/// The request of a call or a stream, from the headers and the body.
pub(crate) async fn call_request(
    client: &ClientSurface,
    head: &Parts,
    body: Body,
    module: String,
) -> Result<(pb::CallRequest, Option<std::time::Duration>), Error> {
    let headers = CallHeaders::of(head)?;
    // Found before the body is read, so that a wrong name costs no transfer.
    let principal = Principal::of(&head.extensions);
    client.route(&module, |module| principal.may_call(module))?;
    let until = headers.arrived + headers.timeout.unwrap_or(client.default_timeout).min(client.max_timeout);
    let text = request::json_text(&head.headers, body, client.message_bytes, until).await?;
    let request = pb::CallRequest {
        module,
        input: Some(pb::call_request::Input::InputJson(text)),
        schema_fingerprint: headers.fingerprint,
        idempotency_key: headers.idempotency_key,
    };
    Ok((request, headers.timeout))
}

fn output_json(output: Option<pb::call_response::Output>) -> Result<String, Error> {
    match output {
        Some(pb::call_response::Output::OutputJson(text)) => Ok(text),
        _ => Err(Error::of(codes::INTERNAL, "the output of a call is not in the form of its input")),
    }
}

/// What happened, as JSON.
pub(crate) fn info(info: Option<pb::CallInfo>) -> Value {
    let info = info.unwrap_or_default();
    json!({
        "execution_id": info.execution_id,
        "revision": info.revision,
        "session_id": info.session_id,
        "plane": listing::plane(info.plane()),
        "attempts": info.attempts,
        "duration_us": info.duration_us,
    })
}

/// Most inputs of a batch.
pub(crate) const MAX_BATCH: usize = 10_000;

/// `POST /v1/modules/{name}:batch`: the body is `{"inputs": [...]}`. Inputs that do not have the declared type refuse the
/// whole, since the caller then has it wrong; what happens to the others is told for each.
pub(crate) async fn batch(
    client: &ClientSurface,
    head: Parts,
    body: Body,
    module: String,
) -> Result<Response<Body>, Error> {
    let headers = CallHeaders::of(&head)?;
    let principal = Principal::of(&head.extensions);
    let route = client.route(&module, |module| principal.may_call(module))?;
    let until = headers.arrived + headers.timeout.unwrap_or(client.default_timeout).min(client.max_timeout);
    let text = request::json_text(&head.headers, body, client.message_bytes, until).await?;
    let key = |i: usize| match headers.idempotency_key.as_str() {
        "" => String::new(),
        // Each call has its own, and the same one when the request is repeated.
        key => format!("{key}/{i}"),
    };
    let values = inputs(&text)?;
    let inputs = values.iter().enumerate().map(|(i, input)| {
        let data = encode(input, &route).map_err(|error| error.detail("index", i.to_string()))?;
        Ok(pb::BatchInput { input: Some(pb::batch_input::Input::InputData(data)), idempotency_key: key(i) })
    });
    // The bytes are those of this route's types, and are not to be read by those of another one.
    let request = pb::CallBatchRequest {
        inputs: inputs.collect::<Result<_, Error>>()?,
        module,
        schema_fingerprint: if headers.fingerprint.is_empty() {
            route.fingerprint.to_string()
        } else {
            headers.fingerprint
        },
    };
    match client.call_batch(request::to_grpc(head, headers.timeout, request)).await {
        Ok(response) => {
            let (metadata, response, _) = response.into_parts();
            let results = response.outputs.into_iter().map(|output| result(output, &route));
            let results = results.collect::<Result<Vec<_>, _>>()?;
            let text = format!(r#"{{"results":[{}],"info":{}}}"#, results.join(","), info(response.info));
            Ok(answer::traced(answer::json(text), &metadata))
        }
        Err(status) => Ok(answer::traced(answer::failure(&coded(status.clone())), status.metadata())),
    }
}

fn inputs(text: &str) -> Result<Vec<Value>, Error> {
    let body = parse_json_text(text).map_err(|error| {
        Error::of(codes::INPUT_INVALID, format!("the body is refused: {error}"))
            .detail("codec_code", error.code.as_str())
    })?;
    let invalid = |message: &str| Error::of(codes::FIELD_INVALID, message).detail("field", "inputs");
    match body {
        Value::Object(mut members) if members.len() == 1 => match members.remove("inputs") {
            Some(Value::Array(inputs)) if (1..=MAX_BATCH).contains(&inputs.len()) => Ok(inputs),
            _ => Err(invalid("`inputs` is an array of 1 to 10000 inputs")),
        },
        _ => Err(invalid("the body is an object with `inputs` and nothing else")),
    }
}

fn encode(input: &Value, route: &Route) -> Result<Vec<u8>, Error> {
    let refused = |code: type_schema::Code, path: String, why: String| {
        Error::of(codes::INPUT_INVALID, format!("the input is refused: {why}"))
            .detail("codec_code", code.as_str())
            .detail("path", path)
    };
    let value = from_json(input, route.input.ctype())
        .map_err(|error| refused(error.code, error.path.clone(), error.to_string()))?;
    route.input.encode(&value).map_err(|error| refused(error.code, error.path.clone(), error.to_string()))
}

fn result(output: pb::BatchOutput, route: &Route) -> Result<String, Error> {
    match output.result {
        Some(pb::batch_output::Result::OutputData(data)) => {
            let output =
                msgpack_to_json(&data, &route.output).map_err(|error| Error::of(codes::INTERNAL, error.to_string()))?;
            Ok(format!(r#"{{"output":{output}}}"#))
        }
        Some(pb::batch_output::Result::Error(error)) => {
            Ok(json!({ "error": listing::envelope(&Error::from_proto(error)) }).to_string())
        }
        _ => Err(Error::of(codes::INTERNAL, "the output of a batch is not in the form of its inputs")),
    }
}
