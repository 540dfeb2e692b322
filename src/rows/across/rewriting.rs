//! Documents in a target of a type that rewrites their text: what it would make of them it alone can say.

use super::super::faults::RowsError;
use super::super::link::{Deadline, rows};
use super::super::mapping::{Mapping, Stretch};
use super::reading::{Items, Most};
use super::writing::place_of;
use super::{Across, NAMED};
use crate::cursor::Cursor;
use crate::fault::Class;
use crate::sql::Session;
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

impl Across {
    /// The digests of what documents would be in the target: they have to be asked for there. One that its type does not take has
    /// none, and equals nothing.
    pub(super) async fn rewritten(
        &self,
        mapping: &Mapping,
        (session, target): (&mut Session, &mut Session),
        keys: &[Cursor],
        pass_started: SystemTime,
        max_item: u64,
        deadline: Deadline,
    ) -> Result<HashMap<Cursor, Option<String>>, RowsError> {
        let mut known = HashMap::new();
        let Some(document) = self.route.document else { return Ok(known) };
        for chunk in keys.chunks(NAMED) {
            let mut left = chunk.to_vec();
            while !left.is_empty() {
                let most = Most { items: left.len() as u64, bytes: self.batch_bytes, item: max_item, whole: false };
                let stretch = Stretch::Keys(&left);
                let read = mapping.read_items(session, &self.route, &stretch, pass_started, most, deadline).await?;
                let Items { page, too_large, .. } = read;
                let mut read =
                    (0..page.len()).map(|row| mapping.key_at(&page, row)).collect::<Result<HashSet<_>, _>>()?;
                // What is too large to be read is not what was written.
                read.extend(too_large);
                let documents: Vec<&str> =
                    (0..page.len()).map(|row| page.text(row, document).unwrap_or_default()).collect();
                for (place, digest) in Box::pin(self.ask(target, &documents, deadline)).await? {
                    known.insert(mapping.key_at(&page, place)?, digest);
                }
                let before = left.len();
                left.retain(|key| !read.contains(key));
                if left.len() == before {
                    break;
                }
            }
        }
        Ok(known)
    }

    /// These digests by the places of their documents. One that is not taken, as JSON with `\u0000` by jsonb, is told from the others
    /// by halving.
    async fn ask(
        &self,
        target: &mut Session,
        documents: &[&str],
        deadline: Deadline,
    ) -> Result<Vec<(usize, Option<String>)>, RowsError> {
        let mut known = Vec::with_capacity(documents.len());
        let mut parts = vec![(0, documents)];
        while let Some((first, part)) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match rows(target, &self.route.rewrite(part), deadline).await {
                Ok(found) => {
                    for row in &found {
                        known.push((first + place_of(row)?, row.get(1).cloned().flatten()));
                    }
                }
                // A transaction is spoiled by it.
                Err(error) if error.class() == Class::Poison && !target.is_in_transaction() => {
                    let (one, other) = part.split_at(part.len() / 2);
                    if !one.is_empty() {
                        parts.extend([(first, one), (first + one.len(), other)]);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(known)
    }
}
