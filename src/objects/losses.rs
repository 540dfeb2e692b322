//! What a listing does not tell and a copy does not take along by itself: where a bucket's objects may have it, each is asked. A redirect goes
//! along then; a lock does not, which is written down.

use super::Objects;
use super::copy::Stop;
use super::failure::Side;
use super::walk::left;
use crate::fault::Fault;
use crate::s3::{Facts, Head, Listed, Object};
use crate::spec::Attribute;
use serde_json::json;
use std::sync::PoisonError;
use tokio::time::Instant;

impl Objects {
    /// What the source's bucket is like, as far as it says.
    pub(super) async fn facts(&self, deadline: Instant) -> Facts {
        *self.facts.get_or_init(|| Box::pin(self.source.facts(&self.from, left(deadline) / 8))).await
    }

    /// What a server that copies by itself would leave behind, if its bucket's objects may have any of it.
    pub(super) async fn with_hidden(
        &self,
        ours: &Listed,
        mut object: Object,
        deadline: Instant,
    ) -> Result<Object, Stop> {
        let facts = self.facts(deadline).await;
        if facts.locks != Some(true) && facts.is_website != Some(true) {
            return Ok(object);
        }
        let head = self.source.head_of(&self.from, &ours.key, left(deadline)).await;
        let head = head.map_err(|error| Stop::of(Side::Source, &error))?.ok_or(Stop::Lost)?;
        if self.definition.target.copy.metadata != Attribute::Drop {
            object.redirect.clone_from(&head.redirect);
        }
        self.leave(ours, &head);
        Ok(object)
    }

    /// Remembers what does not go along with an object.
    pub(super) fn leave(&self, ours: &Listed, head: &Head) {
        let Some(lock) = &head.lock else { return };
        let line = format!("{}\n", json!({"key": ours.key, "lost": {"lock": lock}}));
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Writes down what was left behind of late.
    pub(super) async fn report_losses(&self, deadline: Instant) -> Result<(), Fault> {
        let lines = std::mem::take(&mut *self.losses.lock().unwrap_or_else(PoisonError::into_inner));
        let noted = self.note("loss", lines.concat(), deadline).await;
        if noted.is_err() {
            self.losses.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
        }
        noted
    }
}
