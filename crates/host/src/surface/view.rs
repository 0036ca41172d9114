//! A route of the registry as clients see it.

use prost_types::Timestamp;
use protocol::SessionId;
use protocol::generated::host::v1 as pb;
use protocol::schema;
use registry::{Endpoint, EndpointState, Route};

/// The module with its schemas and who provides it; of the ready endpoints those as ejected of which `is_ejected` says so.
/// Holds no secret.
pub(crate) fn module(route: &Route, is_ejected: impl Fn(SessionId) -> bool) -> pb::Module {
    let spec = &route.spec;
    pb::Module {
        name: route.name.as_str().into(),
        description: spec.description.clone(),
        input: Some(schema::to_proto(&spec.input)),
        output: Some(schema::to_proto(&spec.output)),
        input_text: spec.input.to_string(),
        output_text: spec.output.to_string(),
        version: spec.version.to_string(),
        revision: route.revision,
        schema_fingerprint: route.fingerprint.to_string(),
        capabilities: Some(spec.capabilities.into()),
        examples: spec.examples.iter().map(Into::into).collect(),
        endpoints: route.endpoints.iter().map(|one| endpoint(one, &is_ejected)).collect(),
    }
}

fn endpoint(endpoint: &Endpoint, is_ejected: impl Fn(SessionId) -> bool) -> pb::Endpoint {
    pb::Endpoint {
        session_id: endpoint.session.to_string(),
        service_id: endpoint.service_id.as_str().into(),
        group_id: endpoint.group_id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        plane: endpoint.plane.map(|plane| plane.to_proto().into()).unwrap_or_default(),
        state: match endpoint.state {
            EndpointState::Pending => pb::SessionState::Pending,
            EndpointState::Ready if is_ejected(endpoint.session) => pb::SessionState::Ejected,
            EndpointState::Ready => pb::SessionState::Ready,
            EndpointState::Draining => pb::SessionState::Draining,
        }
        .into(),
        info: Some((&*endpoint.info).into()),
        registered_at: Some(Timestamp::from(endpoint.registered_at)),
    }
}
