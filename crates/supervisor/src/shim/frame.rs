//! What host, watch and the second stage say to each other: JSON behind a 4-byte big-endian length. Waits for nobody but the reader
//! and writer it is given.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::{Exit, SpawnFault};
use crate::sandbox::{Applied, Plan};

/// Most bytes of one message: an order with a large environment fits, nonsense does not.
pub(crate) const MOST: usize = 8 << 20;

/// Command of the host: SIGTERM to the tree.
pub(crate) const TERMINATE: u8 = b'T';
/// Command of the host: SIGKILL to the tree.
pub(crate) const KILL: u8 = b'K';

/// What is to be started. The host says it to the watch, the watch to the second stage; behind it follow `input` bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) executable: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) cwd: PathBuf,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) sandbox: Plan,
    /// Length of its standard input; without one it is `/dev/null`.
    pub(crate) input: Option<usize>,
}

/// What the second stage says to the watch. The end of their socket without a failure means: the program runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StageFact {
    /// All is in place, the program comes next.
    Applied(Applied),
    /// The program could not be executed.
    Failed(SpawnFault),
}

/// What the watch says to the host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Fact {
    /// The program runs.
    Started { pid: u32, sandbox: Applied },
    /// It could not be started; nothing of it is left.
    Failed(SpawnFault),
    /// It has ended, and nothing of its tree is left.
    Exited(Exit),
}

/// A message with its length before it.
pub(crate) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, format!("{length} bytes are more than {MOST}"));
    let head = u32::try_from(length).ok().filter(|_| length <= MOST).ok_or_else(too_long)?;
    bytes[..4].copy_from_slice(&head.to_be_bytes());
    Ok(bytes)
}

/// Length of the message behind these bytes.
pub(crate) fn length(head: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are more than {MOST}")));
    }
    Ok(length)
}

/// Writes one message.
pub(super) fn write<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

/// Reads one message; none when the other end was closed before it.
pub(super) fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut body = vec![0; length(head)?];
    from.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}
