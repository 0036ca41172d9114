//! Brings a source into its canonical form. Changes blanks, line breaks and trailing commas, and nothing that has a meaning.

mod build;
mod doc;

use self::build::build;
use self::doc::layout;
use crate::diagnostic::Diagnostic;
use crate::parse::{self, MAX_SOURCE_BYTES};
use crate::parser;
use crate::tree::Node;

/// The source in canonical form: a declaration begins a line, lists and options that do not fit in 100 columns have a line for each item, each
/// arm of `branch` and `match` has its own, and every comment stays between the words where it was, but for commas. Formatting again changes
/// nothing. Time is linear in the source.
///
/// # Errors
/// The faults of syntax, when there are any: what is not understood is not touched. A source without output is formatted.
pub fn format(source: &str) -> Result<String, Vec<Diagnostic>> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(parse::parse(source).diagnostics);
    }
    let (tree, faults) = parser::parse(source);
    if !faults.is_empty() {
        return Err(faults.finish());
    }
    let mut text = layout(&build(Node::root(&tree)));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
