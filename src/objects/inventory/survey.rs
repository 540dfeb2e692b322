//! How many objects stand in an inventory: those in the beginning of it, and as many more as there are bytes left.

use super::error::InventoryError;
use super::reader::Reader;
use crate::objects::Objects;
use crate::objects::plan::Survey;
use std::collections::VecDeque;
use tokio::time::Instant;

/// Packed bytes that are looked at, at most: some ten thousand records.
const SAMPLE: u64 = 1 << 20;

impl Objects {
    /// Looks into the inventory. What cannot be read holds nothing, and is said elsewhere.
    pub(in crate::objects) async fn survey_inventory(&self, deadline: Instant) -> Survey {
        let found = Box::pin(self.sample_inventory(deadline)).await.unwrap_or_default();
        Survey { inventoried: true, ..found }
    }

    async fn sample_inventory(&self, deadline: Instant) -> Result<Survey, InventoryError> {
        let stored = self.stored(None, deadline).await?;
        let (mut found, mut rows, mut looked_at) = (Survey::default(), VecDeque::new(), 0);
        for number in 0..stored.manifest.files.len() {
            let mut reader = Reader::open(&stored, number, None, deadline).await?;
            while !reader.is_over() && looked_at + reader.unpacked() < SAMPLE && Instant::now() < deadline {
                reader.more(&stored, 0, &mut rows, deadline).await?;
                for row in rows.drain(..) {
                    if row.current && self.target_key(&row.object.key).is_some() {
                        found.count(&row.object);
                    }
                }
            }
            looked_at += reader.unpacked();
            if !reader.is_over() {
                return Ok(reckoned(found, looked_at, stored.manifest.bytes()));
            }
        }
        Ok(Survey { whole: true, ..found })
    }
}

/// What there is in all bytes, if it is in all of them as it is in some.
fn reckoned(part: Survey, some: u64, all: u64) -> Survey {
    let whole = |count: u64| {
        let count = u128::from(count) * u128::from(all) / u128::from(some.max(1));
        u64::try_from(count).unwrap_or(u64::MAX)
    };
    Survey {
        objects: whole(part.objects),
        bytes: whole(part.bytes),
        archived: part.archived.into_iter().map(|(class, count)| (class, whole(count))).collect(),
        ..part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stands_for_the_whole() {
        let part = Survey {
            objects: 10,
            bytes: u64::MAX / 2,
            archived: [("GLACIER".to_owned(), 3)].into(),
            ..Survey::default()
        };
        let all = reckoned(part.clone(), 100, 1000);
        assert_eq!((all.objects, all.bytes, all.archived["GLACIER"]), (100, u64::MAX, 30));
        assert_eq!(reckoned(part, 0, 0).objects, 0);
    }
}
