//! Whether a target is the same as its source, and by what one can tell: the first of these that both sides have.

use super::Objects;
use super::began::Began;
use super::copy::{LONGEST, Stop};
use super::failure::Side;
use super::walk::left;
use crate::engine::shelves::Shelf;
use crate::fault::Fault;
use crate::s3::{Head, Listed, S3Error};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// By what a target was found the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    /// Both have one tag, and one length.
    Tag,
    /// It is the version that was written of this version of the source.
    Pair,
    /// S3's own checksums of the whole.
    Checksum,
    /// Both were read, and are the same byte for byte.
    Bytes,
}

/// A source beside its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// It is the same.
    Same(By, Other),
    /// It is another one, or nobody can say that it is the same.
    Differs(Other),
    /// There is none.
    Missing,
    /// The source is gone.
    Gone,
    /// The source is another version by now.
    Changed(Listed),
    /// One of both may not be looked at: the class of what is wrong, and why.
    Shut(&'static str, String),
}

/// A target that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// Its tag.
    pub(super) etag: String,
    /// Its length.
    pub(super) bytes: u64,
    /// When it was written, in Unix seconds.
    pub(super) at: Option<i64>,
    /// It is known to be what this migration wrote, of whichever version.
    pub(super) ours: bool,
}

/// What two tags and lengths tell: `None`, nothing.
pub(super) fn told_by_tags(ours: &Listed, (bytes, etag): (u64, &str)) -> Option<bool> {
    if ours.bytes != bytes {
        return Some(false);
    }
    (bare(&ours.etag) == bare(etag) && !bare(etag).is_empty()).then_some(true)
}

/// A tag without its quotes, which not every reply has.
pub(super) fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// Whole seconds: not every reply tells more.
pub(super) fn seconds(modified: Option<i64>) -> Option<i64> {
    modified.map(|ms| ms.div_euclid(1000))
}

/// As a listing would say it.
pub(super) fn listed(key: &str, head: Head) -> Listed {
    Listed {
        key: key.to_owned(),
        bytes: head.bytes,
        etag: head.etag.unwrap_or_default(),
        modified: head.modified,
        class: head.class,
    }
}

/// Whether a source was written again after its copy was: with the same bytes, but perhaps with other metadata or tags.
pub(super) fn is_rewritten(ours: &Listed, theirs: Option<i64>, began: Began) -> bool {
    match (seconds(ours.modified), theirs) {
        (Some(ours), Some(theirs)) => ours > theirs && theirs > began.at,
        _ => false,
    }
}

impl Objects {
    /// What is known of a target beside its source.
    pub(super) async fn compare(
        &self,
        ours: &Listed,
        target: &str,
        began: Began,
        deadline: Instant,
    ) -> Result<Compared, Fault> {
        if target.len() > LONGEST {
            return Ok(Compared::Missing);
        }
        let theirs = self.target.head_of(&self.to, target, left(deadline)).await;
        let theirs = match theirs {
            Ok(Some(theirs)) => theirs,
            Ok(None) => return Ok(Compared::Missing),
            // What cannot be named cannot be there.
            Err(error) if error.is_no_key() => return Ok(Compared::Missing),
            Err(error) => return shut(Side::Target, &error),
        };
        let etag = theirs.etag.clone().unwrap_or_default();
        let mut other = Other { etag: etag.clone(), bytes: theirs.bytes, at: seconds(theirs.modified), ours: false };
        match told_by_tags(ours, (theirs.bytes, &etag)) {
            Some(true) if is_rewritten(ours, other.at, began) => return Ok(Compared::Differs(other)),
            Some(true) => return Ok(Compared::Same(By::Tag, other)),
            Some(false) => {
                other.ours = self.pair(ours, deadline).await?.is_some_and(|pair| pair.target == bare(&etag));
                return Ok(Compared::Differs(other));
            }
            None => {}
        }
        if let Some(pair) = self.pair(ours, deadline).await?
            && pair.target == bare(&etag)
        {
            other.ours = true;
            if pair.source == bare(&ours.etag) && !is_rewritten(ours, other.at, began) {
                return Ok(Compared::Same(By::Pair, other));
            }
        }
        let head = self.source.head_of(&self.from, &ours.key, left(deadline)).await;
        let head = match head {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Compared::Gone),
            Err(error) => return shut(Side::Source, &error),
        };
        if head.etag.as_deref().map(bare) != Some(bare(&ours.etag)) {
            return Ok(Compared::Changed(listed(&ours.key, head)));
        }
        Ok(match (head.checksum, theirs.checksum) {
            (Some(one), Some(two)) if one == two && !is_rewritten(ours, other.at, began) => {
                Compared::Same(By::Checksum, other)
            }
            _ => Compared::Differs(other),
        })
    }

    /// Which version of the target was written of which version of an object.
    async fn pair(&self, ours: &Listed, deadline: Instant) -> Result<Option<Pair>, Fault> {
        self.shelves.load(Shelf::Pair, &ours.key, left(deadline)).await
    }

    /// Remembers which version became which: where their tags do not tell, or their times may not.
    pub(super) async fn remember(&self, ours: &Listed, etag: &str, deadline: Instant) -> Result<(), Fault> {
        let pair = Pair { source: bare(&ours.etag).to_owned(), target: bare(etag).to_owned() };
        self.shelves.save(Shelf::Pair, &ours.key, &pair, left(deadline)).await
    }
}

/// What a side's refusal to be looked at means: it may be this one object's.
fn shut(side: Side, error: &S3Error) -> Result<Compared, Fault> {
    Stop::of(side, error).aside().map(|(class, message)| Compared::Shut(class, message))
}

/// Bare tags of a source and of its target.
#[derive(Serialize, Deserialize)]
struct Pair {
    source: String,
    target: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_tell_what_they_can() {
        let ours = Listed {
            key: "k".to_owned(),
            bytes: 3,
            etag: "\"900150983cd24fb0d6963f7d28e17f72\"".to_owned(),
            modified: Some(10_999),
            class: None,
        };
        assert_eq!(told_by_tags(&ours, (3, "900150983cd24fb0d6963f7d28e17f72")), Some(true));
        assert_eq!(told_by_tags(&ours, (4, "900150983cd24fb0d6963f7d28e17f72")), Some(false));
        assert_eq!(told_by_tags(&ours, (3, "\"900150983cd24fb0d6963f7d28e17f72-1\"")), None);
        let began = Began { at: 5, conditional: true };
        assert!(is_rewritten(&ours, Some(9), began));
        assert!(!is_rewritten(&ours, Some(10), began), "in the same second nobody can say");
        assert!(!is_rewritten(&ours, Some(5), began), "it was there before");
        assert_eq!(told_by_tags(&Listed { etag: String::new(), ..ours }, (3, "")), None);
    }
}
