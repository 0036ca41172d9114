//! Frames on their way to the host, gathered into messages as they are written. Knows no sockets: see `link` and `attach`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// Bytes of the length before a message.
pub(crate) const PREFIX: usize = 4;

/// Beyond this, who produces waits for who writes; the largest message always fits.
const FULL: usize = 1024 * 1024;

/// What waits to be written. Tasks put frames in, one writer takes messages out.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Told when there is room again.
    room: Notify,
    max_message: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Whole messages, each behind its length, and one that still grows.
    bytes: Vec<u8>,
    /// Where the message that grows begins; its length is not written yet.
    open: Option<usize>,
    writer: Option<Waker>,
    is_closed: bool,
    /// Somebody waits for room.
    is_awaited: bool,
}

impl Outbox {
    pub(crate) fn new(max_message: usize) -> Self {
        Self { state: Mutex::default(), room: Notify::new(), max_message }
    }

    /// Adds a frame of a known length, which `write` appends: one element of the message's only field. A closed outbox takes none.
    pub(crate) fn put(&self, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        let begin = match state.open {
            Some(begin) if state.bytes.len() - begin - PREFIX + len <= self.max_message => begin,
            _ => state.begin(),
        };
        state.open = Some(begin);
        write(&mut state.bytes);
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Takes all messages that wait, each behind its length; pending while there are none, `None` when there will be none.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<Option<()>> {
        let mut state = self.lock();
        if !state.bytes.is_empty() {
            state.finish();
            std::mem::swap(&mut state.bytes, into);
            state.bytes.clear();
            let was_awaited = std::mem::take(&mut state.is_awaited);
            drop(state);
            if was_awaited {
                self.room.notify_waiters();
            }
            return Poll::Ready(Some(()));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        if !state.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
            state.writer = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether the writer is behind.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().bytes.len() >= FULL
    }

    /// Returns when the writer is not behind, or will write no more.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.lock();
                if state.bytes.len() < FULL || state.is_closed {
                    return;
                }
                state.is_awaited = true;
            }
            room.await;
        }
    }

    /// Takes no more frames; what waits is still written.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let writer = state.writer.take();
        drop(state);
        self.room.notify_waiters();
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self) -> usize {
        self.finish();
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&[0; PREFIX]);
        begin
    }

    fn finish(&mut self) {
        if let Some(begin) = self.open.take() {
            let len = self.bytes.len() - begin - PREFIX;
            let len = u32::try_from(len).expect("a message is not larger than the host's limit, which is a u32");
            self.bytes[begin..begin + PREFIX].copy_from_slice(&len.to_be_bytes());
        }
    }
}
