//! Frames of a provider, right and wrong ones, in one word each.

use prost::Message as _;

use protocol::generated::provider::v1::{self as pb, execute_response, provider_frame::Frame};

fn frame(call_id: u64, frame: Frame) -> pb::ProviderFrame {
    pb::ProviderFrame { call_id, frame: Some(frame) }
}

/// Opens a connection.
#[must_use]
pub fn hello(token: &str) -> pb::ProviderFrame {
    frame(0, Frame::Hello(pb::Hello { session_token: token.to_owned() }))
}

/// Ends a call with an output.
#[must_use]
pub fn output(call: u64, data: impl Into<Vec<u8>>) -> pb::ProviderFrame {
    let result = execute_response::Result::OutputData(data.into().into());
    frame(call, Frame::Result(pb::ExecuteResponse { result: Some(result), metrics: None }))
}

/// Ends a call with neither output nor error.
#[must_use]
pub fn nothing(call: u64) -> pb::ProviderFrame {
    frame(call, Frame::Result(pb::ExecuteResponse::default()))
}

/// Ends a call with a failure.
#[must_use]
pub fn failure(call: u64, error: &protocol::Error) -> pb::ProviderFrame {
    let result = execute_response::Result::Error(error.to_proto());
    frame(call, Frame::Result(pb::ExecuteResponse { result: Some(result), metrics: None }))
}

/// One item of a stream.
#[must_use]
pub fn item(call: u64, data: &[u8]) -> pb::ProviderFrame {
    frame(call, Frame::Item(pb::Item { data: data.to_vec().into() }))
}

/// Ends a stream well.
#[must_use]
pub fn end(call: u64) -> pb::ProviderFrame {
    frame(call, Frame::End(pb::StreamEnd::default()))
}

/// Ends a call, stream or batch with a failure.
#[must_use]
pub fn error(call: u64, error: &protocol::Error) -> pb::ProviderFrame {
    frame(call, Frame::Error(error.to_proto()))
}

/// Ends a batch with an output or a failure for each element.
#[must_use]
pub fn batch(call: u64, outputs: impl IntoIterator<Item = Result<Vec<u8>, protocol::Error>>) -> pb::ProviderFrame {
    frame(call, Frame::BatchResult(batch_response(outputs)))
}

pub(crate) fn batch_response(
    outputs: impl IntoIterator<Item = Result<Vec<u8>, protocol::Error>>,
) -> pb::ExecuteBatchResponse {
    let result = |output| match output {
        Ok(data) => execute_response::Result::OutputData(Vec::into(data)),
        Err(error) => execute_response::Result::Error(protocol::Error::to_proto(&error)),
    };
    let responses =
        outputs.into_iter().map(|output| pb::ExecuteResponse { result: Some(result(output)), metrics: None });
    pb::ExecuteBatchResponse { responses: responses.collect() }
}

/// Asks for a pong.
#[must_use]
pub fn ping(number: u64) -> pb::ProviderFrame {
    frame(0, Frame::Ping(pb::Ping { number }))
}

/// Answers a ping.
#[must_use]
pub fn pong(number: u64) -> pb::ProviderFrame {
    frame(0, Frame::Pong(pb::Pong { number }))
}

/// No new calls, please.
#[must_use]
pub fn drain() -> pb::ProviderFrame {
    frame(0, Frame::Drain(pb::Drain { grace_ms: 0 }))
}

/// A frame without content.
#[must_use]
pub fn empty(call_id: u64) -> pb::ProviderFrame {
    pb::ProviderFrame { call_id, frame: None }
}

/// The bytes of one message with these frames.
#[must_use]
pub fn message(frames: impl IntoIterator<Item = pb::ProviderFrame>) -> Vec<u8> {
    pb::AttachRequest { frames: frames.into_iter().collect() }.encode_to_vec()
}
