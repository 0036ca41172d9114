//! Reads what a component wrote. Keeps nothing; the ring does.

use protocol::component::LogLine;

use crate::config::ComponentConfig;

/// The lines of a component, in the order of their numbers.
pub struct LogReader {
    lines: Option<Vec<LogLine>>,
}

impl LogReader {
    pub(crate) fn new(_config: &ComponentConfig, _tail: usize, _follow: bool) -> Self {
        Self { lines: None }
    }

    /// The next lines, at least one; `None` after the last, which a reader that follows meets when the service has ended.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Vec<LogLine>> {
        self.lines.take()
    }
}
