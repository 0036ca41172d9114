//! The way of a call, a stream or a batch: encoded for the module's types, sent, and once more where those have changed. Opens no connection.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio_stream::StreamExt as _;

use crate::client::options::LEAST;
use crate::client::stream::ReadItem;
use crate::client::typed::{self, Encoded, single};
use crate::client::{CallOptions, CallStream, Client, ModuleInfo, no_output, too_late, wire};
use crate::codec::{Decode, Encode};
use crate::error::Error;
use crate::generated::host::v1::call_request::Input;
use crate::generated::host::v1::call_response::Output;
use crate::generated::host::v1::call_stream_response::Event;
use crate::generated::host::v1::{
    BatchInput, CallBatchRequest, CallRequest, CallResponse, CallStreamRequest, CallStreamResponse, batch_input,
    batch_output,
};
use crate::telemetry;

/// Who knows the types of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typing {
    /// The caller, who may vouch for them.
    Native,
    /// The host alone.
    Dynamic,
}

impl Client {
    pub(super) async fn call_as<T>(
        &self,
        name: &str,
        typing: Typing,
        encode: impl Fn(Option<&ModuleInfo>) -> Encoded,
        read: impl Fn(Option<&ModuleInfo>, &[u8]) -> Result<T, Error>,
        options: CallOptions,
    ) -> Result<T, Error> {
        let send = |encoded, fingerprint, left| {
            let request = request(name, encoded, fingerprint, &options);
            async move {
                match self.wire.call(request?, left).await? {
                    CallResponse { output: Some(Output::OutputData(output)), .. } => Ok(output),
                    _ => Err(no_output()),
                }
            }
        };
        let observed = self.wire.observed(name);
        let sent = telemetry::within(&observed, self.with_types(name, typing, encode, send, &options)).await;
        let output = sent.and_then(|(module, output)| read(module.as_deref(), &output));
        observed.end(output.as_ref().err().map(Error::code));
        output
    }

    pub(super) async fn stream_as<T>(
        &self,
        name: &str,
        typing: Typing,
        encode: impl Fn(Option<&ModuleInfo>) -> Encoded,
        read: ReadItem<T>,
        options: CallOptions,
    ) -> Result<CallStream<T>, Error> {
        let deadline = tokio::time::Instant::now() + self.wire.bounded(options.timeout);
        let send = |encoded, fingerprint, left| {
            let request = request(name, encoded, fingerprint, &options);
            async move {
                let mut answers = self.wire.call_stream(CallStreamRequest { call: Some(request?) }, left).await?;
                // What was called comes first, or why it was not.
                let first = tokio::time::timeout(left + wire::grace(left), answers.next()).await;
                match first.map_err(|_| too_late(left))? {
                    Some(Ok(CallStreamResponse { event: Some(Event::Info(_)) })) => Ok(answers),
                    Some(Err(error)) => Err(error),
                    Some(Ok(_)) | None => Err(no_output()),
                }
            }
        };
        let observed = self.wire.observed(name);
        match telemetry::within(&observed, self.with_types(name, typing, encode, send, &options)).await {
            Ok((module, answers)) => Ok(CallStream::new(answers, module, read, options.timeout, deadline, observed)),
            Err(error) => {
                observed.end(Some(error.code()));
                Err(error)
            }
        }
    }

    pub(super) async fn batch_as<I, O>(
        &self,
        name: &str,
        inputs: &[I],
        options: CallOptions,
    ) -> Result<Vec<Result<O, Error>>, Error>
    where
        I: Encode,
        O: Decode,
    {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let send = |encoded: Encoded, fingerprint, left| {
            let (mut outputs, mut sent) = (Vec::with_capacity(encoded.len()), Vec::with_capacity(encoded.len()));
            for (place, input) in encoded.into_iter().enumerate() {
                outputs.push(match input {
                    Ok(input) => {
                        let idempotency_key = match options.idempotency_key.as_str() {
                            "" => String::new(),
                            key => format!("{key}/{place}"),
                        };
                        let input = Some(batch_input::Input::InputData(input));
                        sent.push(BatchInput { input, idempotency_key });
                        None
                    }
                    Err(fault) => Some(Error::from(fault).with_detail("module", name)),
                });
            }
            let request = CallBatchRequest { module: name.to_owned(), inputs: sent, schema_fingerprint: fingerprint };
            async move {
                let mut answered = match request.inputs.len() {
                    0 => Vec::new(),
                    _ => self.wire.call_batch(request, left).await?.outputs,
                }
                .into_iter();
                // Those that were sent have their answers in order; the others have failed already.
                let answer = |failed: Option<Error>| match failed {
                    Some(fault) => Ok(Err(fault)),
                    None => answered.next().ok_or_else(no_output).map(|output| match output.result {
                        Some(batch_output::Result::OutputData(output)) => Ok(output),
                        Some(batch_output::Result::Error(error)) => Err(Error::from_wire(error)),
                        Some(batch_output::Result::OutputJson(_)) | None => Err(no_output()),
                    }),
                };
                outputs.into_iter().map(answer).collect::<Result<Vec<Result<Vec<u8>, Error>>, Error>>()
            }
        };
        let observed = self.wire.observed(name);
        let sent = self.with_types(name, Typing::Native, typed::encoded_all(inputs), send, &options);
        let sent = telemetry::within(&observed, sent).await;
        observed.end(sent.as_ref().err().map(Error::code));
        let (module, outputs) = sent?;
        let read = |output: Result<Vec<u8>, Error>| typed::read(module.as_deref(), &output?);
        Ok(outputs.into_iter().map(read).collect())
    }

    /// Sends inputs that were encoded for the types known here; asks for them again, once, when the host says that they have changed.
    async fn with_types<T, F>(
        &self,
        name: &str,
        typing: Typing,
        encode: impl Fn(Option<&ModuleInfo>) -> Encoded,
        send: impl Fn(Encoded, String, Duration) -> F,
        options: &CallOptions,
    ) -> Result<(Option<Arc<ModuleInfo>>, T), Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let timeout = self.time(options.timeout)?;
        let deadline = tokio::time::Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(tokio::time::Instant::now());
        // A caller that vouches for its types wants to hear of others.
        let mut may_ask_again = options.schema_fingerprint.is_none();
        loop {
            let module = match (typing, &options.schema_fingerprint) {
                (Typing::Native, Some(_)) => None,
                _ => {
                    let known = tokio::time::timeout(left(), self.known(name)).await;
                    Some(known.map_err(|_| too_late(timeout))??)
                }
            };
            let encoded = encode(module.as_deref());
            // Known types may be old ones, which is why an input does not fit them.
            if let Some(module) = module.as_deref().filter(|_| may_ask_again && encoded.iter().any(Result::is_err)) {
                may_ask_again = false;
                if self.forget_if_changed(name, module).await? {
                    continue;
                }
            }
            let fingerprint = options.schema_fingerprint.as_ref().or(module.as_deref().map(|m| &m.fingerprint));
            match send(encoded, fingerprint.cloned().unwrap_or_default(), left().max(LEAST)).await {
                Ok(answer) => return Ok((module, answer)),
                Err(error) if error.code() == "registry.schema.changed" && may_ask_again => {
                    may_ask_again = false;
                    self.forget(name);
                }
                Err(error) if error.code() == "client.deadline.exceeded" => return Err(too_late(timeout)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The time that a request has; at least some.
    pub(super) fn time(&self, timeout: Duration) -> Result<Duration, Error> {
        let left = self.wire.bounded(timeout);
        if left.is_zero() { Err(too_late(left)) } else { Ok(left) }
    }

    async fn known(&self, name: &str) -> Result<Arc<ModuleInfo>, Error> {
        let known = self.modules.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(module) = known {
            return Ok(module);
        }
        let module = Arc::new(self.get_module(name).await?);
        self.modules.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&module));
        Ok(module)
    }

    fn forget(&self, name: &str) {
        self.modules.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    async fn forget_if_changed(&self, name: &str, known: &ModuleInfo) -> Result<bool, Error> {
        let now = self.get_module(name).await?;
        let changed = now.fingerprint != known.fingerprint;
        if changed {
            self.forget(name);
        }
        Ok(changed)
    }
}

fn request(name: &str, encoded: Encoded, fingerprint: String, options: &CallOptions) -> Result<CallRequest, Error> {
    Ok(CallRequest {
        module: name.to_owned(),
        input: Some(Input::InputData(single(encoded, name)?.into())),
        schema_fingerprint: fingerprint,
        idempotency_key: options.idempotency_key.clone(),
    })
}
