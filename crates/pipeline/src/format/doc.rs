//! Lays text out in lines of a bounded width, as documents of groups that are flat or broken. Knows nothing of pipelines.

/// How long a line is at most, in characters, where it can be broken.
const WIDTH: usize = 100;
/// Blanks per level.
const INDENT: usize = 2;

/// A text with the places where it may be broken.
#[derive(Debug)]
pub(super) enum Doc<'s> {
    Text(&'s str),
    /// A blank; nothing where a comment has begun a new line.
    Space,
    /// A blank, or a new line where the group is broken.
    Line,
    /// Nothing, or a new line where the group is broken.
    SoftLine,
    /// A new line; the group around is broken.
    HardLine,
    /// A line without text, then a new line.
    BlankLine,
    /// Only where the group is broken.
    IfBroken(&'s str),
    /// A comment behind what is on the line; the group around is broken.
    Trailing(&'s str),
    /// A comment on its own line; the group around is broken.
    Own(&'s str),
    /// One level further in.
    Nest(Vec<Doc<'s>>),
    /// Flat if it fits, and if nothing in it forbids that.
    Group(Vec<Doc<'s>>, MustBreak),
    /// Flat, however long it is, but for groups in it that demand new lines.
    Flat(Vec<Doc<'s>>),
    /// As it is.
    Parts(Vec<Doc<'s>>),
}

/// Whether something in a group demands new lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MustBreak(bool);

impl<'s> Doc<'s> {
    pub(super) fn group(parts: Vec<Doc<'s>>) -> Self {
        let must = parts.iter().any(Doc::must_break);
        Doc::Group(parts, MustBreak(must))
    }

    fn must_break(&self) -> bool {
        match self {
            Doc::HardLine | Doc::BlankLine | Doc::Trailing(_) | Doc::Own(_) => true,
            Doc::Group(_, must) => must.0,
            Doc::Nest(parts) | Doc::Flat(parts) | Doc::Parts(parts) => parts.iter().any(Doc::must_break),
            _ => false,
        }
    }

    /// Whether nothing in it demands new lines.
    pub(super) fn is_flat(&self) -> bool {
        !self.must_break()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Flat,
    Broken,
}

/// The text of a document. Ends without a new line. Time is linear in the document, with the width as a factor.
pub(super) fn layout(doc: &Doc<'_>) -> String {
    let mut page = Page::default();
    let mut rest = vec![(0, Mode::Broken, doc)];
    while let Some((indent, mode, doc)) = rest.pop() {
        match doc {
            Doc::Text(text) => page.text(indent, text),
            Doc::Space => page.space(),
            Doc::Line | Doc::SoftLine if mode == Mode::Broken => page.new_line(),
            Doc::Line => page.space(),
            Doc::SoftLine => {}
            Doc::HardLine => page.new_line(),
            Doc::BlankLine => page.blank_line(),
            Doc::IfBroken(text) if mode == Mode::Broken => page.text(indent, text),
            Doc::IfBroken(_) => {}
            Doc::Trailing(text) => page.trailing(indent, text),
            Doc::Own(text) => page.own(indent, text),
            Doc::Parts(parts) => rest.extend(parts.iter().rev().map(|part| (indent, mode, part))),
            Doc::Flat(parts) => rest.extend(parts.iter().rev().map(|part| (indent, Mode::Flat, part))),
            Doc::Nest(parts) => rest.extend(parts.iter().rev().map(|part| (indent + INDENT, mode, part))),
            Doc::Group(parts, must) => {
                let fits = !must.0 && (mode == Mode::Flat || fits(parts, &rest, WIDTH.saturating_sub(page.column)));
                let mode = if fits { Mode::Flat } else { Mode::Broken };
                rest.extend(parts.iter().rev().map(|part| (indent, mode, part)));
            }
        }
    }
    page.done
}

/// Whether flat `parts` and what follows them up to the next place for a new line fit in so many columns.
fn fits(parts: &[Doc<'_>], rest: &[(usize, Mode, &Doc<'_>)], mut columns: usize) -> bool {
    let mut ahead: Vec<(Mode, &Doc<'_>)> = parts.iter().rev().map(|part| (Mode::Flat, part)).collect();
    let mut rest = rest.iter().rev();
    loop {
        let Some((mode, doc)) = ahead.pop().or_else(|| rest.next().map(|(_, mode, doc)| (*mode, *doc))) else {
            return true;
        };
        let used = match doc {
            Doc::Text(text) => match text.split_once('\n') {
                // A string of several lines: what is behind it is on another line.
                Some((first, _)) => return first.chars().count() <= columns,
                None => text.chars().count(),
            },
            Doc::Space => 1,
            Doc::Line if mode == Mode::Flat => 1,
            Doc::SoftLine if mode == Mode::Flat => 0,
            Doc::Line | Doc::SoftLine | Doc::HardLine | Doc::BlankLine | Doc::Own(_) => return true,
            // A comment may be as long as it is.
            Doc::Trailing(_) => return true,
            Doc::IfBroken(text) if mode == Mode::Broken => text.chars().count(),
            Doc::IfBroken(_) => 0,
            Doc::Flat(parts) => {
                ahead.extend(parts.iter().rev().map(|part| (Mode::Flat, part)));
                0
            }
            // What follows can still be broken itself, what is inside cannot.
            Doc::Parts(parts) | Doc::Nest(parts) | Doc::Group(parts, _) => {
                ahead.extend(parts.iter().rev().map(|part| (mode, part)));
                0
            }
        };
        match columns.checked_sub(used) {
            Some(left) => columns = left,
            None => return false,
        }
    }
}

#[derive(Default)]
struct Page {
    done: String,
    column: usize,
    /// Something is on the line.
    is_used: bool,
    /// A comment is on the line: nothing else may be.
    is_ended: bool,
}

impl Page {
    fn text(&mut self, indent: usize, text: &str) {
        if self.is_ended {
            self.new_line();
        }
        if !self.is_used {
            self.done.extend(std::iter::repeat_n(' ', indent));
            self.column = indent;
            self.is_used = true;
        }
        if self.done.ends_with('-') && text.starts_with('>') {
            // A name may end with a hyphen, but with these two it would be an arrow.
            self.done.push(' ');
            self.column += 1;
        }
        self.done.push_str(text);
        self.column = match text.rsplit_once('\n') {
            Some((_, last)) => last.chars().count(),
            None => self.column + text.chars().count(),
        };
    }

    fn space(&mut self) {
        if self.is_used && !self.is_ended {
            self.done.push(' ');
            self.column += 1;
        }
    }

    /// Begins a line, unless the current one is empty.
    fn new_line(&mut self) {
        if self.is_used {
            // Where a comment took the place of what the blank was for.
            let used = self.done.trim_end_matches(' ').len();
            self.done.truncate(used);
            self.done.push('\n');
        }
        self.column = 0;
        self.is_used = false;
        self.is_ended = false;
    }

    fn blank_line(&mut self) {
        self.new_line();
        if !self.done.is_empty() {
            self.done.push('\n');
        }
    }

    fn trailing(&mut self, indent: usize, text: &str) {
        if self.is_ended {
            return self.own(indent, text);
        }
        self.space();
        self.text(indent, text);
        self.is_ended = true;
    }

    fn own(&mut self, indent: usize, text: &str) {
        self.new_line();
        self.text(indent, text);
        self.is_ended = true;
    }
}
