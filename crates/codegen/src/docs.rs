//! Finds the comments of a `.proto` file. Escapes nothing: each language knows what it must not contain.

use prost_reflect::FileDescriptor;

/// Field number of `syntax` in `FileDescriptorProto`: the comment over it is the file's own.
const SYNTAX: [i32; 1] = [12];

/// The lines of the comment of the element at `path`, without the comment's marks and without blank lines at the ends;
/// empty where there is none. A comment over the element wins over one behind it.
pub(crate) fn lines(file: &FileDescriptor, path: &[i32]) -> Vec<String> {
    let locations = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
    let comment = locations
        .filter(|location| location.path == path)
        .find_map(|location| location.leading_comments.as_deref().or(location.trailing_comments.as_deref()));
    let Some(comment) = comment else { return Vec::new() };
    let mut lines: Vec<String> =
        comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| line.is_empty()).count();
    lines.split_off(blank)
}

/// The lines of the comment at the head of the file, over `syntax`.
pub(crate) fn of_file(file: &FileDescriptor) -> Vec<String> {
    lines(file, &SYNTAX)
}
