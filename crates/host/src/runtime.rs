//! The runtime that a host runs in. Starts no host.
//!
//! A call through the host is a few microseconds of work between two waits. With several threads each of the hand-overs in
//! it may wake another core, which costs more than the work: on two cores a host on one thread answers twice the calls for half
//! the processor time. So small machines, whose cores the providers need, get one thread, larger ones some for their gRPC clients.

use std::io;
use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

/// Up to so many cores one thread is enough.
const SMALL: usize = 4;
/// The most that are chosen without being asked for.
const MOST: usize = 8;

/// A runtime for [`serve`](crate::serve()) on so many threads; 0 chooses: one up to 4 cores, beyond that one for every four
/// cores, two to eight.
///
/// # Errors
/// What the system says when threads or the poller cannot be made.
pub fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = match threads_of(threads, std::thread::available_parallelism().map_or(1, NonZero::get)) {
        1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.enable_all().build()
}

fn threads_of(asked: usize, cores: usize) -> usize {
    match (asked, cores) {
        (0, ..=SMALL) => 1,
        (0, cores) => (cores / 4).clamp(2, MOST),
        (asked, _) => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_machines_get_one_thread_large_ones_some_and_who_asks_what_they_ask_for() {
        let chosen = [1, 2, 4, 5, 8, 16, 64, 256].map(|cores| threads_of(0, cores));
        assert_eq!(chosen, [1, 1, 1, 2, 2, 4, 8, 8]);
        assert_eq!([threads_of(1, 64), threads_of(3, 2)], [1, 3]);
    }
}
