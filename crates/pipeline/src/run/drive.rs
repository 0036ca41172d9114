//! Drives a run: lets the machine work, flies its calls, keeps the record. Decides nothing about values.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::Abortable;
use futures::stream::FuturesUnordered;

use super::fault::{self, Fault};
use super::ledger::Ledger;
use super::machine::{Machine, Start};
use super::outputs;
use super::program::Program;
use super::value::Value;
use super::{
    CallFacts, CallOutcome, CallRecord, Event, Failure, Invoke, Invoked, NotInvoked, Options, Ran, RunFailure,
    RunRecord,
};
use crate::plan::SiteId;

/// Work of one poll, of about 100 ns each.
const TURN: i64 = 8_000;
/// What one answer of a module costs of it.
const ANSWER: i64 = 8;
/// How far answers may overdraw it: they cost little and let others go on.
const OVERDRAFT: i64 = -1_000;

/// Runs a program.
///
/// `inputs` is a value of [`crate::Plan::input_type`] as canonical bytes, which the caller has validated. The run ends when all outputs are known, at the first failure that
/// nothing catches, or when `stop` completes; calls in flight are then dropped. It gives way to other tasks after about 1 ms of work of its own.
pub async fn run<I: Invoke>(
    program: &Program,
    inputs: Bytes,
    invoke: &I,
    options: &Options,
    stop: impl Future<Output = Failure>,
    observe: impl FnMut(Event<'_>),
) -> Ran {
    let plan = program.plan();
    let started = invoke.now();
    let mut desk =
        Desk { ledger: Ledger::new(plan.sites, options.recorded_calls), flights: Vec::new(), observe, started };
    let mut machine = Machine::new(program, options, &inputs);
    drop(inputs);
    let mut calls = FuturesUnordered::new();
    let mut stop = pin!(stop);
    let stopped = poll_fn(|cx| {
        if let Poll::Ready(failure) = stop.as_mut().poll(cx) {
            return Poll::Ready(Some(failure));
        }
        let mut fuel = TURN;
        loop {
            machine.turn(&mut fuel);
            machine.lines.drain(..).for_each(|line| invoke.log(&line));
            for start in machine.starts.drain(..) {
                desk.call_started(&start, invoke.now());
                calls.push(fly(invoke, start));
            }
            for call in machine.cancelled.drain(..) {
                desk.call_ended(call, CallFacts::default(), 0, CallOutcome::Cancelled, invoke.now());
            }
            if machine.is_over() {
                return Poll::Ready(None);
            }
            match calls.poll_next_unpin(cx) {
                Poll::Ready(Some((call, answer))) => {
                    let answer = answer.map(|answer| desk.answered(call, answer, invoke));
                    machine.answer(call, answer);
                    fuel -= ANSWER;
                    if fuel < OVERDRAFT {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Poll::Ready(None) if !machine.has_work() => machine.stall(),
                _ if fuel <= 0 && machine.has_work() => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    drop(calls);
    let ended = invoke.now();
    desk.cancel_all(ended);
    let failure = match stopped {
        Some(failure) => Some(RunFailure { failure, site: None, module: None, span: None }),
        None => machine.take_failure(),
    };
    let outputs = outputs::partial(plan, &machine);
    let outcome = match failure {
        Some(failure) => Err(failure),
        None => outputs::record(plan, &outputs).ok_or_else(|| RunFailure {
            failure: *fault::malformed(),
            site: None,
            module: None,
            span: None,
        }),
    };
    let record = RunRecord {
        plan: plan.hash,
        started,
        duration: ended.saturating_duration_since(started),
        sites: desk.ledger.finish(),
        outputs: outputs.into_iter().map(|(name, value): (String, Value)| (name, value.to_bytes())).collect(),
    };
    Ran { outcome, record }
}

/// One call, with its number towards the machine; `None` when it was given up.
async fn fly<I: Invoke>(invoke: &I, start: Start<'_>) -> (u32, Option<Result<Invoked, NotInvoked>>) {
    let Start { call, invocation, abort } = start;
    let flight = invoke.invoke(invocation);
    let answer = match abort {
        Some(abort) => Abortable::new(flight, abort).await.ok(),
        None => Some(flight.await),
    };
    (call, answer)
}

/// Keeps the record of calls and tells of them.
struct Desk<F> {
    ledger: Ledger,
    flights: Vec<Option<Flight>>,
    observe: F,
    started: Instant,
}

/// A call in flight.
#[derive(Clone, Copy)]
struct Flight {
    site: SiteId,
    number: u64,
    started: Duration,
    bytes_in: u64,
}

impl<F: FnMut(Event<'_>)> Desk<F> {
    fn call_started(&mut self, start: &Start<'_>, now: Instant) {
        let at = now.saturating_duration_since(self.started);
        let invocation = &start.invocation;
        let (site, number, bytes_in) = (invocation.site, invocation.number, invocation.input.len());
        self.ledger.started(site, bytes_in);
        let call = start.call as usize;
        if self.flights.len() <= call {
            self.flights.resize(call + 1, None);
        }
        self.flights[call] = Some(Flight { site, number, started: at, bytes_in: bytes_in as u64 });
        (self.observe)(Event::CallStarted { site, number, bytes_in, at });
    }

    /// Records what a call came to, and gives what goes on.
    fn answered(
        &mut self,
        call: u32,
        answer: Result<Invoked, NotInvoked>,
        invoke: &impl Invoke,
    ) -> Result<Bytes, Fault> {
        let now = invoke.now();
        match answer {
            Ok(Invoked { output, facts }) => {
                self.call_ended(call, facts, output.len() as u64, CallOutcome::Succeeded, now);
                Ok(output)
            }
            Err(NotInvoked { failure, facts }) => {
                self.call_ended(call, facts, 0, CallOutcome::Failed(failure.clone()), now);
                Err(Box::new(failure))
            }
        }
    }

    fn call_ended(&mut self, call: u32, facts: CallFacts, bytes_out: u64, outcome: CallOutcome, now: Instant) {
        // One that was given up has ended already.
        let Some(Flight { site, number, started, bytes_in }) = self.flights[call as usize].take() else { return };
        let duration = now.saturating_duration_since(self.started).saturating_sub(started);
        let record = CallRecord { number, started, duration, bytes_in, bytes_out, facts, outcome };
        (self.observe)(Event::CallEnded { site, call: &record });
        self.ledger.ended(site, record);
    }

    /// Ends the calls that the run does not wait for.
    fn cancel_all(&mut self, now: Instant) {
        let mut flying: Vec<(u64, u32)> =
            (0_u32..).zip(&self.flights).filter_map(|(call, flight)| Some(((*flight)?.number, call))).collect();
        flying.sort_unstable();
        for (_, call) in flying {
            self.call_ended(call, CallFacts::default(), 0, CallOutcome::Cancelled, now);
        }
    }
}
