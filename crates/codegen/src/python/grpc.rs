//! The view of `<path>_grpc.py`: clients and servicers, for threads and for asyncio.

use prost_reflect::{FileDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use serde::Serialize;

use super::{Head, Imports, Options, names};
use crate::docs;

/// `<path>_grpc.py`.
#[derive(Serialize)]
pub(super) struct View {
    head: Head,
    imports: Imports,
    services: Vec<ServiceView>,
}

#[derive(Serialize)]
struct ServiceView {
    name: String,
    full_name: String,
    doc: String,
    methods: Vec<MethodView>,
}

#[derive(Serialize)]
struct MethodView {
    name: String,
    wire_name: String,
    path: String,
    doc: String,
    request: String,
    response: String,
    /// `unary_unary`, `unary_stream`, `stream_unary` or `stream_stream`.
    shape: &'static str,
    /// The same in the names of `grpcio`'s classes.
    class: &'static str,
    /// What a servicer takes and gives, for threads and for asyncio.
    argument: &'static str,
    takes: String,
    gives: String,
    takes_async: String,
    gives_async: String,
    streams: bool,
}

pub(super) fn view(file: &FileDescriptor, head: &Head, options: &Options) -> View {
    let mut imports = Imports::default();
    imports.standard.insert("from typing import Any".to_owned());
    imports.external.insert("import grpc".to_owned());
    imports.external.insert("import grpc.aio".to_owned());
    let services = file.services().map(|service| service_view(file, &service, &mut imports, options)).collect();
    View { head: head.clone(), imports, services }
}

fn service_view(
    file: &FileDescriptor,
    service: &ServiceDescriptor,
    imports: &mut Imports,
    options: &Options,
) -> ServiceView {
    let mut type_name = |message: &MessageDescriptor| {
        let owner = message.parent_file();
        let alias = imports.add_module(&owner, file, options);
        let full_name = message.full_name();
        let local = full_name.strip_prefix(owner.package_name()).unwrap_or(full_name).trim_start_matches('.');
        format!("{alias}.{local}")
    };
    let methods: Vec<_> = service
        .methods()
        .map(|method| method_view(file, &method, type_name(&method.input()), type_name(&method.output())))
        .collect();
    if service.methods().any(|method| method.is_client_streaming() || method.is_server_streaming()) {
        imports.standard.insert("from collections.abc import AsyncIterator, Iterator".to_owned());
    }
    ServiceView {
        name: service.name().to_owned(),
        full_name: service.full_name().to_owned(),
        doc: names::docstring(&or_name(docs::lines(file, service.path()), service.full_name()), "    "),
        methods,
    }
}

fn method_view(file: &FileDescriptor, method: &MethodDescriptor, request: String, response: String) -> MethodView {
    let (shape, class) = match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => ("unary_unary", "UnaryUnary"),
        (false, true) => ("unary_stream", "UnaryStream"),
        (true, false) => ("stream_unary", "StreamUnary"),
        (true, true) => ("stream_stream", "StreamStream"),
    };
    let of = |iterator: &str, streams: bool, item: &str| {
        if streams { format!("{iterator}[{item}]") } else { item.to_owned() }
    };
    MethodView {
        name: names::safe(method.name()),
        wire_name: method.name().to_owned(),
        path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        doc: names::docstring(&or_name(docs::lines(file, method.path()), method.full_name()), "        "),
        shape,
        class,
        argument: if method.is_client_streaming() { "request_iterator" } else { "request" },
        takes: of("Iterator", method.is_client_streaming(), &request),
        gives: of("Iterator", method.is_server_streaming(), &response),
        takes_async: of("AsyncIterator", method.is_client_streaming(), &request),
        gives_async: of("AsyncIterator", method.is_server_streaming(), &response),
        streams: method.is_server_streaming(),
        request,
        response,
    }
}

fn or_name(lines: Vec<String>, name: &str) -> Vec<String> {
    if lines.is_empty() { vec![format!("`{name}`.")] } else { lines }
}
