//! `Client`: calls any module of a host and looks at its registry. Serves nothing.

mod builder;
mod module_info;
mod options;
pub(crate) mod pipelines;
mod sending;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod typed;
mod watch;
pub(crate) mod wire;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tonic::transport::Channel;

pub use builder::ClientBuilder;
pub use module_info::{EndpointInfo, EndpointState, ModuleInfo};
pub use options::{CallOptions, PutOptions, RunOptions};
pub use stream::CallStream;
pub use watch::{Change, Watch};

use crate::bearer::Bearer;
use crate::client::options::DEFAULT_TIMEOUT;
use crate::client::pipelines::which::Plans;
use crate::client::sending::Typing;
use crate::client::wire::{Scope, Wire};
use crate::codec::{Decode, Encode};
use crate::error::{Category, Error};
use crate::generated::host::v1::call_request::Input;
use crate::generated::host::v1::call_response::Output;
use crate::generated::host::v1::{CallRequest, ListModulesRequest, WatchRequest};
use crate::typed_module::TypedModule;
use crate::value::Value;

/// A connection to a host. Cheap to clone; clones share the connection and what is known of the modules.
///
/// It knows the types of a module from its first call and asks again when the host says that they have changed. Where the caller's types are not
/// those of the module, values are carried over where they fit: a `T` where `T | U` is wanted, a record with more fields, any value to a [`Value`].
/// A caller that was built for the module's very types says so by [`CallOptions::schema_fingerprint`], and nothing is asked.
///
/// Dropping the future of a call, or its stream, cancels it, down to the handler.
#[derive(Debug, Clone)]
pub struct Client {
    wire: Wire,
    modules: Arc<RwLock<HashMap<String, Arc<ModuleInfo>>>>,
    plans: Plans,
}

impl Client {
    /// Connects to the host at `http://host:port`, `https://host:port` or `unix:/path/to.sock`; a token and the files of TLS are those that the
    /// environment names.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    pub async fn connect(host: &str) -> Result<Self, Error> {
        Self::builder().host(host).connect().await
    }

    /// Connects to the host that `MODRACK_HOST` names, or to `http://127.0.0.1:7420`.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    pub async fn from_env() -> Result<Self, Error> {
        Self::builder().connect().await
    }

    /// A client that is told more than its host.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn over(channel: Channel, bearer: Bearer) -> Self {
        Self::new(Wire::host(channel, bearer))
    }

    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, modules: Arc::default(), plans: Plans::default() }
    }

    /// A client of a provider that has no host.
    pub(crate) fn unconnected() -> Self {
        Self::new(Wire::nobody("the provider is not connected to a host"))
    }

    /// The client of a handler: what it calls is part of the handler's own call.
    pub(crate) fn scoped(&self, scope: Scope) -> Self {
        Self { wire: self.wire.scoped(scope), ..self.clone() }
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
        self.call_as(name, Typing::Native, typed::encoded(input), typed::read::<O>, options).await
    }

    /// Calls a module whose types are known only at run time.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_value(&self, name: &str, input: &Value) -> Result<Value, Error> {
        self.call_value_with(name, input, CallOptions::default()).await
    }

    /// As [`Client::call_value`], with options. The types are asked for, whatever fingerprint is expected.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_value_with(&self, name: &str, input: &Value, options: CallOptions) -> Result<Value, Error> {
        self.call_as(name, Typing::Dynamic, typed::encoded_value(input), typed::read_value, options).await
    }

    /// Calls a module with a JSON text, which the host reads by the module's type; the output is JSON as well.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_json(&self, name: &str, input: &str, options: CallOptions) -> Result<String, Error> {
        let request = CallRequest {
            module: name.to_owned(),
            input: Some(Input::InputJson(input.to_owned())),
            schema_fingerprint: options.schema_fingerprint.unwrap_or_default(),
            idempotency_key: options.idempotency_key,
        };
        match self.wire.call(request, self.time(options.timeout)?).await?.output {
            Some(Output::OutputJson(json)) => Ok(json),
            Some(Output::OutputData(_)) | None => Err(no_output()),
        }
    }

    /// Calls a module whose output is a stream, e.g. `text.Words`, and returns when it has begun. The whole stream takes at most 30 s.
    ///
    /// # Errors
    /// As [`Client::call`]; `executor.stream.unsupported` for a module without the capability.
    pub async fn stream<I, O>(&self, name: &str, input: &I) -> Result<CallStream<O>, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.stream_with(name, input, CallOptions::default()).await
    }

    /// As [`Client::stream`], with options.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn stream_with<I, O>(&self, name: &str, input: &I, options: CallOptions) -> Result<CallStream<O>, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.stream_as(name, Typing::Native, typed::encoded(input), typed::read::<O>, options).await
    }

    /// As [`Client::stream_with`], for types known only at run time.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn stream_value_with(
        &self,
        name: &str,
        input: &Value,
        options: CallOptions,
    ) -> Result<CallStream<Value>, Error> {
        self.stream_as(name, Typing::Dynamic, typed::encoded_value(input), typed::read_value, options).await
    }

    /// Calls a module on several inputs under one deadline of 30 s: one output or failure per input, in their order.
    /// The host takes at most 10 000.
    ///
    /// # Errors
    /// What fails the batch as a whole. An input that does not fit, or that the module fails on, is the failure of its own place.
    pub async fn call_batch<I, O>(&self, name: &str, inputs: &[I]) -> Result<Vec<Result<O, Error>>, Error>
    where
        I: Encode,
        O: Decode,
    {
        self.call_batch_with(name, inputs, CallOptions::default()).await
    }

    /// As [`Client::call_batch`], with options.
    ///
    /// # Errors
    /// As [`Client::call_batch`].
    pub async fn call_batch_with<I, O>(
        &self,
        name: &str,
        inputs: &[I],
        options: CallOptions,
    ) -> Result<Vec<Result<O, Error>>, Error>
    where
        I: Encode,
        O: Decode,
    {
        self.batch_as(name, inputs, options).await
    }

    /// Calls a module of generated bindings, as [`CallOptions::schema_fingerprint`] says.
    ///
    /// # Errors
    /// As [`Client::call`]; `registry.schema.changed` where the module has other types by now.
    pub async fn call_typed<I, O>(
        &self,
        module: &TypedModule<I, O>,
        input: &I,
        options: CallOptions,
    ) -> Result<O, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.call_with(module.name(), input, options.schema_fingerprint(module.fingerprint())).await
    }

    /// As [`Client::call_typed`], for a module whose output is a stream.
    ///
    /// # Errors
    /// As [`Client::stream`]; `registry.schema.changed`.
    pub async fn stream_typed<I, O>(
        &self,
        module: &TypedModule<I, O>,
        input: &I,
        options: CallOptions,
    ) -> Result<CallStream<O>, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.stream_with(module.name(), input, options.schema_fingerprint(module.fingerprint())).await
    }

    /// As [`Client::call_typed`], for several inputs.
    ///
    /// # Errors
    /// As [`Client::call_batch`]; `registry.schema.changed`.
    pub async fn call_batch_typed<I, O>(
        &self,
        module: &TypedModule<I, O>,
        inputs: &[I],
        options: CallOptions,
    ) -> Result<Vec<Result<O, Error>>, Error>
    where
        I: Encode,
        O: Decode,
    {
        self.call_batch_with(module.name(), inputs, options.schema_fingerprint(module.fingerprint())).await
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
            let request = ListModulesRequest { pattern: pattern.to_owned(), page_size: 0, page_token };
            let page = self.wire.list_modules(request, self.time(DEFAULT_TIMEOUT)?).await?;
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
        let module = self.wire.get_module(name, self.time(DEFAULT_TIMEOUT)?).await?;
        ModuleInfo::from_wire(module)
    }

    /// What changes in the registry, for names that match as in [`Client::list_modules`]: first the present state, then [`Change::Synced`], then
    /// changes until the host ends.
    ///
    /// # Errors
    /// As [`Client::list_modules`].
    pub async fn watch(&self, pattern: &str) -> Result<Watch, Error> {
        let request = WatchRequest { pattern: pattern.to_owned(), runs: false, components: false };
        self.wire.watch(request).await.map(Watch::new)
    }
}

fn no_output() -> Error {
    Error::new(Category::Internal, "client.answer.invalid", "the host answered without an output of the form asked for")
}

fn too_late(timeout: Duration) -> Error {
    Error::deadline_exceeded(format!("no answer within {timeout:?}"))
}
