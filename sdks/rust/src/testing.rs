//! Tests of modules without a host. Opens no connection and reads no environment but `MODRACK_DEBUG`.

use std::sync::Arc;

use crate::client::typed::{carry, receive};
use crate::codec::{self, Decode, Encode};
use crate::error::{Category, Error};
use crate::generated::provider::v1::ExecuteRequest;
use crate::module::Definition;
use crate::provider::Provider;
use crate::provider::calls::Calls;
use crate::value::Value;

/// Calls the modules of a provider in memory, through the codec, as a host would: what does not fit a type fails here too.
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
    namespace: String,
    calls: Arc<Calls>,
}

impl TestClient {
    /// A client of the modules that the provider has.
    ///
    /// # Errors
    /// What [`Provider::run`] would refuse before it connects.
    pub fn new(provider: Provider) -> Result<Self, Error> {
        let (namespace, calls) = provider.into_calls()?;
        Ok(Self { namespace, calls })
    }

    /// Calls a module by its name, with or without the namespace. Dropping the future cancels the call.
    ///
    /// # Errors
    /// What the handler fails with; `codec.…` where the input does not fit the module or the output not `O`; `registry.module.unknown`.
    pub async fn call<I, O>(&self, name: &str, input: &I) -> Result<O, Error>
    where
        I: Encode + ?Sized,
        O: Decode,
    {
        let module = self.module(name)?;
        let input = carry(codec::to_bytes(input)?, &I::ctype(), &module.input)?;
        receive(&self.execute(&module, input).await?, &module.output)
    }

    /// As [`TestClient::call`], for types known only at run time.
    ///
    /// # Errors
    /// As [`TestClient::call`].
    pub async fn call_value(&self, name: &str, input: &Value) -> Result<Value, Error> {
        let module = self.module(name)?;
        let output = self.execute(&module, codec::value_to_bytes(&module.input, input)?).await?;
        Ok(codec::value_from_bytes(&module.output, &output)?)
    }

    /// Calls each module with the inputs of its examples.
    ///
    /// # Errors
    /// What a call fails with; `client.example.differs` for another output than the example's.
    pub async fn check_examples(&self) -> Result<(), Error> {
        for module in self.calls.table().values() {
            for (input, expected) in &module.examples {
                let output = self.execute(module, input.clone()).await?;
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
        Ok(())
    }

    fn module(&self, name: &str) -> Result<Arc<Definition>, Error> {
        let qualified = name.strip_prefix(&self.namespace).and_then(|rest| rest.strip_prefix('.'));
        self.calls.table().get(qualified.unwrap_or(name)).cloned().ok_or_else(|| {
            let message = format!("the provider has no module `{name}`");
            Error::new(Category::NotFound, "registry.module.unknown", message)
        })
    }

    async fn execute(&self, module: &Definition, input: Vec<u8>) -> Result<Vec<u8>, Error> {
        let request = ExecuteRequest {
            module_name: module.name.clone(),
            input_data: input.into(),
            execution_id: "test".to_owned(),
            attempt: 1,
            ..ExecuteRequest::default()
        };
        self.calls.run(request).await.map_err(|error| error.into_envelope().into())
    }
}

impl std::fmt::Debug for TestClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestClient({})", self.namespace)
    }
}
