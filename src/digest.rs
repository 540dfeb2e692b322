//! SHA-256 as text: the one form in which digests are shown, stored and compared.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The SHA-256 of some bytes as 64 lower-case hex digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_nothing() {
        // The value that FIPS 180-4's examples give for the empty message.
        assert_eq!(super::sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
