//! `modrack modules call`: one call, its output on stdout. Retries nothing.

use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::call_request::Input;
use protocol::generated::host::v1::call_response::Output as Answer;
use protocol::{Error, codes as wire, schema};
use serde_json::{Value, json};

use crate::args::CallArgs;
use crate::client::Client;
use crate::failure::{Failures, printable};
use crate::modules::{input, view};
use crate::output::Output;
use crate::target::Target;

pub(crate) async fn run(target: &Target, call: CallArgs, verbose: bool, output: &Output) -> Result<(), Failures> {
    let CallArgs { name, args, input, json_input, timeout } = call;
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
    let pb::CallResponse { output: answer, info } = client.call(request, timeout).await?;
    let Some(Answer::OutputJson(text)) = answer else {
        return Err(Error::of(wire::FIELD_MISSING, "the host answered without `output_json`").into());
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Error::of(wire::FIELD_INVALID, format!("the host's `output_json` is no JSON: {error}")))?;
    if let Some(info) = info.filter(|_| verbose) {
        tell(&info, output.json);
    }
    match value {
        value if output.json => output.json_line(&value),
        Value::String(text) => output.text(&text),
        value => output.document(&value),
    }
}

/// What happened, on stderr.
fn tell(info: &pb::CallInfo, json: bool) {
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
