//! Listing, reading, and what S3 says of an object.

use super::error::refusal;
use super::{Checksum, S3, S3Error, place, within};
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use std::collections::HashMap;
use std::time::Duration;

const LIST: &str = "s3:ListBucket";
const GET: &str = "s3:GetObject";
/// Keys of one page, at most.
const PAGE: i32 = 1000;

/// What S3 says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its length.
    pub bytes: u64,
    /// Its tag, which means nothing but that it is this version.
    pub etag: Option<String>,
    /// S3's own checksum of the whole, where it has one.
    pub checksum: Option<Checksum>,
    /// What it is said to be.
    pub content_type: Option<String>,
    /// What was written beside it.
    pub metadata: HashMap<String, String>,
}

impl S3 {
    /// The keys directly under `prefix` (up to the next `/`), in the order of their bytes, all pages of them, within `limit`.
    pub async fn list(&self, bucket: &str, prefix: &str, limit: Duration) -> Result<Vec<String>, S3Error> {
        let place = place(bucket, prefix);
        let all = async {
            let mut keys = Vec::new();
            let listing = self.client.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
            let mut pages = listing.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| refusal(&place, LIST, error))?;
                keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
            }
            Ok(keys)
        };
        within((&place, LIST), limit, all).await
    }

    /// The next keys under `prefix`, however deep, up to `most` of them, and the mark with which the page after it is asked for; `None`:
    /// this was the last one. In S3's own order, within `limit`.
    pub async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        mark: Option<&str>,
        most: u64,
        limit: Duration,
    ) -> Result<(Vec<String>, Option<String>), S3Error> {
        let place = place(bucket, prefix);
        let most = i32::try_from(most).unwrap_or(i32::MAX).clamp(1, PAGE);
        let listing = self.client.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(most);
        let call = async {
            let page = listing.set_continuation_token(mark.map(str::to_owned)).send().await;
            let page = page.map_err(|error| refusal(&place, LIST, error))?;
            let next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
            Ok((page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect(), next))
        };
        within((&place, LIST), limit, call).await
    }

    /// An object's bytes, up to `most` of them; more is an error, found before more than that is held. Within `limit`.
    pub async fn get(&self, bucket: &str, key: &str, most: usize, limit: Duration) -> Result<Vec<u8>, S3Error> {
        let place = place(bucket, key);
        let mut bytes = Vec::new();
        let whole = self.read(bucket, key, |chunk| {
            if bytes.len() + chunk.len() > most {
                return Err(S3Error::TooLarge { place: place.clone(), most });
            }
            bytes.extend_from_slice(chunk);
            Ok(())
        });
        within((&place, GET), limit, whole).await?;
        Ok(bytes)
    }

    /// Gives an object's bytes to `take`, piece by piece, in their order.
    pub async fn read(
        &self,
        bucket: &str,
        key: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), S3Error>,
    ) -> Result<(), S3Error> {
        let place = place(bucket, key);
        let call = self.client.get_object().bucket(bucket).key(key).send().await;
        let mut body = call.map_err(|error| refusal(&place, GET, error))?.body;
        while let Some(chunk) = body.next().await {
            let broken = |source| S3Error::Unreachable { place: place.clone(), action: GET, source: Box::new(source) };
            take(&chunk.map_err(broken)?)?;
        }
        Ok(())
    }

    /// What S3 says of an object; `None`: there is none. Within `limit`.
    pub async fn head(&self, bucket: &str, key: &str, limit: Duration) -> Result<Option<Head>, S3Error> {
        let place = place(bucket, key);
        let call = async {
            let call = self.client.head_object().bucket(bucket).key(key).checksum_mode(ChecksumMode::Enabled);
            let head = match call.send().await.map_err(|error| refusal(&place, GET, error)) {
                Err(S3Error::Missing { .. }) => return Ok(None),
                head => head?,
            };
            Ok(Some(Head {
                bytes: head.content_length.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
                checksum: head
                    .checksum_crc64_nvme()
                    .filter(|_| head.checksum_type() != Some(&ChecksumType::Composite))
                    .and_then(Checksum::parse),
                etag: head.e_tag,
                content_type: head.content_type,
                metadata: head.metadata.unwrap_or_default(),
            }))
        };
        within((&place, GET), limit, call).await
    }
}
