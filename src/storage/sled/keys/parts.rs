//! What keys are made of: bytes, numbers, times and texts.

use crate::protocol::{ids::Fingerprint, time::Timestamp};

/// Appends the parts of a key.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(kind);
        Self(bytes)
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn number(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(super) fn last(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.escaped(text).bytes(&[0, 1])
    }

    /// The beginning of a text.
    pub(super) fn escaped(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xFF);
            }
        }
        self
    }

    pub(super) fn time(self, at: Timestamp) -> Self {
        // With the sign bit flipped, unsigned order is the order of signed numbers.
        self.bytes(&(at.millis() ^ i64::MIN).to_be_bytes())
    }
}

/// Takes the parts of a key off its front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        let flipped = i64::from_be_bytes(self.array()?);
        Some(Timestamp::from_millis(flipped ^ i64::MIN))
    }

    pub(super) fn digest(&mut self) -> Option<Fingerprint> {
        self.array().map(Fingerprint::new)
    }

    pub(super) fn last(&mut self) -> Option<String> {
        let text = String::from_utf8(self.0.to_vec()).ok()?;
        self.0 = &[];
        Some(text)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            match self.array()? {
                [0] => match self.array()? {
                    [0xFF] => text.push(0),
                    [1] => return String::from_utf8(text).ok(),
                    _ => return None,
                },
                [byte] => text.push(byte),
            }
        }
    }
}
