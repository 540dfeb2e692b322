//! Writing an object that does not exist yet, in one request.

use super::error::refusal;
use super::{Checksum, S3, S3Error, place, within};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;

pub(super) const PUT: &str = "s3:PutObject";

/// Where an object goes, and what is said of it there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// What it is.
    pub content_type: Option<String>,
    /// How its bytes are encoded, if they are.
    pub content_encoding: Option<String>,
    /// How long others may keep it.
    pub cache_control: Option<String>,
    /// `None`: the bucket's own default.
    pub storage_class: Option<String>,
    /// The key that it is encrypted with; `None`: the bucket's own default.
    pub kms_key: Option<String>,
    /// What is written beside it.
    pub metadata: HashMap<String, String>,
}

impl Object {
    pub(super) fn place(&self) -> String {
        place(&self.bucket, &self.key)
    }

    pub(super) fn storage(&self) -> Option<StorageClass> {
        self.storage_class.as_deref().map(StorageClass::from)
    }

    pub(super) fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }
}

impl S3 {
    /// Writes a whole object, never over another one: then it [exists](S3Error::Exists). S3 compares `checksum` with what arrived.
    /// Within `limit`. The tag that it got.
    pub async fn put(
        &self,
        object: &Object,
        body: Bytes,
        checksum: Checksum,
        limit: Duration,
    ) -> Result<Option<String>, S3Error> {
        let place = object.place();
        let call = self
            .client
            .put_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_content_type(object.content_type.clone())
            .set_content_encoding(object.content_encoding.clone())
            .set_cache_control(object.cache_control.clone())
            .set_storage_class(object.storage())
            .set_server_side_encryption(object.encryption())
            .set_ssekms_key_id(object.kms_key.clone())
            .set_metadata((!object.metadata.is_empty()).then(|| object.metadata.clone()))
            .checksum_crc64_nvme(checksum.text())
            .if_none_match("*")
            .body(ByteStream::from(body))
            .customize()
            // The checksum is signed and vouches for the body: no second digest of it.
            .disable_payload_signing();
        let call = async { call.send().await.map_err(|error| refusal(&place, PUT, error)) };
        Ok(within((&place, PUT), limit, call).await?.e_tag)
    }
}
