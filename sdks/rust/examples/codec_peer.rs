//! The codec of this SDK behind standard input and output, for the tests that compare it with those of the other languages.
//! Speaks as `tests/differential/src/peer.rs` says, and judges nothing.

use std::io::{self, Read, Write};

use modrack::{CType, codec, json};

/// One question: `d` decode and encode, `j` the same and JSON, `r` read JSON and encode.
fn ask(ty: &CType, kind: u8, input: &[u8]) -> Result<(Vec<u8>, String), codec::CodecError> {
    let value = match kind {
        b'r' => json::parse(ty, &String::from_utf8_lossy(input))?,
        _ => codec::value_from_bytes(ty, input)?,
    };
    let shown = if kind == b'j' { json::print(ty, &value) } else { String::new() };
    Ok((codec::value_to_bytes(ty, &value)?, shown))
}

/// An answer as it is sent: 1 and what is accepted, or 0, the code and the path.
fn put(out: &mut Vec<u8>, status: u8, first: &[u8], second: &str) -> io::Result<()> {
    out.push(status);
    for text in [first, second.as_bytes()] {
        let size = u32::try_from(text.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(text);
    }
    Ok(())
}

/// A place in a request.
struct Request<'a>(&'a [u8]);

impl<'a> Request<'a> {
    fn take(&mut self, size: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(taken)
    }

    fn count(&mut self) -> io::Result<usize> {
        let size = self.take(4)?.try_into().map_err(io::Error::other)?;
        Ok(u32::from_be_bytes(size) as usize)
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let size = self.count()?;
        self.take(size)
    }
}

fn reply(mut request: Request<'_>) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for _ in 0..request.count()? {
        let ty = String::from_utf8_lossy(request.bytes()?).parse::<CType>();
        match &ty {
            Ok(ty) => put(&mut out, 1, ty.to_string().as_bytes(), "")?,
            Err(refusal) => put(&mut out, 0, refusal.code().as_bytes(), refusal.path())?,
        }
        for _ in 0..request.count()? {
            let (kind, input) = (request.take(1)?[0], request.bytes()?);
            let Ok(ty) = &ty else { continue };
            match ask(ty, kind, input) {
                Ok((bytes, shown)) => put(&mut out, 1, &bytes, &shown)?,
                Err(refusal) => put(&mut out, 0, refusal.code().as_bytes(), refusal.path())?,
            }
        }
    }
    Ok(out)
}

fn main() -> io::Result<()> {
    let (mut source, mut sink) = (io::stdin().lock(), io::stdout().lock());
    let mut size = [0; 4];
    while source.read_exact(&mut size).is_ok() {
        let mut request = vec![0; u32::from_be_bytes(size) as usize];
        source.read_exact(&mut request)?;
        let message = reply(Request(&request))?;
        sink.write_all(&u32::try_from(message.len()).map_err(io::Error::other)?.to_be_bytes())?;
        sink.write_all(&message)?;
        sink.flush()?;
    }
    Ok(())
}
