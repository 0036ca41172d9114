//! The view of one TypeScript file: all that its template prints, decided.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{
    EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};
use serde::Serialize;

use super::names::{self, Exports};
use super::types::{self, Scope};
use crate::{docs, embed};

/// One file.
#[derive(Serialize)]
pub(super) struct View {
    source: String,
    doc: String,
    imports: Vec<String>,
    constant: String,
    descriptor: String,
    /// Descriptors of the imported files, in the order of the import statements of the proto.
    dependencies: String,
    enums: Vec<EnumView>,
    messages: Vec<MessageView>,
    services: Vec<ServiceView>,
}

#[derive(Serialize)]
struct EnumView {
    doc: String,
    name: String,
    schema: String,
    full_name: String,
    path: String,
    values: Vec<ValueView>,
}

#[derive(Serialize)]
struct ValueView {
    doc: String,
    name: String,
    number: i32,
}

#[derive(Serialize)]
struct MessageView {
    doc: String,
    name: String,
    schema: String,
    full_name: String,
    path: String,
    members: Vec<MemberView>,
}

/// A field, or a oneof with its cases.
#[derive(Serialize)]
struct MemberView {
    doc: String,
    name: String,
    /// `?` where the property may be absent.
    mark: &'static str,
    r#type: String,
    cases: Vec<CaseView>,
}

#[derive(Serialize)]
struct CaseView {
    doc: String,
    name: String,
    r#type: String,
}

#[derive(Serialize)]
struct ServiceView {
    doc: String,
    full_name: String,
    descriptor: String,
    definition: String,
    handlers: String,
    client: String,
    index: usize,
    methods: Vec<MethodView>,
}

#[derive(Serialize)]
struct MethodView {
    doc: String,
    name: String,
    client_name: String,
    path: String,
    /// As the runtime names it: `unary`, `server_streaming`, `client_streaming`, `bidi_streaming`.
    kind: &'static str,
    /// The function of `runtime.ts` that makes such a call.
    call: &'static str,
    handler: &'static str,
    request_stream: bool,
    response_stream: bool,
    request: String,
    response: String,
    request_schema: String,
    response_schema: String,
    /// Parameters of the client's method before its options.
    parameters: String,
    arguments: &'static str,
    gives: String,
}

/// Decides what the file looks like.
pub(super) fn of_file(file: &FileDescriptor) -> View {
    let mut scope = Scope { file, exports: Exports::of(file) };
    let enums = file.enums().enumerate().map(|(index, descriptor)| (descriptor, index.to_string()));
    let mut enums: Vec<_> = enums.map(|(descriptor, path)| enum_view(&scope, &descriptor, path)).collect();
    let mut messages = Vec::new();
    for (index, message) in file.messages().enumerate() {
        push_message(&scope, &message, index.to_string(), &mut messages, &mut enums);
    }
    let services = file.services().enumerate();
    let services: Vec<_> = services.map(|(index, service)| service_view(&mut scope, &service, index)).collect();
    let constant =
        |dependency: FileDescriptor| format!("{}.{}", types::namespace(&dependency), names::file_constant(&dependency));
    View {
        source: file.name().to_owned(),
        doc: names::comment(&docs::of_file(file), ""),
        imports: imports(file, &messages, !services.is_empty()),
        constant: names::file_constant(file),
        descriptor: base64(&embedded(file)),
        dependencies: file.dependencies().map(constant).collect::<Vec<_>>().join(", "),
        enums,
        messages,
        services,
    }
}

/// The descriptor as the runtime embeds it: the imports are given beside it.
fn embedded(file: &FileDescriptor) -> Vec<u8> {
    let mut proto = embed::stripped(file);
    proto.dependency.clear();
    proto.encode_to_vec()
}

fn imports(file: &FileDescriptor, messages: &[MessageView], services: bool) -> Vec<String> {
    let here = names::path(file);
    let mut external = vec!["import * as codegen from \"@bufbuild/protobuf/codegenv2\";".to_owned()];
    if !messages.is_empty() {
        external.insert(0, "import type * as pb from \"@bufbuild/protobuf\";".to_owned());
    }
    if file.dependencies().any(|dependency| types::is_well_known(&dependency)) {
        external.push("import * as wkt from \"@bufbuild/protobuf/wkt\";".to_owned());
    }
    let mut relative = BTreeSet::new();
    if services {
        external.push("import * as grpc from \"@grpc/grpc-js\";".to_owned());
        relative.insert(format!("import * as rpc from \"{}\";", names::relative(&here, "runtime.ts")));
    }
    for dependency in file.dependencies().filter(|dependency| !types::is_well_known(dependency)) {
        let specifier = names::relative(&here, &names::path(&dependency));
        relative.insert(format!("import * as {} from \"{specifier}\";", names::namespace(&dependency)));
    }
    external.into_iter().chain(relative).collect()
}

fn doc(file: &FileDescriptor, path: &[i32], indent: &str) -> String {
    names::comment(&docs::lines(file, path), indent)
}

fn enum_view(scope: &Scope<'_>, descriptor: &EnumDescriptor, path: String) -> EnumView {
    let full_name = descriptor.full_name();
    let values = descriptor.values().zip(names::enum_members(descriptor)).map(|(value, name)| ValueView {
        doc: doc(scope.file, value.path(), "  "),
        name,
        number: value.number(),
    });
    EnumView {
        doc: doc(scope.file, descriptor.path(), ""),
        name: scope.exports.type_name(full_name).to_owned(),
        schema: scope.exports.schema_name(full_name).to_owned(),
        full_name: full_name.to_owned(),
        path,
        values: values.collect(),
    }
}

/// Adds a message and everything in it. The runtime finds them by their positions, which do not count the entries of maps.
fn push_message(
    scope: &Scope<'_>,
    message: &MessageDescriptor,
    path: String,
    messages: &mut Vec<MessageView>,
    enums: &mut Vec<EnumView>,
) {
    let full_name = message.full_name();
    messages.push(MessageView {
        doc: doc(scope.file, message.path(), ""),
        name: scope.exports.type_name(full_name).to_owned(),
        schema: scope.exports.schema_name(full_name).to_owned(),
        full_name: full_name.to_owned(),
        members: members(scope, message),
        path: path.clone(),
    });
    for (index, child) in message.child_enums().enumerate() {
        enums.push(enum_view(scope, &child, format!("{path}, {index}")));
    }
    for (index, child) in message.child_messages().filter(|child| !child.is_map_entry()).enumerate() {
        push_message(scope, &child, format!("{path}, {index}"), messages, enums);
    }
}

/// The fields in the order of the proto; a oneof stands where its first field is.
fn members(scope: &Scope<'_>, message: &MessageDescriptor) -> Vec<MemberView> {
    let mut seen = BTreeSet::new();
    let mut members = Vec::new();
    for field in message.fields() {
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let Some(oneof) = oneof else {
            members.push(field_view(scope, &field));
            continue;
        };
        if !seen.insert(oneof.name().to_owned()) {
            continue;
        }
        let cases = oneof.fields().map(|field| CaseView {
            doc: doc(scope.file, field.path(), "        "),
            name: names::property(field.name()),
            r#type: scope.field(&field),
        });
        members.push(MemberView {
            doc: doc(scope.file, oneof.path(), "  "),
            name: names::property(oneof.name()),
            mark: "",
            r#type: String::new(),
            cases: cases.collect(),
        });
    }
    members
}

fn field_view(scope: &Scope<'_>, field: &FieldDescriptor) -> MemberView {
    let r#type = scope.field(field);
    let optional = field.supports_presence() && !field.is_list();
    MemberView {
        doc: doc(scope.file, field.path(), "  "),
        name: names::property(field.name()),
        mark: if optional { "?" } else { "" },
        r#type: if optional { format!("{type} | undefined") } else { r#type },
        cases: Vec::new(),
    }
}

fn service_view(scope: &mut Scope<'_>, service: &ServiceDescriptor, index: usize) -> ServiceView {
    let methods = service.methods().map(|method| method_view(scope, &method)).collect();
    ServiceView {
        doc: doc(scope.file, service.path(), ""),
        full_name: service.full_name().to_owned(),
        descriptor: scope.exports.take(service.name()),
        definition: scope.exports.take(&format!("{}Definition", service.name())),
        handlers: scope.exports.take(&format!("{}Handlers", service.name())),
        client: scope.exports.take(&format!("{}Client", service.name())),
        index,
        methods,
    }
}

fn method_view(scope: &Scope<'_>, method: &MethodDescriptor) -> MethodView {
    let (input, output) = (method.input(), method.output());
    let (request_schema, response_schema) = (scope.schema_ref(&input), scope.schema_ref(&output));
    let request = scope.type_ref(&input.parent_file(), input.full_name());
    let response = scope.type_ref(&output.parent_file(), output.full_name());
    let init = format!("pb.MessageInitShape<typeof {request_schema}>");
    let (request_stream, response_stream) = (method.is_client_streaming(), method.is_server_streaming());
    let (kind, call, handler, gives) = match (request_stream, response_stream) {
        (false, false) => ("unary", "unary", "handleUnaryCall", format!("Promise<{response}>")),
        (false, true) => (
            "server_streaming",
            "serverStream",
            "handleServerStreamingCall",
            format!("grpc.ClientReadableStream<{response}>"),
        ),
        (true, false) => (
            "client_streaming",
            "clientStream",
            "handleClientStreamingCall",
            format!("rpc.ClientStream<{init}, {response}>"),
        ),
        (true, true) => (
            "bidi_streaming",
            "bidiStream",
            "handleBidiStreamingCall",
            format!("grpc.ClientDuplexStream<{init}, {response}>"),
        ),
    };
    MethodView {
        doc: doc(scope.file, method.path(), "  "),
        name: names::method(method.name()),
        client_name: names::client_method(method.name()),
        path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        kind,
        call,
        handler,
        request_stream,
        response_stream,
        parameters: if request_stream { String::new() } else { format!("request: {init}, ") },
        arguments: if request_stream { "" } else { "request, " },
        request,
        response,
        request_schema,
        response_schema,
        gives,
    }
}

/// Base64 without padding, as the runtime reads it (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            let sextet = bits >> (18 - 6 * index) & 63;
            out.push(char::from(ALPHABET[sextet as usize]));
        }
    }
    out
}
