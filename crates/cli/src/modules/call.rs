//! `modrack modules call`: one call, its output or the items of its stream on stdout. Retries nothing.

use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::call_request::Input;
use protocol::generated::host::v1::call_response::Output as Answer;
use protocol::generated::host::v1::call_stream_response::Event;
use protocol::{Error, codes as wire, schema};
use serde_json::{Value, json};

use crate::args::CallArgs;
use crate::client::Client;
use crate::failure::{Failures, printable};
use crate::modules::{input, view};
use crate::output::Output;
use crate::target::Target;

pub(crate) async fn run(target: &Target, call: CallArgs, verbose: bool, output: &Output) -> Result<(), Failures> {
    let CallArgs { name, args, input, json_input, batch, timeout } = call;
    if let Some(path) = batch {
        return super::batch::run(target, name, &path, timeout, verbose, output).await;
    }
    // What is given as a whole is read before anything is asked of the host.
    let whole = match (input, json_input) {
        (Some(path), _) => Some(input::from_file(&path)?),
        (None, Some(text)) => Some(input::from_text(text, "the value of --json-input")?),
        (None, None) => None,
    };
    let client = Client::connect(target).await?;
    let (input, schema_fingerprint) = match whole {
        Some(text) => (text, String::new()),
        None => {
            let module = client.get(&name).await?;
            let ctype = schema::from_proto(module.input, "input")?;
            (input::from_args(&args, &ctype)?.to_string(), module.schema_fingerprint)
        }
    };
    let request = pb::CallRequest {
        module: name,
        input: Some(Input::InputJson(input)),
        schema_fingerprint,
        idempotency_key: String::new(),
    };
    let pb::CallResponse { output: answer, info } = match client.call(request.clone(), timeout).await {
        // The host refuses it before anything runs, so that a plain call costs no question.
        Err(failure) if failure.code() == wire::STREAM_REQUIRED.name => {
            return items(&client, request, timeout, verbose, output).await;
        }
        answer => answer?,
    };
    let Some(Answer::OutputJson(text)) = answer else {
        return Err(Error::of(wire::FIELD_MISSING, "the host answered without `output_json`").into());
    };
    let value = parsed(&text, "output_json")?;
    if let Some(info) = info.filter(|_| verbose) {
        tell(&info, output.json);
    }
    match value {
        value if output.json => output.json_line(&value),
        Value::String(text) => output.text(&text),
        value => output.document(&value),
    }
}

/// The items of a stream, each as soon as it is there.
async fn items(
    client: &Client,
    request: pb::CallRequest,
    timeout: Duration,
    verbose: bool,
    output: &Output,
) -> Result<(), Failures> {
    let mut messages = client.stream(request, timeout).await?;
    while let Some(message) = messages.message().await.map_err(|status| client.failure(&status))? {
        match message.event {
            Some(Event::Info(info)) if verbose => tell(&info, output.json),
            Some(Event::Info(_)) => {}
            Some(Event::ItemJson(text)) => output.json_line(&parsed(&text, "item_json")?)?,
            Some(Event::ItemData(_)) | None => {
                return Err(Error::of(wire::FIELD_MISSING, "the host sent an item without `item_json`").into());
            }
        }
    }
    Ok(())
}

/// JSON of the host, which is JSON.
pub(super) fn parsed(text: &str, field: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::of(wire::FIELD_INVALID, format!("the host's `{field}` is no JSON: {error}")))
}

/// What happened, on stderr.
pub(super) fn tell(info: &pb::CallInfo, json: bool) {
    let plane = view::plane(info.plane());
    if json {
        anstream::eprintln!(
            "{}",
            json!({ "info": {
                "execution_id": info.execution_id,
                "revision": info.revision,
                "session_id": info.session_id,
                "plane": plane,
                "attempts": info.attempts,
                "duration_us": info.duration_us,
            }})
        );
    } else {
        anstream::eprintln!(
            "execution {} on session {} by {plane}, revision {}, attempt {}, {:?}",
            printable(&info.execution_id),
            printable(&info.session_id),
            info.revision,
            info.attempts,
            Duration::from_micros(info.duration_us)
        );
    }
}
