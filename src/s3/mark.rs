//! When something began, by the server's own clock: an object that is written once is as old as that.

use super::{Bucket, Checksum, Object, S3, S3Error};
use bytes::Bytes;
use std::time::Duration;

/// Until the second is over in which a mark was written: times are told in whole ones.
const SECOND: Duration = Duration::from_millis(1050);

impl S3 {
    /// Writes a mark under its condition; that somebody else has is no error. What is begun once this has returned is of a later second,
    /// unless that took longer than `limit`.
    pub async fn make_mark(&self, mark: &Object, body: Vec<u8>, limit: Duration) -> Result<(), S3Error> {
        let body = Bytes::from(body);
        match self.put(mark, body.clone(), Checksum::of(&body), limit).await {
            // Perhaps a moment ago: by another run, or by an attempt whose reply was lost.
            Ok(_) | Err(S3Error::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(SECOND.min(limit)).await;
        Ok(())
    }

    /// When a mark was written, in Unix seconds; `None`: there is none. Within `limit`.
    pub async fn marked_at(&self, mark: &Object, limit: Duration) -> Result<Option<i64>, S3Error> {
        let bucket = Bucket { name: mark.bucket.clone(), owner: mark.owner.clone() };
        let head = self.head_of(&bucket, &mark.key, limit).await?;
        // Where nobody says when, nothing is known to be later.
        Ok(head.map(|head| head.modified.map_or(i64::MAX, |ms| ms.div_euclid(1000))))
    }
}
