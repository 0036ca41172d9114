//! Batches on attach and link: several inputs in, one message with their answers out. Runs none: see `calls`.

use std::sync::Arc;
use std::time::Instant;

use prost::Message as _;

use crate::error::ModuleError;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::{ExecuteBatchRequest, ExecuteBatchResponse, ExecuteResponse};
use crate::provider::calls::response;
use crate::provider::frames::coding::field_len;
use crate::provider::frames::{OVERHEAD, Shared, too_large};
use crate::run::Outcome;

impl Shared {
    /// Starts a batch in a task of its own.
    pub(super) fn batch(self: &Arc<Self>, call_id: u64, batch: ExecuteBatchRequest) {
        self.spawn(call_id, None, |shared| async move {
            let started = Instant::now();
            let outcomes = shared.calls.batch(&batch.requests, Some(shared.plane)).await;
            let answered = outcomes.and_then(|outcomes| answers(outcomes, started, shared.max_message));
            move || {
                shared.send(
                    call_id,
                    match answered {
                        Ok(responses) => FromProvider::BatchResult(responses),
                        Err(error) => FromProvider::Error(error.into_envelope().into_wire()),
                    },
                );
            }
        });
    }
}

/// The answers as one message. Where they do not fit, the largest outputs make place for the failure `module.output_too_large` until they do.
///
/// # Errors
/// The same failure for all, where even so they do not fit.
pub(crate) fn answers(
    outcomes: Vec<Outcome>,
    started: Instant,
    max_message: usize,
) -> Result<ExecuteBatchResponse, ModuleError> {
    let mut responses: Vec<ExecuteResponse> = outcomes.into_iter().map(|outcome| response(outcome, started)).collect();
    let len = |response: &ExecuteResponse| field_len(response.encoded_len());
    let mut total = responses.iter().map(len).sum::<usize>() + OVERHEAD;
    if total > max_message {
        let mut by_size: Vec<usize> = (0..responses.len()).collect();
        by_size.sort_by_key(|place| std::cmp::Reverse(responses[*place].encoded_len()));
        for place in by_size {
            let before = len(&responses[place]);
            let refused = response(Err(too_large(before, max_message)), started);
            if total <= max_message || len(&refused) >= before {
                break;
            }
            total = total - before + len(&refused);
            responses[place] = refused;
        }
        if total > max_message {
            return Err(too_large(total, max_message));
        }
    }
    Ok(ExecuteBatchResponse { responses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::provider::v1::execute_response::Result as Answer;

    fn codes(sizes: &[usize], max_message: usize) -> Result<Vec<String>, String> {
        let outcomes = sizes.iter().map(|size| Ok(vec![0; *size])).collect();
        let answered = answers(outcomes, Instant::now(), max_message).map_err(|error| error.code().to_owned())?;
        assert!(answered.encoded_len() <= max_message);
        let code = |response: ExecuteResponse| match response.result {
            Some(Answer::Error(error)) => error.code,
            Some(Answer::OutputData(_)) | None => "fits".to_owned(),
        };
        Ok(answered.responses.into_iter().map(code).collect())
    }

    #[test]
    fn the_largest_outputs_make_place_for_the_others() {
        assert_eq!(codes(&[10, 5000, 20], 2000).unwrap(), ["fits", "module.output_too_large", "fits"]);
        assert_eq!(codes(&[900, 800, 700], 2000).unwrap(), ["module.output_too_large", "fits", "fits"]);
        assert_eq!(codes(&[900, 800], 2000).unwrap(), ["fits", "fits"]);
    }

    #[test]
    fn answers_that_are_too_many_for_a_message_fail_together() {
        assert_eq!(codes(&[1; 1000], 2000).unwrap_err(), "module.output_too_large");
    }
}
