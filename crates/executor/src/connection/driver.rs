//! What the tasks of both kinds of connection have in common: orders and frames in, frames to send out. Does no I/O.

use std::time::Duration;

use protocol::frame::{HostFrame, ProviderFrame};
use protocol::{Error, SessionId, codes};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connection::calls::{Calls, Reaction};
use crate::connection::{Abandoned, Ended, Order, ProviderDrains, lost};

/// The state of one connection's task.
pub(crate) struct Driver {
    session: SessionId,
    calls: Calls,
    /// Frames that wait to go out together.
    pub(crate) frames: Vec<HostFrame>,
    /// When a draining connection closes at the latest.
    pub(crate) close_at: Option<Instant>,
    /// Taken when the notice is given: a connection gives it once.
    drains: Option<mpsc::UnboundedSender<ProviderDrains>>,
    /// Pongs since something was last written.
    unsent_pongs: usize,
}

/// Pings that may come while nothing can be written; a provider that sends more does not read.
const MAX_UNSENT_PONGS: usize = 256;

impl Driver {
    pub(crate) fn new(session: SessionId, drains: mpsc::UnboundedSender<ProviderDrains>) -> Self {
        let frames = vec![HostFrame::Welcome(session)];
        Self { session, calls: Calls::default(), frames, close_at: None, drains: Some(drains), unsent_pongs: 0 }
    }

    /// Something was written.
    pub(crate) fn progress(&mut self) {
        self.unsent_pongs = 0;
    }

    /// Whether nothing runs and nothing new comes.
    pub(crate) fn is_done(&self) -> bool {
        self.calls.is_done()
    }

    /// Carries out one order.
    pub(crate) fn take(&mut self, order: Order) -> Result<(), Ended> {
        match order {
            Order::Start { .. } => self.frames.extend(self.calls.start(order)),
            Order::Drain(grace) => {
                self.calls.drain();
                self.close_at = Some(Instant::now() + grace);
                self.frames.push(HostFrame::Drain(grace));
            }
            Order::Close(error) => return Err(Ended::Lost(error)),
        }
        Ok(())
    }

    /// Stops a call whose caller left.
    pub(crate) fn abandon(&mut self, abandoned: &Abandoned) {
        self.frames.extend(self.calls.abandon(abandoned));
    }

    /// Takes one frame of the provider.
    pub(crate) fn receive(&mut self, frame: ProviderFrame) -> Result<(), Ended> {
        match self.calls.receive(frame).map_err(Ended::Malformed)? {
            Reaction::Nothing => {}
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
            Reaction::Closing(error) => return Err(Ended::Lost(error)),
        }
        Ok(())
    }

    /// Fails every call that still runs; leaves in `frames` what tells the provider why.
    pub(crate) fn finish(&mut self, ended: &Ended) {
        let failure = match ended {
            Ended::Asked => lost("the connection of the provider was closed"),
            Ended::Lost(error) => error.clone(),
            Ended::Malformed(error) => Error::of(codes::PROVIDER_PROTOCOL, error.message()),
        };
        if self.calls.running() > 0 || self.calls.dropped_results() > 0 {
            tracing::debug!(
                session = %self.session,
                failed = self.calls.running(),
                dropped_results = self.calls.dropped_results(),
                "connection ended with open calls or unasked results"
            );
        }
        self.calls.fail_all(&failure);
        self.frames.clear();
        if let Ended::Malformed(error) | Ended::Lost(error) = ended {
            self.frames.push(HostFrame::Error(error.clone()));
        }
    }
}

/// Waits until the moment, or for ever without one.
pub(crate) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The longest that a goodbye may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);
