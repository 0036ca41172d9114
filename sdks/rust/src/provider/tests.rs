//! A provider against a host that does what the test wants.

mod batches;
mod fake_host;
mod nested;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::context::Context;
use crate::error::{Category, Error, ModuleError};
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::module_executor_client::ModuleExecutorClient;
use crate::generated::provider::v1::module_lifecycle_client::ModuleLifecycleClient;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::{
    Cancel, Command, DataPlane, DescribeRequest, Drain, ExecuteBatchRequest, InitializeRequest, Ping, ShutdownRequest,
};
use crate::host::{HostAddress, TlsFiles};
use crate::module::Module;
use crate::provider::tests::fake_host::{Behaviour, FakeHost, Link, outcome, request, within};
use crate::provider::{Plane, Provider, ProviderHandle};

async fn upper(text: String) -> Result<String, ModuleError> {
    Ok(text.to_uppercase())
}

fn text() -> Provider {
    Provider::new("text").module("Upper", upper)
}

async fn channel(url: &str) -> Channel {
    HostAddress::parse(url).unwrap().connect(&TlsFiles::default()).await.unwrap()
}

struct Running {
    handle: ProviderHandle,
    task: JoinHandle<Result<(), Error>>,
}

fn start(provider: Provider, host: &FakeHost) -> Running {
    let handle = provider.handle();
    let provider = provider.host(&host.address);
    Running { handle, task: tokio::spawn(provider.run_until(std::future::pending())) }
}

impl Running {
    async fn end(self) -> Result<(), Error> {
        within(self.task).await.unwrap()
    }

    async fn stop(self) -> Result<(), Error> {
        self.handle.stop();
        self.end().await
    }
}

#[tokio::test]
async fn calls_come_over_the_link_when_the_host_offers_one() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(text(), &host);
    let registration = host.registration().await;
    assert_eq!(registration.namespace, "text");
    assert_eq!(registration.service_id, "text");
    assert_eq!(registration.planes, [DataPlane::Link as i32, DataPlane::Attach as i32]);
    assert_eq!(registration.modules[0].name, "Upper");
    assert_eq!(registration.info.unwrap().language, "rust");

    let mut wire = host.connection().await;
    assert_eq!(wire.token, "token-1");
    assert_eq!(wire.call::<String>(1, "Upper", &"straße").await.unwrap(), "STRASSE");
    provider.stop().await.unwrap();
    host.farewell().await;
}

#[tokio::test]
async fn the_link_may_be_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("modrack-{}-{}", std::process::id(), fastrand::u64(..)));
    std::fs::create_dir(&folder).unwrap();
    let mut host =
        FakeHost::start(Behaviour { link: Link::Unix(folder.join("link.sock")), ..Behaviour::default() }).await;
    let provider = start(text().plane(Plane::Link), &host);
    assert_eq!(host.registration().await.planes, [DataPlane::Link as i32]);
    assert_eq!(host.connection().await.call::<String>(1, "Upper", &"a").await.unwrap(), "A");
    provider.stop().await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_link_that_cannot_be_reached_makes_place_for_attach() {
    let mut host = FakeHost::start(Behaviour { link: Link::Dead, ..Behaviour::default() }).await;
    let provider = start(text(), &host);
    assert_eq!(host.connection().await.call::<String>(1, "Upper", &"a").await.unwrap(), "A");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_host_without_streams_calls_the_provider_itself() {
    let mut host = FakeHost::start(Behaviour { link: Link::None, attach: false, ..Behaviour::default() }).await;
    let provider = start(text(), &host);
    assert_eq!(host.registration().await.service_url, "");
    let second = host.registration().await;
    assert_eq!(second.planes, [DataPlane::Unary as i32]);
    assert_eq!(second.session_token, "token-1");
    let mut client = ModuleExecutorClient::new(channel(&second.service_url).await);
    let response = client.execute(request("Upper", &"a")).await.unwrap().into_inner();
    assert_eq!(outcome::<String>(response).unwrap(), "A");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_plane_that_was_asked_for_is_the_only_one_tried() {
    let mut host = FakeHost::start(Behaviour { link: Link::None, ..Behaviour::default() }).await;
    let error = start(text().plane(Plane::Link), &host).end().await.unwrap_err();
    assert_eq!(error.code(), "client.link.absent");
    assert!(!host.has_new_connection());
}

#[tokio::test]
async fn the_unary_server_tells_its_health_and_obeys_the_lifecycle() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let configured = Provider::new("text")
        .module("Setting", |_: (), ctx: Context| async move { Ok(ctx.configuration("colour").map(str::to_owned)) });
    let provider = start(configured.plane(Plane::Unary), &host);
    let registration = host.registration().await;
    assert!(registration.lifecycle);
    let url = registration.service_url;

    let mut health = HealthClient::new(channel(&url).await);
    let service = "modrack.provider.v1.ModuleExecutor".to_owned();
    let status = health.check(HealthCheckRequest { service }).await.unwrap().into_inner().status();
    assert_eq!(status.as_str_name(), "SERVING");

    let mut lifecycle = ModuleLifecycleClient::new(channel(&url).await);
    assert_eq!(lifecycle.describe(DescribeRequest {}).await.unwrap().into_inner().modules[0].name, "Setting");
    let configuration = [("colour".to_owned(), "blue".to_owned())].into();
    lifecycle.initialize(InitializeRequest { session_id: String::new(), configuration }).await.unwrap();

    let mut executor = ModuleExecutorClient::new(channel(&url).await);
    let response = executor.execute(request("Setting", &())).await.unwrap().into_inner();
    assert_eq!(outcome::<Option<String>>(response).unwrap().as_deref(), Some("blue"));
    let requests = vec![request("Setting", &())];
    let status = executor.execute_batch(ExecuteBatchRequest { requests }).await.unwrap_err();
    assert_eq!(Error::from_status(&status).code(), "executor.batch.unsupported");

    let drain = crate::generated::provider::v1::DrainRequest { grace_ms: 1000 };
    assert_eq!(lifecycle.drain(drain).await.unwrap().into_inner().in_flight, 0);
    let response = executor.execute(request("Setting", &())).await.unwrap().into_inner();
    assert_eq!(outcome::<Option<String>>(response).unwrap_err().code(), "executor.provider.unavailable");
    lifecycle.shutdown(ShutdownRequest {}).await.unwrap();
    provider.end().await.unwrap();
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_call_alone() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = text()
        .module("Panic", |_: ()| async move {
            if true {
                panic!("on purpose");
            }
            Ok(1i64)
        })
        .blocking_module("PanicBlocking", |n: i64| Ok(1 / n));
    let provider = start(provider, &host);
    let mut wire = host.connection().await;
    let error = wire.call::<i64>(1, "Panic", &()).await.unwrap_err();
    assert_eq!((error.code(), error.category()), ("module.panicked", Category::UpstreamError));
    assert_eq!(error.message(), "the handler panicked: on purpose");
    assert_eq!(error.trace_id(), "execution-7");
    let error = wire.call::<i64>(2, "PanicBlocking", &0i64).await.unwrap_err();
    assert_eq!(error.code(), "module.panicked");
    assert_eq!(wire.call::<String>(3, "Upper", &"a").await.unwrap(), "A");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn an_ordinary_error_tells_its_type_and_text_and_nothing_more() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = Provider::new("text").module("Parse", |text: String| async move { Ok(text.parse::<i64>()?) });
    let provider = start(provider, &host);
    let mut wire = host.connection().await;
    let error = wire.call::<i64>(1, "Parse", &"x").await.unwrap_err();
    assert_eq!(error.code(), "module.failed");
    assert_eq!(error.message(), "ParseIntError: invalid digit found in string");
    assert!(error.details().is_empty());
    let error = wire.call::<i64>(2, "Nothing", &()).await.unwrap_err();
    assert_eq!((error.code(), error.category()), ("registry.module.unknown", Category::NotFound));
    let error = wire.call::<i64>(3, "Parse", &5i64).await.unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.input.invalid", Category::InvalidArgument));
    assert_eq!(error.details()["codec_code"], "codec.type_mismatch");
    provider.stop().await.unwrap();
}

/// Tells when it is dropped.
struct TellDrop(mpsc::UnboundedSender<()>);

impl Drop for TellDrop {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

#[tokio::test]
async fn a_cancelled_call_drops_its_handler_and_tells_what_it_left_behind() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let (dropped_tx, mut dropped) = mpsc::unbounded_channel();
    let (started_tx, mut started) = mpsc::unbounded_channel();
    let (heard_tx, mut heard) = mpsc::unbounded_channel();
    let provider = text().module("Wait", move |_: (), ctx: Context| {
        let guard = TellDrop(dropped_tx.clone());
        let (started, heard) = (started_tx.clone(), heard_tx.clone());
        async move {
            let _guard = guard;
            tokio::spawn(async move {
                ctx.cancelled().await;
                heard.send(ctx.is_cancelled()).ok();
            });
            started.send(()).ok();
            std::future::pending::<()>().await;
            Ok(0i64)
        }
    });
    let provider = start(provider, &host);
    let mut wire = host.connection().await;
    wire.execute(1, "Wait", &()).await;
    within(started.recv()).await.unwrap();
    wire.send(vec![(1, FromHost::Cancel(Cancel::default()))]).await;
    within(dropped.recv()).await.unwrap();
    assert!(within(heard.recv()).await.unwrap());
    // Nothing is answered for the call; the connection goes on.
    assert_eq!(wire.call::<String>(2, "Upper", &"a").await.unwrap(), "A");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_blocking_handler_sees_that_it_is_cancelled() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let (tx, mut rx) = mpsc::unbounded_channel();
    let provider = text().blocking_module("Spin", move |_: (), ctx: Context| {
        tx.send("started").ok();
        while !ctx.is_cancelled() {
            std::thread::yield_now();
        }
        tx.send("cancelled").ok();
        Ok(0i64)
    });
    let provider = start(provider, &host);
    let mut wire = host.connection().await;
    wire.execute(1, "Spin", &()).await;
    assert_eq!(within(rx.recv()).await, Some("started"));
    assert_eq!(wire.call::<String>(2, "Upper", &"a").await.unwrap(), "A");
    wire.send(vec![(1, FromHost::Cancel(Cancel::default()))]).await;
    assert_eq!(within(rx.recv()).await, Some("cancelled"));
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_context_tells_the_call() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = Provider::new("text").module("Look", |_: (), ctx: Context| async move {
        assert!(ctx.remaining().unwrap() <= Duration::from_secs(60));
        Ok(format!("{} {} {} {:?}", ctx.module(), ctx.execution_id(), ctx.attempt(), ctx.node_id()))
    });
    let provider = start(provider, &host);
    let told: String = host.connection().await.call(1, "Look", &()).await.unwrap();
    assert_eq!(told, "Look execution-7 2 None");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_opened_again_with_the_token_of_the_session() {
    for link in [Link::Tcp, Link::None] {
        let mut host = FakeHost::start(Behaviour { link, ..Behaviour::default() }).await;
        let provider = start(text(), &host);
        assert_eq!(host.registration().await.session_token, "");
        drop(host.connection().await);
        assert_eq!(host.registration().await.session_token, "token-1");
        assert_eq!(host.connection().await.call::<String>(1, "Upper", &"a").await.unwrap(), "A");
        provider.stop().await.unwrap();
    }
}

#[tokio::test]
async fn garbage_on_the_link_ends_the_connection_and_the_provider_comes_back() {
    let garbage: [&[u8]; 4] =
        [&[0, 0, 0, 0], &[0xff, 0xff, 0xff, 0xff], &[0, 0, 0, 2, 0xff, 0xff], b"GET / HTTP/1.1\r\n"];
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(text(), &host);
    for bytes in garbage {
        let mut wire = host.connection().await;
        wire.send_raw(bytes).await;
        assert_eq!(wire.frame().await, None);
    }
    assert_eq!(host.connection().await.call::<String>(1, "Upper", &"a").await.unwrap(), "A");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_namespace_that_is_still_owned_is_waited_for() {
    let owned = || ModuleError::core(Category::Conflict, "registry.namespace.owned", "taken").with_retryable(true);
    let mut host = FakeHost::start(Behaviour::default().refuse(owned()).refuse(owned())).await;
    let provider = start(text(), &host);
    for _ in 0..3 {
        host.registration().await;
    }
    assert_eq!(host.connection().await.call::<String>(1, "Upper", &"a").await.unwrap(), "A");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_will_not_pass_ends_the_provider_with_its_code() {
    let refusal = ModuleError::core(Category::PermissionDenied, "registry.namespace.reserved", "`std` is the host's");
    let host = FakeHost::start(Behaviour::default().refuse(refusal)).await;
    let error = start(text(), &host).end().await.unwrap_err();
    assert_eq!((error.code(), error.message()), ("registry.namespace.reserved", "`std` is the host's"));
    assert_eq!(
        format!("{error:?}"),
        "`std` is the host's (registry.namespace.reserved)\n\
         hint: `std`, `stdlib` and what is below them are the host's: choose another namespace"
    );
}

#[tokio::test]
async fn commands_of_the_heartbeat_are_carried_out() {
    let behaviour = Behaviour { heartbeat_ms: 20, ..Behaviour::default() };
    let commands = Arc::clone(&behaviour.commands);
    let mut host = FakeHost::start(behaviour).await;
    let provider = start(text(), &host);
    host.registration().await;
    let _first = host.connection().await;
    commands.lock().unwrap().push_back(Command::Reregister);
    assert_eq!(host.registration().await.session_token, "token-1");
    let _second = host.connection().await;
    commands.lock().unwrap().push_back(Command::Drain);
    host.farewell().await;
    provider.end().await.unwrap();
}

#[tokio::test]
async fn a_host_that_drains_gets_its_answers_and_finds_the_provider_again() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let (release, released) = oneshot::channel::<()>();
    let provider = start(gated(released), &host);
    let mut wire = host.connection().await;
    wire.execute(1, "Gated", &()).await;
    wire.send(vec![(0, FromHost::Drain(Drain { grace_ms: 5000 }))]).await;
    release.send(()).unwrap();
    assert_eq!(outcome::<String>(wire.result().await.1).unwrap().len(), LONG);
    assert_eq!(wire.frame().await, None);
    host.connection().await;
    provider.stop().await.unwrap();
}

/// Much, so that an answer takes its time on the wire.
const LONG: usize = 900_000;

/// A provider whose module `Gated` answers at length when the gate opens.
fn gated(gate: oneshot::Receiver<()>) -> Provider {
    let gate = Arc::new(tokio::sync::Mutex::new(Some(gate)));
    text().module("Gated", move |_: ()| {
        let gate = Arc::clone(&gate);
        async move {
            let gate = gate.lock().await.take();
            if let Some(gate) = gate {
                gate.await?;
            }
            Ok("x".repeat(LONG))
        }
    })
}

#[tokio::test]
async fn a_stopping_provider_leaves_first_and_then_finishes_what_runs() {
    for link in [Link::Tcp, Link::None] {
        let mut host = FakeHost::start(Behaviour { link, ..Behaviour::default() }).await;
        let (release, released) = oneshot::channel::<()>();
        let provider = start(gated(released), &host);
        let mut wire = host.connection().await;
        wire.execute(1, "Gated", &()).await;
        assert_eq!(wire.call::<String>(2, "Upper", &"a").await.unwrap(), "A");
        provider.handle.stop();
        host.farewell().await;
        assert_eq!(wire.frame().await, Some((0, FromProvider::Drain(Drain { grace_ms: 0 }))));
        assert!(!provider.task.is_finished());
        release.send(()).unwrap();
        assert_eq!(outcome::<String>(wire.result().await.1).unwrap().len(), LONG);
        provider.end().await.unwrap();
    }
}

#[tokio::test]
async fn the_last_answers_arrive_although_the_process_ends() {
    for link in [Link::Tcp, Link::None] {
        let mut host = FakeHost::start(Behaviour { link, ..Behaviour::default() }).await;
        let (release, released) = oneshot::channel::<()>();
        let provider = gated(released).host(&host.address);
        let handle = provider.handle();
        // A runtime of its own, which takes everything with it when `run_until` returns, as the end of a process does.
        let process = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(provider.run_until(std::future::pending()))
        });
        let mut wire = host.connection().await;
        // The call may arrive after the provider has left: it was sent before the host knew.
        handle.stop();
        wire.execute(1, "Gated", &()).await;
        assert!(matches!(wire.frame().await, Some((0, FromProvider::Drain(_)))));
        release.send(()).unwrap();
        assert_eq!(outcome::<String>(wire.result().await.1).unwrap().len(), LONG);
        within(tokio::task::spawn_blocking(|| process.join())).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_grace_bounds_what_a_stop_waits_for() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let (_release, released) = oneshot::channel::<()>();
    let provider = start(gated(released).grace(Duration::from_millis(20)), &host);
    let wire = host.connection().await;
    wire.execute(1, "Gated", &()).await;
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_running_provider_gains_and_loses_modules_on_the_same_connection() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(text(), &host);
    host.registration().await;
    let mut wire = host.connection().await;
    let handle = provider.handle.clone();
    handle.add_module(Module::new("Lower", |t: String| async move { Ok(t.to_lowercase()) })).await.unwrap();
    let second = host.registration().await;
    assert_eq!(second.session_token, "token-1");
    assert_eq!(second.modules.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["Lower", "Upper"]);
    assert_eq!(wire.call::<String>(1, "Lower", &"A").await.unwrap(), "a");

    handle.remove_module("Upper").await.unwrap();
    assert_eq!(host.registration().await.modules.len(), 1);
    assert_eq!(wire.call::<String>(2, "Upper", &"a").await.unwrap_err().code(), "registry.module.unknown");
    assert_eq!(handle.remove_module("Upper").await.unwrap_err().code(), "registry.module.unknown");
    assert_eq!(handle.remove_module("Lower").await.unwrap_err().code(), "registry.registration.empty");
    assert!(!host.has_new_connection());
    provider.stop().await.unwrap();
    assert_eq!(handle.remove_module("Lower").await.unwrap_err().code(), "client.provider.stopped");
}

#[tokio::test]
async fn a_refused_change_leaves_the_modules_as_they_were() {
    let behaviour = Behaviour::default();
    let refusals = Arc::clone(&behaviour.refusals);
    let mut host = FakeHost::start(behaviour).await;
    let provider = start(text(), &host);
    let mut wire = host.connection().await;
    refusals.lock().unwrap().push_back(ModuleError::core(
        Category::Conflict,
        "registry.schema.incompatible",
        "narrower",
    ));
    let refused = provider.handle.add_module(Module::new("Upper", |n: i64| async move { Ok(n) })).await.unwrap_err();
    assert_eq!(refused.code(), "registry.schema.incompatible");
    assert_eq!(wire.call::<String>(1, "Upper", &"a").await.unwrap(), "A");
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn an_output_beyond_the_limit_is_an_error_of_its_call_alone() {
    let mut host = FakeHost::start(Behaviour { max_message: 2000, ..Behaviour::default() }).await;
    let provider = text().module("Big", |n: u32| async move { Ok("x".repeat(n as usize)) });
    let provider = start(provider, &host);
    let mut wire = host.connection().await;
    assert_eq!(wire.call::<String>(1, "Big", &1000).await.unwrap().len(), 1000);
    assert_eq!(wire.call::<String>(2, "Big", &3000).await.unwrap_err().code(), "module.output_too_large");
    // Answers that wait together are split where one message cannot hold them.
    let calls = (10..30).map(|id| (id, FromHost::Execute(request("Big", &900)))).collect();
    wire.send(calls).await;
    let mut answered = 0;
    while answered < 20 {
        let message = wire.message().await;
        assert!(prost::Message::encoded_len(&message) <= 2000);
        answered += message.frames.len();
    }
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_ping_is_answered_while_calls_run() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let (_release, released) = oneshot::channel::<()>();
    let provider = start(gated(released).grace(Duration::ZERO), &host);
    let mut wire = host.connection().await;
    wire.execute(1, "Gated", &()).await;
    wire.send(vec![(0, FromHost::Ping(Ping { number: 9 }))]).await;
    match wire.frame().await {
        Some((0, FromProvider::Pong(pong))) => assert_eq!(pong.number, 9),
        other => panic!("expected a pong, got {other:?}"),
    }
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_host_that_is_not_there_is_waited_for_until_the_provider_is_stopped() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let provider = text().host(address);
    let handle = provider.handle();
    let task = tokio::spawn(provider.run_until(std::future::pending()));
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    handle.stop();
    within(task).await.unwrap().unwrap();
}

#[tokio::test]
async fn faults_of_the_provider_itself_are_told_before_it_connects() {
    async fn check(provider: Provider, code: &str) {
        let error = provider.host("http://127.0.0.1:1").run_until(std::future::pending()).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    check(Provider::new("text"), "registry.registration.empty").await;
    check(text().module("Upper", upper), "registry.module.duplicate").await;
    check(text().module("no name", upper), "registry.name.invalid").await;
    let nested = |_: Option<Option<i64>>| async move { Ok(()) };
    check(text().module("Nested", nested), "type.option.nested").await;
    let example = Module::new("Count", |n: u64| async move { Ok(n) }).example(u64::MAX, 1);
    check(text().with_module(example), "codec.int_range").await;
    let error = text().host("ftp://x").run_until(std::future::pending()).await.unwrap_err();
    assert_eq!(error.code(), "client.host.invalid");
    let error = text().host("unix:relative").run_until(std::future::pending()).await.unwrap_err();
    assert_eq!(error.code(), "client.host.invalid");
}

#[tokio::test]
async fn nothing_of_a_dropped_provider_goes_on() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(text(), &host);
    let mut wire = host.connection().await;
    provider.task.abort();
    assert_eq!(wire.frame().await, None);
}
