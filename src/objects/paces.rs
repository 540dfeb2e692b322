//! How many requests in a second each side bears: learned by a run, and known to the next.

use super::Objects;
use super::failure::Side;
use super::walk::left;
use crate::engine::shelves::Shelf;
use crate::s3::S3;
use serde_json::Map;
use std::time::Duration;
use tokio::time::Instant;

impl Objects {
    fn sides(&self) -> [(Side, &S3); 2] {
        [(Side::Source, &self.source), (Side::Target, &self.target)]
    }

    pub(super) async fn recall_paces(&self, limit: Duration) {
        let Ok(Some(mut kept)) = self.shelves.get(Shelf::Rate, "", limit).await else { return };
        for (side, s3) in self.sides() {
            let level = kept.remove(side.word()).and_then(|level| serde_json::from_value(level).ok());
            if let Some(level) = level {
                s3.pace().recall(level);
            }
        }
    }

    /// Keeps what the sides bear that have complained. Without it the next run learns it again.
    pub(super) async fn keep_paces(&self, deadline: Instant) {
        let level =
            |(side, s3): (Side, &S3)| Some((side.word().to_owned(), serde_json::to_value(s3.pace().level()?).ok()?));
        let levels: Map<_, _> = self.sides().into_iter().filter_map(level).collect();
        if !levels.is_empty() {
            let _ = self.shelves.put(Shelf::Rate, "", levels, left(deadline)).await;
        }
    }
}
