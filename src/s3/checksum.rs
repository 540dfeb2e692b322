//! CRC-64/NVME, which S3 keeps of whole objects, however many parts they came in.

use crate::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use md5::Md5;

/// A checksum of bytes that are still coming.
#[derive(Clone)]
pub struct Crc64(Digest);

impl Default for Crc64 {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Nvme))
    }
}

impl Crc64 {
    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// What is to be kept so that another process can go on.
    pub fn state(&self) -> u64 {
        self.0.get_state()
    }

    /// Goes on from there.
    pub fn of_state(state: u64) -> Self {
        Self(Digest::new_with_init_state(CrcAlgorithm::Crc64Nvme, state))
    }

    /// The checksum of all that came.
    pub fn finish(&self) -> Checksum {
        Checksum(self.0.finalize())
    }
}

/// A CRC-64/NVME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u64);

impl Checksum {
    /// That of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut crc = Crc64::default();
        crc.update(bytes);
        crc.finish()
    }

    /// As S3 writes it: base64 of its eight bytes, the most significant one first.
    pub fn text(self) -> String {
        STANDARD.encode(self.0.to_be_bytes())
    }

    /// From what S3 wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?.try_into().ok()?;
        Some(Self(u64::from_be_bytes(bytes)))
    }
}

/// Whether an object's tag says that it holds bytes of this MD5: S3 computes it of what it has received, for objects that came in one
/// request, unless they are encrypted with a key of one's own. A tag that does not say so says nothing.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
pub fn is_md5(tag: Option<&str>, md5: &[u8]) -> bool {
    tag.is_some_and(|tag| hex::decode(tag.trim_matches('"')).is_some_and(|bytes| bytes == md5))
}

/// The tag that S3 gives to what is made of parts with these tags: the MD5 of their MD5s, and how many they are. `None`: one of them is no MD5.
pub fn tag_of_parts<'a>(tags: impl Iterator<Item = &'a str>) -> Option<String> {
    let (mut whole, mut count) = (Md5::default(), 0_usize);
    for tag in tags {
        let part = hex::decode(tag.trim_matches('"')).filter(|part| part.len() == 16)?;
        md5::Digest::update(&mut whole, &part);
        count += 1;
    }
    Some(format!("{}-{count}", hex::encode(&md5::Digest::finalize(whole))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_parts_is_made_of_theirs() {
        let parts = ["\"900150983cd24fb0d6963f7d28e17f72\"", "d41d8cd98f00b204e9800998ecf8427e"];
        assert_eq!(tag_of_parts(parts.into_iter()).as_deref(), Some("fdf1fdf1567f6942ffe1743f1e72301e-2"));
        assert_eq!(tag_of_parts([parts[0], "another"].into_iter()), None);
    }

    #[test]
    fn a_tag_tells_the_md5_of_what_came_in_one_request() {
        let md5 = hex::decode("900150983cd24fb0d6963f7d28e17f72").unwrap();
        assert!(is_md5(Some("\"900150983cd24fb0d6963f7d28e17f72\""), &md5));
        assert!(!is_md5(Some("\"900150983cd24fb0d6963f7d28e17f73\""), &md5));
        for of_parts_or_none in [Some("\"900150983cd24fb0d6963f7d28e17f72-1\""), Some("\"\""), Some(""), None] {
            assert!(!is_md5(of_parts_or_none, &md5));
        }
    }

    #[test]
    fn it_is_the_checksum_that_s3_knows() {
        // The check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms.
        let check = Checksum::of(b"123456789");
        assert_eq!(check, Checksum(0xae8b_1486_0a79_9888));
        assert_eq!(Checksum::parse(&check.text()), Some(check));
        let mut parts = Crc64::default();
        parts.update(b"1234");
        parts.update(b"56789");
        assert_eq!(parts.finish(), check);
        assert_eq!(Checksum::parse("AAAA"), None);
    }
}
