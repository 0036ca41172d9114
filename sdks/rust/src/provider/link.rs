//! The link plane: messages behind a 4-byte big-endian length, on a socket of the same machine. Knows nothing of what the frames mean.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::error::{Category, Error};
use crate::generated::provider::v1::link_endpoint::Address;
use crate::generated::provider::v1::{AttachRequest, AttachResponse, LinkEndpoint};
use crate::provider::frames::{Batches, Framed, Shared, hello, malformed};

/// How long the host may take to accept the connection and to answer the hello.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are read from the socket at once.
const READ_BUFFER: usize = 64 * 1024;
/// A write buffer beyond this is given back after its message.
const KEPT_BUFFER: usize = 1024 * 1024;

/// Connects to the link and proves the session.
pub(crate) async fn open(
    endpoint: &LinkEndpoint,
    session_token: &str,
    shared: Arc<Shared>,
    batches: Batches,
    max_message: usize,
) -> Result<Framed, Error> {
    let connect = async {
        match &endpoint.address {
            #[cfg(unix)]
            Some(Address::UnixPath(path)) => {
                let (read, write) = tokio::net::UnixStream::connect(path).await.map_err(unreachable)?.into_split();
                start(read, write, session_token, shared, batches, max_message).await
            }
            #[cfg(not(unix))]
            Some(Address::UnixPath(_)) => Err(unreachable("Unix sockets are not there on this system")),
            Some(Address::TcpAddress(address)) => {
                let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                let (read, write) = stream.into_split();
                start(read, write, session_token, shared, batches, max_message).await
            }
            None => Err(unreachable("the host named no address")),
        }
    };
    tokio::time::timeout(OPEN_TIMEOUT, connect).await.map_err(|_| unreachable("no answer within 5 s"))?
}

async fn start<R, W>(
    read: R,
    mut write: W,
    session_token: &str,
    shared: Arc<Shared>,
    batches: Batches,
    max_message: usize,
) -> Result<Framed, Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let mut buffer = BytesMut::new();
    frame(&hello(session_token), &mut buffer);
    write.write_all(&buffer).await.map_err(unreachable)?;
    let mut read = BufReader::with_capacity(READ_BUFFER, read);
    shared.open(receive(&mut read, max_message).await?).await?;

    let writer = tokio::spawn(write_all(write, batches, buffer));
    let reader = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            let error = read_all(&mut read, &shared, max_message).await;
            shared.lost(error).await;
        }
    });
    Ok(Framed::new(shared, reader, writer))
}

/// Reads until the connection ends; the answer is why.
async fn read_all(read: &mut (impl AsyncRead + Unpin), shared: &Arc<Shared>, max_message: usize) -> Error {
    loop {
        let taken = match receive(read, max_message).await {
            Ok(message) => shared.take(message).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            return error;
        }
    }
}

async fn receive(read: &mut (impl AsyncRead + Unpin), max_message: usize) -> Result<AttachResponse, Error> {
    let len = usize::try_from(read.read_u32().await.map_err(lost)?).unwrap_or(usize::MAX);
    if len == 0 || len > max_message {
        return Err(malformed("a message of a length that is not allowed"));
    }
    let mut message = vec![0; len];
    read.read_exact(&mut message).await.map_err(lost)?;
    AttachResponse::decode(Bytes::from(message)).map_err(|_| malformed("a message that does not parse"))
}

async fn write_all(mut write: impl AsyncWrite + Unpin, mut batches: Batches, mut buffer: BytesMut) {
    while let Some(message) = batches.next().await {
        buffer.clear();
        frame(&message, &mut buffer);
        if let Err(source) = write.write_all(&buffer).await {
            // The reader sees the same end and tells the session.
            tracing::debug!("the link cannot be written: {source}");
            return;
        }
        if buffer.capacity() > KEPT_BUFFER {
            buffer = BytesMut::new();
        }
    }
    drop(write.shutdown().await);
}

fn frame(message: &AttachRequest, buffer: &mut BytesMut) {
    let len = message.encoded_len();
    buffer.reserve(len + 4);
    buffer.put_u32(u32::try_from(len).expect("a batch is not larger than the host's limit, which is a u32"));
    message.encode_raw(buffer);
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
