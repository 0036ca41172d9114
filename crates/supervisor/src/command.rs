//! One process per invocation: the message on its standard input, the answer on its standard output.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::Error;

/// How a `command_stdio` component is asked.
pub(crate) struct Command;

impl Command {
    pub(crate) async fn ask(&self, id: &Arc<str>, _body: Bytes, _deadline: Instant) -> Result<Bytes, Error> {
        Err(Error::NotCallable { id: Arc::clone(id) })
    }
}
