//! What a component writes: the latest lines, numbered, for whoever asks. Interprets no line and writes none to a file.

mod cut;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use protocol::component::LogLine;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::cut::Cut;

/// Most bytes of text that a ring keeps, whatever its lines.
pub const MOST_BYTES: usize = 4 << 20;

/// What is read at once.
const CHUNK: usize = 64 << 10;

/// Most bytes of a stream that are read within [`TURN`]: who writes more waits for the next. Reading has to cost the host a part of
/// one core at most, whatever a component does.
const MOST_IN_A_TURN: usize = 16 << 20;

/// See [`MOST_IN_A_TURN`].
const TURN: Duration = Duration::from_millis(100);

/// Most lines that a reader is given at once.
const BATCH: usize = 512;

/// The latest lines of a component, over all its starts. A cheap clone of the same ring.
#[derive(Clone)]
pub struct Ring {
    shared: Arc<Shared>,
    /// Number of the latest line. Readers end when the last ring is dropped.
    latest: Arc<watch::Sender<u64>>,
}

struct Shared {
    most_lines: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
    latest: u64,
}

impl Ring {
    /// An empty ring that keeps so many lines (at least one), and at most [`MOST_BYTES`] of text.
    #[must_use]
    pub fn new(most_lines: usize) -> Self {
        let shared = Shared { most_lines: most_lines.max(1), kept: Mutex::default() };
        Self { shared: Arc::new(shared), latest: Arc::new(watch::Sender::new(0)) }
    }

    /// Reads a stream to its end and keeps its lines: without their ends, those longer than 8 KiB in pieces, U+FFFD for what is no
    /// UTF-8. Goes on whatever readers do, so that the writer never waits for one; but takes no more than 160 MiB/s, so that a writer
    /// without end leaves the host its processor. Of a chunk with more lines than the ring keeps, the earlier ones are counted only:
    /// their numbers are used, their text is not.
    pub async fn drain(&self, mut stream: impl AsyncRead + Unpin, is_stderr: bool, start: u64) {
        let mut cut = Cut::default();
        let mut chunk = vec![0; CHUNK];
        let (mut turn, mut taken) = (Instant::now(), 0);
        loop {
            match stream.read(&mut chunk).await {
                // A pipe that fails has no more to say.
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    taken += read;
                    self.keep(&mut cut, &chunk[..read], is_stderr, start);
                }
            }
            if taken >= MOST_IN_A_TURN {
                sleep_until(turn + TURN).await;
            } else {
                // Who writes without a pause must not keep a thread of the host for itself.
                tokio::task::yield_now().await;
            }
            if turn.elapsed() >= TURN {
                (turn, taken) = (Instant::now(), 0);
            }
        }
        if let Some(rest) = cut.rest() {
            self.push(1, [rest], is_stderr, start);
        }
    }

    /// Reads what is kept, the latest `tail` lines of it (0: all); then, when it `follow`s, what comes, until the last ring is gone.
    #[must_use]
    pub fn reader(&self, tail: usize, follow: bool) -> Reader {
        // Before the lines, so that none falls between.
        let latest = self.latest.subscribe();
        let kept = self.shared.kept();
        let skipped = if tail == 0 { 0 } else { kept.lines.len().saturating_sub(tail) };
        let next = kept.lines.get(skipped).map_or(kept.latest + 1, |line| line.number);
        let until = (!follow).then_some(kept.latest);
        drop(kept);
        Reader { shared: Arc::clone(&self.shared), latest, next, until }
    }

    fn keep(&self, cut: &mut Cut, chunk: &[u8], is_stderr: bool, start: u64) {
        let lines = cut.lines(chunk);
        if lines.is_empty() {
            return;
        }
        let unseen = lines.len().saturating_sub(self.shared.most_lines);
        self.push(lines.len(), lines[unseen..].iter().map(|line| &**line), is_stderr, start);
    }

    /// Counts so many lines and keeps the last of them.
    fn push<'a>(&self, count: usize, lines: impl IntoIterator<Item = &'a [u8]>, is_stderr: bool, start: u64) {
        let at = SystemTime::now();
        // The text is made before the lock is taken.
        let texts: Vec<String> = lines.into_iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let mut kept = self.shared.kept();
        kept.latest += u64::try_from(count - texts.len()).unwrap_or(u64::MAX);
        for text in texts {
            kept.latest += 1;
            kept.bytes += text.len();
            let number = kept.latest;
            kept.lines.push_back(LogLine { number, at, is_stderr, text, start });
            while kept.lines.len() > self.shared.most_lines || kept.bytes > MOST_BYTES {
                let Some(oldest) = kept.lines.pop_front() else { break };
                kept.bytes -= oldest.text.len();
            }
        }
        let latest = kept.latest;
        drop(kept);
        self.latest.send_replace(latest);
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Held without an await for some lines; one that panicked left whole lines behind.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.shared.kept();
        f.debug_struct("Ring").field("lines", &kept.lines.len()).field("latest", &kept.latest).finish()
    }
}

/// Reads a ring at its own pace. It keeps nothing: when the ring has dropped a line before it was read, the numbers show a gap.
pub struct Reader {
    shared: Arc<Shared>,
    latest: watch::Receiver<u64>,
    next: u64,
    /// The last line to read, of one that does not follow.
    until: Option<u64>,
}

impl Reader {
    /// The next lines, at least one, in the order of their numbers; none after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Vec<LogLine>> {
        loop {
            // Marked as seen before the look, so that a line that comes after it wakes.
            self.latest.borrow_and_update();
            let lines = self.look();
            if let Some(last) = lines.last() {
                self.next = last.number + 1;
                return Some(lines);
            }
            if self.until.is_some() || self.latest.changed().await.is_err() {
                // The last lines may have come just before the ring went.
                let lines = self.look();
                self.next = lines.last()?.number + 1;
                return Some(lines);
            }
        }
    }

    fn look(&self) -> Vec<LogLine> {
        let until = self.until.unwrap_or(u64::MAX);
        let kept = self.shared.kept();
        let first = kept.lines.partition_point(|line| line.number < self.next);
        kept.lines.range(first..).take_while(|line| line.number <= until).take(BATCH).cloned().collect()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("next", &self.next).field("until", &self.until).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
