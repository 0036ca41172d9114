//! `modrack modules call --batch`: one call per line of a file, one line of output for each. Retries nothing.

use std::path::Path;
use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::batch_input::Input;
use protocol::generated::host::v1::batch_output::Result as Answer;
use protocol::{Error, codes as wire};
use serde_json::{Value, json};

use crate::client::Client;
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::modules::{call, input};
use crate::output::Output;
use crate::target::Target;

/// Prints what became of each input. Fails when one of them failed, with the exit code of the first.
pub(crate) async fn run(
    target: &Target,
    name: String,
    path: &Path,
    timeout: Duration,
    verbose: bool,
    output: &Output,
) -> Result<(), Failures> {
    // What is given is read before anything is asked of the host.
    let lines = input::from_lines(path)?;
    if lines.is_empty() {
        let message = format!("`{}` holds no input", path.display());
        return Err(Failure::local(codes::INPUT_MISSING, message).hint("give one input as JSON per line").into());
    }
    let client = Client::connect(target).await?;
    let inputs: Vec<_> = lines
        .into_iter()
        .map(|line| pb::BatchInput { input: Some(Input::InputJson(line)), idempotency_key: String::new() })
        .collect();
    let sent = inputs.len();
    let request = pb::CallBatchRequest { module: name, inputs, schema_fingerprint: String::new() };
    let pb::CallBatchResponse { outputs, info } = client.call_batch(request, timeout).await?;
    if let Some(info) = info.filter(|_| verbose) {
        call::tell(&info, output.json);
    }
    if outputs.len() != sent {
        let message = format!("the host gave {} outputs for {sent} inputs", outputs.len());
        return Err(Error::of(wire::FIELD_INVALID, message).into());
    }
    let mut failed = Vec::new();
    let mut text = String::new();
    for element in outputs {
        let line = match line(element) {
            Ok(line) => line,
            Err(failure) => {
                failed.push(failure.exit());
                failure.json()
            }
        };
        text.push_str(&line.to_string());
        text.push('\n');
    }
    output.bytes(text.as_bytes())?;
    match failed.first() {
        None => Ok(()),
        Some(exit) => {
            let message = format!("{} of {sent} inputs failed", failed.len());
            Err(Failure::local(codes::BATCH_FAILED, message).with_exit(*exit).into())
        }
    }
}

fn line(element: pb::BatchOutput) -> Result<Value, Failure> {
    match element.result {
        Some(Answer::OutputJson(text)) => Ok(json!({ "output": call::parsed(&text, "output_json")? })),
        Some(Answer::Error(error)) => Err(Error::from_proto(error).into()),
        Some(Answer::OutputData(_)) | None => {
            Err(Error::of(wire::FIELD_MISSING, "the host answered without `output_json`").into())
        }
    }
}
