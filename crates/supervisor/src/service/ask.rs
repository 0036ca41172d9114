//! Asks a component whether it is ready and well, and tells it its init. Decides nothing of what it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use middleware::{CONTRACT_VERSION, HOST_API_VERSION, HostCapability, MiddlewareInit, ModuleReport};
use protocol::codes;
use serde_json::Value;
use tokio::time::Instant;

use crate::command::{self, Command, Question};
use crate::config::ComponentConfig;
use crate::http::{Answer, Client};
use crate::options::Options;
use crate::report;
use crate::state::{Fault, Probe};

/// Longest part of a component's own words in a message, in bytes.
const WORDS: usize = 300;

/// Whether `path` answers 200 within `timeout`.
pub(super) async fn probe(client: Arc<Client>, path: Uri, timeout: Duration) -> Probe {
    let begin = Instant::now();
    let answer = client.send(&Method::GET, &path, Bytes::new(), begin + timeout).await;
    let (is_ok, message) = match &answer {
        Ok(answer) => (answer.status == StatusCode::OK, format!("{path} answered {}", said(answer))),
        Err(fault) => (false, format!("{path}: {fault}")),
    };
    Probe { is_ok, took: begin.elapsed(), message }
}

/// What a component is told at its start.
pub(super) fn init(config: &ComponentConfig, options: &Options, capabilities: &[HostCapability]) -> Bytes {
    let init = MiddlewareInit {
        contract_version: CONTRACT_VERSION.to_owned(),
        host_version: options.host_version.clone(),
        host_api_version: HOST_API_VERSION.to_owned(),
        executor_id: config.id.clone(),
        transport: config.kind.as_str().to_owned(),
        node_id: options.node_id.clone(),
        hooks: config.hooks.clone(),
        capabilities: capabilities.to_vec(),
        config: config.config.clone(),
    };
    serde_json::to_vec(&init).expect("its maps have texts as keys").into()
}

/// Tells the init by HTTP and reads the report.
pub(super) async fn init_by_http(
    client: Arc<Client>,
    path: Uri,
    body: Bytes,
    within: Duration,
) -> Result<ModuleReport, Fault> {
    let failed = |what: String| Fault::new(codes::COMPONENT_INIT_FAILED, what);
    let answer = client.send(&Method::POST, &path, body, Instant::now() + within).await;
    let answer = answer.map_err(|fault| failed(format!("it did not answer its init: {fault}")))?;
    match answer.status {
        StatusCode::OK => report::read(&answer.body),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(failed(format!("it refused the host's token at its init with {}", said(&answer))))
        }
        _ => Err(failed(format!("it answered its init with {}", said(&answer)))),
    }
}

/// Runs one process with the init and reads the report.
pub(super) async fn init_by_command(
    command: Arc<Command>,
    body: Bytes,
    within: Duration,
) -> Result<ModuleReport, Fault> {
    let answer = command.ask(Question::Init, body, Instant::now() + within).await;
    let answer = answer.map_err(|fault| match fault {
        command::Fault::Spawn(fault) => Fault::new(fault.code(), fault.to_string()),
        command::Fault::Run(error) => Fault::new(codes::COMPONENT_INIT_FAILED, error.to_string()),
    })?;
    report::read(&answer)
}

/// The status, and what the component says of it where it keeps to the contract.
fn said(answer: &Answer) -> String {
    let body: Value = match answer.status {
        StatusCode::OK => return answer.status.to_string(),
        _ => serde_json::from_slice(&answer.body).unwrap_or_default(),
    };
    let text = |name: &str| body.pointer(&format!("/error/{name}")).and_then(Value::as_str);
    match (text("code"), text("message")) {
        (Some(code), Some(message)) => {
            let words = format!("{message} ({code})");
            format!("{}: {}", answer.status, words[..words.floor_char_boundary(WORDS)].escape_debug())
        }
        _ => answer.status.to_string(),
    }
}
