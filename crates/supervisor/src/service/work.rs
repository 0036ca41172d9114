//! What one component has under way, polled by its own task. Starts no task and decides nothing.

use std::task::{Context, Poll};

use futures::future::BoxFuture;

use crate::state::{Event, Fault};

use super::begin::Begun;

/// What is under way for the present start. What is replaced or dropped is given up.
#[derive(Default)]
pub(super) struct Work {
    pub(super) begin: Option<BoxFuture<'static, News>>,
    pub(super) exit: Option<BoxFuture<'static, News>>,
    pub(super) init: Option<BoxFuture<'static, News>>,
    pub(super) drain: Option<BoxFuture<'static, News>>,
    pub(super) ask: Option<BoxFuture<'static, News>>,
}

/// What came of it.
pub(super) enum News {
    Begun(u64, Box<Result<Begun, Fault>>),
    Event(Event),
}

impl Work {
    /// What comes first. Cancel-safe: what is under way goes on with the next call.
    pub(super) fn next(&mut self) -> impl Future<Output = News> + '_ {
        std::future::poll_fn(|cx| self.poll(cx))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        // The end of a process before what was asked of it, so that a fault is named by its cause.
        for slot in [&mut self.begin, &mut self.exit, &mut self.init, &mut self.drain, &mut self.ask] {
            if let Some(future) = slot
                && let Poll::Ready(news) = future.as_mut().poll(cx)
            {
                *slot = None;
                return Poll::Ready(news);
            }
        }
        Poll::Pending
    }
}
