//! What killed runs have left open: uploads that the ledger knows this migration to have begun, and that nothing will go on with. Once a
//! sweep has looked at all of the source, their objects are gone, or have become something else.

use super::Objects;
use super::failure::{Side, fault};
use super::parts::Begun;
use super::walk::{cursor, key, left};
use crate::cursor::Cursor;
use crate::engine::shelves::Shelf;
use crate::fault::Fault;
use crate::s3::{S3Error, Upload};
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
            if self.left_over(&open.key, deadline).await?.is_some_and(|left_over| left_over.id == open.id) {
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
            let aborted = self.target.abort_upload(&upload, left(deadline)).await;
            aborted.map_err(|error| fault(Side::Target, &error))?;
            self.shelves.forget(Shelf::Upload, &upload.object.key, left(deadline)).await?;
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
