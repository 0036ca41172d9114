//! Writes canonical MessagePack. Knows the rules of the bytes, not the types: `typed` and `dynamic` decide what to write.

use rmp::encode as msgpack;

use crate::codec::{CodecError, MAX_DEPTH};

/// The one NaN of the wire.
const NAN: u64 = 0x7ff8_0000_0000_0000;
/// A write to memory has no way to fail.
const IN_MEMORY: &str = "writing to memory does not fail";

/// A growing canonical encoding.
///
/// Authors meet it only when they implement [`Encode`](crate::Encode) by hand.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    depth: usize,
}

impl Encoder {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Nil: an empty option.
    pub fn nil(&mut self) {
        msgpack::write_nil(&mut self.bytes).expect(IN_MEMORY);
    }

    /// A `Bool`.
    pub fn bool(&mut self, value: bool) {
        msgpack::write_bool(&mut self.bytes, value).expect(IN_MEMORY);
    }

    /// An `Int`, in its shortest form.
    pub fn int(&mut self, value: i64) {
        msgpack::write_sint(&mut self.bytes, value).expect(IN_MEMORY);
    }

    /// A `Float`; every NaN becomes the same one.
    pub fn float(&mut self, value: f64) {
        let value = if value.is_nan() { f64::from_bits(NAN) } else { value };
        msgpack::write_f64(&mut self.bytes, value).expect(IN_MEMORY);
    }

    /// A `String`.
    ///
    /// # Errors
    /// `codec.type_mismatch` beyond 4 GiB.
    pub fn str(&mut self, value: &str) -> Result<(), CodecError> {
        msgpack::write_str_len(&mut self.bytes, length(value.len())?).expect(IN_MEMORY);
        self.bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// `Bytes`.
    ///
    /// # Errors
    /// `codec.type_mismatch` beyond 4 GiB.
    pub fn bin(&mut self, value: &[u8]) -> Result<(), CodecError> {
        msgpack::write_bin_len(&mut self.bytes, length(value.len())?).expect(IN_MEMORY);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// An array of `len` elements, which `fill` writes.
    ///
    /// # Errors
    /// `codec.depth`, `codec.type_mismatch`, and those of `fill`.
    pub fn array(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut Self) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.enter()?;
        msgpack::write_array_len(&mut self.bytes, length(len)?).expect(IN_MEMORY);
        fill(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// A record of `len` fields, which `fill` writes with [`Encoder::field`] in ascending byte order of their names.
    ///
    /// # Errors
    /// `codec.depth`, `codec.type_mismatch`, and those of `fill`.
    pub fn record(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut Self) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.enter()?;
        msgpack::write_map_len(&mut self.bytes, length(len)?).expect(IN_MEMORY);
        fill(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// One field of a record.
    ///
    /// # Errors
    /// Those of `write`, with the field in the path.
    pub fn field(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut Self) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.str(name)?;
        write(self).map_err(|e| e.in_field(name))
    }

    /// A union: the position of the variant and its value.
    ///
    /// # Errors
    /// `codec.depth`, and those of `write`, with the variant in the path.
    pub fn variant(
        &mut self,
        position: u32,
        write: impl FnOnce(&mut Self) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.array(2, |e| {
            e.int(position.into());
            write(e).map_err(|e| e.in_variant(position))
        })
    }

    /// A map. The entries come in any order; `key` writes a key and `value` the value of an entry.
    ///
    /// # Errors
    /// `codec.duplicate_key` for two equal keys, `codec.depth`, `codec.type_mismatch`, and those of the writers.
    pub(crate) fn map<T>(
        &mut self,
        entries: impl ExactSizeIterator<Item = T>,
        key: impl Fn(&T, &mut Self) -> Result<(), CodecError>,
        value: impl Fn(&T, &mut Self) -> Result<(), CodecError>,
        duplicate: impl Fn(&T, CodecError) -> CodecError,
    ) -> Result<(), CodecError> {
        self.enter()?;
        msgpack::write_map_len(&mut self.bytes, length(entries.len())?).expect(IN_MEMORY);
        // All keys go into one buffer; the order is that of their bytes, so a shorter string comes first.
        let mut keys = Self::new();
        let mut places = Vec::with_capacity(entries.len());
        for entry in entries {
            let start = keys.bytes.len();
            key(&entry, &mut keys)?;
            places.push((start..keys.bytes.len(), entry));
        }
        places.sort_by(|(a, _), (b, _)| keys.bytes[a.clone()].cmp(&keys.bytes[b.clone()]));
        if let Some(pair) = places.windows(2).find(|p| keys.bytes[p[0].0.clone()] == keys.bytes[p[1].0.clone()]) {
            let fault = CodecError::new("codec.duplicate_key", "a key occurs twice");
            return Err(duplicate(&pair[1].1, fault));
        }
        for (range, entry) in &places {
            self.bytes.extend_from_slice(&keys.bytes[range.clone()]);
            value(entry, self)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// An encoder for an attempt that may be thrown away, at the same depth.
    pub(crate) fn scratch(&self) -> Self {
        Self { bytes: Vec::new(), depth: self.depth }
    }

    /// Takes over what an attempt wrote.
    pub(crate) fn append(&mut self, attempt: &Self) {
        self.bytes.extend_from_slice(&attempt.bytes);
    }

    pub(crate) fn enter(&mut self) -> Result<(), CodecError> {
        if self.depth == MAX_DEPTH {
            return Err(CodecError::new("codec.depth", "more than 128 arrays and maps inside each other"));
        }
        self.depth += 1;
        Ok(())
    }
}

fn length(len: usize) -> Result<u32, CodecError> {
    u32::try_from(len)
        .map_err(|_| CodecError::new("codec.type_mismatch", "longer than 4 GiB, which MessagePack cannot count"))
}
