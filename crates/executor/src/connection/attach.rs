//! Drives an attach connection: the frames travel in messages of a gRPC stream that the host's surface holds.
//!
//! The outgoing channel holds one message: what waits while gRPC sends it travels together in the next.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use protocol::Error;
use protocol::frame::{HostFrame, ProviderFrame, take_message};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connection::driver::{Alarm, Driver, GOODBYE, QUIET, STARTS_AT_ONCE, at};
use crate::connection::{Ended, Inbox, lost};

/// A stream that passed its hello: messages of the provider in, messages of the host out.
#[derive(Debug)]
pub struct AttachIo<S> {
    /// The frames of one message, or why there are no more.
    pub incoming: S,
    /// Where the frames of one message go; the surface turns each into one gRPC message.
    pub outgoing: mpsc::Sender<Vec<HostFrame>>,
}

/// Runs until the connection ends; every call on it has been answered or failed then.
pub(crate) async fn drive<S>(
    mut driver: Driver,
    mut io: AttachIo<S>,
    mut inbox: Inbox,
    message_bytes: usize,
    write_timeout: Duration,
) -> Ended
where
    S: Stream<Item = Result<Vec<ProviderFrame>, Error>> + Unpin + Send,
{
    let ended = run(&mut driver, &mut io, &mut inbox, message_bytes, write_timeout).await;
    driver.finish(&ended);
    drop(inbox);
    if !driver.frames.is_empty() {
        // Best effort: the provider may be gone.
        let _unsent = io.outgoing.send_timeout(std::mem::take(&mut driver.frames), GOODBYE).await.is_err();
    }
    ended
}

async fn run<S>(
    driver: &mut Driver,
    io: &mut AttachIo<S>,
    inbox: &mut Inbox,
    message_bytes: usize,
    write_timeout: Duration,
) -> Ended
where
    S: Stream<Item = Result<Vec<ProviderFrame>, Error>> + Unpin + Send,
{
    let mut starts = Vec::with_capacity(STARTS_AT_ONCE);
    let (mut alarm, mut life) = (Alarm::new(), Alarm::new());
    let mut written: u64 = 0;
    let mut stuck_at: Option<Instant> = None;
    loop {
        // Frames hold their bytes by reference, so that only their number matters, and that is bounded by the places.
        driver.advance(usize::MAX);
        driver.framed(written + driver.frames.len() as u64);
        if driver.frames.is_empty() {
            stuck_at = None;
            if driver.is_done() {
                return Ended::Asked;
            }
        } else if stuck_at.is_none() {
            stuck_at = Some(Instant::now() + write_timeout);
        }
        alarm.set(driver.earliest_deadline());
        if driver.awaits_life() {
            life.set_after(QUIET);
        }
        tokio::select! {
            permit = io.outgoing.reserve(), if !driver.frames.is_empty() => match permit {
                Ok(permit) => {
                    let message = take_message(&mut driver.frames, message_bytes);
                    written += message.len() as u64;
                    permit.send(message);
                    stuck_at = None;
                    driver.written(written);
                }
                Err(_) => return Ended::Lost(lost("the provider closed its stream")),
            },
            message = io.incoming.next() => match message {
                Some(Ok(frames)) => {
                    if let Err(ended) = frames.into_iter().try_for_each(|frame| driver.receive(frame)) { return ended }
                }
                Some(Err(error)) if error.code() == protocol::codes::FRAME_MALFORMED.name => return Ended::Malformed(error),
                Some(Err(error)) => return Ended::Lost(error),
                None => return Ended::Lost(lost("the provider closed its stream")),
            },
            count = inbox.starts.recv_many(&mut starts, STARTS_AT_ONCE), if driver.takes_calls() => {
                if count == 0 {
                    return Ended::Asked;
                }
                driver.take(starts.drain(..));
            }
            Some(order) = inbox.orders.recv() => {
                if let Err(ended) = driver.order(order, &mut inbox.starts) { return ended }
            }
            Some(notice) = inbox.notices.recv() => driver.hear(notice),
            () = alarm.ring() => driver.expire(),
            () = life.ring() => driver.look(),
            () = at(driver.close_at) => return Ended::Asked,
            () = at(stuck_at) => return Ended::Lost(lost("the provider does not read")),
        }
    }
}
