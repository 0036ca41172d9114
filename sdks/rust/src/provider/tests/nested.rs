//! What a handler's own calls carry: what is left of its time, its trace, and the session as a credential.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::client::CallOptions;
use crate::context::Context;
use crate::error::{Category, Error, ModuleError};
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::{Cancel, ExecuteRequest};
use crate::provider::Provider;
use crate::provider::tests::fake_host::{Behaviour, FakeHost, Link, NestedCall, outcome, request, within};
use crate::provider::tests::{Running, start};
use crate::testing::TestClient;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn outer() -> Provider {
    Provider::new("outer").module("Twice", |n: i64, ctx: Context| async move {
        let long = CallOptions::new().timeout(Duration::from_secs(3600));
        let once: i64 = ctx.client().call_with("other.Inc", &n, long).await?;
        Ok(ctx.client().call::<_, i64>("other.Inc", &once).await?)
    })
}

async fn hosted(link: Link) -> (FakeHost, mpsc::Receiver<NestedCall>, Running) {
    let behaviour = Behaviour { link, ..Behaviour::default() };
    let mut host = FakeHost::start(behaviour).await;
    let calls = host.nested();
    let provider = start(outer(), &host);
    (host, calls, provider)
}

fn timed(timeout_ms: u32) -> ExecuteRequest {
    ExecuteRequest {
        timeout_ms,
        traceparent: TRACE.to_owned(),
        tracestate: "vendor=1".to_owned(),
        ..request("Twice", &1i64)
    }
}

#[tokio::test]
async fn a_nested_call_carries_the_rest_of_the_time_the_trace_and_the_session() {
    for link in [Link::Tcp, Link::None] {
        let (mut host, mut calls, provider) = hosted(link).await;
        let mut wire = host.connection().await;
        wire.send(vec![(1, FromHost::Execute(timed(20_000)))]).await;
        let mut left = Duration::from_secs(20);
        for n in 1..3 {
            let call = within(calls.recv()).await.unwrap();
            assert_eq!(call.header("authorization"), "Bearer token-1");
            assert_eq!(call.header("traceparent"), TRACE);
            assert_eq!(call.header("tracestate"), "vendor=1");
            let timeout = call.timeout();
            assert!(timeout <= left && timeout > Duration::from_secs(5), "{timeout:?} of {left:?}");
            left = timeout;
            assert_eq!(call.input::<i64>(), n);
            call.answer(&(n + 1));
        }
        assert_eq!(outcome::<i64>(wire.result().await.1).unwrap(), 3);
        provider.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_nested_run_carries_the_same_and_is_cancelled_with_its_handler() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let mut runs = host.nested();
    let outer = Provider::new("outer").module("Twice", |n: i64, ctx: Context| async move {
        Ok(ctx.client().run_pipeline::<_, i64>("inc", &n).await?.outputs)
    });
    let provider = start(outer, &host);
    let mut wire = host.connection().await;
    wire.send(vec![(1, FromHost::Execute(timed(20_000)))]).await;
    let run = within(runs.recv()).await.unwrap();
    assert_eq!(run.header("authorization"), "Bearer token-1");
    assert_eq!(run.header("traceparent"), TRACE);
    assert!(run.timeout() <= Duration::from_secs(20));
    assert_eq!(run.input::<i64>(), 1);
    run.answer(&2i64);
    assert_eq!(outcome::<i64>(wire.result().await.1).unwrap(), 2);
    wire.send(vec![(2, FromHost::Execute(timed(20_000)))]).await;
    let run = within(runs.recv()).await.unwrap();
    wire.send(vec![(2, FromHost::Cancel(Cancel::default()))]).await;
    within(run.cancelled()).await;
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_nested_call_has_no_more_time_than_its_handler_and_none_when_that_is_over() {
    let (mut host, mut calls, provider) = hosted(Link::Tcp).await;
    let mut wire = host.connection().await;
    wire.send(vec![(1, FromHost::Execute(timed(60)))]).await;
    // Never answered: the handler's own time ends it.
    let call = within(calls.recv()).await.unwrap();
    assert!(call.timeout() <= Duration::from_millis(60));
    let error = outcome::<i64>(wire.result().await.1).unwrap_err();
    assert!(error.message().contains("client.deadline.exceeded"), "{error}");
    assert_eq!((error.code(), error.retryable()), ("executor.deadline.exceeded", true));
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn cancelling_a_handler_cancels_what_it_called() {
    let (mut host, mut calls, provider) = hosted(Link::Tcp).await;
    let wire = host.connection().await;
    wire.send(vec![(1, FromHost::Execute(timed(20_000)))]).await;
    let call = within(calls.recv()).await.unwrap();
    wire.send(vec![(1, FromHost::Cancel(Cancel::default()))]).await;
    within(call.cancelled()).await;
    provider.stop().await.unwrap();
}

fn chosen(category: &str) -> ModuleError {
    let category_of = Category::from_name(category).unwrap();
    ModuleError::new(category_of, "inner.chosen", format!("{category} it is"))
}

/// Fails with the category that it is given, in all ways, and passes such failures on, in all ways.
fn failing() -> TestClient {
    let inner = Provider::new("inner")
        .module("Fail", |category: String| async move { Err::<i64, _>(chosen(&category)) })
        .stream("FailLate", |category: String| {
            async_stream::stream! {
                yield Ok(1i64);
                yield Err(chosen(&category));
            }
        })
        .batch("EachFail", |inputs: Vec<String>| async move {
            Ok(inputs.iter().map(|category| Err::<i64, _>(chosen(category))).collect())
        });
    let passing = Provider::new("outer")
        .module("Call", |category: String, ctx: Context| async move {
            Ok(ctx.client().call::<_, i64>("inner.Fail", &category).await?)
        })
        .blocking_module("CallInThread", |category: String, ctx: Context| {
            let call = ctx.client();
            Ok(tokio::runtime::Handle::current().block_on(call.call::<_, i64>("inner.Fail", &category))?)
        })
        .stream("Relay", |category: String, ctx: Context| {
            async_stream::try_stream! {
                let mut items = ctx.client().stream::<_, i64>("inner.FailLate", &category).await?;
                while let Some(item) = items.next().await {
                    yield item?;
                }
            }
        })
        .batch("EachCall", |inputs: Vec<String>, ctx: Context| async move {
            let answers = ctx.client().call_batch::<_, i64>("inner.EachFail", &inputs).await?;
            Ok(answers.into_iter().map(|answer| Ok(answer?)).collect())
        })
        .batch("AllCall", |inputs: Vec<String>, ctx: Context| async move {
            let answer = ctx.client().call::<_, i64>("inner.Fail", &inputs[0]).await?;
            Ok(vec![Ok(answer)])
        });
    TestClient::new(passing).unwrap().with(inner).unwrap()
}

#[tokio::test]
async fn an_uncaught_nested_failure_keeps_its_category_when_time_or_a_cancel_ended_it() {
    let client = failing();
    let outcomes = [
        ("DEADLINE_EXCEEDED", "executor.deadline.exceeded", Category::DeadlineExceeded, true),
        ("CANCELLED", "executor.call.cancelled", Category::Cancelled, false),
        ("NOT_FOUND", "module.failed", Category::UpstreamError, false),
    ];
    for (nested, code, category, retryable) in outcomes {
        let check = |error: Error| {
            assert_eq!((error.code(), error.category(), error.retryable()), (code, category, retryable));
            assert!(error.message().contains(&format!("{nested} it is")), "{error}");
            assert_eq!(
                (&*error.details()["nested_code"], &*error.details()["nested_category"]),
                ("inner.chosen", nested)
            );
        };
        let input = nested.to_owned();
        check(client.call::<_, i64>("Call", &input).await.unwrap_err());
        check(client.call::<_, i64>("CallInThread", &input).await.unwrap_err());

        let mut items = client.stream::<_, i64>("Relay", &input).await.unwrap();
        assert_eq!(items.next().await.unwrap().unwrap(), 1);
        check(items.next().await.unwrap().unwrap_err());

        let [each] =
            client.call_batch::<_, i64>("EachCall", std::slice::from_ref(&input)).await.unwrap().try_into().unwrap();
        check(each.unwrap_err());
        check(client.call_batch::<_, i64>("AllCall", std::slice::from_ref(&input)).await.unwrap_err());
    }
}
