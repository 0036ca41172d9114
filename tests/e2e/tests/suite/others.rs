//! Somebody else's provider and call, which must not notice what a test does to the host.

use std::sync::Arc;

use serde_json::json;
use testkit::{Client, Output};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use e2e::Host;

/// A provider that serves well, with one call that is under way.
pub(crate) struct Others {
    client: Client,
    release: Arc<Notify>,
    held: JoinHandle<Result<Output, protocol::Error>>,
}

impl Others {
    /// Registers `others` with modules `Echo` and `Held`, and calls the latter.
    pub(crate) async fn start(host: &Host) -> Self {
        let client = host.client();
        let modules = ["Echo", "Held"].map(|name| testkit::module(name, "{n: Int}", "{n: Int}"));
        let session = client.register(testkit::registration("others", modules)).await.expect("nobody else is there");
        let session = session.keep_alive();
        let connection = session.link().await;
        let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arriving, released) = (Arc::clone(&arrived), Arc::clone(&release));
        tokio::spawn(async move {
            connection
                .serve(|request| {
                    let (arriving, released) = (Arc::clone(&arriving), Arc::clone(&released));
                    async move {
                        if request.module_name == "Held" {
                            arriving.notify_one();
                            released.notified().await;
                        }
                        request.input_data
                    }
                })
                .await;
            // Lives as long as its connection.
            drop(session);
        });
        let caller = client.clone();
        let held = tokio::spawn(async move { caller.call("others.Held", json!({"n": 42})).await });
        testkit::within("the call that is held", arrived.notified()).await;
        Self { client, release, held }
    }

    /// Asserts that the other provider still answers, and the call that began before gets its answer.
    pub(crate) async fn are_unharmed(self) {
        let echo = self.client.call("others.Echo", json!({"n": 7})).await.expect("others are not concerned");
        assert_eq!(echo.value, json!({"n": 7}));
        self.release.notify_one();
        let held = self.held.await.expect("a call does not panic").expect("a call of others is not concerned");
        assert_eq!(held.value, json!({"n": 42}));
    }
}
