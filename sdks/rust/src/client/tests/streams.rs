//! Streams and batches as a caller sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use super::{Fake, answers, setup};
use crate::client::CallOptions;
use crate::codec;
use crate::error::{Category, ModuleError, Origin};
use crate::typed_module::TypedModule;
use crate::value::Value;

/// Counts up to a number, and then ends as told.
fn counting(
    limit: i64,
    end: impl Fn() -> Result<Vec<u8>, ModuleError> + Send + Sync,
) -> impl Fn(&[u8]) -> Result<Vec<u8>, ModuleError> + Send + Sync {
    let next = AtomicI64::new(0);
    move |_| match next.fetch_add(1, Ordering::SeqCst) {
        n if n < limit => Ok(codec::to_bytes(&n).unwrap()),
        _ => end(),
    }
}

#[tokio::test]
async fn items_are_read_one_by_one_or_as_a_stream() {
    let host = setup("String", "Int", counting(5, || Ok(Vec::new()))).await;
    let mut items = host.client.stream::<_, i64>("test.Module", "a").await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    let rest: Vec<i64> = (&mut items).map(Result::unwrap).collect().await;
    assert_eq!(rest, [1, 2, 3, 4]);
    assert!(items.next().await.is_none());
    let (input, request) = host.sent(0);
    assert_eq!((input.as_slice(), request.schema_fingerprint.as_str()), (b"\xa1a".as_slice(), "one"));
}

#[tokio::test]
async fn a_failure_in_the_middle_comes_behind_the_items_and_is_the_last() {
    let refused = || Err(ModuleError::new(Category::NotFound, "test.none", "no more"));
    let host = setup("{}", "Int", counting(2, refused)).await;
    let mut items = host.client.stream::<_, i64>("test.Module", &()).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    assert_eq!(items.next().await.unwrap().unwrap(), 1);
    let error = items.next().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.origin()), ("test.none", Origin::Module));
    assert!(items.next().await.is_none());
}

#[tokio::test]
async fn leaving_a_stream_cancels_it_at_the_host() {
    let host = setup("{}", "Int", counting(i64::MAX, || Ok(Vec::new()))).await;
    let (tx, mut cancelled) = mpsc::unbounded_channel();
    host.state.lock().unwrap().cancelled = Some(tx);
    let mut items = host.client.stream::<_, i64>("test.Module", &()).await.unwrap();
    items.next().await.unwrap().unwrap();
    drop(items);
    tokio::time::timeout(Duration::from_secs(10), cancelled.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_time_of_a_call_covers_its_whole_stream() {
    let host = setup("{}", "String", answers("x".repeat(10_000))).await;
    let options = CallOptions::new().timeout(Duration::from_millis(300));
    let mut items = host.client.stream_with::<_, String>("test.Module", &(), options).await.unwrap();
    let error = loop {
        if let Err(error) = items.next().await.unwrap() {
            break error;
        }
    };
    assert_eq!(error.code(), "client.deadline.exceeded");
    assert!(items.next().await.is_none());
}

#[tokio::test]
async fn items_are_carried_over_to_the_types_of_the_caller_and_refused_where_they_do_not_fit() {
    let host = setup("{}", "Int", answers(7i64)).await;
    let mut items = host.client.stream::<_, Value>("test.Module", &()).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), Value::Int(7));
    let mut items = host.client.stream::<_, String>("test.Module", &()).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap_err().code(), "codec.type_mismatch");
    assert!(items.next().await.is_none());
    let options = CallOptions::new();
    let mut items = host.client.stream_value_with("test.Module", &Value::record::<&str>([]), options).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), Value::Int(7));
}

#[tokio::test]
async fn a_stream_of_changed_types_is_begun_again_unless_the_caller_vouched_for_them() {
    let host = setup("Int", "Int", answers(1i64)).await;
    host.client.call::<_, i64>("test.Module", &5i64).await.unwrap();
    host.state.lock().unwrap().module =
        Some(Fake { input: "String | Int", output: "Int", fingerprint: "two", answer: Arc::new(answers(2i64)) });
    let mut items = host.client.stream::<_, i64>("test.Module", &5i64).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 2);
    const MODULE: TypedModule<i64, i64> = TypedModule::new("test.Module", "one");
    let error = host.client.stream_typed(&MODULE, &5, CallOptions::new()).await.unwrap_err();
    assert_eq!(error.code(), "registry.schema.changed");
}

fn doubled(input: &[u8]) -> Result<Vec<u8>, ModuleError> {
    match codec::from_bytes::<i64>(input).unwrap() {
        3 => Err(ModuleError::new(Category::InvalidArgument, "test.three", "not three")),
        n => Ok(codec::to_bytes(&(n * 2)).unwrap()),
    }
}

#[tokio::test]
async fn each_input_of_a_batch_has_its_output_or_its_failure() {
    let host = setup("Int", "Int", doubled).await;
    let options = CallOptions::new().idempotency_key("k");
    // What does not fit is not sent, and fails in its place.
    let inputs = [1u64, u64::MAX, 3, 4];
    let outputs = host.client.call_batch_with::<_, i64>("test.Module", &inputs, options).await.unwrap();
    let outputs: Vec<_> = outputs.into_iter().map(|output| output.map_err(|error| error.code().to_owned())).collect();
    assert_eq!(outputs, [Ok(2), Err("codec.int_range".to_owned()), Err("test.three".to_owned()), Ok(8)]);
    assert_eq!(host.state.lock().unwrap().keys, ["k/0", "k/2", "k/3"]);
}

#[tokio::test]
async fn a_batch_of_nothing_asks_nobody() {
    let host = setup("Int", "Int", doubled).await;
    let outputs = host.client.call_batch::<i64, i64>("test.Module", &[]).await.unwrap();
    assert!(outputs.is_empty());
    assert_eq!(host.state.lock().unwrap().asked, 0);
}

#[tokio::test]
async fn a_typed_batch_is_sent_with_the_types_of_its_caller() {
    const MODULE: TypedModule<i64, i64> = TypedModule::new("test.Module", "one");
    let host = setup("Int", "Int", doubled).await;
    let outputs = host.client.call_batch_typed(&MODULE, &[1, 2], CallOptions::new()).await.unwrap();
    assert_eq!(outputs.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(host.state.lock().unwrap().asked, 0);
    const OLD: TypedModule<i64, i64> = TypedModule::new("test.Module", "older");
    let error = host.client.call_batch_typed(&OLD, &[1, 2], CallOptions::new()).await.unwrap_err();
    assert_eq!(error.code(), "registry.schema.changed");
}
