//! The view of `<path>_pb.pyi`: what a type checker knows of the messages. Nothing of it runs.

use std::collections::BTreeSet;

use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};
use serde::Serialize;

use super::{Head, Imports, Options, names};
use crate::docs;

/// `<path>_pb.pyi`.
#[derive(Serialize)]
pub(super) struct View {
    head: Head,
    imports: Imports,
    enums: Vec<EnumView>,
    messages: Vec<MessageView>,
}

#[derive(Serialize)]
struct EnumView {
    indent: String,
    name: String,
    /// The name with those of the messages around it.
    qualified: String,
    base: String,
    doc: String,
    values: Vec<ValueView>,
}

#[derive(Serialize)]
struct ValueView {
    name: String,
    doc: String,
}

#[derive(Serialize)]
struct MessageView {
    indent: String,
    name: String,
    doc: String,
    enums: Vec<EnumView>,
    messages: Vec<MessageView>,
    fields: Vec<FieldView>,
    constants: Vec<ConstantView>,
    /// The name of the first parameter; another one when a field has the name `self`.
    receiver: String,
    parameters: Vec<ParameterView>,
    /// `, **kwargs: Any` when a field has a name that Python can only pass in a dictionary.
    other_parameters: Option<String>,
    literal: Option<LiteralsView>,
    oneofs: Vec<OneofView>,
    overloaded: bool,
    str: String,
    empty: bool,
}

#[derive(Serialize)]
struct FieldView {
    name: String,
    r#type: String,
    doc: String,
    /// The decorator of a field that is changed in place and cannot be assigned.
    property: Option<String>,
}

#[derive(Serialize)]
struct ConstantView {
    name: String,
    number: u32,
}

#[derive(Serialize)]
struct ParameterView {
    name: String,
    r#type: String,
}

/// The field names that a method accepts.
#[derive(Serialize)]
struct LiteralsView {
    r#type: String,
    bool: String,
}

#[derive(Serialize)]
struct OneofView {
    name: String,
    /// The literal type of the names of its fields.
    members: String,
}

pub(super) fn view(file: &FileDescriptor, head: &Head, options: &Options) -> View {
    let mut scope = Scope { file, options, imports: Imports::default(), shadowed: shadows_a_builtin(file) };
    scope.imports.external("google.protobuf", "descriptor");
    let enums = file.enums().map(|descriptor| scope.enumeration(&descriptor, "")).collect();
    let messages = file.messages().map(|descriptor| scope.message(&descriptor, "")).collect();
    View { head: head.clone(), imports: scope.imports, enums, messages }
}

/// Names that the stubs use and that a field, message or value of the file may hide.
const BUILTINS: [&str; 6] = ["bool", "bytes", "float", "int", "property", "str"];

fn shadows_a_builtin(file: &FileDescriptor) -> bool {
    fn of_message(message: &MessageDescriptor) -> bool {
        is(message.name())
            || message.fields().any(|field| is(field.name()))
            || message.child_messages().any(|child| of_message(&child))
            || message.child_enums().any(|child| of_enum(&child))
    }
    fn of_enum(descriptor: &EnumDescriptor) -> bool {
        is(descriptor.name()) || descriptor.values().any(|value| is(value.name()))
    }
    fn is(name: &str) -> bool {
        BUILTINS.contains(&name)
    }
    file.messages().any(|message| of_message(&message)) || file.enums().any(|descriptor| of_enum(&descriptor))
}

struct Scope<'a> {
    file: &'a FileDescriptor,
    options: &'a Options,
    imports: Imports,
    shadowed: bool,
}

impl Scope<'_> {
    fn doc(&self, path: &[i32], indent: &str) -> String {
        names::docstring(&docs::lines(self.file, path), indent)
    }

    fn builtin(&mut self, name: &str) -> String {
        if !self.shadowed {
            return name.to_owned();
        }
        self.imports.standard.insert("import builtins as _builtins".to_owned());
        format!("_builtins.{name}")
    }

    fn typing(&mut self, name: &str) -> String {
        self.imports.standard("typing", name);
        format!("_{name}")
    }

    fn collection(&mut self, name: &str) -> String {
        self.imports.standard("collections.abc", name);
        format!("_{name}")
    }

    fn enumeration(&mut self, descriptor: &EnumDescriptor, indent: &str) -> EnumView {
        self.imports.external("google.protobuf.internal", "enum_type_wrapper");
        self.typing("ClassVar");
        let inner = format!("{indent}    ");
        // A value such as `None` exists at run time, but no stub can say so.
        let values = descriptor.values().filter(|value| !names::is_keyword(value.name()));
        EnumView {
            indent: indent.to_owned(),
            name: names::safe(descriptor.name()),
            qualified: self.name_in_scope(self.file, descriptor.full_name()),
            base: self.builtin("int"),
            doc: self.doc(descriptor.path(), &inner),
            values: values
                .map(|value| ValueView { name: value.name().to_owned(), doc: self.doc(value.path(), &inner) })
                .collect(),
        }
    }

    fn message(&mut self, descriptor: &MessageDescriptor, indent: &str) -> MessageView {
        self.imports.external("google.protobuf", "message");
        let inner = format!("{indent}    ");
        let children: Vec<_> = descriptor.child_messages().filter(|child| !child.is_map_entry()).collect();
        let enums: Vec<_> = descriptor.child_enums().map(|child| self.enumeration(&child, &inner)).collect();
        let messages: Vec<_> = children.iter().map(|child| self.message(child, &inner)).collect();
        let (reachable, reserved): (Vec<_>, Vec<_>) =
            descriptor.fields().partition(|field| !names::is_keyword(field.name()));
        let presence = descriptor.fields().filter(FieldDescriptor::supports_presence);
        let oneofs: Vec<_> = descriptor.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        let presence: BTreeSet<String> = presence
            .map(|field| field.name().to_owned())
            .chain(oneofs.iter().map(|oneof| oneof.name().to_owned()))
            .collect();
        let fields: Vec<_> = reachable.iter().map(|field| self.field(field, &inner)).collect();
        let parameters: Vec<_> = reachable.iter().map(|field| self.parameter(field)).collect();
        let other_parameters = (!reserved.is_empty()).then(|| self.typing("Any"));
        let constants: Vec<_> = descriptor.fields().map(|field| constant(&field)).collect();
        if !constants.is_empty() {
            self.typing("Final");
        }
        let literal = (!presence.is_empty()).then(|| {
            self.typing("Literal");
            LiteralsView { r#type: literal_type(presence), bool: self.builtin("bool") }
        });
        let overloaded = oneofs.len() > 1;
        if overloaded {
            self.typing("overload");
        }
        MessageView {
            indent: indent.to_owned(),
            name: names::safe(descriptor.name()),
            doc: self.doc(descriptor.path(), &inner),
            enums,
            messages,
            receiver: if reachable.iter().any(|field| field.name() == "self") { "_self" } else { "self" }.to_owned(),
            empty: constants.is_empty(),
            fields,
            constants,
            parameters,
            other_parameters,
            literal,
            oneofs: oneofs
                .iter()
                .map(|oneof| OneofView {
                    name: oneof.name().to_owned(),
                    members: literal_type(oneof.fields().map(|field| field.name().to_owned())),
                })
                .collect(),
            overloaded,
            str: self.builtin("str"),
        }
    }

    fn field(&mut self, field: &FieldDescriptor, indent: &str) -> FieldView {
        let (r#type, in_place) = match (field.cardinality(), field.kind()) {
            _ if field.is_map() => (self.map_type(field), true),
            (Cardinality::Repeated, kind) => (self.repeated_type(&kind), true),
            (_, kind @ Kind::Message(_)) => (self.singular_type(&kind), true),
            (_, kind) => (self.singular_type(&kind), false),
        };
        let indent = if in_place { format!("{indent}    ") } else { indent.to_owned() };
        FieldView {
            name: field.name().to_owned(),
            r#type,
            doc: self.doc(field.path(), &indent),
            property: in_place.then(|| self.builtin("property")),
        }
    }

    /// The type of one value.
    fn singular_type(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Message(message) => self.name_in_scope(&message.parent_file(), message.full_name()),
            Kind::Enum(descriptor) => self.name_in_scope(&descriptor.parent_file(), descriptor.full_name()),
            Kind::String => self.builtin("str"),
            Kind::Bytes => self.builtin("bytes"),
            Kind::Bool => self.builtin("bool"),
            Kind::Double | Kind::Float => self.builtin("float"),
            _ => self.builtin("int"),
        }
    }

    fn name_in_scope(&mut self, file: &FileDescriptor, full_name: &str) -> String {
        let local = full_name.strip_prefix(file.package_name()).unwrap_or(full_name).trim_start_matches('.');
        let local: Vec<_> = local.split('.').map(names::safe).collect();
        if file == self.file {
            return local.join(".");
        }
        let alias = self.imports.add_module(file, self.file, self.options);
        format!("{alias}.{}", local.join("."))
    }

    fn repeated_type(&mut self, kind: &Kind) -> String {
        self.imports.external("google.protobuf.internal", "containers");
        let item = self.singular_type(kind);
        match kind {
            Kind::Message(_) => format!("_containers.RepeatedCompositeFieldContainer[{item}]"),
            _ => format!("_containers.RepeatedScalarFieldContainer[{item}]"),
        }
    }

    fn map_type(&mut self, field: &FieldDescriptor) -> String {
        self.imports.external("google.protobuf.internal", "containers");
        let (key, value) = map_kinds(field);
        let container = if matches!(value, Kind::Message(_)) { "MessageMap" } else { "ScalarMap" };
        format!("_containers.{container}[{}, {}]", self.singular_type(&key), self.singular_type(&value))
    }

    fn parameter(&mut self, field: &FieldDescriptor) -> ParameterView {
        let r#type = if field.is_map() {
            let (key, value) = map_kinds(field);
            let (key, value) = (self.singular_type(&key), self.input_type(&value));
            format!("{}[{key}, {value}]", self.collection("Mapping"))
        } else if field.is_list() {
            let item = self.input_type(&field.kind());
            format!("{}[{item}]", self.collection("Iterable"))
        } else {
            self.input_type(&field.kind())
        };
        ParameterView { name: field.name().to_owned(), r#type: format!("{type} | None") }
    }

    /// What the constructor takes for one value: an enum also by its name, a message also as a mapping of its fields.
    fn input_type(&mut self, kind: &Kind) -> String {
        let exact = self.singular_type(kind);
        match kind {
            Kind::Enum(_) => format!("{exact} | {}", self.builtin("str")),
            Kind::Message(message) => {
                let mapping =
                    format!("{}[{}, {}]", self.collection("Mapping"), self.builtin("str"), self.typing("Any"));
                match message.full_name() {
                    "google.protobuf.Timestamp" => {
                        self.imports.standard("datetime", "datetime");
                        format!("{exact} | _datetime | {mapping}")
                    }
                    "google.protobuf.Duration" => {
                        self.imports.standard("datetime", "timedelta");
                        format!("{exact} | _timedelta | {mapping}")
                    }
                    _ => format!("{exact} | {mapping}"),
                }
            }
            _ => exact,
        }
    }
}

fn map_kinds(field: &FieldDescriptor) -> (Kind, Kind) {
    let Kind::Message(entry) = field.kind() else { unreachable!("a map is a list of entry messages") };
    (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind())
}

fn constant(field: &FieldDescriptor) -> ConstantView {
    ConstantView { name: format!("{}_FIELD_NUMBER", field.name().to_uppercase()), number: field.number() }
}

fn literal_type(names: impl IntoIterator<Item = String>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    format!("_Literal[{}]", names.join(", "))
}
