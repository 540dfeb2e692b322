//! When the migration began, by the clock of the target's own server, and what that server can do: one small object of its bucket, made
//! by the first run. What was written there since is this migration's, or somebody's who writes where it writes.

use super::failure::{Side, fault};
use super::walk::left;
use super::{OURS, Objects};
use crate::engine::lease::nonce;
use crate::fault::{Class, Fault};
use crate::s3::{Checksum, Object, Origin, Over, S3Error};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The name of what the first run writes down.
pub(super) const RECORD: &str = "began.json";
/// Bytes of the record, at most.
const MOST: usize = 10_000;

/// What the first run has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Began {
    /// When, in Unix seconds by the server's clock.
    pub(super) at: i64,
    /// A copy never takes the place of another object, if it is told not to.
    pub(super) conditional: bool,
}

/// As it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    v: u32,
    /// Whether what is copied or put heeds `If-None-Match`.
    conditional: bool,
}

impl Objects {
    /// Where milkrun keeps what is its own.
    pub(super) fn own(&self, name: &str) -> String {
        format!("{OURS}{}/{name}", self.definition.name)
    }

    /// When it began. The first time this is asked in a migration's life it writes that down.
    pub(super) async fn began(&self, deadline: Instant) -> Result<Began, Fault> {
        // Boxed: it is too large to be moved about.
        let began = self.began.get_or_try_init(|| Box::pin(async {
            if let Some(began) = self.recorded(deadline).await? {
                return Ok(began);
            }
            self.make_bucket(deadline).await.map_err(|error| fault(Side::Target, &error))?;
            let conditional = self.probe(deadline).await.map_err(|error| fault(Side::Target, &error))?;
            if !conditional {
                tracing::warn!(
                    migration = %self.definition.name,
                    "the target's server does not heed `If-None-Match`: milkrun looks before it copies, and nobody else may write there \
                     meanwhile"
                );
            }
            let record = serde_json::to_vec(&Record { v: 1, conditional }).unwrap_or_default();
            let mut mark = self.small(self.own(RECORD));
            mark.over = if conditional { Over::Nothing } else { Over::Anything };
            let made = self.target.make_mark(&mark, record, left(deadline)).await;
            made.map_err(|error| fault(Side::Target, &error))?;
            self.recorded(deadline)
                .await?
                .ok_or_else(|| Fault::new(Class::Transient, "what was just written into the target's bucket is not there"))
        }));
        began.await.copied()
    }

    async fn recorded(&self, deadline: Instant) -> Result<Option<Began>, Fault> {
        let mark = self.small(self.own(RECORD));
        let wrong = |error: S3Error| fault(Side::Target, &error);
        let Some(at) = self.target.marked_at(&mark, left(deadline)).await.map_err(wrong)? else { return Ok(None) };
        let body = self.target.get(&self.to.name, &mark.key, MOST, left(deadline)).await.map_err(wrong)?;
        let record: Record = serde_json::from_slice(&body).map_err(|_| {
            Fault::new(Class::Fatal, format!("`{}` in the target's bucket is not milkrun's: delete it", mark.key))
        })?;
        Ok(Some(Began { at, conditional: record.conditional }))
    }

    /// Makes the target's bucket, if it is missing and is to be made.
    async fn make_bucket(&self, deadline: Instant) -> Result<(), S3Error> {
        if !self.definition.target.create || self.target.has_bucket(&self.to, left(deadline)).await? {
            return Ok(());
        }
        self.target.create_bucket(&self.to, left(deadline)).await?;
        tracing::info!(migration = %self.definition.name, bucket = self.to.name, "the target's bucket was made");
        Ok(())
    }

    /// Whether the target's server heeds a condition, of the call that objects are copied by.
    async fn probe(&self, deadline: Instant) -> Result<bool, S3Error> {
        let (one, other) = (self.own(&format!("probe-{}", nonce())), self.own(&format!("probe-{}", nonce())));
        let mut first = self.small(one.clone());
        let tag = self.put_small(&first, b"probe".to_vec(), deadline).await?.unwrap_or_default();
        let heeded = if self.one_server {
            let mut copy = self.small(other.clone());
            let origin = Origin { bucket: &self.to, key: &one, etag: &tag };
            let along = self.along();
            self.target.copy(origin, &copy, along, left(deadline)).await?;
            copy.over = Over::Nothing;
            self.target.copy(origin, &copy, along, left(deadline)).await.map(drop)
        } else {
            first.over = Over::Nothing;
            self.put_small(&first, b"probe".to_vec(), deadline).await.map(drop)
        };
        // What may not be deleted is small, and named for what it is.
        for key in [one, other] {
            let _ = self.target.delete(&self.to, &key, left(deadline)).await;
        }
        match heeded {
            Ok(()) | Err(S3Error::Unsupported { .. }) => Ok(false),
            Err(S3Error::Exists { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// An object of milkrun's own.
    pub(super) fn small(&self, key: String) -> Object {
        Object {
            bucket: self.to.name.clone(),
            owner: self.to.owner.clone(),
            key,
            kms_key: self.definition.target.kms_key.clone(),
            acl: self.definition.target.copy.acl.canned().map(str::to_owned),
            over: Over::Anything,
            ..Object::default()
        }
    }

    pub(super) async fn put_small(
        &self,
        object: &Object,
        body: Vec<u8>,
        deadline: Instant,
    ) -> Result<Option<String>, S3Error> {
        let body = Bytes::from(body);
        let put = self.target.put(object, body.clone(), Checksum::of(&body), left(deadline)).await;
        Ok(put?.etag)
    }
}
