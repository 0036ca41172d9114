//! Names of TypeScript. They follow `@bufbuild/protobuf`, whose runtime derives the same names from the descriptors.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor};

use crate::embed::camel_case;

/// Words that cannot be the name of a type or a constant, what the generated code itself needs included.
const RESERVED: [&str; 68] = [
    "Buffer",
    "Object",
    "Partial",
    "Promise",
    "Uint8Array",
    "bigint",
    "boolean",
    "break",
    "case",
    "catch",
    "class",
    "codegen",
    "const",
    "constructor",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "globalThis",
    "grpc",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "never",
    "new",
    "null",
    "number",
    "object",
    "package",
    "pb",
    "private",
    "protected",
    "public",
    "return",
    "rpc",
    "static",
    "string",
    "super",
    "switch",
    "symbol",
    "this",
    "throw",
    "true",
    "try",
    "type",
    "typeof",
    "undefined",
    "unknown",
    "var",
    "void",
    "while",
    "wkt",
    "with",
    "yield",
    "any",
];

/// Properties that every object has: <https://github.com/bufbuild/protobuf-es>, `safeObjectProperty`.
const RESERVED_PROPERTIES: [&str; 4] = ["constructor", "toJSON", "toString", "valueOf"];

/// Methods that a client inherits from `grpc.Client`.
const CLIENT_METHODS: [&str; 7] = [
    "close",
    "getChannel",
    "makeBidiStreamRequest",
    "makeClientStreamRequest",
    "makeServerStreamRequest",
    "makeUnaryRequest",
    "waitForReady",
];

fn escape(name: String, reserved: &[&str]) -> String {
    if reserved.contains(&name.as_str()) { format!("{name}$") } else { name }
}

/// Property of a field or oneof.
pub(super) fn property(proto_name: &str) -> String {
    escape(camel_case(proto_name), &RESERVED_PROPERTIES)
}

/// Property of a method in descriptors, definitions and handlers.
pub(super) fn method(proto_name: &str) -> String {
    let mut chars = proto_name.chars();
    let lower = chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect();
    escape(lower, &RESERVED_PROPERTIES)
}

/// Method of a client.
pub(super) fn client_method(proto_name: &str) -> String {
    escape(method(proto_name), &CLIENT_METHODS)
}

/// Members of an enum by their proto names: without the prefix that all share with the enum's name, where that leaves identifiers.
pub(super) fn enum_members(descriptor: &EnumDescriptor) -> Vec<String> {
    let prefix = snake_case(descriptor.name()) + "_";
    let short = |name: &str| -> Option<String> {
        let head = name.get(..prefix.len())?;
        let rest = &name[prefix.len()..];
        let usable = head.to_lowercase() == prefix && rest.chars().next().is_some_and(|first| !first.is_ascii_digit());
        usable.then(|| rest.to_owned())
    };
    let full = || descriptor.values().map(|value| value.name().to_owned()).collect::<Vec<_>>();
    let members = descriptor.values().map(|value| short(value.name())).collect::<Option<Vec<_>>>().unwrap_or_else(full);
    members.into_iter().map(|member| escape(member, &RESERVED_PROPERTIES)).collect()
}

fn snake_case(camel: &str) -> String {
    let mut out = String::new();
    for (index, c) in camel.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Path of the generated module below the root.
pub(super) fn path(file: &FileDescriptor) -> String {
    format!("{}.ts", file.name().trim_end_matches(".proto"))
}

/// Constant that holds the descriptor of a file.
pub(super) fn file_constant(file: &FileDescriptor) -> String {
    format!("file_{}", identifier(file.name().trim_end_matches(".proto")))
}

/// Name under which other modules import this one.
pub(super) fn namespace(file: &FileDescriptor) -> String {
    identifier(file.name().trim_end_matches(".proto"))
}

fn identifier(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Specifier by which `from` imports the file at `target`, both below the root.
pub(super) fn relative(from: &str, target: &str) -> String {
    let mut from: Vec<_> = from.split('/').collect();
    let mut to: Vec<_> = target.split('/').collect();
    from.pop();
    while from.first().is_some_and(|first| to.len() > 1 && Some(first) == to.first()) {
        from.remove(0);
        to.remove(0);
    }
    let up = if from.is_empty() { "./".to_owned() } else { "../".repeat(from.len()) };
    format!("{up}{}.js", to.join("/").trim_end_matches(".ts"))
}

/// Names of what a file exports, without clashes: `Outer_Inner` for the type, `Outer_InnerSchema` for its descriptor.
pub(super) struct Exports {
    taken: BTreeSet<String>,
    types: BTreeMap<String, String>,
    schemas: BTreeMap<String, String>,
}

impl Exports {
    pub(super) fn of(file: &FileDescriptor) -> Self {
        let mut exports = Self { taken: BTreeSet::new(), types: BTreeMap::new(), schemas: BTreeMap::new() };
        let mut all = Vec::new();
        all.extend(file.enums().map(|descriptor| descriptor.full_name().to_owned()));
        for message in file.messages() {
            collect(&message, &mut all);
        }
        for full_name in &all {
            let name = exports.take(&local_identifier(file, full_name));
            exports.types.insert(full_name.clone(), name);
        }
        exports.taken.insert(file_constant(file));
        for full_name in &all {
            let name = exports.take(&format!("{}Schema", local_identifier(file, full_name)));
            exports.schemas.insert(full_name.clone(), name);
        }
        exports
    }

    /// A free name like the one asked for.
    pub(super) fn take(&mut self, ideal: &str) -> String {
        let mut name = escape(ideal.to_owned(), &RESERVED);
        let mut salt = 0;
        while !self.taken.insert(name.clone()) {
            salt += 1;
            name = if salt == 1 { format!("{ideal}$") } else { format!("{ideal}${}", salt - 1) };
        }
        name
    }

    pub(super) fn type_name(&self, full_name: &str) -> &str {
        &self.types[full_name]
    }

    pub(super) fn schema_name(&self, full_name: &str) -> &str {
        &self.schemas[full_name]
    }
}

fn collect(message: &MessageDescriptor, all: &mut Vec<String>) {
    if message.is_map_entry() {
        return;
    }
    all.push(message.full_name().to_owned());
    all.extend(message.child_enums().map(|descriptor| descriptor.full_name().to_owned()));
    for child in message.child_messages() {
        collect(&child, all);
    }
}

fn local_identifier(file: &FileDescriptor, full_name: &str) -> String {
    full_name.strip_prefix(file.package_name()).unwrap_or(full_name).trim_start_matches('.').replace('.', "_")
}

/// Lines of a JSDoc comment; empty without text. Nothing in it ends the comment.
pub(crate) fn comment(lines: &[String], indent: &str) -> String {
    let escaped: Vec<_> = lines.iter().map(|line| line.replace("*/", "*\\/")).collect();
    match escaped.as_slice() {
        [] => String::new(),
        [line] => format!("{indent}/** {line} */"),
        lines => {
            let body: Vec<_> = lines.iter().map(|line| format!("{indent} * {line}").trim_end().to_owned()).collect();
            format!("{indent}/**\n{}\n{indent} */", body.join("\n"))
        }
    }
}
