//! Accepts link connections: reads the hello, finds the session, hands the socket to the executor. Sees no calls.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use executor::LinkIo;
use protocol::frame::{HostFrame, LinkDecoder, LinkError, ProviderFrame, write_link_messages};
use protocol::{DataPlane, Error, codes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio_util::codec::Decoder as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::listen::BoundSocket;

/// Longest first message: a hello is some 80 bytes.
const HELLO_BYTES: usize = 4096;

/// A listening link socket.
pub(crate) struct LinkListener(BoundSocket);

impl LinkListener {
    /// Listens at the path, for this user alone.
    pub(crate) fn bind(path: &Path) -> std::io::Result<Self> {
        BoundSocket::bind(path).map(Self)
    }

    /// Accepts until `stop`; handshakes that are under way then end with it.
    /// `most` bounds the handshakes at one time; connections beyond them are as many as there are sessions.
    pub(crate) async fn run(self, admission: Admission, most: usize, hello: Duration, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(most));
        let handshakes = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.0.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (admission, stop) = (admission.clone(), stop.clone());
                    let place = Arc::clone(&places).try_acquire_owned();
                    handshakes.spawn(async move {
                        let shake = async {
                            match place {
                                Ok(_place) => handshake(stream, &admission, hello).await,
                                Err(_) => {
                                    refuse(stream, Error::of(codes::CONNECTION_LIMIT, "too many connections")).await
                                }
                            }
                        };
                        tokio::select! { () = stop.cancelled() => {}, () = shake => {} }
                    });
                }
                Err(error) => {
                    // Out of descriptors, mostly: what is open goes on, and the next accept waits a little.
                    tracing::warn!(%error, "a link connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        handshakes.close();
        handshakes.wait().await;
    }
}

async fn handshake(stream: UnixStream, admission: &Admission, hello: Duration) {
    let (mut reader, writer) = stream.into_split();
    let mut buffer = BytesMut::with_capacity(HELLO_BYTES);
    let read = tokio::time::timeout(hello, read_hello(&mut reader, &mut buffer)).await;
    let token = match read.unwrap_or_else(|_| Err(Error::of(codes::HELLO_MISSING, "no hello came in time"))) {
        Ok(token) => token,
        Err(error) => return refuse_half(writer, error).await,
    };
    let session = match admission.find(token).await {
        Ok(session) => session,
        Err(error) => return refuse_half(writer, error).await,
    };
    match admission.executor.adopt_link(session.id, LinkIo { reader, writer, buffer }).await {
        Ok(link) => match admission.make_callable(session, DataPlane::Link).await {
            Ok(()) => link.start(),
            Err(error) => refuse_half(link.give_back().writer, error).await,
        },
        Err(refused) => refuse_half(refused.io.writer, refused.error).await,
    }
}

/// The token of the first message, which holds one hello and nothing else.
async fn read_hello<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut BytesMut,
) -> Result<Option<protocol::SessionToken>, Error> {
    let mut decoder = LinkDecoder::new(HELLO_BYTES);
    loop {
        match decoder.decode(buffer) {
            Ok(Some(frames)) => return hello_of(frames),
            Ok(None) => {}
            Err(LinkError::Malformed(error)) => return Err(error),
            Err(LinkError::Io(error)) => return Err(Error::of(codes::HELLO_MISSING, error.kind().to_string())),
        }
        match reader.read_buf(buffer).await {
            Ok(0) => return Err(Error::of(codes::HELLO_MISSING, "the connection closed before a hello came")),
            Ok(_) => {}
            Err(error) => return Err(Error::of(codes::HELLO_MISSING, error.kind().to_string())),
        }
    }
}

/// The token of a first message.
///
/// # Errors
/// `protocol.hello.missing` when it holds anything but one hello.
pub(crate) fn hello_of(frames: Vec<ProviderFrame>) -> Result<Option<protocol::SessionToken>, Error> {
    match <[ProviderFrame; 1]>::try_from(frames) {
        Ok([ProviderFrame::Hello(token)]) => Ok(token),
        _ => Err(Error::of(codes::HELLO_MISSING, "the first message holds something else than one hello")),
    }
}

async fn refuse(stream: UnixStream, error: Error) {
    let (_reader, writer) = stream.into_split();
    refuse_half(writer, error).await;
}

async fn refuse_half(mut writer: tokio::net::unix::OwnedWriteHalf, error: Error) {
    tracing::info!(%error, "a link connection was refused");
    let mut out = BytesMut::new();
    write_link_messages(&mut vec![HostFrame::Error(error)], HELLO_BYTES, &mut out);
    let goodbye = async {
        writer.write_all(&out).await?;
        writer.shutdown().await
    };
    if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(1), goodbye).await {
        tracing::debug!(%error, "a refusal did not reach the provider");
    }
}
