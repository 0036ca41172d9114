//! From offsets of a source to lines and columns, and back. Keeps no text.

/// The lines of a source. Made in one pass; every answer costs a binary search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineIndex {
    /// Offset of the first byte of each line.
    starts: Vec<u32>,
    /// Of each character beyond ASCII: the offset behind it, and how many bytes more than characters there are up to there.
    wide: Vec<(u32, u32)>,
    len: u32,
}

impl LineIndex {
    /// The index of a source, which is shorter than 4 GiB. A line ends with its line feed.
    #[must_use]
    pub fn new(source: &str) -> Self {
        let mut index = Self { starts: vec![0], wide: Vec::new(), len: saturated(source.len()) };
        let mut extra = 0;
        for (at, c) in source.char_indices() {
            let end = saturated(at + c.len_utf8());
            if c == '\n' {
                index.starts.push(end);
            } else if !c.is_ascii() {
                extra += saturated(c.len_utf8() - 1);
                index.wide.push((end, extra));
            }
        }
        index
    }

    /// Line and column of a byte, both from 1; the column counts Unicode characters. An offset beyond the source is its end.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let offset = offset.min(self.len);
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let start = self.starts[line];
        (saturated(line + 1), self.chars(offset) - self.chars(start) + 1)
    }

    /// The offset of the character at a line and column, both from 1; `None` where the source has no such line. A column behind the end of its
    /// line is the end of the line.
    #[must_use]
    pub fn offset(&self, line: u32, column: u32) -> Option<u32> {
        let index = (line as usize).checked_sub(1)?;
        let start = *self.starts.get(index)?;
        // Without its line feed.
        let end = self.starts.get(index + 1).map_or(self.len, |next| next - 1);
        let wanted = self.chars(start).saturating_add(column.saturating_sub(1));
        // The characters beyond ASCII in front of the wanted one.
        let before = self.wide.partition_point(|(end, extra)| end - extra <= wanted);
        let extra = before.checked_sub(1).map_or(0, |last| self.wide[last].1);
        Some(wanted.saturating_add(extra).min(end))
    }

    /// How many lines there are; at least one.
    #[must_use]
    pub fn lines(&self) -> u32 {
        saturated(self.starts.len())
    }

    /// The offsets of a line from 1, with its line feed; that of the last line where there is no such.
    pub(super) fn range(&self, line: u32) -> (u32, u32) {
        let index = (line as usize).clamp(1, self.starts.len()) - 1;
        (self.starts[index], self.starts.get(index + 1).copied().unwrap_or(self.len))
    }

    /// How many characters there are before an offset.
    fn chars(&self, offset: u32) -> u32 {
        let before = self.wide.partition_point(|(end, _)| *end <= offset);
        offset - before.checked_sub(1).map_or(0, |last| self.wide[last].1)
    }
}

fn saturated(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let index = LineIndex::new("aé𝄞b\r\n\tx\n");
        for (offset, place) in
            [(0, (1, 1)), (1, (1, 2)), (3, (1, 3)), (7, (1, 4)), (10, (2, 1)), (11, (2, 2)), (13, (3, 1))]
        {
            assert_eq!(index.line_column(offset), place, "{offset}");
            assert_eq!(index.offset(place.0, place.1), Some(offset), "{place:?}");
        }
        assert_eq!(index.lines(), 3);
    }

    #[test]
    fn a_place_beyond_the_source_is_the_end_of_its_line_or_none() {
        let index = LineIndex::new("ab\nc");
        assert_eq!(index.line_column(99), (2, 2));
        assert_eq!(index.offset(1, 99), Some(2));
        assert_eq!(index.offset(1, u32::MAX), Some(2));
        assert_eq!(index.offset(2, 99), Some(4));
        assert_eq!(index.offset(3, 1), None);
        assert_eq!(index.offset(0, 1), None);
        assert_eq!(LineIndex::new("").line_column(0), (1, 1));
    }

    proptest! {
        #[test]
        fn each_character_is_where_a_count_finds_it(text in "[a\u{e9}\u{1d11e}\r\n]{0,40}") {
            let index = LineIndex::new(&text);
            let (mut line, mut column) = (1, 1);
            for (at, c) in text.char_indices() {
                let at = u32::try_from(at).unwrap();
                prop_assert_eq!(index.line_column(at), (line, column));
                prop_assert_eq!(index.offset(line, column), Some(at));
                (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
            }
        }
    }
}
