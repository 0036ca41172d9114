//! One call as it came, borrowed from its message. Owns nothing, so that a call which ends at once copies nothing.

use crate::generated::provider::v1::ExecuteRequest;

/// The fields of an `ExecuteRequest`, wherever they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) module_name: &'a str,
    pub(crate) input_data: &'a [u8],
    pub(crate) execution_id: &'a str,
    pub(crate) node_id: &'a str,
    pub(crate) attempt: u32,
    pub(crate) idempotency_key: &'a str,
    pub(crate) traceparent: &'a str,
    pub(crate) tracestate: &'a str,
    pub(crate) timeout_ms: u32,
}

impl<'a> From<&'a ExecuteRequest> for Request<'a> {
    fn from(request: &'a ExecuteRequest) -> Self {
        Self {
            module_name: &request.module_name,
            input_data: &request.input_data,
            execution_id: &request.execution_id,
            node_id: &request.node_id,
            attempt: request.attempt,
            idempotency_key: &request.idempotency_key,
            traceparent: &request.traceparent,
            tracestate: &request.tracestate,
            timeout_ms: request.timeout_ms,
        }
    }
}

impl Request<'_> {
    /// The same on its own.
    pub(crate) fn to_message(self) -> ExecuteRequest {
        ExecuteRequest { input_data: self.input_data.to_vec().into(), ..self.without_input() }
    }

    /// All but the input, which a handler has got in its own form.
    pub(crate) fn without_input(self) -> ExecuteRequest {
        ExecuteRequest {
            module_name: self.module_name.to_owned(),
            input_data: Default::default(),
            execution_id: self.execution_id.to_owned(),
            node_id: self.node_id.to_owned(),
            attempt: self.attempt,
            idempotency_key: self.idempotency_key.to_owned(),
            traceparent: self.traceparent.to_owned(),
            tracestate: self.tracestate.to_owned(),
            timeout_ms: self.timeout_ms,
        }
    }

    /// The trace id, or the execution id without a trace.
    pub(crate) fn trace_id(&self) -> &str {
        self.traceparent.split('-').nth(1).unwrap_or(self.execution_id)
    }
}
