//! Copying an object within a server: no byte of it goes through the process.

use super::error::refusal;
use super::write::{PUT, kms_key};
use super::{Bucket, Object, Part, S3, S3Error, Stored, Upload};
use aws_sdk_s3::types::{MetadataDirective, TaggingDirective};
use std::ops::Range;
use std::time::Duration;

const TAGS: &str = "s3:GetObjectTagging";
const DELETE: &str = "s3:DeleteObject";

/// The version of an object that is copied: no other one is.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Where it is.
    pub bucket: &'a Bucket,
    /// Its key.
    pub key: &'a str,
    /// Its tag.
    pub etag: &'a str,
}

impl Origin<'_> {
    /// As `x-amz-copy-source` has it: everything but slashes and the plainest characters encoded, which the SDK leaves to its caller.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
    fn encoded(&self) -> String {
        let segments: Vec<_> = self.key.split('/').map(urlencoding::encode).collect();
        format!("{}/{}", self.bucket.name, segments.join("/"))
    }
}

/// What goes along with a copy as its source has it; otherwise it is as the [`Object`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Along {
    /// Headers, and what a user has written beside it.
    pub metadata: bool,
    /// Tags.
    pub tags: bool,
}

impl S3 {
    /// Makes `object` a copy of `origin`, of up to 5 GB, under the object's condition, within `limit`. The copy has a tag.
    /// [`S3Error::Exists`] if either is not as it was expected.
    pub async fn copy(
        &self,
        origin: Origin<'_>,
        object: &Object,
        along: Along,
        limit: Duration,
    ) -> Result<Stored, S3Error> {
        let place = object.place();
        let [read, read_acp, write_acp, full_control] = object.grants.headers();
        let mut call = self
            .client
            .copy_object()
            .copy_source(origin.encoded())
            .copy_source_if_match(origin.etag)
            .set_expected_source_bucket_owner(origin.bucket.owner.clone())
            .bucket(&object.bucket)
            .set_expected_bucket_owner(object.owner.clone())
            .key(&object.key)
            .metadata_directive(if along.metadata { MetadataDirective::Copy } else { MetadataDirective::Replace })
            .tagging_directive(if along.tags { TaggingDirective::Copy } else { TaggingDirective::Replace })
            .set_acl(object.canned())
            .set_grant_read(read)
            .set_grant_read_acp(read_acp)
            .set_grant_write_acp(write_acp)
            .set_grant_full_control(full_control)
            .set_storage_class(object.storage())
            .set_website_redirect_location(object.redirect.clone())
            .set_server_side_encryption(object.encryption())
            .set_ssekms_key_id(object.kms_key.clone())
            .set_if_none_match(object.over.none())
            .set_if_match(object.over.version());
        if !along.metadata {
            call = call
                .set_content_type(object.content_type.clone())
                .set_content_encoding(object.content_encoding.clone())
                .set_cache_control(object.cache_control.clone())
                .set_metadata(Some(object.metadata.clone()));
        }
        let call = async {
            let copied = call.send().await.map_err(|error| refusal(&place, PUT, error))?;
            let kms_key = kms_key(copied.server_side_encryption.as_ref(), copied.ssekms_key_id.as_deref());
            // A reply may have begun as a success and ended as none.
            let tag = copied.copy_object_result.and_then(|result| result.e_tag);
            let tag = tag.ok_or_else(|| S3Error::Unclear { place: place.clone() })?;
            Ok(Stored { etag: Some(tag), kms_key })
        };
        self.within((&place, PUT), limit, call).await
    }

    /// Makes a part of an upload a copy of some bytes of `origin`, within `limit`.
    pub async fn copy_part(
        &self,
        upload: &Upload,
        number: i32,
        origin: Origin<'_>,
        bytes: Range<u64>,
        limit: Duration,
    ) -> Result<Part, S3Error> {
        let place = upload.object.place();
        let call = self
            .client
            .upload_part_copy()
            .copy_source(origin.encoded())
            .copy_source_if_match(origin.etag)
            .copy_source_range(format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1)))
            .set_expected_source_bucket_owner(origin.bucket.owner.clone())
            .bucket(&upload.object.bucket)
            .set_expected_bucket_owner(upload.object.owner.clone())
            .key(&upload.object.key)
            .upload_id(&upload.id)
            .part_number(number);
        let call = async {
            let copied = call.send().await.map_err(|error| refusal(&place, PUT, error))?;
            let result = copied.copy_part_result;
            let checksum = result.as_ref().and_then(|part| part.checksum_crc64_nvme().map(str::to_owned));
            let etag = result.and_then(|part| part.e_tag);
            let etag = etag.ok_or_else(|| S3Error::Unclear { place: place.clone() })?;
            Ok(Part { number, bytes: bytes.end - bytes.start, etag, checksum })
        };
        self.within((&place, PUT), limit, call).await
    }

    /// An object's tags, within `limit`.
    pub async fn tags(&self, bucket: &Bucket, key: &str, limit: Duration) -> Result<Vec<(String, String)>, S3Error> {
        let place = super::place(&bucket.name, key);
        let call = self
            .client
            .get_object_tagging()
            .bucket(&bucket.name)
            .set_expected_bucket_owner(bucket.owner.clone())
            .key(key);
        let call = async {
            let found = call.send().await.map_err(|error| refusal(&place, TAGS, error))?;
            Ok(found.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
        };
        self.within((&place, TAGS), limit, call).await
    }

    /// Deletes one object; one that is not there is no error. Within `limit`.
    pub async fn delete(&self, bucket: &Bucket, key: &str, limit: Duration) -> Result<(), S3Error> {
        let place = super::place(&bucket.name, key);
        let call =
            self.client.delete_object().bucket(&bucket.name).set_expected_bucket_owner(bucket.owner.clone()).key(key);
        let call = async { call.send().await.map(drop).map_err(|error| refusal(&place, DELETE, error)) };
        self.within((&place, DELETE), limit, call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_encoded_but_for_its_slashes() {
        let bucket = Bucket { name: "b".to_owned(), owner: None };
        let encoded = |key| Origin { bucket: &bucket, key, etag: "" }.encoded();
        assert_eq!(encoded("a//b/../c++ %2F?x=1&é\u{1}"), "b/a//b/../c%2B%2B%20%252F%3Fx%3D1%26%C3%A9%01");
        assert_eq!(encoded("-_.~/"), "b/-_.~/");
    }
}
