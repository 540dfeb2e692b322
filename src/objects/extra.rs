//! `delete_extra`: once a sweep has looked at the whole source, what the target has and the source has not is counted, and deleted only if it is
//! not more than the cap allows. Count and place stand in the cursor, so that a run that ends in between costs nothing.

use super::failure::{Side, fault};
use super::verify::{announced, page_of};
use super::walk::{cursor, key, left};
use super::{Batch, Objects, What};
use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::Read;
use crate::engine::shelves::Shelf;
use crate::fault::{Class, Fault};
use crate::s3::S3Error;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// The first part of a cursor beyond the source's keys.
const COUNT: &str = "count";
const REFUSED: &str = "refused";
const DELETE: &str = "delete";

/// Where a sweep is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Among the source's keys, or behind all of them.
    Source,
    /// It counts what is extra: the last key of the target, of so many keys, of which so many are extra.
    Count { key: Option<String>, keys: u64, extra: u64 },
    /// There are too many: of so many keys of the target so many are extra.
    Refused { keys: u64, extra: u64 },
    /// It deletes what is extra: the last key of the target, and how many more there may be.
    Delete { key: Option<String>, left: u64 },
}

impl Place {
    pub(super) fn of(cursor: Option<&Cursor>) -> Self {
        let parts: Vec<&str> = cursor.map(|cursor| cursor.0.iter().map(KeyPart::text).collect()).unwrap_or_default();
        let some = |key: &str| (!key.is_empty()).then(|| key.to_owned());
        match parts.as_slice() {
            [COUNT, key, keys, extra] => {
                Self::Count { key: some(key), keys: keys.parse().unwrap_or(0), extra: extra.parse().unwrap_or(0) }
            }
            [REFUSED, keys, extra] => {
                Self::Refused { keys: keys.parse().unwrap_or(0), extra: extra.parse().unwrap_or(0) }
            }
            [DELETE, key, left] => Self::Delete { key: some(key), left: left.parse().unwrap_or(0) },
            _ => Self::Source,
        }
    }

    /// Where the counting begins.
    fn anew() -> Self {
        Self::Count { key: None, keys: 0, extra: 0 }
    }

    fn cursor(&self) -> Cursor {
        let text = |key: &Option<String>| KeyPart::Text(key.clone().unwrap_or_default());
        let word = |word: &str| KeyPart::Text(word.to_owned());
        match self {
            Self::Source => super::walk::end(),
            Self::Count { key, keys, extra } => {
                Cursor(vec![word(COUNT), text(key), KeyPart::Int(keys.to_string()), KeyPart::Int(extra.to_string())])
            }
            Self::Refused { keys, extra } => {
                Cursor(vec![word(REFUSED), KeyPart::Int(keys.to_string()), KeyPart::Int(extra.to_string())])
            }
            Self::Delete { key, left } => Cursor(vec![word(DELETE), text(key), KeyPart::Int(left.to_string())]),
        }
    }
}

/// The key of a target that is to be deleted, if an item is one.
pub(super) fn doomed(item: &Cursor) -> Option<&str> {
    match item.0.as_slice() {
        [word, key] if word.text() == DELETE => Some(key.text()),
        _ => None,
    }
}

impl Objects {
    /// Where a sweep goes on that has looked at all of the source; `None`: nowhere.
    pub(super) fn behind_the_source(&self) -> Option<Cursor> {
        self.definition.target.copy.delete_extra?;
        Some(Place::anew().cursor())
    }

    /// The next step of a sweep behind the source.
    pub(super) async fn next_doomed(
        &self,
        place: Place,
        size: u64,
        deadline: Instant,
    ) -> Result<Option<Read<Batch>>, Fault> {
        let read = |found: Vec<Cursor>, end: Place, scanned| {
            let batch = Batch(What::Keys(found.clone()));
            Ok(Some(Read { batch, end: end.cursor(), scanned, bytes: 0, found }))
        };
        match place {
            Place::Source => Ok(None),
            Place::Count { key, keys, extra } => {
                let page = self.extras(key.as_deref(), size, deadline).await?;
                let (keys, extra) = (keys + page.ours, extra + page.extra.len() as u64);
                let scanned = page.scanned.max(1);
                if let Some(key) = page.next {
                    return read(Vec::new(), Place::Count { key: Some(key), keys, extra }, scanned);
                }
                let left = self.most(keys);
                if extra > left {
                    self.refused.store(true, Ordering::Relaxed);
                    return read(Vec::new(), Place::Refused { keys, extra }, scanned);
                }
                read(Vec::new(), if extra > 0 { Place::Delete { key: None, left } } else { Place::Source }, scanned)
            }
            Place::Refused { keys, extra } if self.refused.load(Ordering::Relaxed) => Err(too_many(keys, extra)),
            // Another run than the one that has counted: it was resumed, and what was missing may be there again.
            Place::Refused { .. } => read(Vec::new(), Place::anew(), 1),
            Place::Delete { key, left } => {
                let mut page = self.extras(key.as_deref(), size, deadline).await?;
                let scanned = page.scanned.max(1);
                let fitting = announced(page.extra.iter().map(String::as_str));
                if fitting < page.extra.len() {
                    page.extra.truncate(fitting);
                    page.next = page.extra.last().cloned();
                }
                // More than the cap: the source has lost some since they were counted. Counted again, it will tell.
                let Some(left) = left.checked_sub(page.extra.len() as u64) else {
                    return read(Vec::new(), Place::anew(), scanned);
                };
                let item = |key: String| Cursor(vec![KeyPart::Text(DELETE.to_owned()), KeyPart::Text(key)]);
                let end = page.next.map_or(Place::Source, |key| Place::Delete { key: Some(key), left });
                read(page.extra.into_iter().map(item).collect(), end, scanned)
            }
        }
    }

    /// How many of so many objects may be deleted.
    fn most(&self, keys: u64) -> u64 {
        // The cap is in hundredths of a percent.
        keys.saturating_mul(self.definition.target.copy.delete_extra.unwrap_or(0).into()) / 10_000
    }

    /// Deletes a target that has no source. Whether it did.
    pub(super) async fn delete_extra(&self, target: &str, deadline: Instant) -> Result<bool, Fault> {
        let Some(source) = self.source_key(target) else { return Ok(false) };
        match self.source.head_of(&self.from, &source, left(deadline)).await {
            Ok(None) => {}
            // What may not be looked at may be there.
            Ok(Some(_)) | Err(S3Error::Denied { .. } | S3Error::Refused { .. }) => return Ok(false),
            Err(error) => return Err(fault(Side::Source, &error)),
        }
        let deleted = self.target.delete(&self.to, target, left(deadline)).await;
        deleted.map_err(|error| fault(Side::Target, &error))?;
        // There is no copy any more that it would tell of.
        self.shelves.forget(Shelf::Pair, &source, left(deadline)).await?;
        Ok(true)
    }

    /// A page of the target, and what is extra of it.
    pub(super) async fn extras(&self, after: Option<&str>, size: u64, deadline: Instant) -> Result<Extras, Fault> {
        let prefix = &self.definition.target.place.prefix;
        let page = self.target.objects(&self.to, prefix, after, page_of(size), left(deadline)).await;
        let page = page.map_err(|error| fault(Side::Target, &error))?;
        let scanned = page.objects.len() as u64;
        let next = page.objects.last().filter(|_| page.more).map(|last| last.key.clone());
        let theirs: Vec<(String, String)> =
            page.objects.into_iter().filter_map(|object| Some((self.source_key(&object.key)?, object.key))).collect();
        let from = after.and_then(|key| self.source_key(key));
        let last = theirs.last().map(|(source, _)| source);
        let known = self.beside((&self.source, &self.from), None, from.as_deref(), last, deadline).await;
        let known = known.map_err(|error| fault(Side::Source, &error))?;
        let unknown: Vec<Cursor> =
            theirs.iter().filter(|(source, _)| !known.contains_key(source)).map(|(source, _)| cursor(source)).collect();
        let found = self.looked_up(&unknown, deadline).await?;
        let is_extra = |source: &str| {
            unknown.iter().any(|one| key(one) == Some(source))
                && !found.there.iter().any(|object| object.key == source)
                && !found.shut.iter().any(|aside| key(&aside.key) == Some(source))
        };
        let ours = theirs.len() as u64;
        let extra = theirs.into_iter().filter(|(source, _)| is_extra(source)).map(|(_, target)| target).collect();
        Ok(Extras { extra, ours, scanned, next })
    }
}

fn too_many(keys: u64, extra: u64) -> Fault {
    let message = format!(
        "{extra} of the target's {keys} objects have no source, which is more than `copy.delete_extra` allows: no more are deleted; look at \
         what is missing in the source, then `resume`, or raise the cap, or leave it out"
    );
    Fault { advised: true, ..Fault::new(Class::Fatal, message) }
}

/// A page of the target.
pub(super) struct Extras {
    /// Its keys that have no source.
    pub(super) extra: Vec<String>,
    /// Its keys that are this migration's.
    pub(super) ours: u64,
    /// All of its keys.
    pub(super) scanned: u64,
    /// Its last key; `None`: this was the last page.
    pub(super) next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_as_it_was_written() {
        for place in [
            Place::Count { key: None, keys: 0, extra: 0 },
            Place::Count { key: Some("a/b".to_owned()), keys: 12, extra: 3 },
            Place::Refused { keys: 95, extra: 5 },
            Place::Delete { key: None, left: 3 },
            Place::Delete { key: Some("count".to_owned()), left: 0 },
        ] {
            assert_eq!(Place::of(Some(&place.cursor())), place);
        }
        assert_eq!(Place::of(None), Place::Source);
        assert_eq!(Place::of(Some(&cursor(DELETE))), Place::Source, "a key of the source");
        assert_eq!(doomed(&cursor("delete")), None);
    }
}
