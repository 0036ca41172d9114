//! Messages in and out: framing, and what is answered to input that is no message. Knows no method.
//!
//! `lsp-server`'s own threads end at the first malformed message. Here one costs an error answer, and reading goes on with the next.

use std::io::{self, BufRead, Read as _, Write};

use lsp_server::{ErrorCode, Message};
use serde_json::{Value, json};

/// The longest message that is read; a longer one is skipped and refused.
pub(crate) const MAX_MESSAGE_BYTES: u64 = 64 << 20;
/// The longest line of a header.
const MAX_HEADER_BYTES: u64 = 4096;

/// One thing read.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A message.
    Message(Message),
    /// Something else, with the error to answer.
    Malformed(Refusal),
    /// No more input.
    End,
}

/// The answer to what is no message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// As the client wrote it; null where it cannot be told.
    id: Value,
    code: i32,
    message: String,
}

impl Refusal {
    fn new(id: Value, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { id, code: code as i32, message: message.into() }
    }
}

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A message.
    Message(Message),
    /// An error answer to what was no message; its id may be one that no [`Message`] holds.
    Refusal(Refusal),
}

/// Reads the next frame. After a malformed one, the next call goes on behind it.
///
/// # Errors
/// When the input itself fails.
pub(crate) fn read(input: &mut impl BufRead) -> io::Result<Frame> {
    let length = match read_header(input)? {
        Header::Length(length) => length,
        Header::Missing => return Ok(malformed("a header without `Content-Length`")),
        Header::End => return Ok(Frame::End),
    };
    if length > MAX_MESSAGE_BYTES {
        let skipped = io::copy(&mut input.by_ref().take(length), &mut io::sink())?;
        return Ok(if skipped < length {
            Frame::End
        } else {
            let message = format!("a message of {length} bytes; the limit is {MAX_MESSAGE_BYTES}");
            Frame::Malformed(Refusal::new(Value::Null, ErrorCode::InvalidRequest, message))
        });
    }
    let mut body = Vec::new();
    if (input.by_ref().take(length).read_to_end(&mut body)? as u64) < length {
        return Ok(Frame::End);
    }
    Ok(parse(&body))
}

/// Writes one message with its header.
///
/// # Errors
/// When the output fails.
pub(crate) fn write(output: &mut impl Write, outgoing: &Outgoing) -> io::Result<()> {
    let text = match outgoing {
        Outgoing::Message(message) => return message.write(output),
        Outgoing::Refusal(Refusal { id, code, message }) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string()
        }
    };
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

enum Header {
    Length(u64),
    Missing,
    End,
}

/// Reads up to the blank line. Garbage before a header counts as part of it, so that reading finds the next message.
fn read_header(input: &mut impl BufRead) -> io::Result<Header> {
    let (mut length, mut is_empty) = (None, true);
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(MAX_HEADER_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(Header::End);
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            is_empty = false;
            length = content_length(text).or(length);
        } else if let Some(length) = length {
            return Ok(Header::Length(length));
        } else if !is_empty {
            return Ok(Header::Missing);
        }
    }
}

fn content_length(line: &[u8]) -> Option<u64> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    // What stands before the name was left by a message that was shorter than it said.
    let is_it = name.to_ascii_lowercase().ends_with("content-length");
    is_it.then(|| value.trim().parse().ok()).flatten()
}

fn malformed(message: &str) -> Frame {
    Frame::Malformed(Refusal::new(Value::Null, ErrorCode::ParseError, message))
}

fn parse(body: &[u8]) -> Frame {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return malformed(&format!("not JSON: {error}")),
    };
    let id = match value.get("id") {
        Some(id @ (Value::String(_) | Value::Number(_))) => id.clone(),
        _ => Value::Null,
    };
    let has_id = value.get("id").is_some();
    match serde_json::from_value(value) {
        // A request with an id that `lsp-server` does not read would pass for a notification, and its sender wait for ever.
        Ok(message) if !(has_id && matches!(message, Message::Notification(_))) => Frame::Message(message),
        _ => Frame::Malformed(Refusal::new(id, ErrorCode::InvalidRequest, "not a message of JSON-RPC 2.0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every frame of the input, in short.
    fn frames(mut input: &[u8]) -> Vec<String> {
        let mut frames = Vec::new();
        loop {
            frames.push(match read(&mut input).unwrap() {
                Frame::Message(Message::Request(request)) => format!("request {} {}", request.id, request.method),
                Frame::Message(Message::Notification(note)) => format!("notification {}", note.method),
                Frame::Message(Message::Response(response)) => format!("response {}", response.id),
                Frame::Malformed(refusal) => format!("{} {}: {}", refusal.id, refusal.code, refusal.message),
                Frame::End => return frames,
            });
        }
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    const GOOD: &str = r#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#;

    #[test]
    fn reading_goes_on_behind_what_is_no_message() {
        for (bad, answer) in [
            (framed("{"), "null -32700: not JSON: EOF while parsing an object at line 1 column 1"),
            (framed("[]"), "null -32600: not a message of JSON-RPC 2.0"),
            (framed(r#"{"id":7,"method":5}"#), "7 -32600: not a message of JSON-RPC 2.0"),
            (
                framed(r#"{"id":9007199254740991,"method":"x"}"#),
                "9007199254740991 -32600: not a message of JSON-RPC 2.0",
            ),
            ("Content-Type: x\r\n\r\n".into(), "null -32700: a header without `Content-Length`"),
            ("Content-Length: -1\r\n\r\n".into(), "null -32700: a header without `Content-Length`"),
        ] {
            let input = format!("{bad}{}", framed(GOOD));
            assert_eq!(frames(input.as_bytes()), [answer, "request 1 shutdown"], "{bad}");
        }
    }

    #[test]
    fn garbage_before_a_header_is_passed_over() {
        let input = format!("garbage\n\u{1}\u{2}{}", framed(GOOD));
        assert_eq!(frames(input.as_bytes()), ["request 1 shutdown"]);
    }

    #[test]
    fn a_message_beyond_the_limit_is_skipped_whole() {
        let length = MAX_MESSAGE_BYTES + 1;
        let mut input = format!("Content-Length: {length}\r\n\r\n").into_bytes();
        input.resize(input.len() + usize::try_from(length).unwrap(), b' ');
        input.extend_from_slice(framed(GOOD).as_bytes());
        let expected = format!("null -32600: a message of {length} bytes; the limit is {MAX_MESSAGE_BYTES}");
        assert_eq!(frames(&input), [expected.as_str(), "request 1 shutdown"]);
    }

    #[test]
    fn a_length_that_nothing_follows_allocates_nothing_and_ends_the_input() {
        assert_eq!(frames(b"Content-Length: 60000000\r\n\r\n{"), Vec::<String>::new());
        assert_eq!(frames(b"Content-Length: 99999999999\r\n\r\n{"), Vec::<String>::new());
    }

    #[test]
    fn header_names_are_read_in_any_case_and_other_headers_are_passed_over() {
        let input = format!("content-type: x\r\ncontent-LENGTH:{}\n\n{GOOD}", GOOD.len());
        assert_eq!(frames(input.as_bytes()), ["request 1 shutdown"]);
    }
}
