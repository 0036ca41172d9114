//! Writes frames of the host straight into a buffer: the hot ones field by field, without objects and copies in between, all
//! others through the generated code. The bytes are the generated code's in each case, which a property test holds.

use std::fmt;

use bytes::{BufMut as _, BytesMut};
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::frame::{CallId, Execute, ExecutionId, HostFrame};

/// Hex digits of an execution id.
const ID_DIGITS: usize = 32;

// Tags of `HostFrame`: number of the field and wire type in one byte.
const CALL_ID: u8 = 1 << 3;
const EXECUTE: u8 = 3 << 3 | 2;
const EXECUTE_STREAM: u8 = 10 << 3 | 2;
const EXECUTE_BATCH: u8 = 11 << 3 | 2;
// Of `StreamStart` and `ExecuteBatchRequest`.
const REQUEST: u8 = 1 << 3 | 2;
const START_CREDIT: u8 = 2 << 3;

/// A frame with its sizes, ready to be written.
pub(super) enum Sized {
    Execute { call: CallId, execute: Execute, body: usize },
    Stream { call: CallId, execute: Execute, credit: u32, body: usize },
    Batch { call: CallId, calls: Vec<Execute>, body: usize },
    Other(crate::generated::provider::v1::HostFrame),
}

impl Sized {
    pub(super) fn of(frame: HostFrame) -> Self {
        match frame {
            HostFrame::Execute(call, execute) => {
                let body = execute_len(&execute);
                Self::Execute { call, execute, body }
            }
            HostFrame::ExecuteStream(call, execute, credit) => {
                let credit_len = if credit == 0 { 0 } else { 1 + encoded_len_varint(credit.into()) };
                let body = nested_len(execute_len(&execute)) + credit_len;
                Self::Stream { call, execute, credit, body }
            }
            HostFrame::ExecuteBatch(call, calls) => {
                let body = calls.iter().map(|call| nested_len(execute_len(call))).sum();
                Self::Batch { call, calls, body }
            }
            other => Self::Other(other.into_proto()),
        }
    }

    /// Bytes of the frame, without a length in front.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Execute { call, body, .. } | Self::Stream { call, body, .. } | Self::Batch { call, body, .. } => {
                number_len(call.0) + nested_len(*body)
            }
            Self::Other(frame) => frame.encoded_len(),
        }
    }

    /// Writes the frame, without a length in front.
    pub(super) fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Execute { call, execute, body } => {
                put_head(*call, EXECUTE, *body, out);
                put_execute(execute, out);
            }
            Self::Stream { call, execute, credit, body } => {
                put_head(*call, EXECUTE_STREAM, *body, out);
                put_request(execute, out);
                put_number(START_CREDIT, u64::from(*credit), out);
            }
            Self::Batch { call, calls, body } => {
                put_head(*call, EXECUTE_BATCH, *body, out);
                calls.iter().for_each(|call| put_request(call, out));
            }
            Self::Other(frame) => frame.encode(out).expect("a `BytesMut` grows as needed"),
        }
    }
}

fn put_head(call: CallId, tag: u8, body: usize, out: &mut BytesMut) {
    put_number(CALL_ID, call.0, out);
    out.put_u8(tag);
    encode_varint(body as u64, out);
}

fn put_request(execute: &Execute, out: &mut BytesMut) {
    out.put_u8(REQUEST);
    encode_varint(execute_len(execute) as u64, out);
    put_execute(execute, out);
}

// The fields of `ExecuteRequest` in the order of their numbers; what has its default is left out.
fn execute_len(execute: &Execute) -> usize {
    bytes_len(execute.module.as_str().len())
        + bytes_len(execute.input.len())
        + bytes_len(ID_DIGITS)
        + bytes_len(execute.node_id.len())
        + number_len(execute.attempt.into())
        + bytes_len(execute.idempotency_key.len())
        + bytes_len(execute.trace.parent.len())
        + bytes_len(execute.trace.state.len())
        + number_len(execute.timeout_ms().into())
}

fn put_execute(execute: &Execute, out: &mut BytesMut) {
    put_bytes(1, execute.module.as_str().as_bytes(), out);
    put_bytes(2, &execute.input, out);
    put_bytes(3, &hex(execute.execution_id), out);
    put_bytes(4, execute.node_id.as_bytes(), out);
    put_number(5 << 3, execute.attempt.into(), out);
    put_bytes(6, execute.idempotency_key.as_bytes(), out);
    put_bytes(7, execute.trace.parent.as_bytes(), out);
    put_bytes(8, execute.trace.state.as_bytes(), out);
    put_number(9 << 3, execute.timeout_ms().into(), out);
}

fn nested_len(body: usize) -> usize {
    1 + encoded_len_varint(body as u64) + body
}

fn bytes_len(length: usize) -> usize {
    if length == 0 { 0 } else { nested_len(length) }
}

fn number_len(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + encoded_len_varint(number) }
}

fn put_bytes(field: u8, bytes: &[u8], out: &mut BytesMut) {
    if !bytes.is_empty() {
        out.put_u8(field << 3 | 2);
        encode_varint(bytes.len() as u64, out);
        out.put_slice(bytes);
    }
}

fn put_number(tag: u8, number: u64, out: &mut BytesMut) {
    if number != 0 {
        out.put_u8(tag);
        encode_varint(number, out);
    }
}

/// The digits of an id as its `Display` writes them.
pub(super) fn hex(id: ExecutionId) -> [u8; ID_DIGITS] {
    let mut digits = [0; ID_DIGITS];
    for (i, byte) in id.0.to_be_bytes().into_iter().enumerate() {
        digits[2 * i] = b"0123456789abcdef"[usize::from(byte >> 4)];
        digits[2 * i + 1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    digits
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&hex(*self)).expect("hex digits are ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::LocalName;
    use crate::frame::TraceContext;

    fn execute() -> impl Strategy<Value = Execute> {
        let texts = ("[a-z]{0,40}", "[a-z]{0,200}", "[a-z]{0,60}", "[a-z]{0,10}");
        let numbers = (any::<u64>(), any::<u64>(), any::<u32>(), 0u64..1 << 40);
        ("[A-Z][a-z]{0,30}", prop::collection::vec(any::<u8>(), 0..300), texts, numbers).prop_map(
            |(module, input, (node_id, idempotency_key, parent, state), (process, number, attempt, timeout))| Execute {
                module: LocalName::parse(&module).unwrap(),
                input: input.into(),
                execution_id: ExecutionId::from_parts(process, number),
                node_id,
                attempt,
                idempotency_key,
                trace: TraceContext { parent, state, attempts: false },
                timeout: Duration::from_micros(timeout),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_the_generated_code_writes(
            call in any::<u64>(),
            calls in prop::collection::vec(execute(), 1..4),
            credit in any::<u32>(),
        ) {
            let call = CallId(call);
            for frame in [
                HostFrame::Execute(call, calls[0].clone()),
                HostFrame::ExecuteStream(call, calls[0].clone(), credit),
                HostFrame::ExecuteStream(call, calls[0].clone(), 0),
                HostFrame::ExecuteBatch(call, calls.clone()),
                HostFrame::Credit(call, credit),
            ] {
                let generated = frame.clone().into_proto().encode_to_vec();
                let sized = Sized::of(frame);
                let mut out = BytesMut::new();
                sized.put(&mut out);
                prop_assert_eq!(sized.len(), out.len());
                prop_assert_eq!(generated, out.to_vec());
            }
        }
    }
}
