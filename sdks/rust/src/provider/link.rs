//! The link plane: messages behind a 4-byte big-endian length, on a socket of the same machine. Knows nothing of what the frames mean.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use crate::error::{Category, Error};
use crate::generated::provider::v1::LinkEndpoint;
use crate::generated::provider::v1::link_endpoint::Address;
use crate::provider::frames::{Framed, Shared, hello, malformed};
use crate::provider::outbox::PREFIX;

/// How long the host may take to accept the connection and to answer the hello.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are read from the socket at once; a message that is larger gets a buffer for itself.
const READ_BUFFER: usize = 64 * 1024;
/// A buffer beyond this is given back when it is empty.
const KEPT_BUFFER: usize = 1024 * 1024;
/// Reads in a row before other tasks get their turn.
const TURNS: usize = 32;

/// Connects to the link and proves the session.
pub(crate) async fn open(
    endpoint: &LinkEndpoint,
    session_token: &str,
    shared: Arc<Shared>,
    max_message: usize,
) -> Result<Framed, Error> {
    let connect = async {
        match &endpoint.address {
            #[cfg(unix)]
            Some(Address::UnixPath(path)) => {
                let stream = tokio::net::UnixStream::connect(path).await.map_err(unreachable)?;
                start(stream, session_token, shared, max_message).await
            }
            #[cfg(not(unix))]
            Some(Address::UnixPath(_)) => Err(unreachable("Unix sockets are not there on this system")),
            Some(Address::TcpAddress(address)) => {
                let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                start(stream, session_token, shared, max_message).await
            }
            None => Err(unreachable("the host named no address")),
        }
    };
    tokio::time::timeout(OPEN_TIMEOUT, connect).await.map_err(|_| unreachable("no answer within 5 s"))?
}

async fn start<S>(mut stream: S, session_token: &str, shared: Arc<Shared>, max_message: usize) -> Result<Framed, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let hello = hello(session_token);
    let len = u32::try_from(hello.encoded_len()).map_err(|_| malformed("a session token of gigabytes"))?;
    let mut first = len.to_be_bytes().to_vec();
    hello.encode_raw(&mut first);
    stream.write_all(&first).await.map_err(unreachable)?;

    let len = checked(stream.read_u32().await.map_err(lost)?, max_message)?;
    let mut welcome = vec![0; len];
    stream.read_exact(&mut welcome).await.map_err(lost)?;
    shared.open(&welcome)?;

    let link = Link {
        stream,
        shared: Arc::clone(&shared),
        max_message,
        incoming: vec![0; READ_BUFFER],
        read: 0,
        outgoing: Vec::new(),
        written: 0,
    };
    let driver = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            let error = link.await;
            shared.lost(error).await;
        }
    });
    Ok(Framed::new(shared, driver))
}

/// One task that reads, runs what ends at once, and writes, so that a quick call costs one read and one write.
/// Ends with why the connection ended.
struct Link<S> {
    stream: S,
    shared: Arc<Shared>,
    max_message: usize,
    incoming: Vec<u8>,
    /// How much of `incoming` was read and not taken.
    read: usize,
    outgoing: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Link<S> {
    type Output = Error;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        let this = &mut *self;
        for _ in 0..TURNS {
            let write = this.poll_write(cx);
            if let Poll::Ready(Err(source)) = write {
                return Poll::Ready(lost(source));
            }
            // A host that does not read gets no more calls of its own to wait for.
            if write.is_pending() && this.shared.outbox().is_full() {
                return Poll::Pending;
            }
            match ready!(this.poll_read(cx)) {
                Ok(()) => {}
                Err(error) => return Poll::Ready(error),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Writes all that waits, and ends our direction after the last. Ready when nothing is left to write.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        loop {
            while self.written < self.outgoing.len() {
                let part = &self.outgoing[self.written..];
                match ready!(Pin::new(&mut self.stream).poll_write(cx, part))? {
                    0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                    written => self.written += written,
                }
            }
            self.outgoing.clear();
            self.written = 0;
            if self.outgoing.capacity() > KEPT_BUFFER {
                self.outgoing = Vec::new();
            }
            match self.shared.outbox().poll_take(cx, &mut self.outgoing) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return Pin::new(&mut self.stream).poll_shutdown(cx),
                // The outbox wakes this task.
                Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads once and takes every whole message.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut free = ReadBuf::new(&mut self.incoming[self.read..]);
        if let Err(source) = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut free)) {
            return Poll::Ready(Err(lost(source)));
        }
        let count = free.filled().len();
        if count == 0 {
            return Poll::Ready(Err(lost(std::io::ErrorKind::UnexpectedEof.into())));
        }
        self.read += count;
        Poll::Ready(self.take())
    }

    fn take(&mut self) -> Result<(), Error> {
        let mut taken = 0;
        let mut needed = READ_BUFFER;
        while let Some((prefix, rest)) = self.incoming[taken..self.read].split_first_chunk::<PREFIX>() {
            let len = checked(u32::from_be_bytes(*prefix), self.max_message)?;
            let Some(message) = rest.get(..len) else {
                needed = len + PREFIX;
                break;
            };
            // A connection that closes reads on only to see its end.
            if !self.shared.outbox().is_closed() {
                self.shared.take(message)?;
            }
            taken += PREFIX + len;
        }
        self.incoming.copy_within(taken..self.read, 0);
        self.read -= taken;
        if needed > self.incoming.len() {
            self.incoming.resize(needed, 0);
        } else if self.read == 0 && self.incoming.len() > KEPT_BUFFER {
            self.incoming = vec![0; READ_BUFFER];
        }
        Ok(())
    }
}

fn checked(len: u32, max_message: usize) -> Result<usize, Error> {
    match usize::try_from(len) {
        Ok(len) if len > 0 && len <= max_message => Ok(len),
        _ => Err(malformed("a message of a length that is not allowed")),
    }
}

fn unreachable(source: impl std::fmt::Display) -> Error {
    Error::new(Category::Unavailable, "client.link.unreachable", format!("the link cannot be reached: {source}"))
}

fn lost(source: std::io::Error) -> Error {
    let message = match source.kind() {
        std::io::ErrorKind::UnexpectedEof => "the host closed the link".to_owned(),
        _ => format!("the link broke: {source}"),
    };
    Error::new(Category::Unavailable, "client.connection.lost", message)
}
