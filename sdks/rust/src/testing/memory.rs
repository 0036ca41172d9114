//! Modules in memory as a client sees them: the host's part of a call without a host. Checks no schema fingerprints.

use std::sync::Arc;

use tokio_stream::StreamExt as _;

use crate::client::wire::{Answers, Scope};
use crate::codec;
use crate::error::{Category, Error, ModuleError};
use crate::generated::host::v1::call_request::Input;
use crate::generated::host::v1::call_response::Output;
use crate::generated::host::v1::call_stream_response::Event;
use crate::generated::host::v1::{
    BatchOutput, CallBatchRequest, CallBatchResponse, CallInfo, CallRequest, CallResponse, CallStreamRequest,
    CallStreamResponse, Module, batch_input, batch_output,
};
use crate::generated::provider::v1::ExecuteRequest;
use crate::json;
use crate::module::Definition;
use crate::provider::calls::Calls;
use crate::run::Run;

/// The providers of a test.
pub(crate) struct Memory {
    providers: Vec<Arc<Calls>>,
}

impl Memory {
    pub(crate) fn new(providers: Vec<Arc<Calls>>) -> Self {
        Self { providers }
    }

    /// A module by its qualified name, and who has it.
    pub(crate) fn find(&self, name: &str) -> Result<(&Arc<Calls>, Arc<Definition>), Error> {
        let unknown = || {
            let message = format!("no provider of the test has the module `{name}`");
            Error::new(Category::NotFound, "registry.module.unknown", message)
        };
        let (namespace, module) = name.rsplit_once('.').ok_or_else(unknown)?;
        let calls = self.providers.iter().find(|calls| calls.namespace() == namespace).ok_or_else(unknown)?;
        let definition = calls.table().get(module).cloned().ok_or_else(unknown)?;
        Ok((calls, definition))
    }

    pub(crate) fn get_module(&self, name: &str) -> Result<Module, Error> {
        let (_, module) = self.find(name)?;
        let spec = module.to_wire();
        Ok(Module {
            name: name.to_owned(),
            description: spec.description,
            input: spec.input,
            output: spec.output,
            version: spec.version,
            revision: 1,
            capabilities: spec.capabilities,
            ..Module::default()
        })
    }

    pub(crate) async fn call(&self, request: CallRequest, scope: Scope) -> Result<CallResponse, Error> {
        let (calls, module) = self.find(&request.module)?;
        let is_json = matches!(request.input, Some(Input::InputJson(_)));
        let execute = execute(&module, request.input, request.idempotency_key, &scope)?;
        let output = calls.execute(&execute, None).await.map_err(told)?;
        let output = match is_json {
            true => Output::OutputJson(printed(&module, &output)?),
            false => Output::OutputData(output.into()),
        };
        Ok(CallResponse { output: Some(output), info: None })
    }

    pub(crate) fn call_stream(&self, request: CallStreamRequest, scope: Scope) -> Result<Answers, Error> {
        let request = request.call.unwrap_or_default();
        let (calls, module) = self.find(&request.module)?;
        let execute = execute(&module, request.input, request.idempotency_key, &scope)?;
        let items = calls.stream(&execute, None).map_err(told)?;
        let info = CallStreamResponse { event: Some(Event::Info(CallInfo::default())) };
        let answers = items.map(|item| match item {
            Ok(item) => Ok(CallStreamResponse { event: Some(Event::ItemData(item)) }),
            Err(error) => Err(told(error)),
        });
        Ok(Box::pin(tokio_stream::once(Ok(info)).chain(answers)))
    }

    pub(crate) async fn call_batch(&self, request: CallBatchRequest, scope: Scope) -> Result<CallBatchResponse, Error> {
        let (calls, module) = self.find(&request.module)?;
        let mut requests = Vec::with_capacity(request.inputs.len());
        for input in request.inputs {
            let form = input.input.map(|input| match input {
                batch_input::Input::InputData(bytes) => Input::InputData(bytes.into()),
                batch_input::Input::InputJson(json) => Input::InputJson(json),
            });
            requests.push(execute(&module, form, input.idempotency_key, &scope)?);
        }
        let outcomes = match module.run {
            Run::Batch(_) => calls.batch(&requests, None).await.map_err(told)?,
            // As the host does it for a module without the capability.
            Run::Call(_) | Run::Stream(_) => {
                let mut outcomes = Vec::with_capacity(requests.len());
                for request in &requests {
                    outcomes.push(calls.execute(request, None).await);
                }
                outcomes
            }
        };
        let output = |outcome| match outcome {
            Ok(output) => BatchOutput { result: Some(batch_output::Result::OutputData(output)) },
            Err(error) => {
                let error: ModuleError = error;
                BatchOutput { result: Some(batch_output::Result::Error(error.into_envelope().into_wire())) }
            }
        };
        Ok(CallBatchResponse { outputs: outcomes.into_iter().map(output).collect(), info: None })
    }
}

fn execute(
    module: &Definition,
    input: Option<Input>,
    idempotency_key: String,
    scope: &Scope,
) -> Result<ExecuteRequest, Error> {
    let input_data = match input {
        Some(Input::InputData(bytes)) => bytes,
        Some(Input::InputJson(text)) => {
            codec::value_to_bytes(&module.input, &json::parse(&module.input, &text)?.bare())?.into()
        }
        None => Default::default(),
    };
    let left = scope.deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
    Ok(ExecuteRequest {
        module_name: module.name.clone(),
        input_data,
        execution_id: "test".to_owned(),
        attempt: 1,
        idempotency_key,
        traceparent: scope.traceparent.clone(),
        tracestate: scope.tracestate.clone(),
        timeout_ms: left.map_or(0, |left| u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)),
        ..ExecuteRequest::default()
    })
}

fn printed(module: &Definition, output: &[u8]) -> Result<String, Error> {
    Ok(json::print(&module.output, &codec::value_from_bytes(&module.output, output)?))
}

fn told(error: ModuleError) -> Error {
    error.into_envelope().into()
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.providers.iter().map(|calls| calls.namespace())).finish()
    }
}
