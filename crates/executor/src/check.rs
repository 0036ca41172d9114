//! What a call is checked against before it is sent and after it is answered. Sends nothing.

use std::borrow::Cow;

use bytes::Bytes;
use protocol::frame::Execute;
use protocol::{Error, Origin, codes};
use registry::Route;
use type_schema::Schema;

/// # Errors
/// `executor.stream.required`.
pub(crate) fn plain(route: &Route) -> Result<(), Error> {
    if route.spec.capabilities.stream {
        return Err(Error::of(codes::STREAM_REQUIRED, format!("the output of `{}` is a stream", route.name)));
    }
    Ok(())
}

/// # Errors
/// `executor.stream.unsupported`.
pub(crate) fn streaming(route: &Route) -> Result<(), Error> {
    if !route.spec.capabilities.stream {
        return Err(Error::of(codes::STREAM_UNSUPPORTED, format!("the output of `{}` is no stream", route.name)));
    }
    Ok(())
}

/// The canonical form of an input.
///
/// # Errors
/// `executor.input.invalid`.
pub(crate) fn input(route: &Route, bytes: Bytes) -> Result<Bytes, Error> {
    canonical(&route.input, bytes, codes::INPUT_INVALID, "input")
}

/// The canonical form of an output, or of an item of a stream.
///
/// # Errors
/// `executor.output.invalid`.
pub(crate) fn output(route: &Route, bytes: Bytes) -> Result<Bytes, Error> {
    canonical(&route.output, bytes, codes::OUTPUT_INVALID, "output")
        .map_err(|error| error.origin_is(Origin::Module).detail("module", route.name.as_str()))
}

/// # Errors
/// `executor.input.too_large` when no message holds the call.
pub(crate) fn fits(execute: &Execute, message_bytes: usize) -> Result<(), Error> {
    if execute.size_bound() <= message_bytes {
        return Ok(());
    }
    let message = format!("an input of {} bytes does not fit a message of {message_bytes}", execute.input.len());
    Err(Error::of(codes::INPUT_TOO_LARGE, message))
}

/// Checks bytes against a type; copies only what is not canonical.
fn canonical(schema: &Schema, bytes: Bytes, code: codes::Code, what: &str) -> Result<Bytes, Error> {
    match schema.canonicalize(&bytes) {
        Ok(Cow::Borrowed(_)) => Ok(bytes),
        Ok(Cow::Owned(canonical)) => Ok(canonical.into()),
        Err(error) => Err(Error::of(code, format!("the {what} is refused: {error}"))
            .detail("codec_code", error.code.as_str())
            .detail("path", error.path)),
    }
}
