//! The frames of the attach and link planes as domain types, and the link's framing. Moves bytes, keeps no state of calls.

use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message as _;

use crate::codes;
use crate::error::{Error, Origin};
use crate::generated::error::v1 as error_pb;
use crate::generated::provider::v1 as pb;
use crate::names::{LocalName, SessionId};
use crate::token::SessionToken;

mod decode;
mod encode;

/// Bytes of the length in front of each message on the link.
pub const LENGTH_BYTES: usize = 4;

/// One call on one connection; chosen by the host, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Names a run or a single call in logs, traces and errors: 32 hex digits, so that it serves as a W3C trace id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExecutionId(u128);

impl ExecutionId {
    /// An id that is unique as long as its two halves are: `process` random per host, `number` counted.
    #[must_use]
    pub fn from_parts(process: u64, number: u64) -> Self {
        Self(u128::from(process) << 64 | u128::from(number))
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// W3C trace context as it came from the caller; empty without a trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceContext {
    /// The header `traceparent`.
    pub parent: String,
    /// The header `tracestate`.
    pub state: String,
    /// Whether each attempt has a span of its own below the parent, see [`TraceContext::of_attempt`]. Not sent.
    pub attempts: bool,
}

impl TraceContext {
    /// The same trace with the span of attempt `number` as parent, whose id follows from that of the parent here: who makes
    /// the attempt and who writes its span need not talk. Without a well-formed parent, the same.
    #[must_use]
    pub fn of_attempt(&self, number: u32) -> Self {
        // `version-trace id-span id-flags` (W3C trace context, 3.2).
        let id = self.parent.get(SPAN_ID).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let Some(id) = id.filter(|_| self.parent.len() >= SPAN_ID.end) else { return self.clone() };
        // SplitMix64; 0 is no span.
        let mut mixed = id.wrapping_add(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed = (mixed ^ mixed >> 31).max(1);
        let (before, after) = (&self.parent[..SPAN_ID.start], &self.parent[SPAN_ID.end..]);
        Self { parent: format!("{before}{mixed:016x}{after}"), state: self.state.clone(), attempts: false }
    }
}

/// Where the span's id stands in a `traceparent`.
const SPAN_ID: std::ops::Range<usize> = 36..52;

/// One attempt of one call of a module.
#[derive(Debug, Clone)]
pub struct Execute {
    /// Name of the module inside the provider's namespace.
    pub module: LocalName,
    /// Canonical MessagePack of the input type.
    pub input: Bytes,
    /// The run or single call.
    pub execution_id: ExecutionId,
    /// Step of the pipeline; empty for a single call.
    pub node_id: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Equal for calls that must have one effect; empty where the caller gave none.
    pub idempotency_key: String,
    /// Trace of the caller.
    pub trace: TraceContext,
    /// Time left when it is sent.
    pub timeout: Duration,
}

impl Execute {
    /// An upper bound of the encoded size without the frame, in bytes.
    #[must_use]
    pub fn size_bound(&self) -> usize {
        self.module.as_str().len()
            + self.input.len()
            + self.node_id.len()
            + self.idempotency_key.len()
            + self.trace.parent.len()
            + self.trace.state.len()
            + FRAME_OVERHEAD
    }

    /// The same call as attempt `number`, which is sent now and may take until `deadline`.
    #[must_use]
    pub fn sent_now(&self, number: u32, deadline: tokio::time::Instant) -> Self {
        let timeout = deadline.saturating_duration_since(tokio::time::Instant::now());
        let mut sent = Self { attempt: number, timeout, ..self.clone() };
        if sent.trace.attempts {
            sent.trace = sent.trace.of_attempt(number);
        }
        sent
    }

    /// The wire form. A timeout is rounded up to whole milliseconds, so that it never reads as "none".
    #[must_use]
    pub fn into_proto(self) -> pb::ExecuteRequest {
        let timeout_ms = self.timeout_ms();
        pb::ExecuteRequest {
            module_name: self.module.as_str().to_owned(),
            input_data: self.input,
            execution_id: self.execution_id.to_string(),
            node_id: self.node_id,
            attempt: self.attempt,
            idempotency_key: self.idempotency_key,
            traceparent: self.trace.parent,
            tracestate: self.trace.state,
            timeout_ms,
        }
    }

    /// Rounded up, so that it never reads as "none".
    fn timeout_ms(&self) -> u32 {
        u32::try_from(self.timeout.as_micros().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
    }
}

/// What a provider answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The output, not checked yet, or the failure.
    pub result: Result<Bytes, Error>,
    /// Time in the handler, where the provider measured it.
    pub handler_time: Option<Duration>,
}

impl Answer {
    /// Reads an answer. None at all is `executor.output.missing`.
    #[must_use]
    pub fn from_proto(response: pb::ExecuteResponse) -> Self {
        let result =
            match response.result {
                Some(pb::execute_response::Result::OutputData(output)) => Ok(output),
                Some(pb::execute_response::Result::Error(error)) => Err(from_module(error)),
                None => Err(Error::of(codes::OUTPUT_MISSING, "the provider answered without a result")
                    .origin_is(Origin::Module)),
            };
        Self { result, handler_time: response.metrics.map(|m| Duration::from_micros(m.duration_us)) }
    }
}

/// Reads the failure of a call. One that does not say which part failed comes from the module.
fn from_module(error: error_pb::Error) -> Error {
    let unsaid = error.origin() == error_pb::Origin::Unspecified;
    let error = Error::from_proto(error);
    if unsaid { error.origin_is(Origin::Module) } else { error }
}

/// Why a call is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The caller gave up.
    Caller,
    /// The deadline passed.
    Deadline,
    /// The host shuts down.
    Shutdown,
}

/// A frame from the host.
#[derive(Debug, Clone)]
pub enum HostFrame {
    /// The connection is accepted.
    Welcome(SessionId),
    /// Starts a call.
    Execute(CallId, Execute),
    /// Starts a stream; so many items may come before the first credit.
    ExecuteStream(CallId, Execute, u32),
    /// Starts several calls of one module that are answered together; at least one.
    ExecuteBatch(CallId, Vec<Execute>),
    /// Stops a call, stream or batch.
    Cancel(CallId, CancelReason),
    /// Permits so many more items of a stream.
    Credit(CallId, u32),
    /// Asks for a pong.
    Ping(u64),
    /// Answers a ping.
    Pong(u64),
    /// No new calls will come.
    Drain(Duration),
    /// Why the host closes the connection.
    Error(Error),
}

/// What the envelope of a frame takes at the most, beyond its variable parts.
const FRAME_OVERHEAD: usize = 192;

impl HostFrame {
    /// An upper bound of the encoded size, in bytes.
    #[must_use]
    pub fn size_bound(&self) -> usize {
        FRAME_OVERHEAD
            + match self {
                Self::Execute(_, execute) | Self::ExecuteStream(_, execute, _) => execute.size_bound(),
                Self::ExecuteBatch(_, calls) => calls.iter().map(Execute::size_bound).sum(),
                Self::Error(error) => error.to_proto().encoded_len(),
                _ => 0,
            }
    }

    /// The wire form.
    #[must_use]
    pub fn into_proto(self) -> pb::HostFrame {
        use pb::host_frame::Frame;
        let (call_id, frame) = match self {
            Self::Welcome(session) => (0, Frame::Welcome(pb::Welcome { session_id: session.to_string() })),
            Self::Execute(call, execute) => (call.0, Frame::Execute(execute.into_proto())),
            Self::ExecuteStream(call, execute, credit) => {
                let request = Some(execute.into_proto());
                (call.0, Frame::ExecuteStream(pb::StreamStart { request, credit }))
            }
            Self::ExecuteBatch(call, calls) => {
                let requests = calls.into_iter().map(Execute::into_proto).collect();
                (call.0, Frame::ExecuteBatch(pb::ExecuteBatchRequest { requests }))
            }
            Self::Credit(call, items) => (call.0, Frame::Credit(pb::Credit { items })),
            Self::Cancel(call, reason) => {
                let reason = match reason {
                    CancelReason::Caller => pb::CancelReason::Caller,
                    CancelReason::Deadline => pb::CancelReason::Deadline,
                    CancelReason::Shutdown => pb::CancelReason::Shutdown,
                };
                (call.0, Frame::Cancel(pb::Cancel { reason: reason.into() }))
            }
            Self::Ping(number) => (0, Frame::Ping(pb::Ping { number })),
            Self::Pong(number) => (0, Frame::Pong(pb::Pong { number })),
            Self::Drain(grace) => {
                let grace_ms = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
                (0, Frame::Drain(pb::Drain { grace_ms }))
            }
            Self::Error(error) => (0, Frame::Error(error.to_proto())),
        };
        pb::HostFrame { call_id, frame: Some(frame) }
    }
}

/// All frames that go out together, as one message of the attach plane.
#[must_use]
pub fn to_attach_message(frames: Vec<HostFrame>) -> pb::AttachResponse {
    pb::AttachResponse { frames: frames.into_iter().map(HostFrame::into_proto).collect() }
}

/// Takes from the front of `frames` as many as fit one message of `max_message_bytes`; at least one.
#[must_use]
pub fn take_message(frames: &mut Vec<HostFrame>, max_message_bytes: usize) -> Vec<HostFrame> {
    let mut size = 0;
    let fitting = frames.iter().take_while(|frame| {
        size += frame.size_bound();
        size <= max_message_bytes
    });
    let count = fitting.count().max(1).min(frames.len());
    if count == frames.len() { std::mem::take(frames) } else { frames.drain(..count).collect() }
}

/// Writes frames as messages of the link, each behind its length and none above `max_message_bytes` unless one frame is.
/// Leaves `frames` empty with its capacity.
pub fn write_link_messages(frames: &mut Vec<HostFrame>, max_message_bytes: usize, out: &mut BytesMut) {
    let mut start = None;
    for frame in frames.drain(..) {
        let frame = encode::Sized::of(frame);
        let length = frame.len();
        let field = 1 + prost::length_delimiter_len(length) + length;
        if start.is_none_or(|start: usize| out.len() - start - LENGTH_BYTES + field > max_message_bytes) {
            finish_link_message(start, out);
            start = Some(out.len());
            out.put_u32(0);
        }
        out.reserve(field);
        // Field 1 of `AttachResponse`, length-delimited.
        out.put_u8(0x0a);
        prost::encoding::encode_varint(length as u64, out);
        frame.put(out);
    }
    finish_link_message(start, out);
}

fn finish_link_message(start: Option<usize>, out: &mut BytesMut) {
    if let Some(start) = start {
        let length = u32::try_from(out.len() - start - LENGTH_BYTES).expect("a message is far below 4 GiB");
        out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    }
}

/// A frame from a provider.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderFrame {
    /// Opens the connection; `None` when what it shows cannot be a token.
    Hello(Option<SessionToken>),
    /// Ends a call.
    Result(CallId, Answer),
    /// Ends a batch: one answer per call, in their order.
    BatchResult(CallId, Vec<Answer>),
    /// One item of a stream.
    Item(CallId, Bytes),
    /// Ends a stream well, with the time in the handler where the provider measured it.
    End(CallId, Option<Duration>),
    /// Ends a call, stream or batch with a failure.
    Failed(CallId, Error),
    /// Why the provider closes the connection.
    Closing(Error),
    /// Asks for a pong.
    Ping(u64),
    /// Answers a ping.
    Pong(u64),
    /// The provider takes no new calls.
    Drain,
}

impl ProviderFrame {
    /// Reads one frame.
    ///
    /// # Errors
    /// `protocol.frame.malformed` for a frame without content, or one that lacks or must not have a call id.
    pub fn from_proto(frame: pb::ProviderFrame) -> Result<Self, Error> {
        use pb::provider_frame::Frame;
        let malformed = |why: &str| Error::of(codes::FRAME_MALFORMED, why);
        let content = frame.frame.ok_or_else(|| malformed("a frame has no content"))?;
        let call = CallId(frame.call_id);
        let belongs_to_call =
            matches!(content, Frame::Result(_) | Frame::BatchResult(_) | Frame::Item(_) | Frame::End(_));
        if belongs_to_call && call.0 == 0 {
            return Err(malformed("a result, item or end has no call id"));
        }
        Ok(match content {
            Frame::Hello(hello) => Self::Hello(SessionToken::from_hex(&hello.session_token)),
            Frame::Result(response) => Self::Result(call, Answer::from_proto(response)),
            Frame::BatchResult(batch) => {
                Self::BatchResult(call, batch.responses.into_iter().map(Answer::from_proto).collect())
            }
            Frame::Item(item) => Self::Item(call, item.data),
            Frame::End(end) => Self::End(call, end.metrics.map(|metrics| Duration::from_micros(metrics.duration_us))),
            Frame::Error(error) if call.0 == 0 => Self::Closing(Error::from_proto(error)),
            Frame::Error(error) => Self::Failed(call, from_module(error)),
            Frame::Ping(ping) => Self::Ping(ping.number),
            Frame::Pong(pong) => Self::Pong(pong.number),
            Frame::Drain(_) => Self::Drain,
        })
    }
}

/// Reads the frames of one message of the attach plane.
///
/// # Errors
/// `protocol.frame.malformed`, also for a message without frames.
pub fn from_attach_message(message: pb::AttachRequest) -> Result<Vec<ProviderFrame>, Error> {
    if message.frames.is_empty() {
        return Err(Error::of(codes::FRAME_MALFORMED, "a message has no frames"));
    }
    message.frames.into_iter().map(ProviderFrame::from_proto).collect()
}

/// Cuts a byte stream into messages of the link. The buffer never holds more than one message and what was read with it.
#[derive(Debug, Clone)]
pub struct LinkDecoder {
    max_message_bytes: usize,
}

impl LinkDecoder {
    /// A decoder that refuses messages above the limit before it makes room for them.
    #[must_use]
    pub fn new(max_message_bytes: usize) -> Self {
        Self { max_message_bytes }
    }
}

impl tokio_util::codec::Decoder for LinkDecoder {
    type Item = Vec<ProviderFrame>;
    type Error = LinkError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Item>, LinkError> {
        let Some(prefix) = buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length == 0 || length > self.max_message_bytes {
            let message = format!("a message of {length} bytes is not between 1 and {}", self.max_message_bytes);
            return Err(LinkError::Malformed(Error::of(codes::FRAME_MALFORMED, message)));
        }
        if buffer.len() < LENGTH_BYTES + length {
            // What has come already shows that the sender means it; the rest of one message is all that is reserved.
            buffer.reserve(LENGTH_BYTES + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(LENGTH_BYTES);
        let bytes = buffer.split_to(length).freeze();
        decode::frames(&bytes).map(Some).map_err(LinkError::Malformed)
    }
}

/// Why a link ends.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The peer broke the rules; it is told so.
    #[error(transparent)]
    Malformed(Error),
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_util::codec::Decoder as _;

    use super::*;

    fn message(frames: Vec<pb::ProviderFrame>) -> BytesMut {
        let message = pb::AttachRequest { frames };
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
        message.encode(&mut bytes).unwrap();
        bytes
    }

    fn execute(input: usize) -> HostFrame {
        let execute = Execute {
            module: LocalName::parse("A").unwrap(),
            input: vec![7; input].into(),
            execution_id: ExecutionId::from_parts(1, 2),
            node_id: String::new(),
            attempt: 1,
            idempotency_key: String::new(),
            trace: TraceContext::default(),
            timeout: Duration::from_nanos(1),
        };
        HostFrame::Execute(CallId(u64::MAX), execute)
    }

    fn ping(number: u64) -> pb::ProviderFrame {
        pb::ProviderFrame { call_id: 0, frame: Some(pb::provider_frame::Frame::Ping(pb::Ping { number })) }
    }

    fn code(error: LinkError) -> String {
        match error {
            LinkError::Malformed(error) => error.code().to_owned(),
            LinkError::Io(error) => error.to_string(),
        }
    }

    #[test]
    fn an_attempt_has_a_span_of_its_own_that_both_sides_know() {
        let trace = TraceContext {
            parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
            state: "vendor=1".into(),
            attempts: true,
        };
        let (first, second) = (trace.of_attempt(1), trace.of_attempt(2));
        assert_eq!((first.clone(), first.state.as_str()), (trace.of_attempt(1), "vendor=1"));
        assert_ne!(first.parent, second.parent);
        for attempt in [&first, &second] {
            let parts: Vec<_> = attempt.parent.split('-').collect();
            assert_eq!((parts[1], parts[2].len(), parts[3]), ("0af7651916cd43dd8448eb211c80319c", 16, "01"));
            assert_ne!(parts[2], "b7ad6b7169203331");
        }
        for parent in ["", "garbage", "00-0af7651916cd43dd8448eb211c80319c-zzzzzzzzzzzzzzzz-01"] {
            let trace = TraceContext { parent: parent.into(), ..TraceContext::default() };
            assert_eq!(trace.of_attempt(1).parent, parent);
        }
    }

    #[test]
    fn a_length_of_zero_or_above_the_limit_is_refused_before_room_is_made() {
        for prefix in [[0, 0, 0, 0], [0xff; 4], [0, 0, 0, 101]] {
            let mut buffer = BytesMut::from(&prefix[..]);
            let error = LinkDecoder::new(100).decode(&mut buffer).unwrap_err();
            assert_eq!(code(error), "protocol.frame.malformed");
            assert!(buffer.capacity() < 100);
        }
    }

    #[test]
    fn garbage_an_empty_message_and_an_empty_frame_are_refused() {
        let mut garbage = BytesMut::from(&[0, 0, 0, 3, 0xff, 0xff, 0xff][..]);
        let empty_frame = pb::ProviderFrame { call_id: 1, frame: None };
        let no_call = pb::ProviderFrame {
            call_id: 0,
            frame: Some(pb::provider_frame::Frame::Result(pb::ExecuteResponse::default())),
        };
        for buffer in [&mut garbage, &mut message(vec![empty_frame]), &mut message(vec![no_call])] {
            assert_eq!(code(LinkDecoder::new(1000).decode(buffer).unwrap_err()), "protocol.frame.malformed");
        }
    }

    #[test]
    fn an_answer_without_result_is_an_error_of_that_call_alone() {
        let error = Answer::from_proto(pb::ExecuteResponse::default()).result.unwrap_err();
        assert_eq!((error.code(), error.origin()), ("executor.output.missing", Origin::Module));
    }

    #[test]
    fn a_failure_that_does_not_say_which_part_failed_comes_from_the_module() {
        for (origin, expected) in [
            (error_pb::Origin::Unspecified, Origin::Module),
            (error_pb::Origin::Core, Origin::Core),
            (error_pb::Origin::Upstream, Origin::Upstream),
        ] {
            let error = error_pb::Error { code: "a.b".into(), origin: origin.into(), ..Default::default() };
            let result = Some(pb::execute_response::Result::Error(error.clone()));
            let answer = Answer::from_proto(pb::ExecuteResponse { result, ..Default::default() });
            assert_eq!(answer.result.unwrap_err().origin(), expected);
            let frame = pb::ProviderFrame { call_id: 3, frame: Some(pb::provider_frame::Frame::Error(error)) };
            let ProviderFrame::Failed(CallId(3), error) = ProviderFrame::from_proto(frame).unwrap() else {
                panic!("the frame ends call 3")
            };
            assert_eq!(error.origin(), expected);
        }
    }

    #[test]
    fn an_attach_message_keeps_its_frames_in_order_and_refuses_to_be_empty() {
        let frames = from_attach_message(pb::AttachRequest { frames: vec![ping(2), ping(1)] }).unwrap();
        assert_eq!(frames, [ProviderFrame::Ping(2), ProviderFrame::Ping(1)]);
        let error = from_attach_message(pb::AttachRequest::default()).unwrap_err();
        assert_eq!(error.code(), "protocol.frame.malformed");
        let out = to_attach_message(vec![
            HostFrame::Cancel(CallId(9), CancelReason::Deadline),
            HostFrame::Drain(Duration::from_millis(1500)),
        ]);
        assert_eq!(
            out.frames,
            [
                pb::HostFrame {
                    call_id: 9,
                    frame: Some(pb::host_frame::Frame::Cancel(pb::Cancel {
                        reason: pb::CancelReason::Deadline.into()
                    })),
                },
                pb::HostFrame { call_id: 0, frame: Some(pb::host_frame::Frame::Drain(pb::Drain { grace_ms: 1500 })) },
            ]
        );
    }

    #[test]
    fn a_timeout_below_a_millisecond_does_not_read_as_none() {
        let HostFrame::Execute(_, execute) = execute(0) else { unreachable!("it was built as one") };
        let wire = execute.into_proto();
        assert_eq!((wire.timeout_ms, wire.execution_id.as_str()), (1, "00000000000000010000000000000002"));
    }

    #[test]
    fn frames_are_packed_into_messages_below_the_limit_and_none_is_lost() {
        let mut frames: Vec<HostFrame> = [10, 900, 300, 300, 5000, 10].into_iter().map(execute).collect();
        let mut out = BytesMut::new();
        write_link_messages(&mut frames, 1024, &mut out);
        let (mut sizes, mut inputs) = (Vec::new(), Vec::new());
        while !out.is_empty() {
            let length = out.get_u32() as usize;
            let message = pb::AttachResponse::decode(out.split_to(length)).unwrap();
            sizes.push(length);
            inputs.push(message.frames.len());
        }
        assert_eq!(inputs, [1, 1, 2, 1, 1]);
        assert!(sizes.iter().filter(|size| **size > 1024).count() == 1, "{sizes:?}");
        assert!(frames.is_empty());
    }

    #[test]
    fn the_bound_of_a_frames_size_holds() {
        for frame in [execute(0), execute(100_000), HostFrame::Ping(u64::MAX), HostFrame::Drain(Duration::MAX)] {
            let bound = frame.size_bound();
            let real = pb::AttachResponse { frames: vec![frame.into_proto()] }.encoded_len();
            assert!(real <= bound, "{real} > {bound}");
        }
    }

    #[test]
    fn a_message_of_the_attach_plane_takes_what_fits() {
        let mut frames: Vec<HostFrame> = [10, 10, 5000].into_iter().map(execute).collect();
        assert_eq!(take_message(&mut frames, 2048).len(), 2);
        assert_eq!(take_message(&mut frames, 2048).len(), 1);
        assert!(frames.is_empty());
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut_the_same_messages_come_out(
            numbers in prop::collection::vec(prop::collection::vec(any::<u64>(), 1..4), 1..8),
            cuts in prop::collection::vec(1usize..9, 1..200),
        ) {
            let stream: Vec<u8> = numbers.iter()
                .flat_map(|batch| message(batch.iter().map(|n| ping(*n)).collect()).to_vec())
                .collect();
            let mut decoder = LinkDecoder::new(1 << 16);
            let (mut buffer, mut seen, mut rest) = (BytesMut::new(), Vec::new(), stream.as_slice());
            for cut in cuts.iter().cycle() {
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                buffer.extend_from_slice(head);
                while let Some(frames) = decoder.decode(&mut buffer).unwrap() {
                    seen.push(frames);
                }
                rest = tail;
                if rest.is_empty() { break; }
            }
            let expected: Vec<Vec<ProviderFrame>> =
                numbers.iter().map(|b| b.iter().map(|n| ProviderFrame::Ping(*n)).collect()).collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic_or_hoard(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(bytes.as_slice());
            let mut decoder = LinkDecoder::new(4096);
            while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
            prop_assert!(buffer.capacity() <= 8192);
        }
    }
}
