//! The provider's end of a link or attach connection, frame by frame or byte by byte. Answers nothing by itself.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::Path;

use bytes::{Buf as _, Bytes, BytesMut};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status, Streaming};

use protocol::Error;
use protocol::frame::LENGTH_BYTES;
use protocol::generated::provider::v1::{self as pb, host_frame::Frame};

use crate::client::{Client, coded};
use crate::codec::BytesCodec;
use crate::frames;
use crate::wait::within;

/// One connection of a provider.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    waiting: VecDeque<pb::HostFrame>,
}

#[derive(Debug)]
enum Wire {
    Link { stream: UnixStream, unread: BytesMut },
    Attach { to_host: Option<mpsc::Sender<Vec<u8>>>, from_host: FromHost },
}

#[derive(Debug)]
enum FromHost {
    /// The host may wait for the first message before it answers, so the stream is opened beside the test.
    Opening(JoinHandle<Result<Streaming<Vec<u8>>, Status>>),
    Open(Box<Streaming<Vec<u8>>>),
    Refused(Status),
}

/// One call that the host sent.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its id on the connection.
    pub id: u64,
    /// What is to be done.
    pub request: pb::ExecuteRequest,
}

impl Connection {
    /// Connects to a link's socket and says nothing yet.
    pub async fn link(path: &Path) -> Self {
        let stream = within("a connection to the link", UnixStream::connect(path)).await;
        let stream = stream.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { wire: Wire::Link { stream, unread: BytesMut::new() }, waiting: VecDeque::new() }
    }

    pub(crate) fn attach(client: &Client) -> Self {
        let (to_host, messages) = mpsc::channel(64);
        let mut grpc = client.raw();
        let opening = tokio::spawn(async move {
            let method = PathAndQuery::from_static("/modrack.provider.v1.ModuleRegistry/Attach");
            let messages = Request::new(ReceiverStream::new(messages));
            grpc.streaming(messages, method, BytesCodec).await.map(tonic::Response::into_inner)
        });
        let from_host = FromHost::Opening(opening);
        Self { wire: Wire::Attach { to_host: Some(to_host), from_host }, waiting: VecDeque::new() }
    }

    /// Says hello and waits for the welcome; gives the session id in it.
    pub async fn open(&mut self, token: &str) -> String {
        self.send([frames::hello(token)]).await.expect("the host reads the hello");
        match self.next().await.expect("the host answers the hello") {
            Some(pb::HostFrame { frame: Some(Frame::Welcome(welcome)), .. }) => welcome.session_id,
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// Sends one message with these frames.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send(&mut self, frames: impl IntoIterator<Item = pb::ProviderFrame>) -> io::Result<()> {
        self.send_message(frames::message(frames)).await
    }

    /// Sends bytes as one message, whatever they are.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_message(&mut self, message: Vec<u8>) -> io::Result<()> {
        match &mut self.wire {
            Wire::Link { .. } => {
                let length = u32::try_from(message.len()).expect("a message is below 4 GiB");
                let mut bytes = length.to_be_bytes().to_vec();
                bytes.extend(message);
                self.send_bytes(&bytes).await
            }
            Wire::Attach { to_host, .. } => {
                let to_host = to_host.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
                within("room on the stream", to_host.send(message)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
            }
        }
    }

    /// Puts bytes on the socket of a link, without any framing.
    ///
    /// # Errors
    /// When the connection is closed.
    ///
    /// # Panics
    /// On an attach stream, which has no such thing.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Link { stream, .. } => within("room on the socket", stream.write_all(bytes)).await,
            Wire::Attach { .. } => panic!("an attach stream takes messages only"),
        }
    }

    /// Sends no more; what comes from the host can still be read.
    pub async fn finish_sending(&mut self) {
        match &mut self.wire {
            Wire::Link { stream, .. } => stream.shutdown().await.expect("the socket is open"),
            Wire::Attach { to_host, .. } => *to_host = None,
        }
    }

    /// The next frame of the host; none when it closed the connection.
    ///
    /// # Errors
    /// The status that ended an attach stream.
    pub async fn next(&mut self) -> Result<Option<pb::HostFrame>, Status> {
        while self.waiting.is_empty() {
            let Some(message) = within("a message of the host", self.wire.read()).await? else {
                return Ok(None);
            };
            let message = pb::AttachResponse::decode(message.as_slice()).expect("the host sends messages");
            self.waiting.extend(message.frames);
        }
        Ok(self.waiting.pop_front())
    }

    /// The next call, over whatever comes before it.
    ///
    /// # Panics
    /// When the connection ends first.
    pub async fn call(&mut self) -> Call {
        loop {
            match self.next().await {
                Ok(Some(pb::HostFrame { call_id, frame: Some(Frame::Execute(request)) })) => {
                    return Call { id: call_id, request };
                }
                Ok(Some(_)) => {}
                end => panic!("the connection ended before a call: {end:?}"),
            }
        }
    }

    /// Sends the items of a stream as its credit permits, then its end. Frames that are not about its credit are skipped.
    ///
    /// # Panics
    /// When the connection ends first, or the stream is cancelled.
    pub async fn send_items(&mut self, call: u64, mut credit: u32, items: impl IntoIterator<Item = Vec<u8>>) {
        for item in items {
            while credit == 0 {
                match self.next().await {
                    Ok(Some(pb::HostFrame { call_id, frame: Some(Frame::Credit(more)) })) if call_id == call => {
                        credit += more.items;
                    }
                    Ok(Some(pb::HostFrame { call_id, frame: Some(Frame::Cancel(cancel)) })) if call_id == call => {
                        panic!("the stream was cancelled: {cancel:?}")
                    }
                    Ok(Some(_)) => {}
                    end => panic!("the connection ended in a stream: {end:?}"),
                }
            }
            credit -= 1;
            self.send([frames::item(call, &item)]).await.expect("the connection is open");
        }
        self.send([frames::end(call)]).await.expect("the connection is open");
    }

    /// Answers pings, and calls as `script` says, until the host closes the connection.
    pub async fn serve<F>(mut self, script: impl Fn(pb::ExecuteRequest) -> F)
    where
        F: Future<Output = Bytes> + Send + 'static,
    {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                message = self.wire.read() => {
                    let Ok(Some(message)) = message else { return };
                    let message = pb::AttachResponse::decode(message.as_slice()).expect("the host sends messages");
                    for frame in message.frames {
                        match frame.frame {
                            Some(Frame::Execute(request)) => {
                                let answer = script(request);
                                running.spawn(async move { frames::output(frame.call_id, answer.await) });
                            }
                            Some(Frame::Ping(ping)) if self.send([frames::pong(ping.number)]).await.is_err() => return,
                            _ => {}
                        }
                    }
                }
                Some(answer) = running.join_next() => {
                    if self.send([answer.expect("a script does not panic")]).await.is_err() { return }
                }
            }
        }
    }

    /// Reads until the host closes the connection, and gives the coded error that it told first.
    ///
    /// # Panics
    /// When it closes without a word.
    pub async fn refusal(mut self) -> Error {
        let mut told = None;
        loop {
            match self.next().await {
                Ok(Some(pb::HostFrame { call_id: 0, frame: Some(Frame::Error(error)) })) => {
                    told = Some(Error::from_proto(error));
                }
                Ok(Some(frame)) => assert!(told.is_none(), "a frame after the error: {frame:?}"),
                Ok(None) => return told.expect("the host says why it closes the connection"),
                Err(status) => return told.unwrap_or_else(|| coded(&status)),
            }
        }
    }

    /// Reads until the host closes the connection, whatever it says.
    pub async fn closed(&mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }
}

impl Wire {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, Status> {
        match self {
            Self::Link { stream, unread } => Ok(read_link(stream, unread).await),
            Self::Attach { from_host, .. } => {
                if let FromHost::Opening(opening) = from_host {
                    *from_host = match opening.await.expect("the stream is opened") {
                        Ok(stream) => FromHost::Open(Box::new(stream)),
                        Err(status) => FromHost::Refused(status),
                    };
                }
                match from_host {
                    FromHost::Open(stream) => stream.message().await,
                    FromHost::Refused(status) => Err(status.clone()),
                    FromHost::Opening(_) => unreachable!("it was opened above"),
                }
            }
        }
    }
}

/// One message; none when the socket is closed or reset, for a host that refuses bytes may leave some unread.
/// Loses nothing when it is cancelled.
async fn read_link(stream: &mut UnixStream, unread: &mut BytesMut) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = unread.first_chunk::<LENGTH_BYTES>() {
            let length = u32::from_be_bytes(*length) as usize;
            if unread.len() >= LENGTH_BYTES + length {
                unread.advance(LENGTH_BYTES);
                return Some(unread.split_to(length).to_vec());
            }
        }
        match stream.read_buf(unread).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
