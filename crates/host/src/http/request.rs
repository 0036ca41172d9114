//! What a request says beside its path: query, headers, and a body of JSON. Everything is bounded, and what is not
//! understood is refused rather than ignored.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use protocol::{Error, codes};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};

use crate::coded::Arrived;
use crate::http::answer::TRACE_HEADERS;

/// The time that a caller allows, in milliseconds.
pub(crate) const TIMEOUT: &str = "modrack-timeout-ms";
/// Most bytes, and longest time, that are read of a body which is refused.
const DISCARDED_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);
/// Equal for calls that must have one effect.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The schema that the caller wrote its input for.
pub(crate) const FINGERPRINT: &str = "modrack-schema-fingerprint";

/// What [`TIMEOUT`] looks like: as many digits as gRPC takes. The host's own limit cuts longer times.
pub(crate) const TIMEOUT_PATTERN: &str = "^[1-9][0-9]{0,7}$";
/// Longest idempotency key, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 255;

pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Error {
    Error::of(codes::FIELD_INVALID, message).detail("field", field)
}

/// What the headers of a call say, checked.
pub(crate) struct CallHeaders {
    pub(crate) arrived: Instant,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idempotency_key: String,
    pub(crate) fingerprint: String,
}

impl CallHeaders {
    /// # Errors
    /// `protocol.field.invalid`.
    pub(crate) fn of(head: &Parts) -> Result<Self, Error> {
        let headers = &head.headers;
        let arrived = head.extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
        let idempotency_key = single(headers, IDEMPOTENCY_KEY)?;
        if idempotency_key.is_some_and(|key| !is_key(key)) {
            let message = format!("`{IDEMPOTENCY_KEY}` has from 1 to {MAX_KEY_BYTES} visible ASCII characters");
            return Err(invalid(IDEMPOTENCY_KEY, message));
        }
        let fingerprint = single(headers, FINGERPRINT)?;
        if fingerprint.is_some_and(|fingerprint| !is_fingerprint(fingerprint)) {
            return Err(invalid(FINGERPRINT, format!("`{FINGERPRINT}` is 64 hexadecimal digits in lower case")));
        }
        Ok(Self {
            arrived,
            timeout: timeout(headers)?,
            idempotency_key: idempotency_key.unwrap_or_default().to_owned(),
            fingerprint: fingerprint.unwrap_or_default().to_owned(),
        })
    }
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(text) = single(headers, TIMEOUT)? else { return Ok(None) };
    let well_formed = text.len() <= 8 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = text
        .parse()
        .ok()
        .filter(|_| well_formed)
        .ok_or_else(|| invalid(TIMEOUT, format!("`{TIMEOUT}` is a number of milliseconds from 1 to 99999999")))?;
    Ok(Some(Duration::from_millis(millis)))
}

/// The value of a header that may be there once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid(name, format!("`{name}` is there more than once")));
    }
    value.to_str().map(Some).map_err(|_| invalid(name, format!("`{name}` is no ASCII text")))
}

/// The same request for the gRPC surface: who asks and since when, the trace, and the time that is left.
pub(crate) fn to_grpc<T>(head: Parts, timeout: Option<Duration>, message: T) -> tonic::Request<T> {
    let mut metadata = MetadataMap::new();
    for name in TRACE_HEADERS {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(value) = value.and_then(|value| MetadataValue::try_from(value).ok()) {
            metadata.insert(MetadataKey::from_static(name), value);
        }
    }
    if let Some(timeout) = timeout {
        let text = format!("{}m", timeout.as_millis());
        metadata.insert("grpc-timeout", text.parse().expect("digits and a letter are ASCII"));
    }
    tonic::Request::from_parts(metadata, head.extensions, message)
}

/// The text of a JSON body of at most `limit` bytes, read before `until`.
///
/// # Errors
/// `http.content_type.unsupported`, `protocol.message.too_large`, `protocol.message.malformed` for what is no UTF-8 or
/// breaks off, `executor.deadline.exceeded`.
pub(crate) async fn json_text(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
    until: Instant,
) -> Result<String, Error> {
    let kind = single(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Error::of(codes::HTTP_CONTENT_TYPE, "the body has to be `application/json`"));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        // Who asks before it sends the body has not sent it.
        if !headers.contains_key(header::EXPECT) {
            discard(&mut body, until).await;
        }
        return Err(too_large(limit));
    }
    let read = tokio::time::timeout_at(until, Limited::new(&mut body, limit).collect()).await;
    let read = read.map_err(|_| Error::of(codes::DEADLINE_EXCEEDED, "the time was over before the body came"))?;
    let bytes: Bytes = match read {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(&mut body, until).await;
            return Err(too_large(limit));
        }
        Err(_) => return Err(Error::of(codes::MESSAGE_MALFORMED, "the body broke off")),
    };
    if bytes.is_empty() {
        return Err(Error::of(codes::FIELD_MISSING, "the request has no body").detail("field", "body"));
    }
    String::from_utf8(bytes.into()).map_err(|_| Error::of(codes::MESSAGE_MALFORMED, "the body is no UTF-8"))
}

/// Reads on in a body that is refused, within bounds: a caller that still writes would see the connection break instead of
/// the answer.
async fn discard(body: &mut Body, until: Instant) {
    let mut left = DISCARDED_BYTES;
    let read = async {
        while left > 0
            && let Some(Ok(frame)) = body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    };
    let until = until.min(Instant::now() + DISCARD_TIME);
    let _late = tokio::time::timeout_at(until, read).await.is_err();
}

fn too_large(limit: usize) -> Error {
    Error::of(codes::MESSAGE_TOO_LARGE, format!("the body has more than {limit} bytes"))
}

/// The parameters of a query, each at most once and each of these names.
///
/// # Errors
/// `protocol.field.invalid`.
pub(crate) fn query<const N: usize>(head: &Parts, names: [&str; N]) -> Result<[Option<String>; N], Error> {
    let mut values = [const { None }; N];
    for pair in head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            let decoded = percent_decode_str(&text).decode_utf8().map(std::borrow::Cow::into_owned);
            decoded.map_err(|_| invalid("query", "the query is no UTF-8"))
        };
        let (name, value) = (decode(name)?, decode(value)?);
        let Some(place) = names.iter().position(|known| *known == name) else {
            return Err(invalid(&name, format!("`{name}` is no parameter of this path")));
        };
        if values[place].replace(value).is_some() {
            return Err(invalid(&name, format!("`{name}` is there more than once")));
        }
    }
    Ok(values)
}

/// # Errors
/// `protocol.field.invalid` where there is a query.
pub(crate) fn no_query(head: &Parts) -> Result<(), Error> {
    query(head, []).map(|[]| ())
}

/// A number of a query.
///
/// # Errors
/// `protocol.field.invalid`.
pub(crate) fn number(name: &str, text: &str, most: u32) -> Result<u32, Error> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (1..=most).contains(number))
        .ok_or_else(|| invalid(name, format!("`{name}` is a number from 1 to {most}")))
}
