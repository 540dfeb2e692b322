//! Listing, reading, and what S3 says of an object.

use super::error::{is_mute, refusal};
use super::list::spoken;
use super::write::kms_key;
use super::{Bucket, Checksum, S3, S3Error, place};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{ChecksumMode, ChecksumType, EncodingType, ObjectLockLegalHoldStatus};
use bytes::Bytes;
use std::collections::HashMap;
use std::ops::Range;
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
    /// How much more was written beside it that no header can say.
    pub unsaid: i32,
    /// When it was written, in Unix milliseconds; `None`: the server does not say.
    pub modified: Option<i64>,
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
    /// Its storage class; `None`: the usual one.
    pub class: Option<String>,
    /// The key of KMS that it is encrypted with, empty where the server does not name it; `None`: it is encrypted otherwise.
    pub kms_key: Option<String>,
    /// How many tags it has; `None`: the server does not say.
    pub tags: Option<i32>,
    /// What keeps it from being deleted, in words; `None`: nothing, or nothing that we may know.
    pub lock: Option<String>,
}

/// What was read of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// What S3 says of it; of a range its length is that of the range.
    pub head: Head,
    /// Its bytes, or those of the range.
    pub body: Bytes,
}

/// HEAD and GET say the same in types of their own.
macro_rules! head {
    ($said:expr) => {
        Head {
            bytes: $said.content_length.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
            checksum: $said
                .checksum_crc64_nvme
                .as_deref()
                .filter(|_| $said.checksum_type != Some(ChecksumType::Composite))
                .and_then(Checksum::parse),
            etag: $said.e_tag.clone(),
            content_type: $said.content_type.clone(),
            modified: $said.last_modified.and_then(|at| at.to_millis().ok()),
            content_encoding: $said.content_encoding.clone(),
            cache_control: $said.cache_control.clone(),
            content_disposition: $said.content_disposition.clone(),
            content_language: $said.content_language.clone(),
            expires: $said.expires_string.clone(),
            redirect: $said.website_redirect_location.clone(),
            class: $said.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            kms_key: kms_key($said.server_side_encryption.as_ref(), $said.ssekms_key_id.as_deref()),
            tags: $said.tag_count,
            lock: lock(
                $said.object_lock_mode.as_ref().map(|mode| mode.as_str()),
                $said.object_lock_retain_until_date,
                $said.object_lock_legal_hold_status == Some(ObjectLockLegalHoldStatus::On),
            ),
            metadata: $said.metadata.clone().unwrap_or_default(),
            unsaid: $said.missing_meta.unwrap_or(0),
        }
    };
}

/// The keys of a page, in its order.
fn keys_of(page: ListObjectsV2Output, place: &str) -> Result<Vec<String>, S3Error> {
    let encoded = page.encoding_type == Some(EncodingType::Url);
    let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
    keys.map(|key| spoken(key, encoded, place)).collect()
}

/// What keeps an object from being deleted, in words.
fn lock(mode: Option<&str>, until: Option<DateTime>, held: bool) -> Option<String> {
    let until = until.and_then(|until| until.fmt(DateTimeFormat::DateTime).ok());
    let retained = mode.map(|mode| format!("{mode} until {}", until.as_deref().unwrap_or("?")));
    let held = held.then(|| "legal hold".to_owned());
    let words: Vec<String> = retained.into_iter().chain(held).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

impl S3 {
    /// The keys directly under `prefix` (up to the next `/`), in the order of their bytes, all pages of them, within `limit`.
    pub async fn list(&self, bucket: &str, prefix: &str, limit: Duration) -> Result<Vec<String>, S3Error> {
        let place = place(bucket, prefix);
        let all = async {
            let mut keys = Vec::new();
            let listing = self.client.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
            // A key may hold what XML cannot.
            let mut pages = listing.encoding_type(EncodingType::Url).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| refusal(&place, LIST, error))?;
                keys.extend(keys_of(page, &place)?);
            }
            Ok(keys)
        };
        self.within((&place, LIST), limit, all).await
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
        let listing = listing.encoding_type(EncodingType::Url);
        let call = async {
            let page = listing.set_continuation_token(mark.map(str::to_owned)).send().await;
            let page = page.map_err(|error| refusal(&place, LIST, error))?;
            // A mark is the server's own, and never encoded.
            let next = page.next_continuation_token.clone().filter(|_| page.is_truncated == Some(true));
            Ok((keys_of(page, &place)?, next))
        };
        self.within((&place, LIST), limit, call).await
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
        self.within((&place, GET), limit, whole).await?;
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
        self.head_of(&Bucket { name: bucket.to_owned(), owner: None }, key, limit).await
    }

    /// The same, of a bucket that has to be somebody's.
    pub async fn head_of(&self, bucket: &Bucket, key: &str, limit: Duration) -> Result<Option<Head>, S3Error> {
        let place = place(&bucket.name, key);
        let call = async {
            let call = self
                .client
                .head_object()
                .bucket(&bucket.name)
                .set_expected_bucket_owner(bucket.owner.clone())
                .key(key)
                .checksum_mode(ChecksumMode::Enabled);
            let answer = match call.clone().send().await {
                // Boxed: they are too large to be moved about.
                Err(error) if is_mute(&error) => match Box::pin(self.why_not(bucket, key, &place)).await {
                    Some(error) => Err(error),
                    // It can be read: by another session, if the one before it was over.
                    None => Box::pin(call.send()).await.map_err(|error| refusal(&place, GET, error)),
                },
                answer => answer.map_err(|error| refusal(&place, GET, error)),
            };
            match answer {
                Ok(head) => Ok(Some(head!(head))),
                Err(S3Error::Missing { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.within((&place, GET), limit, call).await
    }

    /// Why an object cannot be looked at, where the answer to HEAD has no room for it; `None`: it can be read.
    async fn why_not(&self, bucket: &Bucket, key: &str, place: &str) -> Option<S3Error> {
        let call =
            self.client.get_object().bucket(&bucket.name).set_expected_bucket_owner(bucket.owner.clone()).key(key);
        call.range("bytes=0-0").send().await.err().map(|error| refusal(place, GET, error))
    }

    /// The bytes of one version of an object, or some of them, with what S3 says of it, within `limit`.
    /// [`S3Error::Exists`] if it is another version by now.
    pub async fn version(
        &self,
        bucket: &Bucket,
        key: &str,
        etag: &str,
        range: Option<Range<u64>>,
        limit: Duration,
    ) -> Result<Got, S3Error> {
        let place = place(&bucket.name, key);
        // Of a range the whole's checksum says nothing.
        let checked = range.is_none().then_some(ChecksumMode::Enabled);
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let call = self
            .client
            .get_object()
            .bucket(&bucket.name)
            .set_expected_bucket_owner(bucket.owner.clone())
            .key(key)
            .if_match(etag)
            .set_checksum_mode(checked)
            .set_range(range);
        let call = async {
            let got = call.send().await.map_err(|error| refusal(&place, GET, error))?;
            let head = head!(got);
            // Not every server heeds the condition.
            if head.etag.as_deref().is_some_and(|tag| tag.trim_matches('"') != etag.trim_matches('"')) {
                return Err(S3Error::Exists { place: place.clone() });
            }
            let broken = |source| S3Error::Unreachable { place: place.clone(), action: GET, source: Box::new(source) };
            let body = got.body.collect().await.map_err(broken)?.into_bytes();
            if body.len() as u64 != head.bytes {
                return Err(S3Error::Damaged { place: place.clone() });
            }
            Ok(Got { head, body })
        };
        self.within((&place, GET), limit, call).await
    }
}
