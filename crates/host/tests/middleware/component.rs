//! A component of kind `local_http_json`: a real HTTP server whose decisions are a closure. Holds no test.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_client::HostClient;
use serde_json::{Value, json};
use supervisor::config::{Layer, merge};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tonic::transport::Endpoint;

use crate::world::World;

/// What a component does with an envelope.
pub(crate) enum Reply {
    /// Answers with this decision.
    Decides(Value),
    /// Answers with this status.
    Fails(u16),
    /// Answers with these bytes.
    Says(&'static str),
    /// Answers never.
    Hangs,
}

impl From<Value> for Reply {
    fn from(decision: Value) -> Self {
        Self::Decides(decision)
    }
}

/// `allow`
pub(crate) fn allow() -> Value {
    json!({"decision": "allow", "reason": "fine"})
}

type Decide = Arc<dyn Fn(&Value) -> Reply + Send + Sync>;

/// A running component. Dropping it ends it.
pub(crate) struct Component {
    id: String,
    endpoint: String,
    heard: watch::Receiver<Heard>,
    task: AbortHandle,
}

/// What a component was told, and what became of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) inits: Vec<Value>,
    pub(crate) envelopes: Vec<Value>,
    /// Envelopes whose answer nobody waits for any more.
    pub(crate) given_up: usize,
}

impl Component {
    /// Serves on a port of its own, from now on.
    pub(crate) async fn start<R: Into<Reply>>(id: &str, decide: impl Fn(&Value) -> R + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (told, heard) = watch::channel(Heard::default());
        let decide: Decide = Arc::new(move |envelope| decide(envelope).into());
        let module = id.to_owned();
        let told = Arc::new(told);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (told, decide, module) = (Arc::clone(&told), Arc::clone(&decide), module.clone());
                let service =
                    service_fn(move |request| answer(Arc::clone(&told), Arc::clone(&decide), module.clone(), request));
                tokio::spawn(async move {
                    // One that the host closes ends with an error now and then.
                    let _closed = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .is_err();
                });
            }
        });
        Self { id: id.to_owned(), endpoint, heard, task: task.abort_handle() }
    }

    /// Its configuration, with these members over what every one has.
    pub(crate) fn configured(&self, members: Value) -> supervisor::config::Layered {
        configured(&self.id, &self.endpoint, members)
    }

    /// What it was told at a hook, in order.
    pub(crate) fn asked(&self, hook: &str) -> Vec<Value> {
        let heard = self.heard.borrow();
        heard.envelopes.iter().filter(|envelope| envelope["hook"] == hook).cloned().collect()
    }

    /// Waits until it heard what is looked for, and gives it.
    pub(crate) async fn heard<T>(&self, what: &str, mut found: impl FnMut(&Heard) -> Option<T>) -> T {
        let mut heard = self.heard.clone();
        let mut value = None;
        testkit::within(
            what,
            heard.wait_for(|heard| {
                value = found(heard);
                value.is_some()
            }),
        )
        .await
        .unwrap();
        value.unwrap()
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A component that may not be there.
pub(crate) fn configured(id: &str, endpoint: &str, members: Value) -> supervisor::config::Layered {
    let layer = |value| Layer { origin: "test".into(), base: std::env::temp_dir(), value };
    let base = json!({"id": id, "kind": "local_http_json", "module_id": id, "http": {"endpoint": endpoint}});
    merge(vec![layer(base), layer(members)]).unwrap()
}

/// A host with a chain of these, all of them ready.
pub(crate) async fn chain<'c>(components: impl IntoIterator<Item = (&'c Component, Value)>) -> World {
    let components: Vec<_> = components.into_iter().collect();
    let world = World::start_with(|config| {
        config.components.all = components.iter().map(|(of, members)| of.configured(members.clone())).collect();
        config.components.all.sort_by(|a, b| a.config.id.cmp(&b.config.id));
        config.middleware.chain = components.iter().map(|(of, _)| of.id.clone()).collect();
    })
    .await;
    for (of, _) in components {
        ready(&world, &of.id).await;
    }
    world
}

/// Waits until a component is ready.
pub(crate) async fn ready(world: &World, id: &str) {
    let client = HostClient::new(Endpoint::from_shared(world.url.clone()).unwrap().connect().await.unwrap());
    testkit::eventually("the component is ready", || {
        let mut client = client.clone();
        let request = pb::GetComponentRequest { id: id.to_owned() };
        async move {
            let component = client.get_component(request).await.unwrap().into_inner().component.unwrap();
            (component.state() == pb::ComponentState::Ready).then_some(())
        }
    })
    .await;
}

/// Counts an envelope as given up when it goes before its answer.
struct Waiting {
    told: Arc<watch::Sender<Heard>>,
    answered: Mutex<bool>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !*self.answered.lock().unwrap() {
            self.told.send_modify(|heard| heard.given_up += 1);
        }
    }
}

async fn answer(
    told: Arc<watch::Sender<Heard>>,
    decide: Decide,
    module: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let json = |value: &Value| Response::new(Full::new(Bytes::from(value.to_string())));
    Ok(match path.as_str() {
        "/v1/middleware/init" => {
            told.send_modify(|heard| heard.inits.push(serde_json::from_slice(&body).unwrap()));
            json(&json!({
                "module_name": module, "description": "of a test", "version": "1.0.0",
                "contract_version": "1", "expected_host_api_version": "1",
                "capabilities": [{"id": "test/decide", "class": "other", "description": "decides"}],
            }))
        }
        "/v1/middleware/invoke" => {
            let waiting = Waiting { told: Arc::clone(&told), answered: Mutex::new(false) };
            let envelope: Value = serde_json::from_slice(&body).unwrap();
            told.send_modify(|heard| heard.envelopes.push(envelope.clone()));
            let response = match decide(&envelope) {
                Reply::Decides(decision) => json(&decision),
                Reply::Says(text) => Response::new(Full::new(Bytes::from(text))),
                Reply::Fails(status) => {
                    let mut response = json(&json!({"error": {"code": "test.failed", "message": "it fails"}}));
                    *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    response
                }
                Reply::Hangs => std::future::pending().await,
            };
            *waiting.answered.lock().unwrap() = true;
            response
        }
        _ => json(&json!({})),
    })
}
