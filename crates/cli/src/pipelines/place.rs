//! Where in its source a run failed, shown with a caret. Decides nothing about the failure.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use protocol::Error;

use crate::failure::{Failure, printable};
use crate::output::colour_of_stderr;
use crate::pipelines::source::Source;

/// The failure of a run, with its place where the host tells one.
pub(super) fn failure(error: Error, source: &Source) -> Failure {
    let shown = render(&error, source, colour_of_stderr());
    let failure = Failure::from(error);
    match shown {
        Some(text) => failure.shown_as(text),
        None => failure,
    }
}

/// Code and message over the line of the source; none without a place in it.
pub(super) fn render(error: &Error, source: &Source, colour: bool) -> Option<String> {
    let number = |key: &str| error.details().get(key)?.parse::<usize>().ok();
    let span = span(&source.text, number("line")?, number("column")?)?;
    let label = match error.details().get("module") {
        Some(module) => format!("`{}` failed", printable(module)),
        None => "here".to_owned(),
    };
    let message = printable(error.message());
    let title = Level::ERROR.primary_title(message).id(printable(error.code()));
    let snippet = Snippet::source(source.text.as_str())
        .path(source.name.as_str())
        .fold(true)
        .annotation(AnnotationKind::Primary.span(span).label(label));
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    Some(renderer.decor_style(DecorStyle::Ascii).render(&[title.element(snippet)]))
}

/// The word that begins at a line and column, both from 1: a qualified name, or one character.
fn span(text: &str, line: usize, column: usize) -> Option<std::ops::Range<usize>> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(start..)?;
    let (offset, _) = rest.char_indices().nth(column.checked_sub(1)?)?;
    let word = &rest[offset..];
    let first = word.chars().next()?;
    let length = word.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(word.len());
    Some(start + offset..start + offset + length.max(first.len_utf8()))
}
