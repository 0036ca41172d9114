//! `Client`: calls any module of a host and looks at its registry. Serves nothing.

mod module_info;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tonic::transport::Channel;

pub use module_info::{EndpointInfo, EndpointState, ModuleInfo};
pub use watch::{Change, Watch};

use crate::codec::{self, CodecError, Decode, Encode};
use crate::error::{Category, Error};
use crate::generated::host::v1::call_request::Input;
use crate::generated::host::v1::call_response::Output;
use crate::generated::host::v1::host_client::HostClient;
use crate::generated::host::v1::{CallRequest, CallResponse, GetModuleRequest, ListModulesRequest, WatchRequest};
use crate::host::HostAddress;
use crate::provider::env;
use crate::types::CType;
use crate::value::Value;

/// Where a host is that nobody has named.
const DEFAULT_HOST: &str = "http://127.0.0.1:7420";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer. The host has its own limit, which is lower.
const MAX_MESSAGE: usize = 256 * 1024 * 1024;

/// A connection to a host. Cheap to clone; clones share the connection and what is known of the modules.
///
/// It knows the types of a module from its first call and asks again when the host says that they have changed. Where the caller's types are not
/// those of the module, values are carried over where they fit: a `T` where `T | U` is wanted, a record with more fields, any value to a [`Value`].
///
/// Dropping the future of a call cancels it, down to the handler.
#[derive(Debug, Clone)]
pub struct Client {
    grpc: HostClient<Channel>,
    modules: Arc<RwLock<HashMap<String, Arc<ModuleInfo>>>>,
}

/// What one call may take.
#[derive(Debug, Clone)]
pub struct CallOptions {
    timeout: Duration,
    idempotency_key: String,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { timeout: DEFAULT_TIMEOUT, idempotency_key: String::new() }
    }
}

impl CallOptions {
    /// 30 s, and no idempotency key.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the call may take, from now to its answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Equal for calls that must have one effect.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = key.into();
        self
    }
}

impl Client {
    /// Connects to the host at `http://host:port` or `unix:/path/to.sock`.
    ///
    /// # Errors
    /// `client.host.invalid`; `client.host.unreachable`.
    pub async fn connect(host: &str) -> Result<Self, Error> {
        let channel = HostAddress::parse(host)?.connect().await?;
        Ok(Self::over(channel))
    }

    /// Connects to the host that `MODRACK_HOST` names, or to `http://127.0.0.1:7420`.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn from_env() -> Result<Self, Error> {
        Self::connect(env("MODRACK_HOST").as_deref().unwrap_or(DEFAULT_HOST)).await
    }

    fn over(channel: Channel) -> Self {
        let grpc = HostClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Self { grpc, modules: Arc::default() }
    }

    /// Calls a module, e.g. `text.Contains`, within 30 s.
    ///
    /// # Errors
    /// What the module failed with (`origin` is then `Module`), what the host refused, `codec.…` for an input or output that does not fit.
    pub async fn call<I, O>(&self, name: &str, input: &I) -> Result<O, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.call_with(name, input, CallOptions::default()).await
    }

    /// As [`Client::call`], with options.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_with<I, O>(&self, name: &str, input: &I, options: CallOptions) -> Result<O, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        let given = codec::to_bytes(input)?;
        let input_type = I::ctype();
        let encode = |module: &ModuleInfo| carry(given.clone(), &input_type, &module.input);
        let (module, output) = self.call_bytes(name, encode, &options).await?;
        receive(&output, &module.output)
    }

    /// Calls a module whose types are known only at run time.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_value(&self, name: &str, input: &Value) -> Result<Value, Error> {
        self.call_value_with(name, input, CallOptions::default()).await
    }

    /// As [`Client::call_value`], with options.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_value_with(&self, name: &str, input: &Value, options: CallOptions) -> Result<Value, Error> {
        let encode = |module: &ModuleInfo| codec::value_to_bytes(&module.input, input);
        let (module, output) = self.call_bytes(name, encode, &options).await?;
        codec::value_from_bytes(&module.output, &output).map_err(wrong_output)
    }

    /// Calls a module with a JSON text, which the host reads by the module's type; the output is JSON as well.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_json(&self, name: &str, input: &str, options: CallOptions) -> Result<String, Error> {
        let request = CallRequest {
            module: name.to_owned(),
            input: Some(Input::InputJson(input.to_owned())),
            schema_fingerprint: String::new(),
            idempotency_key: options.idempotency_key.clone(),
        };
        match self.send(request, options.timeout).await?.output {
            Some(Output::OutputJson(json)) => Ok(json),
            Some(Output::OutputData(_)) | None => Err(no_output()),
        }
    }

    /// The registered modules whose names match, in ascending order of their names: a qualified name, a pattern such as `text.*`, or `""` for all.
    /// Cost: one request per 1000 modules.
    ///
    /// # Errors
    /// What the host refuses; `client.host.unreachable`.
    pub async fn list_modules(&self, pattern: &str) -> Result<Vec<ModuleInfo>, Error> {
        let mut modules = Vec::new();
        let mut page_token = String::new();
        loop {
            let mut request =
                tonic::Request::new(ListModulesRequest { pattern: pattern.to_owned(), page_size: 0, page_token });
            request.set_timeout(DEFAULT_TIMEOUT);
            let answer = self.grpc.clone().list_modules(request).await.map_err(|s| Error::from_status(&s))?;
            let page = answer.into_inner();
            for module in page.modules {
                modules.push(ModuleInfo::from_wire(module)?);
            }
            if page.next_page_token.is_empty() {
                return Ok(modules);
            }
            page_token = page.next_page_token;
        }
    }

    /// One module, as it is now.
    ///
    /// # Errors
    /// What the host refuses, e.g. a name that is not registered; `client.host.unreachable`.
    pub async fn get_module(&self, name: &str) -> Result<ModuleInfo, Error> {
        let mut request = tonic::Request::new(GetModuleRequest { name: name.to_owned() });
        request.set_timeout(DEFAULT_TIMEOUT);
        let answer = self.grpc.clone().get_module(request).await.map_err(|s| Error::from_status(&s))?;
        let module = answer.into_inner().module.ok_or_else(|| {
            Error::new(Category::Internal, "client.answer.invalid", "the host answered without the module")
        })?;
        ModuleInfo::from_wire(module)
    }

    /// What changes in the registry, for names that match as in [`Client::list_modules`]: first the present state, then [`Change::Synced`], then
    /// changes until the host ends.
    ///
    /// # Errors
    /// As [`Client::list_modules`].
    pub async fn watch(&self, pattern: &str) -> Result<Watch, Error> {
        let request = WatchRequest { pattern: pattern.to_owned() };
        let answer = self.grpc.clone().watch(request).await.map_err(|s| Error::from_status(&s))?;
        Ok(Watch::new(answer.into_inner()))
    }

    /// Sends an input that was encoded for the types known here; asks for them again, once, when the host says that they have changed.
    async fn call_bytes(
        &self,
        name: &str,
        encode: impl Fn(&ModuleInfo) -> Result<Vec<u8>, CodecError>,
        options: &CallOptions,
    ) -> Result<(Arc<ModuleInfo>, Bytes), Error> {
        let deadline = tokio::time::Instant::now() + options.timeout;
        let mut asked_again = false;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let known = tokio::time::timeout(left, self.known(name)).await.map_err(|_| too_late(options.timeout))??;
            let module = Arc::clone(&known);
            // Known types may be old ones, which is why the input does not fit them.
            let input = match encode(&module) {
                Ok(input) => input,
                Err(_) if !asked_again && self.forget_if_changed(name, &module).await? => {
                    asked_again = true;
                    continue;
                }
                Err(fault) => return Err(Error::from(fault).with_detail("module", name)),
            };
            let request = CallRequest {
                module: name.to_owned(),
                input: Some(Input::InputData(input.into())),
                schema_fingerprint: module.fingerprint.clone(),
                idempotency_key: options.idempotency_key.clone(),
            };
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            match self.send(request, left).await {
                Ok(CallResponse { output: Some(Output::OutputData(output)), .. }) => return Ok((module, output)),
                Ok(_) => return Err(no_output()),
                Err(error) if error.code() == "registry.schema.changed" && !asked_again => {
                    asked_again = true;
                    self.forget(name);
                }
                Err(error) if error.code() == "client.deadline.exceeded" => return Err(too_late(options.timeout)),
                Err(error) => return Err(error),
            }
        }
    }

    async fn send(&self, request: CallRequest, timeout: Duration) -> Result<CallResponse, Error> {
        let mut request = tonic::Request::new(request);
        request.set_timeout(timeout);
        // The host answers at the deadline with what it knows; this is for a host that does not answer at all.
        let grace = timeout + Duration::from_millis(500).min(timeout);
        match tokio::time::timeout(grace, self.grpc.clone().call(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(Error::from_status(&status)),
            Err(_) => Err(too_late(timeout)),
        }
    }

    async fn known(&self, name: &str) -> Result<Arc<ModuleInfo>, Error> {
        let known = self.modules.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(module) = known {
            return Ok(module);
        }
        let module = Arc::new(self.get_module(name).await?);
        self.modules.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&module));
        Ok(module)
    }

    fn forget(&self, name: &str) {
        self.modules.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    async fn forget_if_changed(&self, name: &str, known: &ModuleInfo) -> Result<bool, Error> {
        let now = self.get_module(name).await?;
        let changed = now.fingerprint != known.fingerprint;
        if changed {
            self.forget(name);
        }
        Ok(changed)
    }
}

/// An encoding of one type as an encoding of another: the bytes as they are where the types are the same.
pub(crate) fn carry(bytes: Vec<u8>, from: &CType, to: &CType) -> Result<Vec<u8>, CodecError> {
    if from == to {
        return Ok(bytes);
    }
    let value = codec::value_from_bytes(from, &bytes)?;
    codec::value_to_bytes(to, &value.bare())
}

/// An output of the module's type as the caller's.
pub(crate) fn receive<O: Decode>(output: &[u8], declared: &CType) -> Result<O, Error> {
    let wanted = O::ctype();
    let decoded = if wanted == *declared {
        codec::from_bytes(output)
    } else {
        carry(output.to_vec(), declared, &wanted).and_then(|bytes| codec::from_bytes(&bytes))
    };
    decoded.map_err(|fault| {
        wrong_output(fault).with_detail("expected", wanted.to_string()).with_detail("actual", declared.to_string())
    })
}

fn wrong_output(fault: CodecError) -> Error {
    let code = fault.code();
    let path = fault.path().to_owned();
    Error::new(Category::FailedPrecondition, code, format!("the output does not fit: {fault}"))
        .with_detail("path", path)
}

fn no_output() -> Error {
    Error::new(Category::Internal, "client.answer.invalid", "the host answered without an output of the form asked for")
}

fn too_late(timeout: Duration) -> Error {
    Error::deadline_exceeded(format!("no answer within {timeout:?}"))
}
