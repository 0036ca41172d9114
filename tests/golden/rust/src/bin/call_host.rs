//! Lists the modules of a host and calls one of them, with the generated stubs alone. Not an example of how to use the SDK.
//!
//! ```text
//! MODRACK_HOST=http://127.0.0.1:7420 call_host MODULE JSON
//! ```
//!
//! `MODULE` is a qualified name, `JSON` its input. Prints two lines, the names of all modules in ascending order joined by commas
//! and the output as the host's JSON, and ends with status 0; a call that fails ends with status 1 and the error's code.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use prost::Message;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

#[path = "../../../../../sdks/rust/src/generated.rs"]
#[allow(dead_code, reason = "the stubs have more than these two calls")]
mod generated;

use generated::error::v1::{Error, StatusDetails};
use generated::host::v1::call_request::Input;
use generated::host::v1::call_response::Output;
use generated::host::v1::host_client::HostClient;
use generated::host::v1::{CallRequest, ListModulesRequest};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let (Some(module), Some(json)) = (env::args().nth(1), env::args().nth(2)) else {
        bail!("usage: call_host MODULE JSON");
    };
    let host = env::var("MODRACK_HOST").context("MODRACK_HOST does not say where the host is")?;
    let mut client = HostClient::new(Endpoint::from_shared(host)?.connect().await?);
    let modules = client.list_modules(ListModulesRequest::default()).await?.into_inner().modules;
    println!("{}", modules.into_iter().map(|module| module.name).collect::<Vec<_>>().join(","));
    let request = CallRequest { module, input: Some(Input::InputJson(json)), ..CallRequest::default() };
    match client.call(request).await {
        Ok(response) => match response.into_inner().output {
            Some(Output::OutputJson(json)) => println!("{json}"),
            other => bail!("asked in JSON, answered {other:?}"),
        },
        Err(status) => {
            eprintln!("{}", code_of(&status).unwrap_or_else(|| name_of(status.code())));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The stable code in the trailer, where there is one.
fn code_of(status: &Status) -> Option<String> {
    let details = StatusDetails::decode(status.details()).ok()?;
    Some(Error::decode(details.details.first()?.value.as_slice()).ok()?.code)
}

fn name_of(code: Code) -> String {
    format!("{code:?}")
}
