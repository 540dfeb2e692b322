//! SHA-256 as text: the one form in which digests are shown, stored and compared.

use crate::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes as 64 lower-case hex digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(&Sha256::digest(bytes))
}

/// That of a value, whatever the order of its fields.
pub fn of_value(value: &Value) -> String {
    let mut canonical = value.clone();
    canonical.sort_all_objects();
    sha256(canonical.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_nothing() {
        // The value that FIPS 180-4's examples give for the empty message.
        assert_eq!(super::sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
