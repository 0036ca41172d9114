//! The hand-written coding against the generated one.

use proptest::prelude::*;

use super::*;
use crate::generated::provider::v1::execute_response::Result as Outcome;
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::*;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1u64..200, any::<u64>(), any::<u64>().prop_map(|n| n >> 40)]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zA-Z.é-]{1,200}"]
}

prop_compose! {
    fn execute_request()(
        module_name in text(),
        input_data in prop::collection::vec(any::<u8>(), 0..300),
        execution_id in text(),
        node_id in text(),
        attempt in any::<u32>(),
        idempotency_key in text(),
        traceparent in text(),
        tracestate in text(),
        timeout_ms in prop_oneof![Just(0), any::<u32>()],
    ) -> ExecuteRequest {
        let input_data = input_data.into();
        ExecuteRequest { module_name, input_data, execution_id, node_id, attempt, idempotency_key, traceparent, tracestate, timeout_ms }
    }
}

fn host_frame() -> impl Strategy<Value = HostFrame> {
    let frame = prop_oneof![
        8 => execute_request().prop_map(|request| Some(FromHost::Execute(request))),
        1 => (execute_request(), any::<u32>()).prop_map(|(request, credit)| {
            Some(FromHost::ExecuteStream(StreamStart { request: Some(request), credit }))
        }),
        1 => prop::collection::vec(execute_request(), 0..4)
            .prop_map(|requests| Some(FromHost::ExecuteBatch(ExecuteBatchRequest { requests }))),
        1 => any::<u32>().prop_map(|items| Some(FromHost::Credit(Credit { items }))),
        1 => Just(Some(FromHost::Cancel(Cancel::default()))),
        1 => number().prop_map(|number| Some(FromHost::Ping(Ping { number }))),
        1 => Just(None),
    ];
    (number(), frame).prop_map(|(call_id, frame)| HostFrame { call_id, frame })
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(host_frame(), 0..6).prop_map(|frames| AttachResponse { frames }.encode_to_vec())
}

/// The frames as the generated code would have them; `None` for a message that does not parse.
fn by_hand(message: &[u8]) -> Option<Vec<HostFrame>> {
    Frames::of(message)
        .map(|frame| {
            Some(match frame.ok()? {
                Frame::Execute(call_id, request) => {
                    HostFrame { call_id, frame: Some(FromHost::Execute(request.to_message())) }
                }
                Frame::Other(frame) => frame,
            })
        })
        .collect()
}

fn by_generated_code(message: &[u8]) -> Option<Vec<HostFrame>> {
    AttachResponse::decode(message).ok().map(|message| message.frames)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn messages_are_read_as_the_generated_code_reads_them(message in message()) {
        prop_assert_eq!(by_hand(&message), by_generated_code(&message));
    }

    #[test]
    fn broken_messages_are_read_or_refused_alike(
        mut message in message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        if !message.is_empty() {
            for (at, byte) in changes {
                let at = at.index(message.len());
                message[at] = byte;
            }
            if is_cut {
                message.truncate(cut.index(message.len()));
            }
        }
        prop_assert_eq!(by_hand(&message), by_generated_code(&message));
    }

    #[test]
    fn noise_is_read_or_refused_alike(message in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(by_hand(&message), by_generated_code(&message));
    }

    #[test]
    fn results_and_items_are_written_as_the_generated_code_writes_them(
        call_id in number(),
        output in prop::collection::vec(any::<u8>(), 0..300),
        duration_us in number(),
    ) {
        let check = |frame: FromProvider, len: usize, written: Vec<u8>| {
            let generated = AttachRequest { frames: vec![ProviderFrame { call_id, frame: Some(frame) }] };
            prop_assert_eq!(len, written.len());
            prop_assert_eq!(written, generated.encode_to_vec());
            Ok(())
        };
        let mut written = Vec::new();
        let frame = ResultFrame::new(call_id, &output, duration_us);
        frame.write(&mut written);
        let response = ExecuteResponse {
            result: Some(Outcome::OutputData(output.clone().into())),
            metrics: Some(ExecutionMetrics { duration_us }),
        };
        check(FromProvider::Result(response), frame.len(), written)?;

        let mut written = Vec::new();
        let frame = ItemFrame::new(call_id, &output);
        frame.write(&mut written);
        check(FromProvider::Item(Item { data: output.clone().into() }), frame.len(), written)?;

        let mut written = Vec::new();
        let ping = FromProvider::Ping(Ping { number: duration_us });
        put_other(&ProviderFrame { call_id, frame: Some(ping.clone()) }, &mut written);
        check(ping, written.len(), written)?;
    }
}

#[test]
fn a_frame_of_the_usual_form_needs_no_generated_code() {
    let request = ExecuteRequest { module_name: "Upper".to_owned(), timeout_ms: 30_000, ..ExecuteRequest::default() };
    let frame = HostFrame { call_id: 300, frame: Some(FromHost::Execute(request.clone())) };
    let message = AttachResponse { frames: vec![frame] }.encode_to_vec();
    let read: Vec<_> = Frames::of(&message).collect::<Result<_, _>>().unwrap();
    assert_eq!(read, [Frame::Execute(300, Request::from(&request))]);
}
