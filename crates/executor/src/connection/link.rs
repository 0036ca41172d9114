//! Drives a link connection: one task, one socket, one buffer each way.
//!
//! Whatever waits while a write is under way is encoded behind it and goes out in the next write, so that batches
//! form under load by themselves and no timer delays a single call.

use std::time::Duration;

use bytes::BytesMut;
use protocol::frame::{LinkDecoder, LinkError, write_link_messages};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::codec::Decoder as _;

use crate::connection::driver::{Alarm, Driver, GOODBYE, QUIET, STARTS_AT_ONCE, at};
use crate::connection::{Ended, Inbox, lost};

/// Unsent bytes from which on no more calls are encoded; they wait as they are.
const HIGH_WATER: usize = 1 << 20;
/// Free space offered to a read; the buffer grows to one message at the most.
const READ_BUFFER: usize = 64 << 10;

/// A socket that passed its hello, with what was read behind it.
#[derive(Debug)]
pub struct LinkIo<R, W> {
    /// Reading half.
    pub reader: R,
    /// Writing half.
    pub writer: W,
    /// Bytes read and not used yet.
    pub buffer: BytesMut,
}

/// Bounds of one link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkBounds {
    pub(crate) message_bytes: usize,
    pub(crate) write_timeout: Duration,
}

/// Runs until the connection ends; every call on it has been answered or failed then.
pub(crate) async fn drive<R, W>(mut driver: Driver, mut io: LinkIo<R, W>, mut inbox: Inbox, bounds: LinkBounds) -> Ended
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let mut output = BytesMut::new();
    let ended = run(&mut driver, &mut io, &mut output, &mut inbox, bounds).await;
    driver.finish(&ended);
    drop(inbox);
    write_link_messages(&mut driver.frames, bounds.message_bytes, &mut output);
    let goodbye = async {
        io.writer.write_all(&output).await?;
        io.writer.shutdown().await
    };
    // Best effort: the provider may be gone, and nobody else waits for these bytes.
    if let Ok(Err(error)) = tokio::time::timeout(GOODBYE, goodbye).await {
        tracing::debug!(%error, "the last frames did not reach the provider");
    }
    ended
}

async fn run<R, W>(
    driver: &mut Driver,
    io: &mut LinkIo<R, W>,
    output: &mut BytesMut,
    inbox: &mut Inbox,
    bounds: LinkBounds,
) -> Ended
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let mut decoder = LinkDecoder::new(bounds.message_bytes);
    let mut starts = Vec::with_capacity(STARTS_AT_ONCE);
    let (mut alarm, mut life) = (Alarm::new(), Alarm::new());
    let mut written: u64 = 0;
    // The most that waited since the buffer was empty.
    let mut peak = 0;
    let mut stuck_at: Option<Instant> = None;
    if let Err(ended) = decode(driver, &mut decoder, &mut io.buffer) {
        return ended;
    }
    loop {
        // What came while a write or a read was under way goes out with what was there.
        if driver.takes_calls() {
            driver.take(std::iter::from_fn(|| inbox.starts.try_recv().ok()).take(STARTS_AT_ONCE));
        }
        driver.advance(HIGH_WATER.saturating_sub(output.len()));
        write_link_messages(&mut driver.frames, bounds.message_bytes, output);
        driver.framed(written + output.len() as u64);
        peak = peak.max(output.len());
        if output.is_empty() {
            stuck_at = None;
            if peak > HIGH_WATER {
                // A large message is over; its room is not kept for the next.
                *output = BytesMut::new();
                peak = 0;
            }
            if driver.is_done() {
                return Ended::Asked;
            }
        } else if stuck_at.is_none() {
            stuck_at = Some(Instant::now() + bounds.write_timeout);
        }
        alarm.set(driver.earliest_deadline());
        if driver.awaits_life() {
            life.set_after(QUIET);
        }
        tokio::select! {
            count = io.writer.write_buf(output), if !output.is_empty() => match count {
                Ok(0) => return closed(),
                Ok(count) => {
                    stuck_at = None;
                    written += count as u64;
                    driver.written(written);
                }
                Err(error) => return broken(&error),
            },
            read = io.reader.read_buf(&mut io.buffer) => match read {
                Ok(0) => return closed(),
                Ok(_) => if let Err(ended) = decode(driver, &mut decoder, &mut io.buffer) { return ended },
                Err(error) => return broken(&error),
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

fn decode(driver: &mut Driver, decoder: &mut LinkDecoder, buffer: &mut BytesMut) -> Result<(), Ended> {
    let before = buffer.len();
    loop {
        match decoder.decode(buffer) {
            Ok(Some(frames)) => frames.into_iter().try_for_each(|frame| driver.receive(frame))?,
            Ok(None) => break,
            Err(LinkError::Malformed(error)) => return Err(Ended::Malformed(error)),
            Err(LinkError::Io(error)) => return Err(broken(&error)),
        }
    }
    if before - buffer.len() > HIGH_WATER {
        // As above: without this the buffer would take the room back as soon as the message is dropped.
        *buffer = BytesMut::from(&buffer[..]);
    }
    if buffer.capacity() == buffer.len() {
        buffer.reserve(READ_BUFFER);
    }
    Ok(())
}

fn closed() -> Ended {
    Ended::Lost(lost("the provider closed its connection"))
}

fn broken(error: &std::io::Error) -> Ended {
    Ended::Lost(lost("the connection of the provider broke").detail("cause", error.kind().to_string()))
}
