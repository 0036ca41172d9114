//! The frames that each call costs, read and written without the generated code; the same bytes. Everything else, and whatever looks
//! unusual, is left to the generated code.

use prost::Message as _;

use crate::generated::provider::v1::{AttachResponse, HostFrame, ProviderFrame};
use crate::provider::request::Request;

/// Wire type of a field with a length before it.
const LEN: u64 = 2;

/// A frame from the host.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame<'a> {
    Execute(u64, Request<'a>),
    Other(HostFrame),
}

/// The frames of an `AttachResponse`, in order. An error is a message that does not parse, and the last that comes.
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
    /// What the generated code made of the rest.
    others: std::vec::IntoIter<HostFrame>,
}

impl<'a> Frames<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message, others: Vec::new().into_iter() }
    }

    /// The next frame, where the rest begins with one.
    fn take(&mut self) -> Option<&'a [u8]> {
        let mut reader = Reader(self.rest);
        let (1, LEN) = reader.key()? else { return None };
        let frame = reader.bytes()?;
        self.rest = reader.0;
        Some(frame)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, prost::DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(frame) = self.others.next() {
            return Some(Ok(Frame::Other(frame)));
        }
        if self.rest.is_empty() {
            return None;
        }
        let read = match self.take() {
            Some(frame) => match execute(frame) {
                Some((call_id, request)) => Ok(Frame::Execute(call_id, request)),
                None => HostFrame::decode(frame).map(Frame::Other),
            },
            // A field of a newer host, or none at all.
            None => match AttachResponse::decode(std::mem::take(&mut self.rest)) {
                Ok(message) => {
                    self.others = message.frames.into_iter();
                    return self.next();
                }
                Err(error) => Err(error),
            },
        };
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}

/// The frame, where it is an `execute` of the usual form.
fn execute(frame: &[u8]) -> Option<(u64, Request<'_>)> {
    let mut reader = Reader(frame);
    let mut call_id = 0;
    let mut request = None;
    while !reader.0.is_empty() {
        match reader.key()? {
            (1, 0) => call_id = reader.varint()?,
            // A second one would be merged into the first.
            (3, LEN) if request.is_none() => request = Some(reader.bytes()?),
            _ => return None,
        }
    }
    Some((call_id, self::request(request?)?))
}

fn request(message: &[u8]) -> Option<Request<'_>> {
    let mut reader = Reader(message);
    let mut request = Request::default();
    while !reader.0.is_empty() {
        match reader.key()? {
            (1, LEN) => request.module_name = reader.text()?,
            (2, LEN) => request.input_data = reader.bytes()?,
            (3, LEN) => request.execution_id = reader.text()?,
            (4, LEN) => request.node_id = reader.text()?,
            (5, 0) => request.attempt = reader.varint()? as u32,
            (6, LEN) => request.idempotency_key = reader.text()?,
            (7, LEN) => request.traceparent = reader.text()?,
            (8, LEN) => request.tracestate = reader.text()?,
            (9, 0) => request.timeout_ms = reader.varint()? as u32,
            _ => return None,
        }
    }
    Some(request)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Number and wire type of the next field.
    fn key(&mut self) -> Option<(u64, u64)> {
        // Fields up to 15: all of the hot frames.
        match *self.0 {
            [key, ref rest @ ..] if (0x08..0x80).contains(&key) => {
                self.0 = rest;
                Some(((key >> 3).into(), (key & 7).into()))
            }
            _ => None,
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, byte) in self.0.iter().take(9).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Some(value);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// A frame `result` with an output as an element of its message.
pub(crate) struct ResultFrame<'a> {
    call_id: u64,
    output: &'a [u8],
    duration_us: u64,
}

impl<'a> ResultFrame<'a> {
    pub(crate) fn new(call_id: u64, output: &'a [u8], duration_us: u64) -> Self {
        Self { call_id, output, duration_us }
    }

    fn metrics_len(&self) -> usize {
        if self.duration_us == 0 { 0 } else { 1 + varint_len(self.duration_us) }
    }

    fn response_len(&self) -> usize {
        field_len(self.output.len()) + field_len(self.metrics_len())
    }

    fn frame_len(&self) -> usize {
        let id = if self.call_id == 0 { 0 } else { 1 + varint_len(self.call_id) };
        id + field_len(self.response_len())
    }

    pub(crate) fn len(&self) -> usize {
        field_len(self.frame_len())
    }

    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        into.reserve(self.len());
        head(into, 0x0a, self.frame_len());
        if self.call_id != 0 {
            into.push(0x08);
            put_varint(into, self.call_id);
        }
        head(into, 0x1a, self.response_len());
        head(into, 0x0a, self.output.len());
        into.extend_from_slice(self.output);
        head(into, 0x1a, self.metrics_len());
        if self.duration_us != 0 {
            into.push(0x08);
            put_varint(into, self.duration_us);
        }
    }
}

/// A frame `item` as an element of its message.
pub(crate) struct ItemFrame<'a> {
    call_id: u64,
    data: &'a [u8],
}

impl<'a> ItemFrame<'a> {
    pub(crate) fn new(call_id: u64, data: &'a [u8]) -> Self {
        Self { call_id, data }
    }

    fn item_len(&self) -> usize {
        if self.data.is_empty() { 0 } else { field_len(self.data.len()) }
    }

    fn frame_len(&self) -> usize {
        let id = if self.call_id == 0 { 0 } else { 1 + varint_len(self.call_id) };
        id + field_len(self.item_len())
    }

    pub(crate) fn len(&self) -> usize {
        field_len(self.frame_len())
    }

    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        into.reserve(self.len());
        head(into, 0x0a, self.frame_len());
        if self.call_id != 0 {
            into.push(0x08);
            put_varint(into, self.call_id);
        }
        head(into, 0x22, self.item_len());
        if !self.data.is_empty() {
            head(into, 0x0a, self.data.len());
            into.extend_from_slice(self.data);
        }
    }
}

/// Any other frame as an element of its message.
pub(crate) fn put_other(frame: &ProviderFrame, into: &mut Vec<u8>) {
    head(into, 0x0a, frame.encoded_len());
    frame.encode_raw(into);
}

/// Length of a field of a number up to 15 with so much content.
pub(crate) fn field_len(content: usize) -> usize {
    1 + varint_len(content as u64) + content
}

fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and one byte for nothing.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

fn head(into: &mut Vec<u8>, key: u8, len: usize) {
    into.push(key);
    put_varint(into, len as u64);
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

#[cfg(test)]
mod tests;
