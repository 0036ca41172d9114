//! The text of a document and the places in it, as bytes here and as lines and characters in the protocol. Knows no language.

use std::ops::Range;

use lsp_types::Position;

/// What a character of a [`Position`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// Units of UTF-16: what every client understands.
    Utf16,
}

/// A text that knows where its lines begin. A line ends with LF, CR LF or CR, as the protocol says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    text: String,
    /// Offsets of the first bytes of the lines, ascending; the first is 0.
    lines: Vec<usize>,
}

impl Text {
    pub(crate) fn new(text: String) -> Self {
        let mut new = Self { lines: vec![0], text };
        let end = new.text.len();
        new.lines.extend(starts(&new.text, 1..end + 1));
        new
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The byte at a position. One behind the end of its line is the end of that line, one inside a character its beginning, one
    /// behind the last line the end of the text.
    pub(crate) fn offset(&self, position: Position, encoding: Encoding) -> usize {
        let Some(&start) = self.lines.get(position.line as usize) else { return self.text.len() };
        let end = self.lines.get(position.line as usize + 1).copied().unwrap_or(self.text.len());
        let line = self.text[start..end].trim_end_matches(['\n', '\r']);
        let wanted = position.character as usize;
        if encoding == Encoding::Utf8 || line.is_ascii() {
            return start + line.floor_char_boundary(wanted);
        }
        let mut units = 0;
        for (at, c) in line.char_indices() {
            units += c.len_utf16();
            if units > wanted {
                return start + at;
            }
        }
        start + line.len()
    }

    /// The position of a byte; of one behind the end of the text, the end.
    pub(crate) fn position(&self, offset: usize, encoding: Encoding) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.lines.partition_point(|start| *start <= offset) - 1;
        let before = &self.text[self.lines[line]..offset];
        let character = match encoding {
            Encoding::Utf16 if !before.is_ascii() => before.encode_utf16().count(),
            _ => before.len(),
        };
        // A message is shorter than 4 GiB, but many edits can make more of a text; the last place that can be said is said then.
        let said = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position::new(said(line), said(character))
    }

    /// Puts `new` in the place of a range, which lies between characters. Costs a move of what follows, and a look at `new`.
    pub(crate) fn replace(&mut self, range: Range<usize>, new: &str) {
        // Whether a line begins at a byte depends on the byte before it and on itself: only what has both on one side of the edit
        // stays as it is.
        let first = self.lines.partition_point(|start| *start < range.start).max(1);
        let last = self.lines.partition_point(|start| *start <= range.end).max(first);
        let behind = range.start + new.len();
        for start in &mut self.lines[last..] {
            *start = *start - range.end + behind;
        }
        self.text.replace_range(range.clone(), new);
        let between = starts(&self.text, range.start.max(1)..behind + 1);
        self.lines.splice(first..last, between);
    }
}

/// The bytes of a range at which lines begin; 0 is not in it.
fn starts(text: &str, range: Range<usize>) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    range.filter(move |at| match bytes.get(at - 1) {
        Some(b'\n') => true,
        Some(b'\r') => bytes.get(*at) != Some(&b'\n'),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, encoding: Encoding, line: u32, character: u32, offset: usize) {
        let text = Text::new(text.into());
        assert_eq!(text.offset(Position::new(line, character), encoding), offset);
    }

    #[test]
    fn a_character_beyond_the_basic_plane_is_two_units_and_four_bytes() {
        let text = "# 𝄞é\nx = 1\n";
        check(text, Encoding::Utf16, 0, 4, 6);
        check(text, Encoding::Utf8, 0, 6, 6);
        check(text, Encoding::Utf16, 0, 5, 8);
        check(text, Encoding::Utf16, 1, 0, 9);
        assert_eq!(Text::new(text.into()).position(8, Encoding::Utf16), Position::new(0, 5));
        assert_eq!(Text::new(text.into()).position(8, Encoding::Utf8), Position::new(0, 8));
    }

    #[test]
    fn a_position_that_is_not_there_is_the_nearest_before_it() {
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            check("ab\r\ncd", encoding, 0, 9, 2);
            check("ab\r\ncd", encoding, 1, 9, 6);
            check("ab\r\ncd", encoding, 7, 0, 6);
            check("", encoding, 0, 3, 0);
        }
        check("𝄞", Encoding::Utf16, 0, 1, 0);
        check("𝄞", Encoding::Utf8, 0, 3, 0);
    }

    #[test]
    fn lines_end_with_lf_crlf_or_cr() {
        for (line, offset) in [(0, 0), (1, 2), (2, 5), (3, 7), (4, 9)] {
            check("a\nb\r\nc\rd\n", Encoding::Utf16, line, 0, offset);
        }
    }

    #[test]
    fn an_edited_text_knows_its_lines_as_a_new_one_does() {
        let pieces = ["", "a", "\n", "\r", "\r\n", "é\n𝄞", "\n\r", "b\r\nc\rd\ne"];
        for before in pieces {
            for old in pieces {
                for new in pieces {
                    for behind in pieces {
                        let mut text = Text::new(format!("{before}{old}{behind}"));
                        text.replace(before.len()..before.len() + old.len(), new);
                        let whole = format!("{before}{new}{behind}");
                        assert_eq!(text, Text::new(whole), "{before:?} {old:?} {new:?} {behind:?}");
                    }
                }
            }
        }
    }
}
