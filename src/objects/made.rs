//! Whether what is there is what an upload has become, where the reply to its completion does not say so.

use super::compare::bare;
use crate::s3::{Over, Part, tag_of_parts};

/// Whether what is there with this tag, as long as its source, is made of these parts. An upload that is `gone` may have become it, whatever tag
/// the server gives; but it is not what was there before.
pub(super) fn is_made_of(parts: &[Part], etag: &str, gone: bool, over: &Over) -> bool {
    if matches!(over, Over::Version(before) if bare(before) == bare(etag)) {
        return false;
    }
    if gone {
        return bare(etag).ends_with(&format!("-{}", parts.len()));
    }
    tag_of_parts(parts.iter().map(|part| part.etag.as_str())).as_deref() == Some(bare(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_is_not_what_an_upload_has_become() {
        let part = |number, etag: &str| Part { number, bytes: 3, etag: etag.to_owned(), checksum: None };
        let parts = [part(1, "900150983cd24fb0d6963f7d28e17f72"), part(2, "\"d41d8cd98f00b204e9800998ecf8427e\"")];
        let (whole, other) = ("\"fdf1fdf1567f6942ffe1743f1e72301e-2\"", "\"00000000000000000000000000000000-2\"");
        let over = |before: &str| Over::Version(before.to_owned());
        assert!(is_made_of(&parts, other, true, &Over::Nothing), "its server gives tags of its own");
        assert!(is_made_of(&parts, other, true, &over("\"11111111111111111111111111111111-2\"")));
        assert!(!is_made_of(&parts, other, true, &over("00000000000000000000000000000000-2")), "it was there before");
        assert!(!is_made_of(&parts, "\"00000000000000000000000000000000-3\"", true, &Over::Nothing));
        assert!(is_made_of(&parts, whole, false, &Over::Nothing));
        assert!(!is_made_of(&parts, other, false, &Over::Nothing), "the upload is open: it is somebody else's");
    }
}
