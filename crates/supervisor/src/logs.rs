//! Reads what a component wrote. Keeps nothing; the ring does.

use protocol::component::LogLine;
use tokio::sync::watch;

use crate::output::{Reader, Ring};

/// The lines of a component, in the order of their numbers.
#[derive(Debug)]
pub struct LogReader {
    reader: Reader,
    /// Closed when the service is over.
    alive: watch::Receiver<()>,
}

impl LogReader {
    pub(crate) fn new(ring: &Ring, alive: watch::Receiver<()>, tail: usize, follow: bool) -> Self {
        Self { reader: ring.reader(tail, follow), alive }
    }

    /// The next lines, at least one; `None` after the last, which a reader that follows meets when the service is over. A reader
    /// that is so far behind that lines were dropped sees a gap in the numbers. Cancel-safe.
    pub async fn next(&mut self) -> Option<Vec<LogLine>> {
        tokio::select! {
            // What is there is told first.
            biased;
            lines = self.reader.next() => lines,
            () = over(&mut self.alive) => None,
        }
    }
}

async fn over(alive: &mut watch::Receiver<()>) {
    while alive.changed().await.is_ok() {}
}
