//! The TypeScript type of a field, as `@bufbuild/protobuf` represents it at run time.

use prost_reflect::{FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};

use super::names::{self, Exports};

/// Refers to the types of one file and of those that it imports.
pub(super) struct Scope<'a> {
    pub(super) file: &'a FileDescriptor,
    pub(super) exports: Exports,
}

impl Scope<'_> {
    /// The type of a message or enum.
    pub(super) fn type_ref(&self, owner: &FileDescriptor, full_name: &str) -> String {
        self.reference(owner, |exports| exports.type_name(full_name).to_owned())
    }

    /// The constant that describes a message.
    pub(super) fn schema_ref(&self, message: &MessageDescriptor) -> String {
        self.reference(&message.parent_file(), |exports| exports.schema_name(message.full_name()).to_owned())
    }

    fn reference(&self, owner: &FileDescriptor, name: impl Fn(&Exports) -> String) -> String {
        if owner == self.file {
            return name(&self.exports);
        }
        format!("{}.{}", namespace(owner), name(&Exports::of(owner)))
    }

    /// The type of a field, without `undefined`.
    pub(super) fn field(&self, field: &FieldDescriptor) -> String {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!("a map is a list of entry messages") };
            let value = self.value(&entry.map_entry_value_field().kind(), field);
            let key = match entry.map_entry_key_field().kind() {
                Kind::Int32 | Kind::Fixed32 | Kind::Uint32 | Kind::Sfixed32 | Kind::Sint32 => "number",
                _ => "string",
            };
            return format!("{{ [key: {key}]: {value} }}");
        }
        if field.is_list() {
            return format!("{}[]", self.value(&field.kind(), field));
        }
        if let (Kind::Message(message), None) = (field.kind(), field.containing_oneof())
            && let Some(inner) = wrapped(&message)
        {
            return self.value(&inner, field);
        }
        self.value(&field.kind(), field)
    }

    fn value(&self, kind: &Kind, field: &FieldDescriptor) -> String {
        match kind {
            Kind::Message(message)
                if message.full_name() == "google.protobuf.Struct"
                    && field.parent_message().full_name() != "google.protobuf.Value" =>
            {
                "pb.JsonObject".to_owned()
            }
            Kind::Message(message) => self.type_ref(&message.parent_file(), message.full_name()),
            Kind::Enum(descriptor) => self.type_ref(&descriptor.parent_file(), descriptor.full_name()),
            Kind::String => "string".to_owned(),
            Kind::Bytes => "Uint8Array".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => "bigint".to_owned(),
            _ => "number".to_owned(),
        }
    }
}

/// Whether the files of the well-known types come from the runtime package.
pub(super) fn is_well_known(file: &FileDescriptor) -> bool {
    file.package_name() == "google.protobuf"
}

/// The namespace by which a generated module refers to another file.
pub(super) fn namespace(file: &FileDescriptor) -> String {
    if is_well_known(file) { "wkt".to_owned() } else { names::namespace(file) }
}

/// The scalar in a wrapper such as `google.protobuf.StringValue`, which the runtime takes off.
fn wrapped(message: &MessageDescriptor) -> Option<Kind> {
    let is_wrapper = message.parent_file().name() == "google/protobuf/wrappers.proto";
    is_wrapper.then(|| message.fields().next().map(|field| field.kind())).flatten()
}
