//! What killed runs have left open: uploads that the ledger knows this migration to have begun, or to have been about to, and that nothing will
//! go on with. Once a sweep has looked at all of the source, their objects are gone, or have become something else.

use super::Objects;
use super::failure::{Side, fault};
use super::parts::Begun;
use super::walk::{cursor, key, left};
use crate::cursor::Cursor;
use crate::engine::shelves::Shelf;
use crate::fault::Fault;
use crate::s3::{Object, S3Error, Upload};
use tokio::time::Instant;

impl Objects {
    /// The objects of which such an upload is open.
    pub(super) async fn left_open(&self, deadline: Instant) -> Result<Vec<Cursor>, Fault> {
        let prefix = &self.definition.target.place.prefix;
        let open = self.target.open_uploads(&self.to, prefix, left(deadline)).await;
        let open = match open {
            // What cannot be listed is for a rule of the bucket. One that is not there holds none.
            Err(S3Error::Unsupported { .. } | S3Error::Denied { .. } | S3Error::Missing { .. }) => {
                return Ok(Vec::new());
            }
            open => open.map_err(|error| fault(Side::Target, &error))?,
        };
        let mut found = Vec::new();
        for open in open {
            let Some(source) = self.source_key(&open.key) else { continue };
            let Some(Begun { id, .. }) = self.left_over(&open.key, deadline).await? else { continue };
            let is_ours = if id.is_empty() { open.is_since(self.began(deadline).await?.at) } else { id == open.id };
            if is_ours {
                found.push(cursor(&source));
            }
        }
        Ok(found)
    }

    /// Gives up what is open of these objects.
    pub(super) async fn give_up_left_overs(&self, objects: &[Cursor], deadline: Instant) -> Result<(), Fault> {
        let targets: Vec<String> = objects.iter().filter_map(|object| self.target_key(key(object)?)).collect();
        for target in targets {
            let Some(Begun { id, .. }) = self.left_over(&target, deadline).await? else { continue };
            let upload = Upload { object: self.small(target), id, streamed: false };
            let given_up = if upload.id.is_empty() {
                let since = self.began(deadline).await?.at;
                self.give_up_open(&upload.object, "", since, deadline).await
            } else {
                self.target.abort_upload(&upload, left(deadline)).await
            };
            given_up.map_err(|error| fault(Side::Target, &error))?;
            self.shelves.forget(Shelf::Upload, &upload.object.key, left(deadline)).await?;
        }
        Ok(())
    }

    /// Gives up every upload that is open of a target and was begun `since` then, but for one: what was begun before the migration is
    /// somebody else's.
    pub(super) async fn give_up_open(
        &self,
        object: &Object,
        but: &str,
        since: i64,
        deadline: Instant,
    ) -> Result<(), S3Error> {
        for open in self.target.open_uploads(&self.to, &object.key, left(deadline)).await? {
            if open.key == object.key && open.id != but && open.is_since(since) {
                let left_over = Upload { object: object.clone(), id: open.id, streamed: false };
                self.target.abort_upload(&left_over, left(deadline)).await?;
            }
        }
        Ok(())
    }

    /// What is kept of a target's upload, unless this run is at it.
    async fn left_over(&self, target: &str, deadline: Instant) -> Result<Option<Begun>, Fault> {
        if self.under_way().contains(target) {
            return Ok(None);
        }
        self.shelves.load(Shelf::Upload, target, left(deadline)).await
    }
}
