//! Listing a bucket from any key on: what a walk over its objects is made of.

use super::error::refusal;
use super::{S3, S3Error, place};
use aws_sdk_s3::types::EncodingType;
use std::time::Duration;

const LIST: &str = "s3:ListBucket";
/// Keys of one page, at most. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
const PAGE: u64 = 1000;

/// A bucket, and whose it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The account that it has to belong to; `None`: whoever's it is.
    pub owner: Option<String>,
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its tag, which means nothing but that it is this version.
    pub etag: String,
    /// When it was written, in Unix milliseconds; `None`: the server does not say.
    pub modified: Option<i64>,
    /// Its storage class; `None`: the usual one.
    pub class: Option<String>,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the server, which on AWS is that of the keys' bytes.
    pub objects: Vec<Listed>,
    /// There are more behind them.
    pub more: bool,
}

impl S3 {
    /// The objects under `prefix`, however deep, that stand behind the key `after`: up to `most` of them, and no more than a page.
    /// Within `limit`.
    pub async fn objects(
        &self,
        bucket: &Bucket,
        prefix: &str,
        after: Option<&str>,
        most: u64,
        limit: Duration,
    ) -> Result<Listing, S3Error> {
        let place = place(&bucket.name, prefix);
        let most = i32::try_from(most.clamp(1, PAGE)).unwrap_or(1);
        let listing = self
            .client
            .list_objects_v2()
            .bucket(&bucket.name)
            .set_expected_bucket_owner(bucket.owner.clone())
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(most)
            // A key may hold what XML cannot.
            .encoding_type(EncodingType::Url);
        let call = async {
            let mut page = listing.clone().send().await.map_err(|error| refusal(&place, LIST, error))?;
            // A page may be empty and not the last one.
            while page.is_truncated == Some(true) && page.contents.as_ref().is_none_or(Vec::is_empty) {
                let Some(mark) = page.next_continuation_token else {
                    return Err(S3Error::Unclear { place: place.clone() });
                };
                let next = listing.clone().continuation_token(mark).send().await;
                page = next.map_err(|error| refusal(&place, LIST, error))?;
            }
            let encoded = page.encoding_type == Some(EncodingType::Url);
            let mut objects = Vec::new();
            for object in page.contents.unwrap_or_default() {
                let Some(key) = object.key else { continue };
                objects.push(Listed {
                    key: spoken(key, encoded, &place)?,
                    bytes: object.size.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
                    etag: object.e_tag.unwrap_or_default(),
                    modified: object.last_modified.and_then(|at| at.to_millis().ok()),
                    class: object.storage_class.map(|class| class.as_str().to_owned()),
                });
            }
            let more = page.is_truncated == Some(true);
            // Otherwise it would be asked for ever: a directory bucket, for one, is not listed from a key on.
            if more && after.is_some() && objects.last().map(|last| last.key.as_str()) == after {
                return Err(S3Error::Unsupported { place: place.clone() });
            }
            Ok(Listing { objects, more })
        };
        self.within((&place, LIST), limit, call).await
    }
}

/// A key of a listing, which says whether its keys are `encoded`.
pub(super) fn spoken(key: String, encoded: bool, place: &str) -> Result<String, S3Error> {
    let key = if encoded { decoded(&key) } else { Some(key) };
    key.ok_or_else(|| S3Error::Unreadable { place: place.to_owned() })
}

/// A key as a listing or an inventory encodes it, where a blank is a plus; `None`: it is no text.
pub fn decoded(key: &str) -> Option<String> {
    urlencoding::decode(&key.replace('+', " ")).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_decoded_once() {
        assert_eq!(decoded("a+b%2Bc%20d%252F%01").as_deref(), Some("a b+c d%2F\u{1}"));
        assert_eq!(decoded("%FF"), None);
    }
}
