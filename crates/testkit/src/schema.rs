//! Types, values and registrations from text, the shortest way to write them in a test.

use bytes::Bytes;
use type_schema::{CType, Schema};

use protocol::generated::provider::v1 as pb;
use protocol::generated::types::v1::{TypeKind, TypeSchema};

fn parse(text: &str) -> CType {
    CType::parse(text).unwrap_or_else(|error| panic!("`{text}` is no type: {error}"))
}

fn compiled(text: &str) -> Schema {
    Schema::new(parse(text)).expect("what was parsed is legal")
}

/// A type on the wire.
#[must_use]
pub fn schema(text: &str) -> TypeSchema {
    protocol::schema::to_proto(&parse(text))
}

/// A list in a list and so on, with `depth` lists around an Int. Legal up to 64.
#[must_use]
pub fn nested_lists(depth: usize) -> TypeSchema {
    let leaf = TypeSchema { kind: TypeKind::Int.into(), ..TypeSchema::default() };
    (0..depth).fold(leaf, |child, _| TypeSchema {
        kind: TypeKind::List.into(),
        children: vec![child],
        ..TypeSchema::default()
    })
}

/// A record with that many Int fields, which makes one node more. Legal up to 9999.
#[must_use]
pub fn record_of(fields: usize) -> TypeSchema {
    let field = |i| TypeSchema { kind: TypeKind::Int.into(), field_name: format!("f{i}"), ..TypeSchema::default() };
    TypeSchema { kind: TypeKind::Record.into(), children: (0..fields).map(field).collect(), ..TypeSchema::default() }
}

/// A module with types from text and nothing else.
#[must_use]
pub fn module(name: &str, input: &str, output: &str) -> pb::ModuleSpec {
    pb::ModuleSpec {
        name: name.to_owned(),
        input: Some(schema(input)),
        output: Some(schema(output)),
        ..pb::ModuleSpec::default()
    }
}

/// A registration without replicas that will attach or link; the service id is that of the namespace.
#[must_use]
pub fn registration(namespace: &str, modules: impl IntoIterator<Item = pb::ModuleSpec>) -> pb::RegisterRequest {
    pb::RegisterRequest {
        service_id: namespace.to_owned(),
        namespace: namespace.to_owned(),
        modules: modules.into_iter().collect(),
        protocol_version: protocol::PROTOCOL_VERSION,
        planes: vec![pb::DataPlane::Attach.into(), pb::DataPlane::Link.into()],
        ..pb::RegisterRequest::default()
    }
}

/// Canonical MessagePack of a value in JSON.
#[must_use]
pub fn msgpack(ctype: &str, json: &str) -> Bytes {
    let bytes = type_schema::json_to_msgpack(json, &compiled(ctype));
    bytes.unwrap_or_else(|error| panic!("{json} is no `{ctype}`: {error}")).into()
}

/// JSON of a value in MessagePack.
#[must_use]
pub fn json(ctype: &str, bytes: &[u8]) -> serde_json::Value {
    let value = type_schema::msgpack_to_json(bytes, &compiled(ctype));
    value.unwrap_or_else(|error| panic!("no `{ctype}`: {error}"))
}
