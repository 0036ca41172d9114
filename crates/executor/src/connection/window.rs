//! How many items a provider may send ahead of the reader of one stream: few large ones, more small ones. Counts only.

/// The window of one stream, kept by its reader.
///
/// It starts with one item, since nothing is known of their size, doubles while the reader reads, and ends at
/// [`Window::MOST`] items or [`Window::BYTES`], whichever is less: what waits is about that much, or one item.
#[derive(Debug)]
pub(crate) struct Window {
    /// Items that were permitted and not read yet.
    outstanding: u32,
    /// How many that may be.
    limit: u32,
    /// Size of the largest item of late, in bytes.
    largest: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { outstanding: Self::FIRST, limit: Self::FIRST, largest: 0 }
    }
}

impl Window {
    /// Items that the start of a stream permits.
    pub(crate) const FIRST: u32 = 1;
    /// Most items ahead of the reader.
    pub(crate) const MOST: u32 = 64;
    /// Bytes ahead of the reader, going by the items seen so far.
    const BYTES: usize = 1 << 20;

    /// The reader took an item of `size` bytes. Says how many more to permit, in portions of half a window, so that one
    /// frame serves several items.
    pub(crate) fn took(&mut self, size: usize) -> Option<u32> {
        self.outstanding = self.outstanding.saturating_sub(1);
        // Forgets a large item slowly: its like may come again.
        self.largest = size.max(self.largest - self.largest.div_ceil(16));
        let fitting = u32::try_from(Self::BYTES / self.largest.max(1)).unwrap_or(Self::MOST);
        let most = fitting.clamp(1, Self::MOST);
        let limit = self.limit.saturating_mul(2).min(most);
        let more = limit.saturating_sub(self.outstanding);
        if more == 0 || more < limit.div_ceil(2) {
            return None;
        }
        self.limit = limit;
        self.outstanding += more;
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads so many items of one size, each as soon as it is permitted; gives the largest number that was outstanding.
    fn read(window: &mut Window, items: usize, size: usize) -> u32 {
        (0..items)
            .map(|_| {
                assert!(window.outstanding > 0, "a stream that is read goes on");
                window.took(size);
                window.outstanding
            })
            .max()
            .unwrap()
    }

    #[test]
    fn small_items_open_the_window_and_large_ones_close_it() {
        let mut window = Window::default();
        assert_eq!(read(&mut window, 100, 100), Window::MOST);
        read(&mut window, 100, 100 << 10);
        assert!(read(&mut window, 100, 100 << 10) <= 10);
        read(&mut window, 20, 8 << 20);
        assert_eq!(read(&mut window, 20, 8 << 20), 1);
        assert_eq!(read(&mut window, 1000, 0), Window::MOST);
    }

    proptest! {
        #[test]
        fn a_reader_that_reads_never_starves_and_the_window_holds(sizes in prop::collection::vec(0usize..3 << 20, 1..300)) {
            let mut window = Window::default();
            let mut permitted = Window::FIRST;
            for (read, size) in (1..).zip(sizes) {
                prop_assert!(permitted >= read, "item {read} was never permitted");
                if let Some(more) = window.took(size) {
                    permitted += more;
                    let ahead = (permitted - read) as usize;
                    prop_assert!(ahead == 1 || ahead * size <= Window::BYTES, "{ahead} items of {size} bytes");
                    prop_assert!(ahead <= Window::MOST as usize);
                }
            }
        }
    }
}
