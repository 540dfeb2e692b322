//! An upload that one run begins and another one ends, since a file may be larger than what a run can carry: what is kept of it in between.

use super::Files;
use super::digests::SavedDigests;
use super::failure::Failure;
use super::storing::left;
use crate::engine::shelves::Shelf;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// An upload that was begun, and how far it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The upload's id.
    pub(super) id: String,
    /// SHA-256 of the URL that it is made of.
    pub(super) source: String,
    /// The strong tag of what was read: of anything else the rest is not taken.
    pub(super) etag: String,
    /// The length of the whole, where its server says it.
    pub(super) length: Option<u64>,
    /// What its server says that it is.
    pub(super) content_type: Option<String>,
    /// Bytes of a part.
    pub(super) part: u64,
    /// Its parts are sent while they come.
    #[serde(default)]
    pub(super) streamed: bool,
    /// Parts that have arrived.
    pub(super) parts: usize,
    /// The digests of all bytes in them.
    pub(super) digests: SavedDigests,
}

impl Files {
    /// The upload of an object that was begun, and is kept.
    pub(super) async fn begun(&self, object: &str, deadline: Instant) -> Result<Option<Begun>, Failure> {
        self.shelves.load(Shelf::Upload, object, left(deadline)).await.map_err(Failure::Storage)
    }

    /// Keeps how far an upload came.
    pub(super) async fn keep(&self, object: &str, begun: &Begun, deadline: Instant) -> Result<(), Failure> {
        self.shelves.save(Shelf::Upload, object, begun, left(deadline)).await.map_err(Failure::Storage)
    }

    /// The upload of an object is over.
    pub(super) async fn forget(&self, object: &str, deadline: Instant) -> Result<(), Failure> {
        self.shelves.forget(Shelf::Upload, object, left(deadline)).await.map_err(Failure::Storage)
    }
}

#[cfg(test)]
mod tests {
    use super::super::digests::Digests;
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_kept_is_read_as_it_was_first_written() {
        // Of a version that streamed nothing. Whoever keeps it adds the key.
        let mut record = json!({
            "key": ["films/1"], "id": "u1", "source": "ab", "etag": "\"v1\"", "length": 60, "content_type": null, "part": 8,
            "parts": 2, "digests": Digests::default().save(),
        });
        let begun: Begun = serde_json::from_value(record.clone()).unwrap();
        assert_eq!((begun.id.as_str(), begun.length, begun.parts, begun.streamed), ("u1", Some(60), 2, false));
        record["streamed"] = json!(true);
        assert!(serde_json::from_value::<Begun>(record).unwrap().streamed);
    }
}
