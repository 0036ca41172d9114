//! The attach plane: the frames on a gRPC stream that the provider opens. Knows nothing of what the frames mean.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::error::{Category, Error};
use crate::generated::provider::v1::module_registry_client::ModuleRegistryClient;
use crate::generated::provider::v1::{AttachRequest, AttachResponse};
use crate::provider::frames::{Batches, Framed, Shared, hello};

/// How long the host may take to answer the hello.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the stream and proves the session.
pub(crate) async fn open(
    mut client: ModuleRegistryClient<Channel>,
    session_token: &str,
    shared: Arc<Shared>,
    batches: Batches,
) -> Result<Framed, Error> {
    // One message under way, so that what comes meanwhile waits in the outbox and travels together.
    let (tx, rx) = mpsc::channel(1);
    let first = hello(session_token);
    let open = async {
        tx.send(first).await.map_err(|_| ended())?;
        let stream = client.attach(ReceiverStream::new(rx)).await.map_err(|status| Error::from_status(&status))?;
        let mut stream = stream.into_inner();
        shared.open(receive(&mut stream).await?).await?;
        Ok((stream, tx))
    };
    let opened: Result<_, Error> = tokio::time::timeout(OPEN_TIMEOUT, open)
        .await
        .unwrap_or_else(|_| Err(Error::deadline_exceeded("the host did not answer the attach stream within 5 s")));
    let (mut stream, tx) = opened?;

    let writer = tokio::spawn(write_all(tx, batches));
    let reader = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            let error = loop {
                let taken = match receive(&mut stream).await {
                    Ok(message) => shared.take(message).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = taken {
                    break error;
                }
            };
            shared.lost(error).await;
        }
    });
    Ok(Framed::new(shared, reader, writer))
}

async fn receive(stream: &mut Streaming<AttachResponse>) -> Result<AttachResponse, Error> {
    stream.message().await.map_err(|status| Error::from_status(&status))?.ok_or_else(ended)
}

async fn write_all(tx: mpsc::Sender<AttachRequest>, mut batches: Batches) {
    while let Some(message) = batches.next().await {
        if tx.send(message).await.is_err() {
            return;
        }
    }
    // The stream ends once its last message was taken.
    drop(tx.reserve().await);
}

fn ended() -> Error {
    Error::new(Category::Unavailable, "client.connection.lost", "the host closed the stream")
}
