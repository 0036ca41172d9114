//! Writes canonical MessagePack, on top of `rmp`. Knows no types.

use rmp::encode;

/// Bytes that grow. Every write succeeds: a `Vec` takes all, and lengths are checked here.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
}

/// Why no write can fail.
const INFALLIBLE: &str = "a Vec takes every write";

impl Writer {
    pub(crate) fn nil(&mut self) {
        self.out.push(rmp::Marker::Null.to_u8());
    }

    pub(crate) fn bool(&mut self, v: bool) {
        encode::write_bool(&mut self.out, v).expect(INFALLIBLE);
    }

    pub(crate) fn int(&mut self, v: i64) {
        encode::write_sint(&mut self.out, v).expect(INFALLIBLE);
    }

    /// NaN of any payload becomes the one canonical NaN; -0.0 stays.
    pub(crate) fn float(&mut self, v: f64) {
        let v = if v.is_nan() { f64::from_bits(CANONICAL_NAN) } else { v };
        encode::write_f64(&mut self.out, v).expect(INFALLIBLE);
    }

    pub(crate) fn str(&mut self, v: &str) {
        encode::write_str_len(&mut self.out, length(v.len())).expect(INFALLIBLE);
        self.out.extend_from_slice(v.as_bytes());
    }

    pub(crate) fn bin(&mut self, v: &[u8]) {
        encode::write_bin_len(&mut self.out, length(v.len())).expect(INFALLIBLE);
        self.out.extend_from_slice(v);
    }

    pub(crate) fn array(&mut self, len: usize) {
        encode::write_array_len(&mut self.out, length(len)).expect(INFALLIBLE);
    }

    pub(crate) fn map(&mut self, len: usize) {
        encode::write_map_len(&mut self.out, length(len)).expect(INFALLIBLE);
    }
}

/// The bits of the only NaN that is ever written.
pub(crate) const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// MessagePack counts in 32 bits. Values of 4 GiB are refused long before, by the limit on messages.
fn length(len: usize) -> u32 {
    u32::try_from(len).expect("no string or collection of a message has 2^32 elements")
}
