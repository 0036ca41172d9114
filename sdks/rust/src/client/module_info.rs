//! What a host tells of a module. Asks for nothing itself.

use crate::error::Error;
use crate::generated::host::v1 as wire;
use crate::provider::Plane;
use crate::types::CType;

/// A registered module, as it was when the host answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleInfo {
    /// Qualified name, `namespace.Name`.
    pub name: String,
    /// What the module does.
    pub description: String,
    /// Type of the input.
    pub input: CType,
    /// Type of the output.
    pub output: CType,
    /// Semantic version.
    pub version: String,
    /// Rises by one with each replacement; starts at 1.
    pub revision: u64,
    /// Equal for equal types, on every host.
    pub fingerprint: String,
    /// Whether it may be called again without a second effect.
    pub idempotent: bool,
    /// Who serves it: one, or one per replica of its group.
    pub endpoints: Vec<EndpointInfo>,
}

/// A provider that serves a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointInfo {
    /// Names the session in the host's logs.
    pub session_id: String,
    /// Who the provider is.
    pub service_id: String,
    /// Its group; empty without replicas.
    pub group_id: String,
    /// How calls reach it; `None` while they cannot.
    pub plane: Option<Plane>,
    /// Whether it is callable.
    pub state: EndpointState,
    /// `python`, `typescript`, `rust`, or what else.
    pub language: String,
}

/// Whether a provider is callable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// Registered, not connected yet.
    Pending,
    /// Callable.
    Ready,
    /// Takes no new calls.
    Draining,
    /// Callable, but given no calls or one at a time, because its calls failed one after the other or it fell silent.
    Ejected,
}

impl ModuleInfo {
    pub(crate) fn from_wire(module: wire::Module) -> Result<Self, Error> {
        let read = |schema: Option<_>| CType::from_wire(&schema.unwrap_or_default());
        let about = |fault| Error::from(fault).with_detail("module", &module.name);
        let input = read(module.input).map_err(about)?;
        let output = read(module.output).map_err(about)?;
        Ok(Self {
            input,
            output,
            name: module.name,
            description: module.description,
            version: module.version,
            revision: module.revision,
            fingerprint: module.schema_fingerprint,
            idempotent: module.capabilities.is_some_and(|c| c.idempotent),
            endpoints: module.endpoints.into_iter().map(EndpointInfo::from_wire).collect(),
        })
    }
}

impl EndpointInfo {
    fn from_wire(endpoint: wire::Endpoint) -> Self {
        let state = match endpoint.state() {
            wire::SessionState::Ready => EndpointState::Ready,
            wire::SessionState::Draining => EndpointState::Draining,
            wire::SessionState::Ejected => EndpointState::Ejected,
            wire::SessionState::Pending | wire::SessionState::Unspecified => EndpointState::Pending,
        };
        Self {
            plane: Plane::from_wire(endpoint.plane()),
            state,
            language: endpoint.info.map(|info| info.language).unwrap_or_default(),
            session_id: endpoint.session_id,
            service_id: endpoint.service_id,
            group_id: endpoint.group_id,
        }
    }
}
