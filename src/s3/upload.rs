//! Writing an object in parts. An upload outlives whoever began it: it is gone on with by its id, or aborted.

use super::error::refusal;
use super::write::{PUT, kms_key};
use super::{Checksum, Object, S3, S3Error, Stored, Streamed};
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, StalledStreamProtectionConfig};
use aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const ABORT: &str = "s3:AbortMultipartUpload";
const PARTS: &str = "s3:ListMultipartUploadParts";

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What it will be.
    pub object: Object,
    /// Its id.
    pub id: String,
    /// Its parts are sent while they come: nobody can say their checksums beforehand.
    pub streamed: bool,
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: i32,
    /// Its length.
    pub bytes: u64,
    /// Its tag.
    pub etag: String,
    /// Its checksum, where S3 keeps it.
    pub checksum: Option<String>,
}

/// Nothing is added to a body that is passed on as it comes: not every server takes a checksum behind it.
fn unchecked() -> Builder {
    Builder::default().request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
}

impl S3 {
    /// Begins an upload, whose parts will be `streamed` or sent whole, within `limit`.
    pub async fn begin_upload(&self, object: &Object, streamed: bool, limit: Duration) -> Result<Upload, S3Error> {
        let place = object.place();
        let [read, read_acp, write_acp, full_control] = object.grants.headers();
        let call = self
            .client
            .create_multipart_upload()
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
            .set_checksum_algorithm((!streamed).then_some(ChecksumAlgorithm::Crc64Nvme))
            .set_checksum_type((!streamed).then_some(ChecksumType::FullObject))
            .customize()
            // Of parts that come without a checksum S3 makes that of the whole by itself.
            .config_override(if streamed { unchecked() } else { Builder::default() });
        let call = async {
            let begun = call.send().await.map_err(|error| refusal(&place, PUT, error))?;
            begun.upload_id.ok_or_else(|| S3Error::Missing { place: place.clone() })
        };
        let id = self.within((&place, PUT), limit, call).await?;
        Ok(Upload { object: object.clone(), id, streamed })
    }

    fn part(&self, upload: &Upload, number: i32) -> UploadPartFluentBuilder {
        let Object { bucket, key, .. } = &upload.object;
        self.client
            .upload_part()
            .bucket(bucket)
            .set_expected_bucket_owner(upload.object.owner.clone())
            .key(key)
            .upload_id(&upload.id)
            .part_number(number)
    }

    /// Sends a part, within `limit`. The same number again replaces it.
    pub async fn put_part(&self, upload: &Upload, number: i32, body: Bytes, limit: Duration) -> Result<Part, S3Error> {
        let (place, bytes) = (upload.object.place(), body.len() as u64);
        let call = self
            .part(upload, number)
            .checksum_crc64_nvme(Checksum::of(&body).text())
            .body(ByteStream::from(body))
            .customize()
            // As for a whole object: the checksum is signed.
            .disable_payload_signing();
        let call = async {
            let sent = call.send().await.map_err(|error| refusal(&place, PUT, error))?;
            let checksum = sent.checksum_crc64_nvme().map(str::to_owned);
            Ok(Part { number, bytes, etag: sent.e_tag.unwrap_or_default(), checksum })
        };
        self.within((&place, PUT), limit, call).await
    }

    /// Sends a part while it comes, within `limit`. It is not tried again: what has gone by is gone.
    pub async fn stream_part(
        &self,
        upload: &Upload,
        number: i32,
        body: Streamed,
        limit: Duration,
    ) -> Result<Part, S3Error> {
        let (place, bytes) = (upload.object.place(), body.length());
        let call = self
            .part(upload, number)
            .content_length(i64::try_from(bytes).unwrap_or(i64::MAX))
            .body(ByteStream::from_body_1_x(body))
            .customize()
            .disable_payload_signing()
            // How fast it comes is for whoever it comes from.
            .config_override(unchecked().stalled_stream_protection(StalledStreamProtectionConfig::disabled()));
        let call = async {
            let sent = call.send().await.map_err(|error| refusal(&place, PUT, error))?;
            Ok(Part { number, bytes, etag: sent.e_tag.unwrap_or_default(), checksum: None })
        };
        self.within((&place, PUT), limit, call).await
    }

    /// The parts that have arrived, in their order, within `limit`.
    pub async fn parts(&self, upload: &Upload, limit: Duration) -> Result<Vec<Part>, S3Error> {
        let place = upload.object.place();
        let call = async {
            let listing = self.client.list_parts().bucket(&upload.object.bucket).key(&upload.object.key);
            let listing = listing.set_expected_bucket_owner(upload.object.owner.clone());
            let mut pages = listing.upload_id(&upload.id).into_paginator().send();
            // AWS lists each number once, and in their order. SeaweedFS has 10 before 2, and one that was sent again twice.
            let mut parts = BTreeMap::new();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| refusal(&place, PARTS, error))?;
                for part in page.parts.unwrap_or_default() {
                    let number = part.part_number.unwrap_or_default();
                    let (at, one) = (
                        part.last_modified,
                        Part {
                            number,
                            bytes: part.size.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
                            checksum: part.checksum_crc64_nvme().map(str::to_owned),
                            etag: part.e_tag.unwrap_or_default(),
                        },
                    );
                    match parts.get(&number) {
                        Some((before, _)) if *before > at => {}
                        _ => drop(parts.insert(number, (at, one))),
                    }
                }
            }
            Ok(parts.into_values().map(|(_, part)| part).collect())
        };
        self.within((&place, PARTS), limit, call).await
    }

    /// Makes an object of the parts, under its condition, within `limit`. Whether the whole is right says its [`Head`](super::Head): servers
    /// that imitate S3 disagree on what the checksum of several parts is.
    pub async fn complete_upload(&self, upload: &Upload, parts: &[Part], limit: Duration) -> Result<Stored, S3Error> {
        let place = upload.object.place();
        let completed = |part: &Part| {
            let part = CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .set_checksum_crc64_nvme(part.checksum.clone());
            part.build()
        };
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts.iter().map(completed).collect())).build();
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(&upload.object.bucket)
            .key(&upload.object.key)
            .upload_id(&upload.id)
            .multipart_upload(all)
            .set_expected_bucket_owner(upload.object.owner.clone())
            .set_if_none_match(upload.object.over.none())
            .set_if_match(upload.object.over.version());
        let call = async {
            let made = call.send().await.map_err(|error| refusal(&place, PUT, error))?;
            let kms_key = kms_key(made.server_side_encryption.as_ref(), made.ssekms_key_id.as_deref());
            Ok(Stored { etag: made.e_tag.filter(|tag| !tag.is_empty()), kms_key })
        };
        self.within((&place, PUT), limit, call).await
    }

    /// Gives an upload up: its parts are gone. One that is gone already is no error. Within `limit`.
    pub async fn abort_upload(&self, upload: &Upload, limit: Duration) -> Result<(), S3Error> {
        let place = upload.object.place();
        let call = self.client.abort_multipart_upload().bucket(&upload.object.bucket).key(&upload.object.key);
        let call = call.upload_id(&upload.id).set_expected_bucket_owner(upload.object.owner.clone());
        let call = async {
            match call.send().await.map_err(|error| refusal(&place, ABORT, error)) {
                Ok(_) | Err(S3Error::Missing { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        };
        self.within((&place, ABORT), limit, call).await
    }
}
