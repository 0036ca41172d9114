//! The calls that run on one connection, as a synchronous state machine: calls and frames in, frames out. Does no I/O.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use protocol::frame::{Answer, CallId, CancelReason, Execute, HostFrame, ProviderFrame};
use protocol::{Error, Origin, codes};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::connection::window::Window;
use crate::connection::{BatchAnswer, Event, Notice, Outcome, Sink, Start, Work, lost};
use crate::target::Place;

/// Who waits for what on one connection.
#[derive(Debug)]
pub(crate) struct Calls {
    waiting: HashMap<CallId, Waiting, BuildHasherDefault<CallHasher>>,
    /// Ids below this were used. A result for another one was never asked for.
    used_below: u64,
    /// No deadline is before this.
    earliest: Option<Instant>,
    draining: bool,
    /// Results that came for calls which were over.
    dropped_results: u64,
    /// Unread bytes that end a stream.
    most_unread: usize,
}

#[derive(Debug)]
struct Waiting {
    deadline: Instant,
    /// Whether the provider may know of it.
    sent: bool,
    who: Who,
}

#[derive(Debug)]
enum Who {
    Call(oneshot::Sender<Outcome<Answer>>),
    Batch(usize, oneshot::Sender<Outcome<BatchAnswer>>),
    Stream {
        sink: Sink,
        /// Items that the provider may still send.
        credit: u32,
        _place: Place,
    },
}

/// What a provider ends a call with.
enum Answered {
    Call(Answer),
    Batch(Vec<Answer>),
    End,
    Failed(Error),
}

/// A call that was taken and has no frame yet.
#[derive(Debug)]
pub(crate) struct Queued(CallId, Request);

#[derive(Debug)]
enum Request {
    Call(Execute),
    Batch(Vec<Execute>),
    Stream(Execute),
}

/// What the driver does after a frame of the provider.
#[derive(Debug)]
pub(crate) enum Reaction {
    /// Nothing to say.
    Nothing,
    /// Send this.
    Send(HostFrame),
    /// Answer a ping.
    Pong(u64),
    /// Tell the service that the provider takes no new calls.
    ProviderDrains,
    /// The provider says why it closes.
    Closing(Error),
}

/// Unread items of one stream take no more than this, or than one message where that is more, in bytes. A provider whose items
/// suddenly become large may have been permitted that many.
const MOST_UNREAD: usize = 16 << 20;
/// Items below this are copied out of the message that they came in, so that an unread one does not hold all of it.
const COPIED: usize = 16 << 10;

impl Queued {
    /// An upper bound of the encoded size, in bytes.
    pub(crate) fn size_bound(&self) -> usize {
        match &self.1 {
            Request::Call(execute) | Request::Stream(execute) => execute.size_bound(),
            Request::Batch(calls) => calls.iter().map(Execute::size_bound).sum(),
        }
    }
}

impl Calls {
    pub(crate) fn new(message_bytes: usize) -> Self {
        Self {
            waiting: HashMap::default(),
            used_below: 0,
            earliest: None,
            draining: false,
            dropped_results: 0,
            most_unread: MOST_UNREAD.max(message_bytes),
        }
    }

    /// Takes a call; `None` when its caller has left already.
    pub(crate) fn take(&mut self, start: Start) -> Option<Queued> {
        let Start { call, deadline, work } = start;
        self.used_below = self.used_below.max(call.0 + 1);
        let (who, request) = match work {
            Work::Call(execute, outcome) => (Who::Call(outcome), Request::Call(execute)),
            Work::Batch(calls, outcome) => (Who::Batch(calls.len(), outcome), Request::Batch(calls)),
            Work::Stream(execute, sink, place) => {
                (Who::Stream { sink, credit: Window::FIRST, _place: place }, Request::Stream(execute))
            }
        };
        // A caller closes its end before it says that it left, so one of the two is always seen.
        if who.has_left() {
            return None;
        }
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        self.waiting.insert(call, Waiting { deadline, sent: false, who });
        Some(Queued(call, request))
    }

    /// The frame of a call that was taken; `None` when nobody waits for it any more.
    pub(crate) fn frame(&mut self, queued: Queued) -> Option<HostFrame> {
        let Queued(call, request) = queued;
        self.waiting.get_mut(&call)?.sent = true;
        Some(match request {
            Request::Call(execute) => HostFrame::Execute(call, execute),
            Request::Batch(calls) => HostFrame::ExecuteBatch(call, calls),
            Request::Stream(execute) => HostFrame::ExecuteStream(call, execute, Window::FIRST),
        })
    }

    /// Takes what a caller tells; says what to send.
    pub(crate) fn hear(&mut self, notice: Notice) -> Option<HostFrame> {
        match notice {
            Notice::Left(call) => {
                let waiting = self.waiting.remove(&call)?;
                waiting.sent.then_some(HostFrame::Cancel(call, CancelReason::Caller))
            }
            Notice::Credit(call, more) => match &mut self.waiting.get_mut(&call)?.who {
                Who::Stream { credit, .. } => {
                    *credit += more;
                    Some(HostFrame::Credit(call, more))
                }
                Who::Call(_) | Who::Batch(..) => None,
            },
        }
    }

    /// When to look for calls that are late, if any waits. Nothing is late before that.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// Ends the calls whose deadline has passed; says what to send.
    pub(crate) fn expire(&mut self, now: Instant, frames: &mut Vec<HostFrame>) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        self.earliest = None;
        // Looks at all that waits, and yet costs little: it happens once for each deadline that comes nearer than those
        // before it, and the calls that wait are bounded.
        let late = self.waiting.extract_if(|_, waiting| {
            if waiting.deadline > now {
                self.earliest = Some(self.earliest.map_or(waiting.deadline, |earliest| earliest.min(waiting.deadline)));
            }
            waiting.deadline <= now
        });
        for (call, waiting) in late {
            if waiting.sent {
                frames.push(HostFrame::Cancel(call, CancelReason::Deadline));
            }
            waiting.who.late();
        }
    }

    /// Takes a frame of the provider.
    ///
    /// # Errors
    /// `protocol.frame.malformed` for a frame that cannot come here; the connection ends with it.
    pub(crate) fn receive(&mut self, frame: ProviderFrame) -> Result<Reaction, Error> {
        match frame {
            ProviderFrame::Result(call, answer) => self.end(call, Answered::Call(answer)),
            ProviderFrame::BatchResult(call, answers) => self.end(call, Answered::Batch(answers)),
            ProviderFrame::End(call, _) => self.end(call, Answered::End),
            ProviderFrame::Failed(call, error) => self.end(call, Answered::Failed(error)),
            ProviderFrame::Item(call, item) => self.item(call, item),
            ProviderFrame::Hello(_) => Err(malformed("a second hello")),
            ProviderFrame::Ping(number) => Ok(Reaction::Pong(number)),
            ProviderFrame::Pong(_) => Ok(Reaction::Nothing),
            ProviderFrame::Drain => Ok(Reaction::ProviderDrains),
            ProviderFrame::Closing(error) => Ok(Reaction::Closing(error)),
        }
    }

    fn end(&mut self, call: CallId, answered: Answered) -> Result<Reaction, Error> {
        let Entry::Occupied(waiting) = self.waiting.entry(call) else { return self.unasked(call) };
        if !waiting.get().sent {
            return Err(never_sent(call));
        }
        // A call that cannot end so stays, and learns that its provider is lost.
        match (&waiting.get().who, &answered) {
            (Who::Call(_), Answered::Call(_))
            | (Who::Batch(..), Answered::Batch(_))
            | (Who::Stream { .. }, Answered::End)
            | (_, Answered::Failed(_)) => waiting.remove().who.answered(answered),
            _ => return Err(malformed(format!("call {} does not end by such a frame", call.0))),
        }
        Ok(Reaction::Nothing)
    }

    fn item(&mut self, call: CallId, item: Bytes) -> Result<Reaction, Error> {
        let Some(waiting) = self.waiting.get_mut(&call) else { return self.unasked(call) };
        let Who::Stream { sink, credit, .. } = &mut waiting.who else {
            return Err(malformed(format!("call {} is no stream", call.0)));
        };
        if !waiting.sent {
            return Err(never_sent(call));
        }
        if *credit == 0 {
            return Err(malformed(format!("an item of call {} without credit", call.0)));
        }
        *credit -= 1;
        let before = sink.unread.fetch_add(item.len(), Ordering::Relaxed);
        if before > 0 && before + item.len() > self.most_unread {
            let message = format!("more than {} bytes of items wait for the reader", self.most_unread);
            sink.put(Event::Failed(Error::of(codes::STREAM_OVERRUN, message).origin_is(Origin::Module)));
            self.waiting.remove(&call);
            return Ok(Reaction::Send(HostFrame::Cancel(call, CancelReason::Caller)));
        }
        sink.put(Event::Item(if item.len() < COPIED { Bytes::copy_from_slice(&item) } else { item }));
        Ok(Reaction::Nothing)
    }

    fn unasked(&mut self, call: CallId) -> Result<Reaction, Error> {
        if call.0 >= self.used_below {
            return Err(never_sent(call));
        }
        self.dropped_results += 1;
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

    /// The calls that the provider may know of.
    pub(crate) fn sent(&self) -> impl Iterator<Item = CallId> {
        self.waiting.iter().filter(|(_, waiting)| waiting.sent).map(|(call, _)| *call)
    }

    /// Ends every call with `error`, at once; those that were not sent see by the end of their channel that they were not.
    pub(crate) fn fail_all(&mut self, error: &Error) {
        for (_, waiting) in self.waiting.drain() {
            if waiting.sent {
                waiting.who.lost(error.clone());
            }
        }
    }
}

impl Drop for Calls {
    /// However the task of a connection ends, no call that was sent is taken for one that was not.
    fn drop(&mut self) {
        self.fail_all(&lost("the connection of the provider ended"));
    }
}

// In each of these the caller may have left in this very moment, and needs no answer then.
impl Who {
    fn has_left(&self) -> bool {
        match self {
            Self::Call(outcome) => outcome.is_closed(),
            Self::Batch(_, outcome) => outcome.is_closed(),
            Self::Stream { sink, .. } => sink.events.is_closed(),
        }
    }

    fn late(self) {
        match self {
            Self::Call(outcome) => drop(outcome.send(Outcome::Late)),
            Self::Batch(_, outcome) => drop(outcome.send(Outcome::Late)),
            Self::Stream { sink, .. } => sink.put(Event::Late),
        }
    }

    fn lost(self, error: Error) {
        match self {
            Self::Call(outcome) => drop(outcome.send(Outcome::Lost(error))),
            Self::Batch(_, outcome) => drop(outcome.send(Outcome::Lost(error))),
            Self::Stream { sink, .. } => sink.put(Event::Lost(error)),
        }
    }

    fn answered(self, answered: Answered) {
        match (self, answered) {
            (Self::Call(outcome), Answered::Call(answer)) => drop(outcome.send(Outcome::Answered(answer))),
            (Self::Call(outcome), Answered::Failed(error)) => {
                drop(outcome.send(Outcome::Answered(Answer { result: Err(error), handler_time: None })));
            }
            (Self::Batch(size, outcome), Answered::Batch(answers)) => {
                drop(outcome.send(Outcome::Answered(counted(size, answers))));
            }
            (Self::Batch(_, outcome), Answered::Failed(error)) => drop(outcome.send(Outcome::Answered(Err(error)))),
            (Self::Stream { sink, .. }, Answered::Failed(error)) => sink.put(Event::Failed(error)),
            (Self::Stream { sink, .. }, Answered::End) => sink.put(Event::End),
            (who, _) => who.lost(lost("the provider ended the call by a frame of another kind")),
        }
    }
}

impl Sink {
    /// Never waits and never finds it full: it has room for every item that credit permits, and for one end.
    fn put(&self, event: Event) {
        let _left = self.events.try_send(event).is_err();
    }
}

/// A batch whose answers are not as many as its calls answers none of them.
pub(crate) fn counted(calls: usize, answers: Vec<Answer>) -> BatchAnswer {
    if answers.len() == calls {
        return Ok(answers);
    }
    let message = format!("the provider gave {} answers to a batch of {calls}", answers.len());
    Err(Error::of(codes::PROVIDER_PROTOCOL, message).origin_is(Origin::Module))
}

fn malformed(message: impl Into<String>) -> Error {
    Error::of(codes::FRAME_MALFORMED, message)
}

fn never_sent(call: CallId) -> Error {
    malformed(format!("a frame for call {}, which was never sent", call.0))
}

/// Spreads the ids of calls, which are counted and chosen by the host alone.
#[derive(Debug, Default)]
pub(crate) struct CallHasher(u64);

impl Hasher for CallHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, id: u64) {
        // The golden ratio: consecutive numbers go far from each other, in the high bits as well.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
