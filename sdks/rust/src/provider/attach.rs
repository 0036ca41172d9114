//! The attach plane: the frames on a gRPC stream that the provider opens. Knows nothing of what the frames mean.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::error::{Category, Error};
use crate::provider::frames::{Framed, Shared, hello};

/// How long the host may take to answer the hello.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
const PATH: &str = "/modrack.provider.v1.ModuleRegistry/Attach";

/// Opens the stream and proves the session.
pub(crate) async fn open(
    channel: Channel,
    session_token: &str,
    shared: Arc<Shared>,
    max_message: usize,
) -> Result<Framed, Error> {
    let first = Some(Bytes::from(hello(session_token).encode_to_vec()));
    let outgoing = Outgoing { shared: Arc::clone(&shared), first, waiting: Bytes::new() };
    let open = async {
        let mut grpc = Grpc::new(channel).max_decoding_message_size(max_message).max_encoding_message_size(max_message);
        grpc.ready().await.map_err(|source| {
            let message = format!("the host cannot be reached: {source}");
            Error::new(Category::Unavailable, "client.host.unreachable", message)
        })?;
        let stream = grpc.streaming(Request::new(outgoing), PathAndQuery::from_static(PATH), Untouched).await;
        let mut stream = stream.map_err(|status| Error::from_status(&status))?.into_inner();
        shared.open(&receive(&mut stream).await?)?;
        Ok(stream)
    };
    let opened: Result<_, Error> = tokio::time::timeout(OPEN_TIMEOUT, open)
        .await
        .unwrap_or_else(|_| Err(Error::deadline_exceeded("the host did not answer the attach stream within 5 s")));
    let mut stream = opened?;
    let driver = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            let error = loop {
                // A host that does not read gets no more calls of its own to wait for.
                shared.outbox().room().await;
                let taken = match receive(&mut stream).await {
                    // A connection that closes reads on only to see its end.
                    Ok(_) if shared.outbox().is_closed() => Ok(()),
                    Ok(message) => shared.take(&message),
                    Err(error) => Err(error),
                };
                if let Err(error) = taken {
                    break error;
                }
            };
            shared.lost(error).await;
        }
    });
    Ok(Framed::new(shared, driver))
}

async fn receive(stream: &mut Streaming<Bytes>) -> Result<Bytes, Error> {
    stream.message().await.map_err(|status| Error::from_status(&status))?.ok_or_else(ended)
}

fn ended() -> Error {
    Error::new(Category::Unavailable, "client.connection.lost", "the host closed the stream")
}

/// The messages of the provider: whatever waits when the connection can take more travels together.
struct Outgoing {
    shared: Arc<Shared>,
    /// The hello, alone.
    first: Option<Bytes>,
    /// Whole messages, each behind its length.
    waiting: Bytes,
}

impl Stream for Outgoing {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        if self.waiting.is_empty() {
            let mut taken = Vec::new();
            if ready!(self.shared.outbox().poll_take(cx, &mut taken)).is_none() {
                return Poll::Ready(None);
            }
            self.waiting = Bytes::from(taken);
        }
        let len = self.waiting.get_u32();
        let len = usize::try_from(len).expect("the outbox wrote the length of what it holds");
        Poll::Ready(Some(self.waiting.split_to(len)))
    }
}

/// Messages as they are: the frames have a coding of their own.
#[derive(Debug, Clone, Copy)]
struct Untouched;

impl Codec for Untouched {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Untouched {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Untouched {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
