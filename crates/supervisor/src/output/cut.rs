//! Cuts a stream of bytes into lines. Knows no encoding but where a character of UTF-8 begins.

use std::borrow::Cow;

/// Longest piece of a line.
const PIECE: usize = 8 << 10;

/// What has come of a line that has not ended yet; less than [`PIECE`] bytes.
#[derive(Default)]
pub(super) struct Cut {
    begun: Vec<u8>,
}

impl Cut {
    /// The lines and pieces that end in this chunk. Allocates only for what began in an earlier one.
    pub(super) fn lines<'a>(&mut self, chunk: &'a [u8]) -> Vec<Cow<'a, [u8]>> {
        let mut lines = Vec::new();
        let mut rest = chunk;
        while !self.begun.is_empty() {
            // As much as completes the line that was begun, but no more than one piece.
            let room = PIECE + 1 - self.begun.len();
            let part = &rest[..rest.len().min(room)];
            let Some(end) = memchr::memchr(b'\n', part) else {
                self.begun.extend_from_slice(part);
                rest = &rest[part.len()..];
                if self.begun.len() <= PIECE {
                    return lines;
                }
                let at = boundary(&self.begun);
                let left = self.begun.split_off(at);
                lines.push(Cow::Owned(std::mem::replace(&mut self.begun, left)));
                continue;
            };
            self.begun.extend_from_slice(&part[..end]);
            rest = &rest[end + 1..];
            let mut line = std::mem::take(&mut self.begun);
            line.truncate(without_return(&line).len());
            lines.push(Cow::Owned(line));
        }
        while let Some((line, behind)) = next(rest) {
            lines.push(Cow::Borrowed(line));
            rest = behind;
        }
        self.begun.extend_from_slice(rest);
        lines
    }

    /// A last line without an end; none when there is nothing.
    pub(super) fn rest(&self) -> Option<&[u8]> {
        (!self.begun.is_empty()).then_some(&*self.begun)
    }
}

/// The first line or piece, and what is behind it.
fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let window = &bytes[..bytes.len().min(PIECE + 1)];
    if let Some(end) = memchr::memchr(b'\n', window) {
        return Some((without_return(&bytes[..end]), &bytes[end + 1..]));
    }
    (window.len() > PIECE).then(|| bytes.split_at(boundary(window)))
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Where to cut what is longer than a piece, so that no character is torn.
fn boundary(bytes: &[u8]) -> usize {
    let begins = |at: &usize| bytes[*at] & 0b1100_0000 != 0b1000_0000;
    // Without one in reach it is no UTF-8, and any place is as good.
    (PIECE - 3..=PIECE).rev().find(begins).unwrap_or(PIECE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut cut = Cut::default();
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for chunk in chunks {
            lines.extend(cut.lines(chunk).into_iter().map(Cow::into_owned));
        }
        lines.extend(cut.rest().map(<[u8]>::to_vec));
        lines
    }

    #[test]
    fn lines_end_with_a_line_feed_and_lose_one_carriage_return() {
        assert_eq!(cut(&[b"a\r\nb\n\nc"]), [&b"a"[..], b"b", b"", b"c"]);
    }

    #[test]
    fn a_carriage_return_before_a_chunk_that_begins_with_the_line_feed_is_lost_too() {
        assert_eq!(cut(&[b"a\r", b"\nb"]), [b"a", b"b"]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_that_tear_no_character() {
        let text = format!("x{}", "é".repeat(PIECE));
        let pieces = cut(&[text.as_bytes()]);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [PIECE - 1, PIECE, 2]);
        assert!(pieces.iter().all(|piece| std::str::from_utf8(piece).is_ok()));
        assert_eq!(pieces.concat(), text.as_bytes());
    }

    #[test]
    fn a_line_of_just_a_piece_is_one() {
        let line = vec![b'x'; PIECE];
        assert_eq!(cut(&[&[&line[..], b"\n"].concat()]), [line]);
    }

    proptest! {
        #[test]
        fn how_the_stream_is_chunked_changes_nothing(
            lines in prop::collection::vec(prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                (PIECE - 4..PIECE * 2 + 8).prop_map(|length| vec![b'x'; length]),
                (PIECE / 2 - 4..PIECE).prop_map(|length| "é".repeat(length).into_bytes()),
            ], 0..5),
            sizes in prop::collection::vec(1..9000_usize, 1..8),
        ) {
            let whole = lines.join(&b'\n');
            let mut chunks = Vec::new();
            let mut rest = &whole[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, behind) = rest.split_at(rest.len().min(*size));
                chunks.push(chunk);
                rest = behind;
            }
            prop_assert_eq!(cut(&chunks), cut(&[&whole]));
        }
    }
}
