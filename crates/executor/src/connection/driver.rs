//! What the tasks of both kinds of connection have in common: calls, orders and frames in, frames to send out. Does no I/O.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use protocol::frame::{CancelReason, HostFrame, ProviderFrame};
use protocol::{Error, Origin, SessionId, codes};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connection::calls::{Calls, Queued, Reaction};
use crate::connection::{Ended, Notice, Order, ProviderDrains, Start, lost};
use crate::health::Health;

/// The state of one connection's task.
pub(crate) struct Driver {
    session: SessionId,
    calls: Calls,
    /// Calls that were taken and have no frame yet; the places at the provider bound them.
    queued: VecDeque<Queued>,
    /// A notice that goes out behind the calls that were taken before it.
    drain_notice: Option<Duration>,
    /// Frames that wait to go out together.
    pub(crate) frames: Vec<HostFrame>,
    /// When a draining connection closes at the latest.
    pub(crate) close_at: Option<Instant>,
    health: Arc<Health>,
    /// Whether anything came since the last look.
    heard: bool,
    /// Whether the last look asked for a sign of life.
    asked: bool,
    /// Taken when the notice is given: a connection gives it once.
    drains: Option<mpsc::UnboundedSender<ProviderDrains>>,
    /// Pongs since those before them were written.
    unsent_pongs: usize,
    /// How far the connection has written when the first of them is out.
    pongs_end: Option<u64>,
}

/// Pings that may come while nothing can be written; a provider that sends more does not read.
const MAX_UNSENT_PONGS: usize = 256;

impl Driver {
    pub(crate) fn new(
        session: SessionId,
        message_bytes: usize,
        drains: mpsc::UnboundedSender<ProviderDrains>,
        health: Arc<Health>,
    ) -> Self {
        Self {
            session,
            calls: Calls::new(message_bytes),
            queued: VecDeque::new(),
            drain_notice: None,
            frames: vec![HostFrame::Welcome(session)],
            close_at: None,
            health,
            heard: false,
            asked: false,
            drains: Some(drains),
            unsent_pongs: 0,
            pongs_end: None,
        }
    }

    /// All that waits to be written ends at `end`, counted from the beginning of the connection.
    pub(crate) fn framed(&mut self, end: u64) {
        if self.unsent_pongs > 0 {
            self.pongs_end.get_or_insert(end);
        }
    }

    /// Everything before `end` was written.
    pub(crate) fn written(&mut self, end: u64) {
        if self.pongs_end.is_some_and(|pongs| pongs <= end) {
            self.unsent_pongs = 0;
            self.pongs_end = None;
        }
    }

    /// Whether more calls may be taken.
    pub(crate) fn takes_calls(&self) -> bool {
        !self.calls.is_draining()
    }

    /// Takes calls, which go out with [`Driver::advance`].
    pub(crate) fn take(&mut self, starts: impl IntoIterator<Item = Start>) {
        self.queued.extend(starts.into_iter().filter_map(|start| self.calls.take(start)));
    }

    /// Whether nothing runs and nothing new comes.
    pub(crate) fn is_done(&self) -> bool {
        self.calls.is_done() && self.queued.is_empty() && self.drain_notice.is_none()
    }

    /// When [`Driver::expire`] is due.
    pub(crate) fn earliest_deadline(&self) -> Option<Instant> {
        self.calls.earliest()
    }

    /// Ends the calls whose deadline has passed.
    pub(crate) fn expire(&mut self) {
        self.calls.expire(Instant::now(), &mut self.frames);
    }

    /// Whether to look now and then for a sign of life: while calls run, and while an ejection awaits one.
    pub(crate) fn awaits_life(&self) -> bool {
        self.calls.running() > 0 || self.health.is_quiet()
    }

    /// Looks whether anything came since the last time; asks by a ping, and the next time takes no answer for silence.
    pub(crate) fn look(&mut self) {
        if std::mem::take(&mut self.heard) {
            self.asked = false;
        } else if !self.asked {
            self.asked = true;
            self.frames.push(HostFrame::Ping(0));
        } else {
            self.health.fell_silent();
        }
    }

    /// Makes frames of the calls that were taken, as many as fit `room` bytes and one more.
    pub(crate) fn advance(&mut self, room: usize) {
        let mut size = 0;
        while size < room {
            let Some(queued) = self.queued.pop_front() else {
                self.frames.extend(self.drain_notice.take().map(HostFrame::Drain));
                return;
            };
            size += queued.size_bound();
            self.frames.extend(self.calls.frame(queued));
        }
    }

    /// Carries out one order. A drain takes the calls that wait in `starts` first, and no others.
    pub(crate) fn order(&mut self, order: Order, starts: &mut mpsc::Receiver<Start>) -> Result<(), Ended> {
        match order {
            Order::Drain(grace) => {
                starts.close();
                self.take(std::iter::from_fn(|| starts.try_recv().ok()));
                self.calls.drain();
                let close_at = Instant::now() + grace;
                self.close_at = Some(self.close_at.map_or(close_at, |earlier| earlier.min(close_at)));
                self.drain_notice = Some(grace);
                Ok(())
            }
            Order::Close(error) => Err(Ended::Lost(error)),
        }
    }

    /// Takes what a caller tells.
    pub(crate) fn hear(&mut self, notice: Notice) {
        self.frames.extend(self.calls.hear(notice));
    }

    /// Takes one frame of the provider.
    pub(crate) fn receive(&mut self, frame: ProviderFrame) -> Result<(), Ended> {
        self.heard = true;
        self.health.answers();
        match self.calls.receive(frame).map_err(Ended::Malformed)? {
            Reaction::Nothing => {}
            Reaction::Send(frame) => self.frames.push(frame),
            Reaction::Pong(number) => {
                self.unsent_pongs += 1;
                if self.unsent_pongs > MAX_UNSENT_PONGS {
                    return Err(Ended::Malformed(Error::of(codes::FRAME_MALFORMED, "pings without reading the pongs")));
                }
                self.frames.push(HostFrame::Pong(number));
            }
            Reaction::ProviderDrains => {
                if let Some(drains) = self.drains.take() {
                    // A service that is gone needs no notice.
                    let _gone = drains.send(ProviderDrains(self.session)).is_err();
                }
            }
            Reaction::Closing(error) => {
                let lost = lost("the provider closed its connection").detail("cause", error.to_string());
                return Err(Ended::Lost(lost));
            }
        }
        Ok(())
    }

    /// Fails every call that still runs and lets go of those that were never sent; leaves in `frames` what tells the provider why.
    pub(crate) fn finish(&mut self, ended: &Ended) {
        let failure = match ended {
            Ended::Asked => lost("the connection of the provider was closed"),
            Ended::Lost(error) => error.clone(),
            Ended::Malformed(error) => Error::of(codes::PROVIDER_PROTOCOL, error.message()).origin_is(Origin::Module),
        };
        if self.calls.running() > 0 || self.calls.dropped_results() > 0 {
            tracing::debug!(
                session = %self.session,
                failed = self.calls.running(),
                dropped_results = self.calls.dropped_results(),
                "connection ended with open calls or unasked results"
            );
        }
        self.frames.clear();
        if matches!(ended, Ended::Asked) {
            // The grace is over: nobody waits for these any more, and their handlers may stop.
            self.frames.extend(self.calls.sent().map(|call| HostFrame::Cancel(call, CancelReason::Shutdown)));
        }
        self.calls.fail_all(&failure);
        self.queued.clear();
        if let Ended::Malformed(error) | Ended::Lost(error) = ended {
            self.frames.push(HostFrame::Error(error.clone()));
        }
    }
}

/// One timer for all deadlines of a connection, which is set anew only when one comes nearer.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Pin<Box<tokio::time::Sleep>>,
    set: bool,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), set: false }
    }

    /// Rings at `moment` or before it; never without one.
    pub(crate) fn set(&mut self, moment: Option<Instant>) {
        if let Some(moment) = moment
            && (!self.set || moment < self.sleep.deadline())
        {
            self.sleep.as_mut().reset(moment);
            self.set = true;
        }
    }

    /// Rings after so long, unless it is set already.
    pub(crate) fn set_after(&mut self, wait: Duration) {
        if !self.set {
            self.set(Some(Instant::now() + wait));
        }
    }

    /// Waits for the next ring; pending for ever when none is set.
    pub(crate) async fn ring(&mut self) {
        if !self.set {
            std::future::pending::<()>().await;
        }
        self.sleep.as_mut().await;
        self.set = false;
    }
}

/// Waits until the moment, or for ever without one.
pub(crate) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// How long a connection with calls may be quiet before it is asked for a sign of life, and then before it counts as silent.
pub(crate) const QUIET: Duration = Duration::from_secs(1);

/// Calls taken at once.
pub(crate) const STARTS_AT_ONCE: usize = 256;

/// The longest that a goodbye may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);
