//! Sources of pipelines out of files and stdin. Checks none.

use std::path::Path;

use crate::failure::Failure;
use crate::modules::input;

/// What a source from stdin is called.
const STDIN: &str = "stdin";

/// The text of a pipeline.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// What messages call it.
    pub(super) name: String,
    pub(super) text: String,
}

impl Source {
    /// Reads a file; `-` is stdin. A byte order mark is no part of the text.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let name = if path == Path::new("-") { STDIN.to_owned() } else { path.display().to_string() };
        let text =
            input::utf8(input::read(path)?, &name).map_err(|failure| failure.hint("a pipeline is a text in UTF-8"))?;
        Ok(Self { name, text: text.trim_start_matches('\u{feff}').to_owned() })
    }
}
