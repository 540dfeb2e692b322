//! What `plan` tells of a source before anything is copied, by its listing or its inventory: how many objects there are, how large, and
//! which of them cannot be read.

use super::Objects;
use super::cutting::Patch;
use super::walk::left;
use crate::engine::migration::Estimate;
use crate::s3::Listed;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Storage classes that have to be restored before they can be read.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html>
const ARCHIVED: [&str; 2] = ["DEEP_ARCHIVE", "GLACIER"];
/// How long keys are counted, at most.
const COUNTING: Duration = Duration::from_secs(2);

/// What a look at the source's listing has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them are of which storage class that has to be restored first.
    pub archived: BTreeMap<String, u64>,
    /// These are all.
    pub whole: bool,
    /// They stand in an inventory, days old perhaps; unless these are all, they were reckoned from a part of it.
    pub inventoried: bool,
    /// Their keys do not come in the order of bytes.
    pub(super) disordered: bool,
    /// Their keys, some for all.
    pub(super) patch: Patch,
}

impl Survey {
    /// As the engine wants to know it: of a part that was listed nothing is said.
    pub fn estimate(&self) -> Estimate {
        if !self.whole && !self.inventoried {
            return Estimate::default();
        }
        Estimate { keys: self.objects, items: self.objects, exact: self.is_exact() }
    }

    /// These are all that there are.
    pub fn is_exact(&self) -> bool {
        self.whole && !self.inventoried
    }

    pub(super) fn count(&mut self, object: &Listed) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(object.bytes);
        if let Some(class) = object.class.as_deref().filter(|class| ARCHIVED.contains(class)) {
            *self.archived.entry(class.to_owned()).or_default() += 1;
        }
    }
}

impl Objects {
    /// Lists the source, or looks into its inventory, for as long as `limit`, and not for long.
    pub async fn survey(&self, limit: Duration) -> Survey {
        let deadline = Instant::now() + limit.min(COUNTING);
        if self.has_inventory() {
            return self.survey_inventory(deadline).await;
        }
        let (mut found, mut place) = (Survey::default(), None::<String>);
        while Instant::now() < deadline {
            let prefix = &self.definition.source.place.prefix;
            let page = self.source.objects(&self.from, prefix, place.as_deref(), 1000, left(deadline)).await;
            let Ok(page) = page else { return found };
            let keys: Vec<&str> =
                place.as_deref().into_iter().chain(page.objects.iter().map(|object| object.key.as_str())).collect();
            found.disordered |= !keys.is_sorted();
            found.patch.extend(keys.get(usize::from(place.is_some())..).unwrap_or_default());
            for object in &page.objects {
                found.count(object);
            }
            match page.objects.into_iter().next_back() {
                Some(last) if page.more => place = Some(last.key),
                _ => return Survey { whole: true, ..found },
            }
        }
        found
    }

    /// Objects that are copied side by side, whether their server copies them by itself, and whether each is asked for its ACL.
    pub fn at_work(&self) -> (u32, bool, bool) {
        let copy = &self.definition.target.copy;
        (copy.concurrency, self.one_server, copy.acl.is_asked())
    }
}
