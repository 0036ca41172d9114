//! Batches on all three planes: each input has its own answer, and what fails them all.

use crate::codec;
use crate::context::Context;
use crate::error::{Category, Error, ModuleError};
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::module_executor_client::ModuleExecutorClient;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::{ExecuteBatchRequest, ExecuteRequest};
use crate::provider::tests::fake_host::{Behaviour, FakeHost, Link, Wire, outcome, request};
use crate::provider::tests::{channel, start};
use crate::provider::{Plane, Provider};

/// Doubles what is even, and tells the keys of its inputs.
fn doubling() -> Provider {
    let double = |n: i64| match n % 2 {
        0 => Ok(n * 2),
        _ => Err(ModuleError::new(Category::InvalidArgument, "math.odd", format!("{n} is odd"))),
    };
    Provider::new("math")
        .batch("Double", move |inputs: Vec<i64>| async move {
            tokio::task::yield_now().await;
            Ok(inputs.into_iter().map(double).collect())
        })
        .batch("Short", |inputs: Vec<i64>| async move { Ok(inputs.into_iter().skip(1).map(Ok).collect()) })
        .batch("Broken", |_: Vec<i64>| async move {
            Err::<Vec<Result<i64, _>>, _>(ModuleError::new(Category::Unavailable, "math.broken", "no power"))
        })
        .batch("Panic", |inputs: Vec<i64>| async move { Ok(inputs.into_iter().map(|n| Ok(1 / n)).collect()) })
        .batch("Keys", |inputs: Vec<i64>, ctx: Context| async move {
            assert_eq!(ctx.idempotency_key(), None);
            let keys = ctx.idempotency_keys().to_vec();
            Ok(inputs.into_iter().zip(keys).map(|(n, key)| Ok(format!("{n} {key}"))).collect())
        })
        .module("Plain", |n: i64| async move { Ok(n) })
}

fn batch(module: &str, inputs: &[i64]) -> ExecuteBatchRequest {
    let requests = inputs.iter().map(|n| ExecuteRequest {
        idempotency_key: format!("key-{n}"),
        // An input that is no Int.
        input_data: if *n < 0 { codec::to_bytes("x").unwrap().into() } else { codec::to_bytes(n).unwrap().into() },
        ..request(module, n)
    });
    ExecuteBatchRequest { requests: requests.collect() }
}

fn refused<T>(code: &str) -> Result<T, String> {
    Err(code.to_owned())
}

async fn answers<O: codec::Decode>(wire: &mut Wire, call_id: u64) -> Result<Vec<Result<O, String>>, Error> {
    match wire.frame().await.unwrap() {
        (id, FromProvider::BatchResult(batch)) => {
            assert_eq!(id, call_id);
            let code = |error: Error| error.code().to_owned();
            Ok(batch.responses.into_iter().map(|response| outcome(response).map_err(code)).collect())
        }
        (_, FromProvider::Error(error)) => Err(Error::from_wire(error)),
        other => panic!("expected answers, got {other:?}"),
    }
}

#[tokio::test]
async fn each_input_of_a_batch_has_its_own_answer_in_its_place() {
    for link in [Link::Tcp, Link::None] {
        let mut host = FakeHost::start(Behaviour { link, ..Behaviour::default() }).await;
        let provider = start(doubling(), &host);
        let modules = host.registration().await.modules;
        let declared = modules.iter().filter(|m| m.capabilities.unwrap().batch).count();
        assert_eq!((declared, modules.len()), (5, 6));
        let mut wire = host.connection().await;
        wire.send(vec![(1, FromHost::ExecuteBatch(batch("Double", &[2, 3, -1, 4])))]).await;
        assert_eq!(
            answers::<i64>(&mut wire, 1).await.unwrap(),
            [Ok(4), refused("math.odd"), refused("executor.input.invalid"), Ok(8)]
        );
        wire.send(vec![(2, FromHost::ExecuteBatch(batch("Keys", &[5, -1, 6])))]).await;
        assert_eq!(
            answers::<String>(&mut wire, 2).await.unwrap(),
            [Ok("5 key-5".to_owned()), refused("executor.input.invalid"), Ok("6 key-6".to_owned())]
        );
        // A plain call is a batch of one.
        assert_eq!(wire.call::<i64>(3, "Double", &8i64).await.unwrap(), 16);
        assert_eq!(wire.call::<i64>(4, "Double", &7i64).await.unwrap_err().code(), "math.odd");
        provider.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_fails_a_batch_as_a_whole_is_one_error() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(doubling(), &host);
    let mut wire = host.connection().await;
    let cases = [
        ("Short", "executor.output.invalid"),
        ("Broken", "math.broken"),
        ("Panic", "module.panicked"),
        ("Plain", "executor.batch.unsupported"),
        ("Nothing", "registry.module.unknown"),
    ];
    for (call_id, (module, code)) in (1..).zip(cases) {
        wire.send(vec![(call_id, FromHost::ExecuteBatch(batch(module, &[0, 1, 2])))]).await;
        assert_eq!(answers::<i64>(&mut wire, call_id).await.unwrap_err().code(), code, "{module}");
    }
    // No input that the handler could get: it is not called, and all fail alone.
    wire.send(vec![(9, FromHost::ExecuteBatch(batch("Broken", &[-1])))]).await;
    assert_eq!(answers::<i64>(&mut wire, 9).await.unwrap(), [refused("executor.input.invalid")]);
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn on_the_unary_plane_batches_are_answered_as_well() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(doubling().plane(Plane::Unary), &host);
    let mut executor = ModuleExecutorClient::new(channel(&host.registration().await.service_url).await);
    let responses = executor.execute_batch(batch("Double", &[2, 3])).await.unwrap().into_inner().responses;
    let answers: Vec<_> = responses.into_iter().map(outcome::<i64>).collect();
    assert_eq!(answers[0].as_ref().unwrap(), &4);
    assert_eq!(answers[1].as_ref().unwrap_err().code(), "math.odd");
    let status = executor.execute_batch(batch("Short", &[2, 3])).await.unwrap_err();
    assert_eq!(Error::from_status(&status).code(), "executor.output.invalid");
    provider.stop().await.unwrap();
}
