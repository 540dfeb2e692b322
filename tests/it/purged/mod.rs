//! Archive and purge by the whole program: killed again and again, and beside writers that change, re-open and add to what it
//! purges.

#[cfg(feature = "failpoints")]
mod committed;
mod killed;
mod live;
mod sweeps;
mod unanswered;

use crate::support::database::TextRow;
use crate::support::history::{self, Documents};
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};

/// The kinds, and MariaDB also with foreign keys, which make it lock otherwise. PostgreSQL wants them.
const KINDS: [(Kind, bool); 4] =
    [(Kind::Sqlite, false), (Kind::MariaDb, false), (Kind::MariaDb, true), (Kind::Postgres, true)];

const KEYS: &str = "ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id);
    ALTER TABLE item_discounts ADD FOREIGN KEY (item_id) REFERENCES order_items (id);";

const STAYS: [&str; 3] = [
    "SELECT id, status, remark FROM orders WHERE status IN ('new', 'paid', 'ready') ORDER BY id",
    "SELECT i.id, i.order_id, i.sku FROM order_items i JOIN orders o ON o.id = i.order_id
        WHERE o.status IN ('new', 'paid', 'ready') ORDER BY i.id",
    "SELECT d.id, d.item_id FROM item_discounts d JOIN order_items i ON i.id = d.item_id JOIN orders o ON o.id = i.order_id
        WHERE o.status IN ('new', 'paid', 'ready') ORDER BY d.id",
];

const ORPHANS: [&str; 2] = [
    "SELECT COUNT(*) FROM order_items i WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = i.order_id)",
    "SELECT COUNT(*) FROM item_discounts d WHERE NOT EXISTS (SELECT 1 FROM order_items i WHERE i.id = d.item_id)",
];

/// A shop whose closed orders are to leave it, and what has to come of that.
pub(crate) struct Purge {
    pub(crate) job: Job,
    gone: Documents,
    stays: Vec<Vec<TextRow>>,
}

impl Purge {
    pub(crate) fn new((kind, keys): (Kind, bool), size: Size, limits: &str) -> Self {
        let mut job = Job::shop(kind, size, limits);
        job.define(&migration(limits, "delete"));
        Self::of(job, keys)
    }

    /// One whose history is in another database.
    pub(crate) fn between((kind, keys): (Kind, bool), target: Kind, size: Size, limits: &str) -> Self {
        let mut job = Job::between(kind, target, size, limits);
        job.define(&across(limits));
        Self::of(job, keys)
    }

    fn of(mut job: Job, keys: bool) -> Self {
        job.set("MILKRUN_LEASE_MARGIN", "0s");
        if keys {
            job.database.execute(KEYS);
        }
        let mut purge = Self { job, gone: Documents::new(), stays: Vec::new() };
        purge.look();
        purge
    }

    /// From now on this is what has to come of the shop as it is.
    fn look(&mut self) {
        let now = history::expected(&self.job.database, self.job.source.as_ref().expect("a shop"));
        self.gone.extend(now);
        self.stays = STAYS.map(|query| self.job.database.rows(query)).into();
    }

    /// Every closed order is in the history alone, everything else where it was, and each is counted once.
    #[track_caller]
    pub(crate) fn assert_done(&self, skipped: u64) {
        let job = &self.job;
        let status = job.status();
        assert_eq!(status["state"], "complete", "{status}");
        self.assert_moved();
        let progress = ["moved", "skipped", "conflicts", "failed"].map(|name| status["progress"][name].as_u64());
        let moved = self.gone.len() as u64 - skipped;
        assert_eq!(progress, [Some(moved), Some(skipped), Some(0), Some(0)], "{status}");
        let verified = job.reply(&["verify", &job.name]);
        let found = ["checked", "missing", "different", "extra"].map(|name| verified[name].as_u64());
        assert_eq!(found, [Some(0); 4], "{verified}");
    }

    #[track_caller]
    fn assert_moved(&self) {
        let database = &self.job.database;
        history::assert_equal(&self.gone, history::actual(self.job.history(), "order_history", "order_id"));
        let stays: Vec<_> = STAYS.map(|query| database.rows(query)).into();
        assert!(stays == self.stays, "what was open has changed");
        let open = self.stays[0].len();
        assert_eq!(database.number("SELECT COUNT(*) FROM orders"), i64::try_from(open).unwrap());
        for query in ORPHANS {
            assert_eq!(database.number(query), 0, "{query}");
        }
    }
}

fn migration(limits: &str, after: &str) -> String {
    shop::migration(limits).replace("create = true", &format!("create = true\nafter = \"{after}\""))
}

/// Into another database.
fn across(limits: &str) -> String {
    shop::migration_to("HISTORY", limits).replace("create = true", "create = true\nafter = \"delete\"")
}
