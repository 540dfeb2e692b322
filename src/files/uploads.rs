//! Uploads: begun, and given up. What is open of an object's key may be somebody else's: only what was begun since this migration first
//! began an upload is its own, by the bucket's own clock.

use super::failure::{Failure, fault};
use super::storing::left;
use super::{Files, journal};
use crate::fault::{Class, Fault};
use crate::s3::{Bucket, Object, S3Error, Upload};
use std::time::Duration;
use tokio::time::Instant;

/// How long giving an upload up may take.
const GOODBYE: Duration = Duration::from_secs(2);

impl Files {
    /// Begins an upload, and gives those up that a killed run has left of the same object.
    pub(super) async fn begin(&self, object: &Object, streamed: bool, deadline: Instant) -> Result<Upload, Failure> {
        self.give_up_others(object, deadline).await?;
        self.s3.begin_upload(object, streamed, left(deadline)).await.map_err(|error| self.refused(&error, deadline))
    }

    /// Gives up what this migration has left open of an object: by a run that was killed, or a call whose reply was lost.
    pub(super) async fn give_up_others(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        let since = self.first_upload(deadline).await?;
        let bucket = Bucket { name: object.bucket.clone(), owner: object.owner.clone() };
        let open = self.s3.open_uploads(&bucket, &object.key, left(deadline)).await;
        for open in open.map_err(|error| self.refused(&error, deadline))? {
            if open.key == object.key && open.is_since(since) {
                self.give_up(&Upload { object: object.clone(), id: open.id, streamed: false }).await;
            }
        }
        Ok(())
    }

    /// Gives an upload up; one that cannot be is found again when its object is tried again.
    pub(super) async fn give_up(&self, upload: &Upload) {
        if let Err(error) = self.s3.abort_upload(upload, GOODBYE).await {
            let why = fault(&error).message;
            tracing::warn!(migration = %self.definition.name, "an upload could not be given up: {why}");
        }
    }

    /// The second before which this migration has begun no upload. The first time in its life that this is asked it is written down, which
    /// takes about a second.
    async fn first_upload(&self, deadline: Instant) -> Result<i64, Failure> {
        // Boxed: it is too large to be moved about.
        let asked = self.first_upload.get_or_try_init(|| Box::pin(self.marked(deadline)));
        asked.await.copied()
    }

    async fn marked(&self, deadline: Instant) -> Result<i64, Failure> {
        let refused = |error: S3Error| self.refused(&error, deadline);
        let key = format!("{}first-upload.json", journal::notes(&self.definition));
        let mark = Object { content_type: Some("application/json".to_owned()), ..self.note(key) };
        if let Some(at) = self.s3.marked_at(&mark, left(deadline)).await.map_err(refused)? {
            return Ok(at);
        }
        self.s3.make_mark(&mark, br#"{"v":1}"#.to_vec(), left(deadline)).await.map_err(refused)?;
        let at = self.s3.marked_at(&mark, left(deadline)).await.map_err(refused)?;
        let gone = || Fault::new(Class::Transient, "what was just written into the target's bucket is not there");
        at.ok_or_else(|| Failure::Storage(gone()))
    }
}
