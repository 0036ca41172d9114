//! What a provider says of its modules and of itself, checked. Does not decide whether a registry takes it.

use bytes::Bytes;
use type_schema::{CType, Schema};

use crate::codes;
use crate::error::Error;
use crate::generated::provider::v1 as pb;
use crate::names::LocalName;
use crate::schema;

/// A way in which calls reach a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataPlane {
    /// The host calls `ModuleExecutor` at the provider's address.
    Unary,
    /// The provider opened `ModuleRegistry.Attach`.
    Attach,
    /// The provider connected to the link's socket.
    Link,
    /// The host serves it itself, without a wire.
    Host,
}

impl DataPlane {
    /// `unary`, `attach`, `link` or `host`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Attach => "attach",
            Self::Link => "link",
            Self::Host => "host",
        }
    }

    /// Wire form.
    #[must_use]
    pub fn to_proto(self) -> pb::DataPlane {
        match self {
            Self::Unary => pb::DataPlane::Unary,
            Self::Attach => pb::DataPlane::Attach,
            Self::Link => pb::DataPlane::Link,
            Self::Host => pb::DataPlane::Host,
        }
    }
}

/// What a module offers beyond a plain call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities {
    /// May be retried on another endpoint.
    pub idempotent: bool,
    /// Offers `ExecuteBatch`.
    pub batch: bool,
    /// Offers `ExecuteStream`.
    pub stream: bool,
}

/// One input and what comes out, as MessagePack of the declared types. Validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The input.
    pub input: Bytes,
    /// The expected output.
    pub output: Bytes,
}

/// One module as its provider declares it, with legal types and fitting examples.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleSpec {
    /// Name inside the namespace.
    pub name: LocalName,
    /// What the module does.
    pub description: String,
    /// Type of the input.
    pub input: CType,
    /// Type of the output; of one item when the module streams.
    pub output: CType,
    /// Semantic version.
    pub version: semver::Version,
    /// What it offers beyond a plain call.
    pub capabilities: Capabilities,
    /// Inputs with their expected outputs.
    pub examples: Vec<Example>,
}

impl ModuleSpec {
    /// Checks one module of a registration.
    ///
    /// # Errors
    /// `registry.name.invalid`, `registry.schema.invalid`, `registry.version.invalid`, `registry.example.invalid`, `protocol.field.missing`.
    pub fn from_proto(spec: pb::ModuleSpec) -> Result<Self, Error> {
        let name = LocalName::parse(&spec.name)?;
        let input = schema::from_proto(spec.input, "input")?;
        let output = schema::from_proto(spec.output, "output")?;
        let version = match spec.version.as_str() {
            "" => semver::Version::new(0, 0, 0),
            text => semver::Version::parse(text)
                .map_err(|error| Error::of(codes::VERSION_INVALID, format!("the version is refused: {error}")))?,
        };
        let capabilities = spec
            .capabilities
            .map(|c| Capabilities { idempotent: c.idempotent, batch: c.batch, stream: c.stream })
            .unwrap_or_default();
        let examples = if spec.examples.is_empty() {
            Vec::new()
        } else {
            let compile = |ctype: &CType| Schema::new(ctype.clone()).expect("the type was checked above");
            let (input, output) = (compile(&input), compile(&output));
            let check = |i: usize, what: &str, schema: &Schema, data: &[u8]| {
                schema.validate(data).map(drop).map_err(|error| {
                    Error::of(codes::EXAMPLE_INVALID, format!("the {what} of example {i} is refused: {error}"))
                        .detail("codec_code", error.code.as_str())
                        .detail("path", error.path.clone())
                })
            };
            let mut examples = Vec::with_capacity(spec.examples.len());
            for (i, example) in spec.examples.into_iter().enumerate() {
                check(i, "input", &input, &example.input_data)?;
                check(i, "output", &output, &example.output_data)?;
                examples.push(Example { input: example.input_data.into(), output: example.output_data.into() });
            }
            examples
        };
        Ok(Self { name, description: spec.description, input, output, version, capabilities, examples })
    }
}

impl From<Capabilities> for pb::ModuleCapabilities {
    fn from(c: Capabilities) -> Self {
        Self { idempotent: c.idempotent, batch: c.batch, stream: c.stream }
    }
}

impl From<&Example> for pb::ModuleExample {
    fn from(example: &Example) -> Self {
        Self { input_data: example.input.to_vec(), output_data: example.output.to_vec() }
    }
}

/// Facts about a provider's process, for people. Bounded, not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderInfo {
    /// `python`, `typescript`, `rust`, or what else.
    pub language: String,
    /// Name and version of the SDK.
    pub sdk: String,
    /// Process id on its machine; 0 where unknown.
    pub pid: u32,
}

impl ProviderInfo {
    /// Takes what a provider says, cut to 64 characters a field, without control characters.
    #[must_use]
    pub fn from_proto(info: pb::ProviderInfo) -> Self {
        let short = |text: String| text.chars().filter(|c| !c.is_control()).take(64).collect();
        Self { language: short(info.language), sdk: short(info.sdk), pid: info.pid }
    }
}

impl From<&ProviderInfo> for pb::ProviderInfo {
    fn from(info: &ProviderInfo) -> Self {
        Self { language: info.language.clone(), sdk: info.sdk.clone(), pid: info.pid }
    }
}
