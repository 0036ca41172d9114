//! The running registry through its public handle. Time is paused, so that nothing sleeps.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::pin::pin;
use std::time::Duration;

use protocol::registration::{OfferedModule, Reach};
use protocol::{
    Capabilities, DataPlane, LocalName, ModuleSpec, Namespace, ProviderInfo, Registration, ServiceId, ServiceUrl,
    SessionId,
};
use registry::{
    Change, Command, EndReason, EndpointState, Handle, HostServes, Options, Pattern, Service, SessionEvent,
    SessionEvents, Update,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use type_schema::CType;

fn provider(service: &str, namespace: &str, modules: &[&str]) -> Registration {
    Registration {
        service_id: ServiceId::parse(service).unwrap(),
        namespace: Namespace::parse(namespace).unwrap(),
        group_id: None,
        modules: modules.iter().map(|name| module(name)).collect(),
        reach: Reach {
            service_url: Some(ServiceUrl::parse("http://127.0.0.1:4711").unwrap()),
            attach: true,
            link: false,
        },
        credential: None,
        session_token: None,
        partial: false,
        allow_breaking: false,
        lifecycle: false,
        info: ProviderInfo::default(),
    }
}

fn module(name: &str) -> OfferedModule {
    let spec = ModuleSpec {
        name: LocalName::parse(name).unwrap(),
        description: format!("does {name}"),
        input: CType::parse("{text: String, find: Option<List<String>>}").unwrap(),
        output: CType::parse("{count: Int, places: Map<String, Int>}").unwrap(),
        version: semver::Version::new(1, 0, 0),
        capabilities: Capabilities::default(),
        examples: Vec::new(),
    };
    OfferedModule { name: name.into(), spec: Ok(spec) }
}

struct Running {
    handle: Handle,
    events: SessionEvents,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn start(options: Options) -> Running {
    let (service, handle, events) = Service::new(options);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(service.run(async {
        // A test that drops the sender does not mean to stop anything.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    }));
    Running { handle, events, stop, task }
}

fn names(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| match change {
            Change::Added(route) => format!("+{}", route.name),
            Change::Changed(route) => format!("~{}", route.name),
            Change::Removed { name, reason } => format!("-{name} {reason}"),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_after_the_routes_show_it() {
    let Running { handle, .. } = start(Options::default());
    let registered = handle.register(provider("text", "text", &["A"]), None).await.unwrap();
    let routes = handle.routes();
    let route = routes.get("text.A").unwrap();
    assert_eq!(route.endpoints[0].session, registered.session);
    assert_eq!(handle.unregister(registered.token).await, Ok(registered.session));
    assert!(handle.routes().get("text.A").is_none());
    // A picture that somebody holds does not change under them.
    assert_eq!(routes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_expires_by_itself_and_its_holder_hears_when_no_route_is_left() {
    let Running { handle, mut events, .. } = start(Options::default());
    let began = tokio::time::Instant::now();
    let registered = handle.register(provider("text", "text", &["A"]), None).await.unwrap();
    let event = events.next().await.unwrap();
    assert_eq!(event, SessionEvent::Ended { session: registered.session, reason: EndReason::LeaseExpired });
    assert!(handle.routes().is_empty());
    let lasted = began.elapsed();
    assert!(lasted >= Options::default().lease && lasted < Options::default().lease + Duration::from_millis(10));
    let answer = handle.heartbeat(registered.token).await.unwrap();
    assert_eq!((answer.lease, answer.command), (None, Some(Command::Reregister)));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_a_session_for_as_long_as_they_come() {
    let Running { handle, mut events, .. } = start(Options::default());
    let registered = handle.register(provider("text", "text", &["A"]), None).await.unwrap();
    for _ in 0..20 {
        tokio::time::advance(registered.heartbeat_interval).await;
        let answer = handle.heartbeat(registered.token.clone()).await.unwrap();
        assert_eq!(answer.lease, Some(registered.lease));
    }
    assert_eq!(handle.routes().len(), 1);
    tokio::time::sleep(registered.lease).await;
    assert!(matches!(events.next().await, Some(SessionEvent::Ended { reason: EndReason::LeaseExpired, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_waits_in_the_queue_came_in_time() {
    let (service, handle, _events) =
        Service::new(Options { request_timeout: Duration::from_secs(600), ..Options::default() });
    let mut run = pin!(service.run(std::future::pending()));
    let registered = tokio::select! {
        registered = handle.register(provider("text", "text", &["A"]), None) => registered.unwrap(),
        () = &mut run => panic!("the service ended"),
    };
    // The service is held up: when it goes on, the lease is over by the clock, and a heartbeat is in the queue.
    let mut heartbeat = pin!(handle.heartbeat(registered.token.clone()));
    tokio::select! {
        biased;
        _ = &mut heartbeat => panic!("somebody answered"),
        () = std::future::ready(()) => {}
    }
    tokio::time::advance(registered.lease * 2).await;
    let beat = tokio::select! {
        beat = heartbeat => beat.unwrap(),
        () = run => panic!("the service ended"),
    };
    assert_eq!((beat.lease, beat.command), (Some(registered.lease), None));
    assert_eq!(handle.routes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_ends_its_session_without_waiting() {
    let Running { handle, mut events, .. } = start(Options::default());
    let registered = handle.register(provider("text", "text", &["A"]), None).await.unwrap();
    let connected = handle.connect(registered.token, DataPlane::Attach).await.unwrap();
    assert_eq!(connected.session, registered.session);
    handle.disconnect(connected.session);
    let event = events.next().await.unwrap();
    assert_eq!(event, SessionEvent::Ended { session: registered.session, reason: EndReason::LinkLost });
    assert!(handle.routes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn drain_reaches_the_connection_the_heartbeat_and_the_routes() {
    let Running { handle, mut events, .. } = start(Options::default());
    let registered = handle.register(provider("text", "text", &["A"]), None).await.unwrap();
    let session = registered.session;
    let grace = Duration::from_secs(3);
    assert_eq!(handle.request_drain(session, grace).await, Ok(()));
    assert_eq!(events.next().await, Some(SessionEvent::Drain { session, grace }));
    assert_eq!(handle.routes().get("text.A").unwrap().endpoints[0].state, EndpointState::Draining);
    assert_eq!(handle.heartbeat(registered.token).await.unwrap().command, Some(Command::Drain));
    handle.provider_drain(session).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_hears_the_state_and_then_each_change_once() {
    let Running { handle, .. } = start(Options::default());
    handle.register(provider("one", "one", &["A"]), None).await.unwrap();
    let mut subscription = handle.subscribe();
    // Between the subscription and its first reading: part of the state, and not told again.
    let two = handle.register(provider("two", "two", &["A", "B"]), None).await.unwrap();
    let Some(Update::State(routes)) = subscription.next().await else { panic!("no state first") };
    assert_eq!(routes.len(), 3);
    handle.unregister(two.token).await.unwrap();
    let Some(Update::Changes(changes)) = subscription.next().await else { panic!("no changes") };
    assert_eq!(names(&changes), ["-two.A unregistered", "-two.B unregistered"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_too_slow_is_given_the_state_again() {
    let Running { handle, .. } = start(Options { watch_backlog: 2, ..Options::default() });
    let mut subscription = handle.subscribe();
    assert!(matches!(subscription.next().await, Some(Update::State(routes)) if routes.is_empty()));
    for i in 0..5 {
        handle.register(provider(&format!("s{i}"), &format!("n{i}"), &["A"]), None).await.unwrap();
    }
    let Some(Update::State(routes)) = subscription.next().await else { panic!("it was not told that it lagged") };
    assert_eq!(routes.len(), 5);
    handle.register(provider("last", "last", &["A"]), None).await.unwrap();
    let Some(Update::Changes(changes)) = subscription.next().await else { panic!("no changes") };
    assert_eq!(names(&changes), ["+last.A"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let (service, handle, _events) = Service::new(Options { queue: 1, ..Options::default() });
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.register(provider("one", "one", &["A"]), None).await }
    });
    tokio::task::yield_now().await;
    let before = tokio::time::Instant::now();
    let refused = handle.register(provider("two", "two", &["A"]), None).await.unwrap_err();
    assert_eq!((refused.error.code(), refused.error.retryable()), ("registry.busy", true));
    assert!(refused.error.retry_after_ms() > 0);
    assert_eq!(before.elapsed(), Duration::ZERO);
    let task = tokio::spawn(service.run(std::future::pending()));
    assert_eq!(waiting.await.unwrap().unwrap().results.len(), 1);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_answers_ends_at_its_deadline_and_is_not_carried_out_later() {
    let (service, handle, _events) = Service::new(Options::default());
    let before = tokio::time::Instant::now();
    let refused = handle.register(provider("one", "one", &["A"]), None).await.unwrap_err();
    assert_eq!(refused.error.code(), "registry.busy");
    let waited = before.elapsed();
    assert!(waited >= Options::default().request_timeout && waited < Options::default().request_timeout * 2);
    let task = tokio::spawn(service.run(std::future::pending()));
    // Nobody knows the token of what the first request would have begun, so that it must not stand in the way.
    handle.register(provider("two", "one", &["A"]), None).await.unwrap();
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_stops_says_so_to_everybody() {
    let Running { handle, mut events, stop, task } = start(Options::default());
    let registered = handle.register(provider("text", "text", &["A"]), None).await.unwrap();
    let mut subscription = handle.subscribe();
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(events.next().await, None);
    assert!(matches!(subscription.next().await, Some(Update::State(_))));
    assert!(subscription.next().await.is_none());
    let mut late = handle.subscribe();
    assert!(matches!(late.next().await, Some(Update::State(_))));
    assert!(late.next().await.is_none());
    assert_eq!(handle.heartbeat(registered.token).await.unwrap_err().code(), "host.stopping");
    handle.disconnect(registered.session);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_modules_register_at_once_and_list_in_order_page_by_page() {
    let Running { handle, .. } = start(Options::default());
    let modules: Vec<String> = (0..10_000).map(|i| format!("M{i:05}")).collect();
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let registration = provider("big", "big", &modules);
    let registered = handle.register(registration, None).await.unwrap();
    assert!(registered.results.iter().all(|result| result.outcome == Ok(1)));

    let routes = handle.routes();
    let (mut listed, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = routes.page(&Pattern::new("big.*"), after.as_deref(), 999);
        listed.extend(page.routes.iter().map(|route| route.name.local().to_owned()));
        after = page.routes.last().map(|route| route.name.to_string());
        if !page.more {
            break;
        }
    }
    assert_eq!(listed, modules);
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_interleave_list_in_the_order_of_whole_names() {
    let Running { handle, .. } = start(Options::default());
    handle.register(provider("one", "a", &["Z", "A", "b"]), None).await.unwrap();
    handle.register(provider("two", "a.b", &["C", "A"]), None).await.unwrap();
    handle.register(provider("three", "b", &["A"]), None).await.unwrap();
    let routes = handle.routes();
    let list = |pattern: &str, after: Option<&str>, limit: usize| -> (Vec<String>, bool) {
        let page = routes.page(&Pattern::new(pattern), after, limit);
        (page.routes.iter().map(|route| route.name.to_string()).collect(), page.more)
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(list("", None, 10), (owned(&["a.A", "a.Z", "a.b", "a.b.A", "a.b.C", "b.A"]), false));
    assert_eq!(list("", Some("a.b"), 2), (owned(&["a.b.A", "a.b.C"]), true));
    assert_eq!(list("a.b*", None, 10), (owned(&["a.b", "a.b.A", "a.b.C"]), false));
    assert_eq!(list("*.A", None, 2), (owned(&["a.A", "a.b.A"]), true));
    assert_eq!(list("*.A", None, 3), (owned(&["a.A", "a.b.A", "b.A"]), false));
    assert_eq!(list("a.Z", None, 10), (owned(&["a.Z"]), false));
    assert_eq!(list("a.Z", Some("a.Z"), 10), (owned(&[]), false));
    assert_eq!(list("no.*", None, 10), (owned(&[]), false));
}

#[tokio::test(start_paused = true)]
async fn modules_of_the_host_come_and_go_as_it_says_and_need_no_lease() {
    let running = start(Options::default());
    let (handle, session) = (&running.handle, SessionId::random());
    let serve = async |modules: &[(&str, &str)]| {
        let spec = |(name, description): &(&str, &str)| {
            let spec = module(name).spec.unwrap();
            ModuleSpec { description: (*description).into(), ..spec }
        };
        let serves = HostServes {
            session,
            namespace: Namespace::parse("pipeline").unwrap(),
            service_id: ServiceId::parse("modrack-host").unwrap(),
            info: ProviderInfo::default(),
            modules: modules.iter().map(spec).collect(),
        };
        handle.serve(serves).await.unwrap();
    };
    serve(&[]).await;
    assert_eq!(handle.routes().len(), 0);
    serve(&[("A", "first"), ("B", "first")]).await;
    let mut changes = handle.subscribe();
    changes.next().await.unwrap();
    let route = handle.routes().get("pipeline.A").cloned().unwrap();
    let endpoint = &route.endpoints[0];
    assert_eq!(
        (endpoint.session, endpoint.plane, endpoint.state),
        (session, Some(DataPlane::Host), EndpointState::Ready)
    );
    serve(&[("A", "first"), ("C", "first")]).await;
    let Some(Update::Changes(told)) = changes.next().await else { panic!("changes") };
    assert_eq!(names(&told), ["-pipeline.B unregistered", "+pipeline.C"]);
    serve(&[("A", "second")]).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(handle.routes().get("pipeline.A").unwrap().revision, 2);
    serve(&[]).await;
    serve(&[("A", "second")]).await;
    assert_eq!(handle.routes().get("pipeline.A").unwrap().revision, 3);
    // Nobody else gets the namespace, whatever is in it.
    let refused = handle.register(provider("one", "pipeline", &["X"]), None).await.unwrap_err();
    assert_eq!(refused.error.code(), "registry.namespace.reserved");
}
