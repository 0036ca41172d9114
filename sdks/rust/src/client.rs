//! `Client`: calls any module of a host and looks at its registry. Serves nothing.

mod builder;
mod module_info;
mod options;
mod stream;
#[cfg(test)]
mod tests;
mod typed;
mod watch;
pub(crate) mod wire;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tonic::transport::Channel;

pub use builder::ClientBuilder;
pub use module_info::{EndpointInfo, EndpointState, ModuleInfo};
pub use options::CallOptions;
pub use stream::CallStream;
pub use watch::{Change, Watch};

use crate::bearer::Bearer;
use crate::client::options::DEFAULT_TIMEOUT;
use crate::client::typed::{Encoded, single};
use crate::client::wire::{Scope, Wire};
use crate::codec::{self, CodecError, Decode, Encode};
use crate::error::{Category, Error};
use crate::generated::host::v1::call_request::Input;
use crate::generated::host::v1::call_response::Output;
use crate::generated::host::v1::{
    BatchInput, CallBatchRequest, CallRequest, CallResponse, CallStreamRequest, CallStreamResponse, ListModulesRequest,
    WatchRequest, batch_input, batch_output, call_stream_response,
};
use crate::types::CType;
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
        Self { wire, modules: Arc::default() }
    }

    /// The client of a handler: what it calls is part of the handler's own call.
    pub(crate) fn scoped(&self, scope: Scope) -> Self {
        Self { wire: self.wire.scoped(scope), modules: Arc::clone(&self.modules) }
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
        self.call_as(name, typed::encoded(input), typed::read::<O>, options).await
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
        let options = self.dynamic(name, options).await?;
        self.call_as(name, typed::encoded_value(input), typed::read_value, options).await
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
