//! What `plan` tells of a source before anything is copied: how many objects there are, how large, and which of them cannot be read.

use super::Objects;
use super::walk::left;
use crate::engine::migration::Estimate;
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
}

impl Survey {
    /// As the engine wants to know it: of a part nothing is said.
    pub fn estimate(&self) -> Estimate {
        if self.whole { Estimate { keys: self.objects, items: self.objects, exact: true } } else { Estimate::default() }
    }
}

impl Objects {
    /// Lists the source for as long as `limit`, and not for long.
    pub async fn survey(&self, limit: Duration) -> Survey {
        let deadline = Instant::now() + limit.min(COUNTING);
        let (mut found, mut place) = (Survey::default(), None);
        while Instant::now() < deadline {
            let prefix = &self.definition.source.place.prefix;
            let page = self.source.objects(&self.from, prefix, place.as_deref(), 1000, left(deadline)).await;
            let Ok(page) = page else { return found };
            for object in &page.objects {
                found.objects += 1;
                found.bytes += object.bytes;
                if let Some(class) = object.class.as_deref().filter(|class| ARCHIVED.contains(class)) {
                    *found.archived.entry(class.to_owned()).or_default() += 1;
                }
            }
            match page.objects.into_iter().next_back() {
                Some(last) if page.more => place = Some(last.key),
                _ => return Survey { whole: true, ..found },
            }
        }
        found
    }

    /// Objects that are copied side by side, and whether their server copies them by itself.
    pub fn at_work(&self) -> (u32, bool) {
        (self.definition.target.copy.concurrency, self.one_server)
    }
}
