use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use proptest::prelude::*;
use protocol::LocalName;
use protocol::frame::{ExecutionId, TraceContext};
use tokio::sync::mpsc;

use super::*;
use crate::gate::Gate;

fn execute(id: u64) -> Execute {
    Execute {
        module: LocalName::parse("A").unwrap(),
        input: Bytes::new(),
        execution_id: ExecutionId::from_parts(0, id),
        node_id: String::new(),
        attempt: 1,
        idempotency_key: String::new(),
        trace: TraceContext::default(),
        timeout: Duration::from_secs(1),
    }
}

fn calls() -> Calls {
    Calls::new(1 << 20)
}

fn later(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn start(calls: &mut Calls, id: u64) -> (Option<HostFrame>, oneshot::Receiver<Outcome<Answer>>) {
    let (outcome, answered) = oneshot::channel();
    let work = Work::Call(execute(id), outcome);
    let queued = calls.take(Start { call: CallId(id), deadline: later(60), work });
    (queued.and_then(|queued| calls.frame(queued)), answered)
}

fn batch(calls: &mut Calls, id: u64, size: u64) -> oneshot::Receiver<Outcome<BatchAnswer>> {
    let (outcome, answered) = oneshot::channel();
    let work = Work::Batch((0..size).map(execute).collect(), outcome);
    let queued = calls.take(Start { call: CallId(id), deadline: later(60), work }).unwrap();
    assert!(matches!(calls.frame(queued), Some(HostFrame::ExecuteBatch(..))));
    answered
}

fn stream(calls: &mut Calls, id: u64) -> mpsc::Receiver<Event> {
    let (events, received) = mpsc::channel(Window::MOST as usize + 1);
    let sink = Sink { events, unread: Arc::new(AtomicUsize::new(0)) };
    let work = Work::Stream(execute(id), sink, Place::outside(Gate::new(1).try_take().unwrap()));
    let queued = calls.take(Start { call: CallId(id), deadline: later(60), work }).unwrap();
    assert!(matches!(calls.frame(queued), Some(HostFrame::ExecuteStream(_, _, Window::FIRST))));
    received
}

fn answered(text: &'static str) -> Outcome<Answer> {
    Outcome::Answered(ok(text))
}

fn ok(text: &'static str) -> Answer {
    Answer { result: Ok(Bytes::from_static(text.as_bytes())), handler_time: None }
}

fn item(id: u64, size: usize) -> ProviderFrame {
    ProviderFrame::Item(CallId(id), vec![0; size].into())
}

fn malformed_code(result: Result<Reaction, Error>) -> String {
    result.unwrap_err().code().to_owned()
}

#[test]
fn an_answer_reaches_the_one_who_waits_for_it() {
    let mut calls = calls();
    let (_, mut first) = start(&mut calls, 1);
    let (_, mut second) = start(&mut calls, 2);
    calls.receive(ProviderFrame::Result(CallId(2), ok("b"))).unwrap();
    assert_eq!(second.try_recv().unwrap(), answered("b"));
    assert!(first.try_recv().is_err());
    assert_eq!(calls.running(), 1);
}

#[test]
fn a_second_answer_is_dropped_and_counted() {
    let mut calls = calls();
    let (_, mut waits) = start(&mut calls, 1);
    calls.receive(ProviderFrame::Result(CallId(1), ok("a"))).unwrap();
    calls.receive(ProviderFrame::Result(CallId(1), ok("b"))).unwrap();
    assert_eq!((waits.try_recv().unwrap(), calls.dropped_results()), (answered("a"), 1));
}

#[test]
fn an_answer_to_a_call_that_was_never_sent_breaks_the_connection() {
    let mut calls = calls();
    start(&mut calls, 1);
    assert_eq!(malformed_code(calls.receive(ProviderFrame::Result(CallId(7), ok("a")))), "protocol.frame.malformed");
}

#[test]
fn a_call_that_ends_by_a_frame_of_another_kind_breaks_the_connection_and_was_sent() {
    for wrong in [
        ProviderFrame::End(CallId(1), None),
        ProviderFrame::BatchResult(CallId(1), vec![]),
        item(1, 1),
        ProviderFrame::Result(CallId(2), ok("a")),
        ProviderFrame::BatchResult(CallId(2), vec![]),
        ProviderFrame::Result(CallId(3), ok("a")),
        ProviderFrame::End(CallId(3), None),
        item(3, 1),
    ] {
        let mut calls = calls();
        let (_, mut call) = start(&mut calls, 1);
        let mut events = stream(&mut calls, 2);
        let mut answers = batch(&mut calls, 3, 2);
        assert_eq!(malformed_code(calls.receive(wrong)), "protocol.frame.malformed");
        drop(calls);
        assert!(matches!(call.try_recv(), Ok(Outcome::Lost(_))));
        assert!(matches!(events.try_recv(), Ok(Event::Lost(_))));
        assert!(matches!(answers.try_recv(), Ok(Outcome::Lost(_))));
    }
}

#[test]
fn a_caller_that_leaves_makes_a_cancel_unless_the_call_is_over() {
    let mut calls = calls();
    start(&mut calls, 1);
    let cancel = calls.hear(Notice::Left(CallId(1)));
    assert!(matches!(cancel, Some(HostFrame::Cancel(CallId(1), CancelReason::Caller))));
    assert!(calls.hear(Notice::Left(CallId(1))).is_none());
}

#[test]
fn a_caller_that_leaves_before_its_call_is_sent_sends_nothing() {
    let mut calls = calls();
    assert!(calls.hear(Notice::Left(CallId(1))).is_none());
    let (outcome, answered) = oneshot::channel();
    drop(answered);
    let work = Work::Call(execute(1), outcome);
    assert!(calls.take(Start { call: CallId(1), deadline: later(1), work }).is_none());
    let (outcome, _answered) = oneshot::channel();
    let work = Work::Call(execute(2), outcome);
    let queued = calls.take(Start { call: CallId(2), deadline: later(1), work }).unwrap();
    assert!(calls.hear(Notice::Left(CallId(2))).is_none());
    assert!(calls.frame(queued).is_none());
    assert_eq!(calls.running(), 0);
}

#[test]
fn a_draining_connection_is_done_when_the_last_call_is_answered() {
    let mut calls = calls();
    start(&mut calls, 1);
    calls.drain();
    assert!(!calls.is_done());
    calls.receive(ProviderFrame::Result(CallId(1), ok("a"))).unwrap();
    assert!(calls.is_done());
}

#[test]
fn a_sent_call_is_lost_and_an_unsent_one_is_not_when_the_task_of_their_connection_dies() {
    let mut calls = calls();
    let (_, mut sent) = start(&mut calls, 1);
    let (outcome, mut unsent) = oneshot::channel::<Outcome<Answer>>();
    let work = Work::Call(execute(2), outcome);
    let _queued = calls.take(Start { call: CallId(2), deadline: later(1), work });
    drop(calls);
    assert!(matches!(sent.try_recv(), Ok(Outcome::Lost(error)) if error.code() == "executor.provider.lost"));
    assert!(matches!(unsent.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
}

#[test]
fn late_calls_end_and_others_stay() {
    let mut calls = calls();
    let now = Instant::now();
    let mut waits = Vec::new();
    for (id, seconds) in [(1, 5), (2, 1), (3, 2), (4, 9)] {
        let (outcome, answered) = oneshot::channel();
        let work = Work::Call(execute(id), outcome);
        let deadline = now + Duration::from_secs(seconds);
        let queued = calls.take(Start { call: CallId(id), deadline, work }).unwrap();
        // The third is not sent yet.
        if id != 3 {
            calls.frame(queued);
        }
        waits.push(answered);
    }
    assert_eq!(calls.earliest(), Some(now + Duration::from_secs(1)));
    let mut frames = Vec::new();
    calls.expire(now + Duration::from_millis(999), &mut frames);
    assert!(frames.is_empty());
    calls.expire(now + Duration::from_secs(2), &mut frames);
    assert!(matches!(frames[..], [HostFrame::Cancel(CallId(2), CancelReason::Deadline)]));
    let heard: Vec<_> = waits.iter_mut().map(|waits| waits.try_recv().ok()).collect();
    assert_eq!(heard, [None, Some(Outcome::Late), Some(Outcome::Late), None]);
    assert_eq!((calls.running(), calls.earliest()), (2, Some(now + Duration::from_secs(5))));
}

#[test]
fn a_batch_with_another_number_of_answers_fails_as_a_whole() {
    for answers in [0, 1, 3] {
        let mut calls = calls();
        let mut waits = batch(&mut calls, 1, 2);
        calls.receive(ProviderFrame::BatchResult(CallId(1), vec![ok("a"); answers])).unwrap();
        let Ok(Outcome::Answered(Err(error))) = waits.try_recv() else { panic!("it fails") };
        assert_eq!((error.code(), error.origin()), ("executor.provider.protocol", Origin::Module));
    }
    let mut calls = calls();
    let mut waits = batch(&mut calls, 1, 2);
    calls.receive(ProviderFrame::BatchResult(CallId(1), vec![ok("a"), ok("b")])).unwrap();
    assert_eq!(waits.try_recv(), Ok(Outcome::Answered(Ok(vec![ok("a"), ok("b")]))));
}

#[test]
fn an_item_without_credit_breaks_the_connection() {
    let mut calls = calls();
    let mut events = stream(&mut calls, 1);
    calls.receive(item(1, 3)).unwrap();
    assert!(matches!(calls.hear(Notice::Credit(CallId(1), 2)), Some(HostFrame::Credit(CallId(1), 2))));
    calls.receive(item(1, 3)).unwrap();
    calls.receive(item(1, 3)).unwrap();
    assert_eq!(malformed_code(calls.receive(item(1, 3))), "protocol.frame.malformed");
    for _ in 0..3 {
        assert!(matches!(events.try_recv(), Ok(Event::Item(item)) if item.len() == 3));
    }
}

#[test]
fn what_follows_the_end_of_a_stream_is_dropped() {
    let mut calls = calls();
    let mut events = stream(&mut calls, 1);
    calls.receive(ProviderFrame::End(CallId(1), None)).unwrap();
    calls.receive(item(1, 3)).unwrap();
    assert!(calls.hear(Notice::Credit(CallId(1), 2)).is_none());
    assert_eq!((events.try_recv(), calls.dropped_results()), (Ok(Event::End), 1));
}

#[test]
fn large_items_that_nobody_reads_end_their_stream_alone() {
    let mut calls = calls();
    let mut events = stream(&mut calls, 1);
    calls.hear(Notice::Credit(CallId(1), 9));
    // One item may have any size.
    assert!(matches!(calls.receive(item(1, MOST_UNREAD + 1)), Ok(Reaction::Nothing)));
    assert!(matches!(calls.receive(item(1, 1)), Ok(Reaction::Send(HostFrame::Cancel(CallId(1), _)))));
    assert!(matches!(events.try_recv(), Ok(Event::Item(_))));
    assert!(matches!(events.try_recv(), Ok(Event::Failed(error)) if error.code() == "executor.stream.overrun"));
    assert_eq!(calls.running(), 0);
}

#[test]
fn a_small_item_does_not_hold_the_message_that_it_came_in() {
    let mut calls = calls();
    let mut events = stream(&mut calls, 1);
    let message = Bytes::from(vec![7; 1 << 20]);
    calls.receive(ProviderFrame::Item(CallId(1), message.slice(5..10))).unwrap();
    assert!(message.is_unique());
    assert_eq!(events.try_recv(), Ok(Event::Item(Bytes::from_static(&[7; 5]))));
}

#[derive(Debug, Clone)]
enum Step {
    Start,
    Stream,
    Answer(u64),
    Item(u64),
    End(u64),
    Leave(u64),
    Expire,
}

proptest! {
    #[test]
    fn each_caller_hears_at_most_once_and_everybody_hears_of_the_end(
        steps in prop::collection::vec(
            prop_oneof![
                Just(Step::Start),
                Just(Step::Stream),
                (1u64..20).prop_map(Step::Answer),
                (1u64..20).prop_map(Step::Item),
                (1u64..20).prop_map(Step::End),
                (1u64..20).prop_map(Step::Leave),
                Just(Step::Expire),
            ],
            0..60,
        ),
    ) {
        let mut calls = calls();
        let (mut receivers, mut streams) = (Vec::new(), Vec::new());
        let mut next = 1;
        for step in steps {
            match step {
                Step::Start => {
                    let (frame, receiver) = start(&mut calls, next);
                    prop_assert!(frame.is_some());
                    receivers.push(receiver);
                    next += 1;
                }
                Step::Stream => {
                    streams.push(stream(&mut calls, next));
                    next += 1;
                }
                Step::Answer(id) => {
                    let known = id < next;
                    prop_assert!(calls.receive(ProviderFrame::Result(CallId(id), ok("a"))).is_err() || known);
                }
                Step::Item(id) => drop(calls.receive(item(id, 5))),
                Step::End(id) => drop(calls.receive(ProviderFrame::End(CallId(id), None))),
                Step::Leave(id) if id < next => { calls.hear(Notice::Left(CallId(id))); }
                Step::Leave(_) => {}
                Step::Expire => calls.expire(Instant::now(), &mut Vec::new()),
            }
        }
        calls.fail_all(&lost("gone"));
        prop_assert_eq!(calls.running(), 0);
        for mut receiver in receivers {
            // Answered, failed, or let go because the caller had left: never still waiting.
            prop_assert!(!matches!(receiver.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        }
        for mut events in streams {
            let mut ends = 0;
            loop {
                match events.try_recv() {
                    Ok(Event::Item(_)) => prop_assert_eq!(ends, 0),
                    Ok(_) => ends += 1,
                    Err(error) => break prop_assert_eq!(error, mpsc::error::TryRecvError::Disconnected),
                }
            }
            prop_assert!(ends <= 1);
        }
    }
}
