//! In which layer each box stands. Knows nothing of left and right.

use super::{Link, Size, Wish};

/// The layers of the boxes, from 0: each below all that it takes something from.
pub(super) fn ranks(boxes: &[(Size, Wish)], links: &[Link]) -> Vec<usize> {
    let mut below = vec![Vec::new(); boxes.len()];
    let mut above = vec![0_usize; boxes.len()];
    for link in links.iter().filter(|link| link.from < link.to) {
        below[link.from].push(link.to);
        above[link.to] += 1;
    }
    let mut ranks = vec![0; boxes.len()];
    for from in 0..boxes.len() {
        for to in &below[from] {
            ranks[*to] = ranks[*to].max(ranks[from] + 1);
        }
    }
    // What more boxes wait for than it waits for itself goes down to them: its links are shorter there.
    for from in (0..boxes.len()).rev() {
        let next = below[from].iter().map(|to| ranks[*to]).min();
        if let Some(next) = next.filter(|_| boxes[from].1 == Wish::None && below[from].len() > above[from]) {
            ranks[from] = next - 1;
        }
    }
    let last = ranks.iter().copied().max().unwrap_or_default();
    for (rank, (_, wish)) in ranks.iter_mut().zip(boxes) {
        if *wish == Wish::Last {
            *rank = last;
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wishes: &[Wish], links: &[(usize, usize)], expected: &[usize]) {
        let boxes: Vec<_> = wishes.iter().map(|wish| (Size::default(), *wish)).collect();
        let links: Vec<_> =
            links.iter().map(|(from, to)| Link { from: *from, to: *to, text: Size::default() }).collect();
        assert_eq!(ranks(&boxes, &links), expected);
    }

    #[test]
    fn a_box_stands_below_what_it_takes_and_close_to_what_takes_it() {
        check(&[Wish::First, Wish::None, Wish::None, Wish::Last], &[(0, 1), (1, 2), (2, 3)], &[0, 1, 2, 3]);
        // 1 takes nothing and goes down to 3.
        check(&[Wish::First, Wish::None, Wish::None, Wish::None], &[(0, 2), (2, 3), (1, 3)], &[0, 1, 1, 2]);
    }

    #[test]
    fn inputs_are_first_and_outputs_last() {
        check(
            &[Wish::First, Wish::First, Wish::None, Wish::None, Wish::Last, Wish::Last],
            &[(0, 2), (2, 3), (1, 3), (3, 4), (2, 5)],
            &[0, 0, 1, 2, 3, 3],
        );
    }
}
