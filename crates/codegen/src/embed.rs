//! The descriptor of a file as it is embedded in stubs. It has no comments, so that a comment changes no bytes on the wire of reflection.

use prost_reflect::FileDescriptor;
use prost_types::{DescriptorProto, FileDescriptorProto};

/// The descriptor without comments and without the JSON names that follow from the names.
pub(crate) fn stripped(file: &FileDescriptor) -> FileDescriptorProto {
    let mut proto = file.file_descriptor_proto().clone();
    proto.source_code_info = None;
    proto.message_type.iter_mut().for_each(strip_json_names);
    proto
}

fn strip_json_names(message: &mut DescriptorProto) {
    for field in &mut message.field {
        if field.json_name.as_deref() == Some(&camel_case(field.name())) {
            field.json_name = None;
        }
    }
    message.nested_type.iter_mut().for_each(strip_json_names);
}

/// `snake_case` to the JSON name, as protoc does it: <https://protobuf.com/docs/language-spec#default-json-names>.
pub(crate) fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' => upper = true,
            _ => {
                out.push(if upper { c.to_ascii_uppercase() } else { c });
                upper = false;
            }
        }
    }
    out
}
