//! Uploads that are open: whoever has begun them has neither completed nor given them up.

use super::error::refusal;
use super::list::spoken;
use super::{Bucket, S3, S3Error, place};
use aws_sdk_s3::types::EncodingType;
use std::time::Duration;

const LIST: &str = "s3:ListBucketMultipartUploads";

/// An upload that somebody has begun, and neither completed nor given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// The key of what it will be.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When it was begun, in Unix seconds; `None`: the server does not say.
    pub begun: Option<i64>,
}

impl OpenUpload {
    /// Whether it was begun after that [second](S3::marked_at). One of which nobody says when was not.
    pub fn is_since(&self, second: i64) -> bool {
        self.begun.is_some_and(|at| at > second)
    }
}

impl S3 {
    /// Uploads of keys under a prefix that were begun and neither completed nor aborted, within `limit`.
    pub async fn open_uploads(
        &self,
        bucket: &Bucket,
        prefix: &str,
        limit: Duration,
    ) -> Result<Vec<OpenUpload>, S3Error> {
        let place = place(&bucket.name, prefix);
        // Not otherwise: SeaweedFS says that it encodes these keys, and does not.
        let encoding = prefix.contains(is_unsayable).then_some(EncodingType::Url);
        let call = async {
            let listing = self.client.list_multipart_uploads().bucket(&bucket.name).prefix(prefix);
            let listing = listing.set_expected_bucket_owner(bucket.owner.clone()).set_encoding_type(encoding.clone());
            let (mut found, mut key, mut id) = (Vec::new(), None, None);
            loop {
                let page = listing.clone().set_key_marker(key).set_upload_id_marker(id).send().await;
                let page = page.map_err(|error| refusal(&place, LIST, error))?;
                let encoded = encoding.is_some() && page.encoding_type == encoding;
                for upload in page.uploads.unwrap_or_default() {
                    let begun = upload.initiated.map(|at| at.secs());
                    let Some((key, id)) = upload.key.zip(upload.upload_id) else { continue };
                    found.push(OpenUpload { key: spoken(key, encoded, &place)?, id, begun });
                }
                // It goes back as it is, and not as it was said.
                key = page.next_key_marker.map(|key| spoken(key, encoded, &place)).transpose()?;
                id = page.next_upload_id_marker;
                if page.is_truncated != Some(true) || key.is_none() {
                    return Ok(found);
                }
            }
        };
        self.within((&place, LIST), limit, call).await
    }
}

/// Whether XML cannot say a character, or not as it is.
fn is_unsayable(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_begun_later_is_since() {
        let open = |begun| OpenUpload { key: String::new(), id: String::new(), begun };
        assert!(open(Some(8)).is_since(7));
        for before in [Some(7), Some(6), None] {
            assert!(!open(before).is_since(7), "{before:?}");
        }
        assert!(!open(Some(i64::MAX)).is_since(i64::MAX), "nobody says when it all began");
    }
}
