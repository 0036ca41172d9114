//! Reads the frames of a provider: plain results and items by hand, as slices of the message, all others through the generated
//! code. Both understand the same, which a property test holds.

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::decode_varint;

use std::time::Duration;

use crate::codes;
use crate::error::Error;
use crate::frame::{Answer, CallId, ProviderFrame, from_attach_message};
use crate::generated::provider::v1 as pb;

// Tags: number of the field and wire type in one byte.
const FRAMES: u8 = 1 << 3 | 2;
const CALL_ID: u8 = 1 << 3;
const RESULT: u8 = 3 << 3 | 2;
const ITEM: u8 = 4 << 3 | 2;
/// `ExecuteResponse.output_data` and `Item.data`.
const DATA: u8 = 1 << 3 | 2;
const METRICS: u8 = 3 << 3 | 2;
const DURATION_US: u8 = 1 << 3;

/// The frames of one message.
///
/// # Errors
/// `protocol.frame.malformed`, also for a message without frames.
pub(super) fn frames(message: &Bytes) -> Result<Vec<ProviderFrame>, Error> {
    let mut frames = Vec::new();
    let mut rest = Reader { message, at: 0, end: message.len() };
    while rest.at < rest.end {
        let Some(mut frame) = rest.nested(FRAMES) else { return generated(message) };
        let (from, to) = (frame.at, frame.end);
        frames.push(match hot(&mut frame) {
            Some(frame) => frame,
            None => {
                let frame = pb::ProviderFrame::decode(message.slice(from..to)).map_err(|error| unreadable(&error))?;
                ProviderFrame::from_proto(frame)?
            }
        });
    }
    if frames.is_empty() { generated(message) } else { Ok(frames) }
}

fn generated(message: &Bytes) -> Result<Vec<ProviderFrame>, Error> {
    let message = pb::AttachRequest::decode(message.clone()).map_err(|error| unreadable(&error))?;
    from_attach_message(message)
}

fn unreadable(error: &prost::DecodeError) -> Error {
    Error::of(codes::FRAME_MALFORMED, format!("a message does not parse: {error}"))
}

/// A frame in the form in which encoders write it: the call's id, then one plain result or item, each field at most once.
fn hot(frame: &mut Reader<'_>) -> Option<ProviderFrame> {
    let call = CallId(frame.number(CALL_ID)?);
    if call.0 == 0 {
        return None;
    }
    let read = if let Some(mut item) = frame.nested(ITEM) {
        ProviderFrame::Item(call, item.data()?)
    } else {
        let mut result = frame.nested(RESULT)?;
        let output = result.payload()?;
        let mut handler_time = None;
        if result.at < result.end {
            let mut metrics = result.nested(METRICS)?;
            let duration = if metrics.at < metrics.end { metrics.number(DURATION_US)? } else { 0 };
            if metrics.at < metrics.end || result.at < result.end {
                return None;
            }
            handler_time = Some(Duration::from_micros(duration));
        }
        ProviderFrame::Result(call, Answer { result: Ok(output), handler_time })
    };
    (frame.at == frame.end).then_some(read)
}

/// A part of a message. Each method takes what it names from the front, or nothing where something else is there.
struct Reader<'m> {
    message: &'m Bytes,
    at: usize,
    end: usize,
}

impl<'m> Reader<'m> {
    fn tag(&mut self, tag: u8) -> Option<()> {
        (self.at < self.end && self.message[self.at] == tag).then(|| self.at += 1)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut bytes = &self.message[self.at..self.end];
        let before = bytes.len();
        let number = decode_varint(&mut bytes).ok()?;
        self.at += before - bytes.len();
        Some(number)
    }

    fn number(&mut self, tag: u8) -> Option<u64> {
        self.tag(tag)?;
        self.varint()
    }

    fn nested(&mut self, tag: u8) -> Option<Reader<'m>> {
        self.tag(tag)?;
        let length = usize::try_from(self.varint()?).ok()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.end)?;
        let nested = Reader { message: self.message, at: self.at, end };
        self.at = end;
        Some(nested)
    }

    /// The bytes of a field that must be there.
    fn payload(&mut self) -> Option<Bytes> {
        let payload = self.nested(DATA)?;
        Some(self.message.slice(payload.at..payload.end))
    }

    /// The bytes of the only field; none where there is none.
    fn data(&mut self) -> Option<Bytes> {
        if self.at == self.end {
            return Some(Bytes::new());
        }
        let data = self.payload()?;
        (self.at == self.end).then_some(data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response() -> impl Strategy<Value = pb::ExecuteResponse> {
        use pb::execute_response::Result::{Error, OutputData};
        let result = prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..300).prop_map(|data| Some(OutputData(data.into()))),
            1 => "[a-z.]{0,9}".prop_map(|code| Some(Error(crate::generated::error::v1::Error { code, ..Default::default() }))),
            1 => Just(None),
        ];
        let metrics = prop::option::of(any::<u64>().prop_map(|duration_us| pb::ExecutionMetrics { duration_us }));
        (result, metrics).prop_map(|(result, metrics)| pb::ExecuteResponse { result, metrics })
    }

    fn frame() -> impl Strategy<Value = pb::ProviderFrame> {
        use pb::provider_frame::Frame;
        let content = prop_oneof![
            4 => response().prop_map(Frame::Result),
            4 => prop::collection::vec(any::<u8>(), 0..300).prop_map(|data| Frame::Item(pb::Item { data: data.into() })),
            1 => prop::collection::vec(response(), 0..3)
                .prop_map(|responses| Frame::BatchResult(pb::ExecuteBatchResponse { responses })),
            1 => any::<u64>().prop_map(|number| Frame::Ping(pb::Ping { number })),
            1 => Just(Frame::End(pb::StreamEnd::default())),
        ];
        (prop_oneof![1 => Just(0), 6 => any::<u64>()], prop::option::weighted(0.95, content))
            .prop_map(|(call_id, frame)| pb::ProviderFrame { call_id, frame })
    }

    fn both(message: &Bytes) -> (Result<Vec<ProviderFrame>, String>, Result<Vec<ProviderFrame>, String>) {
        let code = |result: Result<_, Error>| result.map_err(|error| error.code().to_owned());
        (code(frames(message)), code(generated(message)))
    }

    proptest! {
        #[test]
        fn what_is_read_by_hand_is_what_the_generated_code_reads(
            sent in prop::collection::vec(frame(), 0..5),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        ) {
            let mut bytes = pb::AttachRequest { frames: sent }.encode_to_vec();
            // And what nobody should send.
            for (at, byte) in flips {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= byte;
                }
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            let (by_hand, generated) = both(&bytes.into());
            prop_assert_eq!(by_hand, generated);
        }
    }

    #[test]
    fn a_result_is_a_slice_of_its_message() {
        let data = vec![7; 1000];
        let result = Some(pb::execute_response::Result::OutputData(data.into()));
        let response = pb::ExecuteResponse { result, metrics: None };
        let frame = pb::ProviderFrame { call_id: 5, frame: Some(pb::provider_frame::Frame::Result(response)) };
        let message = Bytes::from(pb::AttachRequest { frames: vec![frame] }.encode_to_vec());
        let read = frames(&message).unwrap();
        let [ProviderFrame::Result(CallId(5), Answer { result: Ok(output), .. })] = &read[..] else {
            panic!("{read:?}")
        };
        assert!(message.as_ptr_range().contains(&output.as_ptr()));
    }
}
