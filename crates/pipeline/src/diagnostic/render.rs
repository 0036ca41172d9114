//! Diagnostics as people read them in a terminal: the source with carets, labels and help. Writes nowhere.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::{Diagnostic, LineIndex, Severity, Span};

/// Places further apart than this are shown as two pieces of source.
const NEAR_LINES: u32 = 40;

/// How much of a line is looked at: a line may be as long as the source.
const SHOWN_BYTES: u32 = 4096;

/// Each diagnostic with the lines that it speaks of, and an empty line behind it; with the escapes of a terminal if `colour`. Offsets beyond the
/// source are its end. Costs a pass over the source, and for each diagnostic one over the lines shown.
#[must_use]
pub fn render(file_name: &str, source: &str, diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    let file_name = normalize_untrusted_str(file_name);
    let pieces = Pieces { file_name: &file_name, source, lines: LineIndex::new(source) };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&[pieces.group(diagnostic)]));
        text.push_str("\n\n");
    }
    text
}

struct Pieces<'s> {
    file_name: &'s str,
    source: &'s str,
    lines: LineIndex,
}

/// A place that is shown, with what is said there.
struct Mark<'s> {
    span: Span,
    kind: AnnotationKind,
    label: &'s str,
}

impl<'s> Pieces<'s> {
    fn group(&self, diagnostic: &'s Diagnostic) -> Group<'s> {
        let level = match diagnostic.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut near = vec![Mark { span: diagnostic.span, kind: AnnotationKind::Primary, label: &diagnostic.label }];
        let mut far: Vec<Vec<Mark<'s>>> = Vec::new();
        for (span, label) in &diagnostic.related {
            let mark = Mark { span: *span, kind: AnnotationKind::Context, label };
            if self.is_near(diagnostic.span, *span) { near.push(mark) } else { far.push(vec![mark]) }
        }
        let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
        let mut group = Group::with_title(title);
        for marks in std::iter::once(near).chain(far) {
            group = self.add_snippet(group, marks);
        }
        for help in &diagnostic.help {
            // It may repeat what stands in the source.
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        group
    }

    /// Whether both can stand in one piece.
    fn is_near(&self, one: Span, other: Span) -> bool {
        let line = |span: Span| self.lines.line_column(span.start).0;
        let is_short = |span: Span| {
            let (start, end) = self.lines.range(line(span));
            end - start <= SHOWN_BYTES
        };
        line(one) == line(other) && one.to(other).range().len() <= SHOWN_BYTES as usize
            || line(one).abs_diff(line(other)) <= NEAR_LINES && is_short(one) && is_short(other)
    }

    /// Adds the lines on which the marks stand.
    fn add_snippet(&self, group: Group<'s>, marks: Vec<Mark<'s>>) -> Group<'s> {
        let len = self.source.len();
        let clamp = |span: Span| {
            let start = self.source.floor_char_boundary(span.range().start.min(len));
            let end = self.source.ceil_char_boundary(span.range().end.clamp(start, len));
            start..end
        };
        let spans: Vec<_> = marks.iter().map(|mark| clamp(mark.span)).collect();
        let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
        // A place of many lines is shown with so many of them as are near.
        let last = spans.iter().map(|span| span.end.max(span.start + 1) - 1).max().unwrap_or(0);
        let line = |at: usize| self.lines.line_column(u32::try_from(at).unwrap_or(u32::MAX)).0;
        let (first_line, last_line) = (line(first), line(last).min(line(first) + NEAR_LINES));
        let (start, first_end) = self.lines.range(first_line);
        let end = self.lines.range(last_line).1;
        let is_long = end - start > SHOWN_BYTES * (last_line - first_line + 1);
        let (start, end) = if is_long {
            let from = first.saturating_sub(SHOWN_BYTES as usize / 4).max(start as usize);
            let to = (from + SHOWN_BYTES as usize).min(first_end as usize).max(first);
            (self.source.floor_char_boundary(from), self.source.floor_char_boundary(to))
        } else {
            (start as usize, end as usize)
        };
        let annotations: Vec<Annotation<'s>> = marks
            .into_iter()
            .zip(spans)
            .map(|(mark, span)| {
                let (from, to) = (span.start.clamp(start, end) - start, span.end.clamp(start, end) - start);
                mark.kind.span(from..to).label((!mark.label.is_empty()).then_some(mark.label))
            })
            .collect();
        let snippet =
            Snippet::source(&self.source[start..end]).line_start(first_line as usize).annotations(annotations);
        if is_long {
            // The piece does not know its column.
            let column = self.lines.line_column(u32::try_from(first).unwrap_or(u32::MAX)).1;
            let origin = Origin::path(self.file_name).line(first_line as usize).char_column(column as usize);
            group.element(origin).element(snippet)
        } else {
            group.element(snippet.path(self.file_name))
        }
    }
}
