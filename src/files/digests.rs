//! All digests of a file in one pass over its bytes, and what a row or a server says they are.

use crate::hex;
use crate::s3::{Checksum, Crc64};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use md5::Digest as _;
use md5::digest::common::hazmat::SerializableState as _;
use serde::{Deserialize, Serialize};

/// Digests of bytes that are still coming.
#[derive(Clone)]
pub(super) struct Digests {
    md5: md5::Md5,
    sha256: sha2::Sha256,
    crc: Crc64,
    bytes: u64,
}

/// Digests of a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digested {
    pub(super) md5: Vec<u8>,
    pub(super) sha256: Vec<u8>,
    pub(super) crc: Checksum,
    pub(super) bytes: u64,
}

impl Default for Digests {
    fn default() -> Self {
        Self { md5: md5::Md5::default(), sha256: sha2::Digest::new(), crc: Crc64::default(), bytes: 0 }
    }
}

/// Digests of bytes that came so far, for a later run to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedDigests {
    md5: String,
    sha256: String,
    crc: String,
    bytes: u64,
}

impl Digests {
    /// As they are now.
    pub(super) fn save(&self) -> SavedDigests {
        SavedDigests {
            md5: hex::encode(&self.md5.serialize()),
            sha256: hex::encode(&self.sha256.serialize()),
            crc: hex::encode(&self.crc.state().to_be_bytes()),
            bytes: self.bytes,
        }
    }

    /// As they were then; `None`: that is no such thing.
    pub(super) fn resume(saved: &SavedDigests) -> Option<Self> {
        let crc = hex::decode(&saved.crc)?.try_into().ok()?;
        Some(Self {
            md5: md5::Md5::deserialize(hex::decode(&saved.md5)?.as_slice().try_into().ok()?).ok()?,
            sha256: sha2::Sha256::deserialize(hex::decode(&saved.sha256)?.as_slice().try_into().ok()?).ok()?,
            crc: Crc64::of_state(u64::from_be_bytes(crc)),
            bytes: saved.bytes,
        })
    }

    /// Bytes that came so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        sha2::Digest::update(&mut self.sha256, bytes);
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> Digested {
        Digested {
            md5: self.md5.finalize().to_vec(),
            sha256: sha2::Digest::finalize(self.sha256).to_vec(),
            crc: self.crc.finish(),
            bytes: self.bytes,
        }
    }
}

impl Digested {
    /// SHA-256 in hex.
    pub(super) fn sha256(&self) -> String {
        hex::encode(&self.sha256)
    }

    /// Whether it is what somebody says it is, in hex or base64, MD5 or SHA-256 by its length; `None`: that is neither.
    pub(super) fn agrees(&self, written: &str) -> Option<bool> {
        let written = written.trim();
        for ours in [&self.md5, &self.sha256] {
            let theirs = match written.len() {
                length if length == ours.len() * 2 => hex::decode(written),
                _ => [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
                    .iter()
                    .find_map(|engine| engine.decode(written).ok()),
            };
            if let Some(theirs) = theirs.filter(|theirs| theirs.len() == ours.len()) {
                return Some(theirs == *ours);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_go_on_in_another_run() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let whole = {
            let mut digests = Digests::default();
            digests.update(&bytes);
            digests.finish()
        };
        for at in [0, 1, 63, 64, 65, 128, 99_999, bytes.len()] {
            let (before, after) = bytes.split_at(at);
            let mut digests = Digests::default();
            digests.update(before);
            let saved = serde_json::to_string(&digests.save()).unwrap();
            let mut digests = Digests::resume(&serde_json::from_str(&saved).unwrap()).unwrap();
            assert_eq!(digests.bytes(), at as u64);
            digests.update(after);
            assert_eq!(digests.finish(), whole, "{at}");
        }
    }

    #[test]
    fn digests_are_known_in_every_spelling() {
        let mut digests = Digests::default();
        digests.update(b"ab");
        digests.update(b"c");
        let digested = digests.finish();
        assert_eq!(digested.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for right in [
            "900150983cd24fb0d6963f7d28e17f72",
            "900150983CD24FB0D6963F7D28E17F72",
            " kAFQmDzST7DWlj99KOF/cg== ",
            "kAFQmDzST7DWlj99KOF_cg",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        ] {
            assert_eq!(digested.agrees(right), Some(true), "{right}");
        }
        assert_eq!(digested.agrees("900150983cd24fb0d6963f7d28e17f73"), Some(false));
        for neither in ["", "abc", "900150983cd24fb0d6963f7d28e17f7", "zz0150983cd24fb0d6963f7d28e17f72"] {
            assert_eq!(digested.agrees(neither), None, "{neither}");
        }
        assert_eq!((digested.bytes, digested.crc), (3, Checksum::of(b"abc")));
    }
}
