//! Cursors: opaque to clients, and good for one server only (Apple: *Get a list of devices*, *Sync the list of devices*).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::sha256;

/// Longer ones are not Apple's.
const MAX_LENGTH: usize = 1000;
/// How long a cursor is good for sync.
pub(super) const LIFETIME: i64 = 7 * 86_400;
const SEAL: usize = 8;

/// Where a client is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cursor {
    pub(super) server: u32,
    /// The last place that a fetch has told; `None` when all were told, and in a sync.
    pub(super) fetched: Option<u64>,
    /// How many events are known.
    pub(super) events: u64,
    /// The number of the page that it leads to, from 1.
    pub(super) page: u64,
    pub(super) issued: i64,
    /// Makes each cursor another.
    pub(super) serial: u64,
}

impl Cursor {
    /// The text, sealed so that nobody makes up one.
    pub(super) fn write(&self, secret: &[u8]) -> String {
        let fetched = self.fetched.map_or(u64::MAX, |place| place);
        let mut bytes = Vec::with_capacity(52);
        bytes.extend_from_slice(&self.server.to_be_bytes());
        for number in [fetched, self.events, self.page, self.issued as u64, self.serial] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let seal = seal(secret, &bytes);
        bytes.extend_from_slice(&seal);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What the text says; `None` for one that was not written here.
    pub(super) fn read(text: &str, secret: &[u8]) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (bytes, sealed) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        if seal(secret, bytes) != sealed {
            return None;
        }
        let (server, numbers) = bytes.split_first_chunk::<4>()?;
        let (numbers, []) = numbers.as_chunks::<8>() else {
            return None;
        };
        let [fetched, events, page, issued, serial] = numbers else {
            return None;
        };
        let fetched = u64::from_be_bytes(*fetched);
        Some(Self {
            server: u32::from_be_bytes(*server),
            fetched: (fetched != u64::MAX).then_some(fetched),
            events: u64::from_be_bytes(*events),
            page: u64::from_be_bytes(*page),
            issued: u64::from_be_bytes(*issued) as i64,
            serial: u64::from_be_bytes(*serial),
        })
    }
}

fn seal(secret: &[u8], bytes: &[u8]) -> [u8; SEAL] {
    let digest = sha256(&[secret, bytes].concat());
    let mut seal = [0; SEAL];
    seal.copy_from_slice(&digest[..SEAL]);
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_no_other_is() {
        let cursor = Cursor {
            server: 1,
            fetched: Some(7),
            events: 9,
            page: 2,
            issued: 1_800_000_000,
            serial: 3,
        };
        let text = cursor.write(b"secret");
        assert_eq!(Cursor::read(&text, b"secret"), Some(cursor));
        assert_eq!(Cursor::read(&text, b"other"), None);
        assert_eq!(Cursor::read(&text[1..], b"secret"), None);
        for nonsense in ["", "0", "AAAA", &"A".repeat(1004)] {
            assert_eq!(Cursor::read(nonsense, b"secret"), None);
        }
    }
}
