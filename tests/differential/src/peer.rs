//! A codec of one language behind a process, and the bytes that pass between. Decides nothing about the answers.
//!
//! A message is a big-endian u32 and so many bytes; texts and bytes inside carry their length in the same way. A request is a
//! count of groups; a group is the text of a type, a count of questions, and the questions: a byte for the kind (`d` decode and
//! encode, `j` the same and JSON, `r` read JSON and encode) and the input. The reply holds, for each group, the answer for the
//! type (its printed form) and, where the type is accepted, one for each question. An answer is a byte (0 refused: code, path;
//! 1 accepted: bytes, JSON text; 2 broken: what happened, and an empty text) and two texts.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::question::{Answer, Question};

/// How long a peer may take for a message. A whole batch takes well under a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// A type and what is asked about it.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The text of the type; it may be refused.
    pub(crate) ctype: String,
    /// Asked only where the type is accepted.
    pub(crate) questions: Vec<Question>,
}

/// The answers for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answers {
    /// What became of the type.
    pub(crate) ctype: Answer,
    /// One for each question; none where the type is not accepted.
    pub(crate) questions: Vec<Answer>,
}

/// One language's codec.
pub(crate) struct Peer {
    name: String,
    kind: Kind,
}

enum Kind {
    Process {
        child: Child,
        stdin: ChildStdin,
        replies: Receiver<Vec<u8>>,
    },
    /// Answers by itself, for the tests of what judges it.
    #[cfg(test)]
    Scripted {
        answer: fn(&Group) -> Answers,
        asked: Vec<Group>,
    },
}

impl Peer {
    /// Starts a program that speaks as this file says, on its standard input and output.
    pub(crate) fn start(name: &str, program: &str, arguments: &[String]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name} (`{program}`)"))?;
        let stdin = child.stdin.take().context("the input is piped")?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let (tx, replies) = sync_channel(1);
        thread::spawn(move || forward(stdout, &tx));
        Ok(Self { name: name.to_owned(), kind: Kind::Process { child, stdin, replies } })
    }

    #[cfg(test)]
    pub(crate) fn scripted(name: &str, answer: fn(&Group) -> Answers) -> Self {
        Self { name: name.to_owned(), kind: Kind::Scripted { answer, asked: Vec::new() } }
    }

    /// The language.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Asks; the peer reads all before it answers, so that nobody waits for the other.
    pub(crate) fn ask(&mut self, groups: &[Group]) -> Result<()> {
        match &mut self.kind {
            Kind::Process { stdin, .. } => {
                let message = request(groups);
                let sent = stdin.write_all(&message).and_then(|()| stdin.flush());
                sent.with_context(|| format!("{} does not read", self.name))
            }
            #[cfg(test)]
            Kind::Scripted { asked, .. } => {
                *asked = groups.to_vec();
                Ok(())
            }
        }
    }

    /// The answers to what was asked last.
    ///
    /// # Errors
    /// When the peer ended, is silent for [`PATIENCE`], or speaks otherwise than agreed.
    pub(crate) fn answers(&mut self, groups: &[Group]) -> Result<Vec<Answers>> {
        match &mut self.kind {
            Kind::Process { replies, .. } => match replies.recv_timeout(PATIENCE) {
                Ok(reply) => parse(&reply, groups).with_context(|| format!("{} answers wrongly", self.name)),
                Err(RecvTimeoutError::Timeout) => bail!("{} did not answer within {PATIENCE:?}", self.name),
                Err(RecvTimeoutError::Disconnected) => bail!("{} ended", self.name),
            },
            #[cfg(test)]
            Kind::Scripted { answer, asked } => Ok(asked.iter().map(*answer).collect()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Process { child, .. } => {
                // It holds nothing; whether it ended before does not matter.
                drop(child.kill());
                drop(child.wait());
            }
            #[cfg(test)]
            Kind::Scripted { .. } => {}
        }
    }
}

fn forward(mut stdout: ChildStdout, replies: &SyncSender<Vec<u8>>) {
    let mut length = [0; 4];
    while stdout.read_exact(&mut length).is_ok() {
        let mut reply = vec![0; u32::from_be_bytes(length) as usize];
        if stdout.read_exact(&mut reply).is_err() || replies.send(reply).is_err() {
            return;
        }
    }
}

fn request(groups: &[Group]) -> Vec<u8> {
    let mut out = vec![0; 4];
    put_count(&mut out, groups.len());
    for group in groups {
        put(&mut out, group.ctype.as_bytes());
        put_count(&mut out, group.questions.len());
        for question in &group.questions {
            out.push(question.kind());
            put(&mut out, question.input());
        }
    }
    let length = u32::try_from(out.len() - 4).expect("a batch is far below 4 GiB");
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).expect("a batch is far below 4 GiB").to_be_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn parse(mut reply: &[u8], groups: &[Group]) -> Result<Vec<Answers>> {
    let mut all = Vec::with_capacity(groups.len());
    for group in groups {
        let ctype = answer(&mut reply)?;
        let count = if matches!(ctype, Answer::Accepted { .. }) { group.questions.len() } else { 0 };
        let questions = (0..count).map(|_| answer(&mut reply)).collect::<Result<_>>()?;
        all.push(Answers { ctype, questions });
    }
    ensure!(reply.is_empty(), "{} bytes are left", reply.len());
    Ok(all)
}

fn answer(reply: &mut &[u8]) -> Result<Answer> {
    let (status, rest) = reply.split_first().context("the reply ends too early")?;
    *reply = rest;
    let (first, second) = (take(reply)?, take(reply)?);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("a text is not UTF-8");
    Ok(match status {
        0 => Answer::Refused { code: text(first)?, path: text(second)? },
        1 => Answer::Accepted { bytes: first, json: text(second)? },
        2 => Answer::Broken(text(first)?),
        other => bail!("{other} is no answer"),
    })
}

fn take(reply: &mut &[u8]) -> Result<Vec<u8>> {
    let (length, rest) = reply.split_first_chunk::<4>().context("the reply ends too early")?;
    let (bytes, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).context("a length is wrong")?;
    *reply = rest;
    Ok(bytes.to_vec())
}
