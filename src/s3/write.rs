//! Writing an object in one request.

use super::error::refusal;
use super::{Checksum, Grants, S3, S3Error, place};
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_sdk_s3::types::{ObjectCannedAcl, ServerSideEncryption, StorageClass};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;

pub(super) const PUT: &str = "s3:PutObject";

/// What an object may take the place of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// Nothing: it exists already otherwise.
    #[default]
    Nothing,
    /// The one with this tag.
    Version(String),
    /// Whatever is there, or nothing: for servers that know no conditions.
    Anything,
}

impl Over {
    pub(super) fn none(&self) -> Option<String> {
        matches!(self, Self::Nothing).then(|| "*".to_owned())
    }

    pub(super) fn version(&self) -> Option<String> {
        match self {
            Self::Version(tag) => Some(tag.clone()),
            Self::Nothing | Self::Anything => None,
        }
    }
}

/// Where an object goes, and what is said of it there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// The account that it has to belong to; `None`: whoever's it is.
    pub owner: Option<String>,
    /// The key.
    pub key: String,
    /// What it may take the place of.
    pub over: Over,
    /// What it is.
    pub content_type: Option<String>,
    /// How its bytes are encoded, if they are.
    pub content_encoding: Option<String>,
    /// How long others may keep it.
    pub cache_control: Option<String>,
    /// What a browser is to make of it.
    pub content_disposition: Option<String>,
    /// The language that it is in.
    pub content_language: Option<String>,
    /// Until when it is fresh, as it was written.
    pub expires: Option<String>,
    /// Where a website sends those who ask for it.
    pub redirect: Option<String>,
    /// Its tags, as a query.
    pub tags: Option<String>,
    /// The canned ACL.
    pub acl: Option<String>,
    /// An ACL of its own, which no canned one may stand beside.
    pub grants: Grants,
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

    /// As a time, which S3 sends back as it was written.
    pub(super) fn expires(&self) -> Option<DateTime> {
        self.expires.as_deref().and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok())
    }

    /// Whether it would be written without its `expires`, which is no date.
    pub fn loses_expires(&self) -> bool {
        self.expires.is_some() && self.expires().is_none()
    }

    pub(super) fn storage(&self) -> Option<StorageClass> {
        self.storage_class.as_deref().map(StorageClass::from)
    }

    pub(super) fn canned(&self) -> Option<ObjectCannedAcl> {
        self.acl.as_deref().map(ObjectCannedAcl::from)
    }

    pub(super) fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }
}

/// What S3 says of an object that it has just made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its tag, if the server says it.
    pub etag: Option<String>,
    /// The key of KMS that it is encrypted with, as a [`Head`](super::Head) has it.
    pub kms_key: Option<String>,
}

/// The key of KMS that something is encrypted with, empty where the server does not name it; `None`: it is encrypted otherwise.
pub(super) fn kms_key(how: Option<&ServerSideEncryption>, key: Option<&str>) -> Option<String> {
    how.filter(|how| how.as_str().starts_with("aws:kms")).map(|_| key.unwrap_or_default().to_owned())
}

impl S3 {
    /// Writes a whole object, under its condition: if that does not hold, another one [exists](S3Error::Exists). S3 compares `checksum`
    /// with what arrived. Within `limit`.
    pub async fn put(
        &self,
        object: &Object,
        body: Bytes,
        checksum: Checksum,
        limit: Duration,
    ) -> Result<Stored, S3Error> {
        let place = object.place();
        let [read, read_acp, write_acp, full_control] = object.grants.headers();
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
            .set_expected_bucket_owner(object.owner.clone())
            .set_content_disposition(object.content_disposition.clone())
            .set_content_language(object.content_language.clone())
            .set_expires(object.expires())
            .set_website_redirect_location(object.redirect.clone())
            .set_tagging(object.tags.clone())
            .set_acl(object.canned())
            .set_grant_read(read)
            .set_grant_read_acp(read_acp)
            .set_grant_write_acp(write_acp)
            .set_grant_full_control(full_control)
            .checksum_crc64_nvme(checksum.text())
            .set_if_none_match(object.over.none())
            .set_if_match(object.over.version())
            .body(ByteStream::from(body))
            .customize()
            // The checksum is signed and vouches for the body: no second digest of it.
            .disable_payload_signing();
        let call = async {
            let put = call.send().await.map_err(|error| refusal(&place, PUT, error))?;
            let kms_key = kms_key(put.server_side_encryption.as_ref(), put.ssekms_key_id.as_deref());
            Ok(Stored { etag: put.e_tag, kms_key })
        };
        self.within((&place, PUT), limit, call).await
    }
}
