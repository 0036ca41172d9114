//! Tests of modules without a host. Opens no connection and reads no environment but `MODRACK_DEBUG`.

mod memory;

use std::sync::Arc;

use tokio_stream::StreamExt as _;

pub(crate) use memory::Memory;

use crate::client::wire::Wire;
use crate::client::{CallStream, Client};
use crate::codec::{self, Decode, Encode};
use crate::error::{Category, Error};
use crate::generated::provider::v1::ExecuteRequest;
use crate::module::Definition;
use crate::provider::Provider;
use crate::provider::calls::Calls;
use crate::run::Run;
use crate::value::Value;

/// Calls the modules of providers in memory, through the codec, as a host would: what does not fit a type fails here too. What handlers call
/// through their [`Context::client`](crate::Context::client) is answered by the same modules.
///
/// ```
/// use modrack::testing::TestClient;
/// use modrack::{ModuleError, Provider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), modrack::Error> {
/// let provider = Provider::new("math").module("Double", |n: i64| async move { Ok(n * 2) });
/// let client = TestClient::new(provider)?;
/// let doubled: i64 = client.call("Double", &21).await?;
/// assert_eq!(doubled, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TestClient {
    providers: Vec<Arc<Calls>>,
    /// Held here and by nothing else, so that all of it goes with the last client of the test.
    memory: Arc<Memory>,
    client: Client,
}

impl TestClient {
    /// A client of the modules that the provider has.
    ///
    /// # Errors
    /// What [`Provider::run`] would refuse before it connects.
    pub fn new(provider: Provider) -> Result<Self, Error> {
        Ok(Self::of(vec![provider.into_calls()?]))
    }

    /// The same client, with the modules of another namespace as well.
    ///
    /// # Errors
    /// As [`TestClient::new`].
    pub fn with(mut self, provider: Provider) -> Result<Self, Error> {
        self.providers.push(provider.into_calls()?);
        Ok(Self::of(self.providers))
    }

    fn of(providers: Vec<Arc<Calls>>) -> Self {
        let memory = Arc::new(Memory::new(providers.clone()));
        let client = Client::new(Wire::memory(&memory));
        for calls in &providers {
            calls.connect(client.clone());
        }
        Self { providers, memory, client }
    }

    /// An ordinary client of the same modules, by their qualified names, for code that takes one. It lists and watches nothing, and does not look at
    /// schema fingerprints. It lives as long as this.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Calls a module by its name, with or without the first provider's namespace. Dropping the future cancels the call.
    ///
    /// # Errors
    /// What the handler fails with; `codec.…` where the input does not fit the module or the output not `O`; `registry.module.unknown`.
    pub async fn call<I, O>(&self, name: &str, input: &I) -> Result<O, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.client.call(&self.qualified(name), input).await
    }

    /// As [`TestClient::call`], for types known only at run time.
    ///
    /// # Errors
    /// As [`TestClient::call`].
    pub async fn call_value(&self, name: &str, input: &Value) -> Result<Value, Error> {
        self.client.call_value(&self.qualified(name), input).await
    }

    /// As [`TestClient::call`], for a module whose output is a stream. The handler goes on only as items are read.
    ///
    /// # Errors
    /// As [`TestClient::call`]; `executor.stream.unsupported`.
    pub async fn stream<I, O>(&self, name: &str, input: &I) -> Result<CallStream<O>, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        self.client.stream(&self.qualified(name), input).await
    }

    /// As [`TestClient::call`], for several inputs: one output or failure for each. A module without batches is called once for each.
    ///
    /// # Errors
    /// What fails the batch as a whole.
    pub async fn call_batch<I, O>(&self, name: &str, inputs: &[I]) -> Result<Vec<Result<O, Error>>, Error>
    where
        I: Encode,
        O: Decode,
    {
        self.client.call_batch(&self.qualified(name), inputs).await
    }

    /// Calls each module with the inputs of its examples. Of a stream, the first item is looked at.
    ///
    /// # Errors
    /// What a call fails with; `client.example.differs` for another output than the example's.
    pub async fn check_examples(&self) -> Result<(), Error> {
        for calls in &self.providers {
            for module in calls.table().values() {
                for (input, expected) in &module.examples {
                    let output = output_of(calls, module, input).await?;
                    if output != *expected {
                        let message = format!("an example of `{}` has another output", module.name);
                        let show = |bytes: &[u8]| {
                            codec::value_from_bytes(&module.output, bytes)
                                .map(|value| crate::json::print(&module.output, &value))
                        };
                        return Err(Error::new(Category::FailedPrecondition, "client.example.differs", message)
                            .with_detail("expected", show(expected)?)
                            .with_detail("actual", show(&output)?));
                    }
                }
            }
        }
        Ok(())
    }

    fn qualified(&self, name: &str) -> String {
        if self.memory.find(name).is_ok() {
            return name.to_owned();
        }
        let namespace = self.providers.first().map_or("", |calls| calls.namespace());
        format!("{namespace}.{name}")
    }
}

async fn output_of(calls: &Calls, module: &Definition, input: &[u8]) -> Result<Vec<u8>, Error> {
    let request = ExecuteRequest {
        module_name: module.name.clone(),
        input_data: input.to_vec().into(),
        execution_id: "test".to_owned(),
        attempt: 1,
        ..ExecuteRequest::default()
    };
    let output = match module.run {
        Run::Stream(_) => match calls.stream(&request, None) {
            Ok(mut items) => items.next().await.unwrap_or_else(|| Ok(Vec::new())),
            Err(error) => Err(error),
        },
        Run::Call(_) | Run::Batch(_) => calls.execute(&request, None).await,
    };
    output.map_err(|error| error.into_envelope().into())
}

impl std::fmt::Debug for TestClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestClient({:?})", self.memory)
    }
}
