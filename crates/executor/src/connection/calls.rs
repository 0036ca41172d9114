//! The calls that run on one connection, as a synchronous state machine: calls and frames in, frames out. Does no I/O.

use std::collections::HashMap;

use protocol::frame::{Answer, CallId, HostFrame, ProviderFrame};
use protocol::{Error, codes};
use tokio::sync::oneshot;

use crate::connection::{Abandoned, Outcome, Start, lost};

/// Who waits for what on one connection.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    waiting: HashMap<CallId, oneshot::Sender<Outcome>>,
    /// Ids below this were used. A result for another one was never asked for.
    used_below: u64,
    draining: bool,
    /// Results that came for calls which were over.
    dropped_results: u64,
}

/// What the driver does after a frame of the provider.
#[derive(Debug)]
pub(crate) enum Reaction {
    /// Nothing to say.
    Nothing,
    /// Answer a ping.
    Pong(u64),
    /// Tell the service that the provider takes no new calls.
    ProviderDrains,
    /// The provider says why it closes.
    Closing(Error),
}

impl Calls {
    /// Takes a call; `None` when its caller has left already.
    pub(crate) fn start(&mut self, start: Start) -> Option<HostFrame> {
        let Start { call, execute, outcome } = start;
        self.used_below = self.used_below.max(call.0 + 1);
        // A caller closes its end before it says that it left, so one of the two is always seen.
        if outcome.is_closed() {
            return None;
        }
        self.waiting.insert(call, outcome);
        Some(HostFrame::Execute(call, execute))
    }

    /// Forgets a call whose caller left; says what to send.
    pub(crate) fn abandon(&mut self, abandoned: &Abandoned) -> Option<HostFrame> {
        self.waiting.remove(&abandoned.call).map(|_| HostFrame::Cancel(abandoned.call, abandoned.reason))
    }

    /// Takes a frame of the provider.
    ///
    /// # Errors
    /// `protocol.frame.malformed` for a frame that cannot come here; the connection ends with it.
    pub(crate) fn receive(&mut self, frame: ProviderFrame) -> Result<Reaction, Error> {
        match frame {
            ProviderFrame::Result(call, answer) => self.finish(call, answer),
            ProviderFrame::Failed(call, error) => self.finish(call, Answer { result: Err(error), handler_time: None }),
            ProviderFrame::Item(call, _) | ProviderFrame::End(call, _) | ProviderFrame::BatchResult(call, _) => {
                Err(Error::of(codes::FRAME_MALFORMED, format!("call {} is neither a stream nor a batch", call.0)))
            }
            ProviderFrame::Hello(_) => Err(Error::of(codes::FRAME_MALFORMED, "a second hello")),
            ProviderFrame::Ping(number) => Ok(Reaction::Pong(number)),
            ProviderFrame::Pong(_) => Ok(Reaction::Nothing),
            ProviderFrame::Drain => Ok(Reaction::ProviderDrains),
            ProviderFrame::Closing(error) => Ok(Reaction::Closing(error)),
        }
    }

    fn finish(&mut self, call: CallId, answer: Answer) -> Result<Reaction, Error> {
        if call.0 >= self.used_below {
            return Err(Error::of(
                codes::FRAME_MALFORMED,
                format!("a result for call {}, which was never sent", call.0),
            ));
        }
        match self.waiting.remove(&call) {
            // The caller may have left in this very moment; its abandonment finds nothing then.
            Some(waiting) => drop(waiting.send(Outcome::Answered(answer))),
            None => self.dropped_results += 1,
        }
        Ok(Reaction::Nothing)
    }

    /// No new calls come; the connection closes when nothing runs.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether no new calls come.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether the connection has nothing more to do.
    pub(crate) fn is_done(&self) -> bool {
        self.draining && self.waiting.is_empty()
    }

    /// How many calls wait for an answer.
    pub(crate) fn running(&self) -> usize {
        self.waiting.len()
    }

    /// How many results came for calls that were over.
    pub(crate) fn dropped_results(&self) -> u64 {
        self.dropped_results
    }

    /// The calls that wait for an answer.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = CallId> {
        self.waiting.keys().copied()
    }

    /// Ends every call with `error`, at once.
    pub(crate) fn fail_all(&mut self, error: &Error) {
        for (_, waiting) in self.waiting.drain() {
            // A caller that left needs no answer.
            drop(waiting.send(Outcome::Lost(error.clone())));
        }
    }
}

impl Drop for Calls {
    /// However the task of a connection ends, no call that was sent is taken for one that was not.
    fn drop(&mut self) {
        self.fail_all(&lost("the connection of the provider ended"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use proptest::prelude::*;
    use protocol::LocalName;
    use protocol::frame::{CancelReason, Execute, ExecutionId, TraceContext};

    use super::*;

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

    fn start(calls: &mut Calls, id: u64) -> (Option<HostFrame>, oneshot::Receiver<Outcome>) {
        let (outcome, answered) = oneshot::channel();
        (calls.start(Start { call: CallId(id), execute: execute(id), outcome }), answered)
    }

    fn answered(text: &'static str) -> Outcome {
        Outcome::Answered(ok(text))
    }

    fn ok(text: &'static str) -> Answer {
        Answer { result: Ok(Bytes::from_static(text.as_bytes())), handler_time: None }
    }

    fn leaves(id: u64) -> Abandoned {
        Abandoned { call: CallId(id), reason: CancelReason::Caller }
    }

    #[test]
    fn an_answer_reaches_the_one_who_waits_for_it() {
        let mut calls = Calls::default();
        let (_, mut first) = start(&mut calls, 1);
        let (_, mut second) = start(&mut calls, 2);
        calls.receive(ProviderFrame::Result(CallId(2), ok("b"))).unwrap();
        assert_eq!(second.try_recv().unwrap(), answered("b"));
        assert!(first.try_recv().is_err());
        assert_eq!(calls.running(), 1);
    }

    #[test]
    fn a_second_answer_is_dropped_and_counted() {
        let mut calls = Calls::default();
        let (_, mut waits) = start(&mut calls, 1);
        calls.receive(ProviderFrame::Result(CallId(1), ok("a"))).unwrap();
        calls.receive(ProviderFrame::Result(CallId(1), ok("b"))).unwrap();
        assert_eq!((waits.try_recv().unwrap(), calls.dropped_results()), (answered("a"), 1));
    }

    #[test]
    fn an_answer_to_a_call_that_was_never_sent_breaks_the_connection() {
        let mut calls = Calls::default();
        start(&mut calls, 1);
        let error = calls.receive(ProviderFrame::Result(CallId(7), ok("a"))).unwrap_err();
        assert_eq!(error.code(), "protocol.frame.malformed");
    }

    #[test]
    fn a_caller_that_leaves_makes_a_cancel_unless_the_call_is_over() {
        let mut calls = Calls::default();
        start(&mut calls, 1);
        assert!(matches!(calls.abandon(&leaves(1)), Some(HostFrame::Cancel(CallId(1), CancelReason::Caller))));
        assert!(calls.abandon(&leaves(1)).is_none());
    }

    #[test]
    fn a_caller_that_leaves_before_its_call_is_taken_sends_nothing() {
        let mut calls = Calls::default();
        assert!(calls.abandon(&leaves(1)).is_none());
        let (outcome, answered) = oneshot::channel();
        drop(answered);
        assert!(calls.start(Start { call: CallId(1), execute: execute(1), outcome }).is_none());
        assert_eq!(calls.running(), 0);
    }

    #[test]
    fn a_draining_connection_is_done_when_the_last_call_is_answered() {
        let mut calls = Calls::default();
        start(&mut calls, 1);
        calls.drain();
        assert!(!calls.is_done());
        calls.receive(ProviderFrame::Result(CallId(1), ok("a"))).unwrap();
        assert!(calls.is_done());
    }

    #[test]
    fn a_sent_call_is_lost_and_not_unsent_when_the_task_of_its_connection_dies() {
        let mut calls = Calls::default();
        let (_, mut waits) = start(&mut calls, 1);
        drop(calls);
        assert!(matches!(waits.try_recv(), Ok(Outcome::Lost(error)) if error.code() == "executor.provider.lost"));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Start,
        Answer(u64),
        Leave(u64),
    }

    proptest! {
        #[test]
        fn each_caller_hears_at_most_once_and_everybody_hears_of_the_end(
            steps in prop::collection::vec(
                prop_oneof![Just(Step::Start), (1u64..20).prop_map(Step::Answer), (1u64..20).prop_map(Step::Leave)],
                0..60,
            ),
        ) {
            let mut calls = Calls::default();
            let mut receivers = Vec::new();
            let mut next = 1;
            for step in steps {
                match step {
                    Step::Start => {
                        let (frame, receiver) = start(&mut calls, next);
                        prop_assert!(frame.is_some());
                        receivers.push(receiver);
                        next += 1;
                    }
                    Step::Answer(id) => {
                        let known = id < next;
                        prop_assert_eq!(calls.receive(ProviderFrame::Result(CallId(id), ok("a"))).is_ok(), known);
                    }
                    Step::Leave(id) if id < next => { calls.abandon(&leaves(id)); }
                    Step::Leave(_) => {}
                }
            }
            calls.fail_all(&crate::connection::lost("gone"));
            prop_assert_eq!(calls.running(), 0);
            for mut receiver in receivers {
                // Answered, failed, or let go because the caller had left: never still waiting.
                prop_assert!(!matches!(receiver.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
            }
        }
    }
}
