//! From a source to its tree, its declarations and its faults of syntax. What the declarations mean is the checker's.

use rowan::{GreenNode, GreenNodeBuilder};

use crate::ast::File;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lower::lower;
use crate::parser;
use crate::syntax::{SyntaxKind, SyntaxNode};

/// How long a source may be, in bytes.
pub const MAX_SOURCE_BYTES: usize = 1 << 20;

/// What a source says.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The declarations; a part that did not parse is an `Error` in them.
    pub file: File,
    /// All faults of syntax, at most [`crate::MAX_DIAGNOSTICS`], in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// All of the text as a tree, with blanks and comments.
    pub syntax: SyntaxNode,
}

/// Reads a source, whatever it is. Time and memory are linear in it; beyond [`MAX_SOURCE_BYTES`] it is refused without being read.
#[must_use]
pub fn parse(source: &str) -> Parsed {
    if source.len() > MAX_SOURCE_BYTES {
        return too_large(source);
    }
    let (tree, mut faults) = parser::parse(source);
    let file = lower(&tree, &mut faults);
    if !has_output(&tree) {
        let end = u32::try_from(source.trim_end().len()).expect("a source is shorter than 4 GiB");
        let fault = Diagnostic::new(Code::ParseError, Span::new(end, end), "the pipeline has no output");
        faults.push(
            fault
                .label("expected `out name`")
                .help("name at least one binding or input that the pipeline puts out: `out name`"),
        );
    }
    Parsed { file, diagnostics: faults.finish(), syntax: SyntaxNode::new_root(tree) }
}

/// Whether a declaration of an output stands anywhere, be it whole or not.
fn has_output(tree: &GreenNode) -> bool {
    crate::tree::Node::root(tree).nodes().any(|node| node.kind() == SyntaxKind::OutDecl)
}

fn too_large(source: &str) -> Parsed {
    let message = format!("the source has {} bytes, more than {MAX_SOURCE_BYTES}", source.len());
    let fault = Diagnostic::new(Code::ParseError, Span::default(), message).help("divide it into several pipelines");
    let mut builder = GreenNodeBuilder::new();
    builder.start_node(SyntaxKind::SourceFile.into());
    // The tree counts in 32 bits.
    if u32::try_from(source.len()).is_ok() {
        builder.token(SyntaxKind::Unknown.into(), source);
    }
    builder.finish_node();
    Parsed { file: File::default(), diagnostics: vec![fault], syntax: SyntaxNode::new_root(builder.finish()) }
}
