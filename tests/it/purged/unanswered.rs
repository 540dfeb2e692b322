//! From one database to another, over connections that break at a COMMIT: before it arrives, and after it was done but before anybody
//! hears of it. At the target's, and at the source's, which comes after it.

use super::Purge;
use crate::support::servers::Kind;
use crate::support::severed::Severed;
use crate::support::shop::Size;

const SHOP: Size = Size { orders: 160, closed: 80, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nmax_batch = 15\nmax_attempts = 1000";

#[test]
fn a_commit_of_either_side_that_is_lost_or_not_answered_costs_nothing() {
    for (kind, target) in [(Kind::MariaDb, Kind::Postgres), (Kind::Postgres, Kind::MariaDb)] {
        let mut purge = Purge::between((kind, true), target, SHOP, LIMITS);
        purge.job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
        let places = [
            ("SHOP_DATABASE_URL", purge.job.database.url().to_owned()),
            ("HISTORY_DATABASE_URL", purge.job.history().url().to_owned()),
        ];
        let mut severed = Vec::new();
        for (variable, direct) in &places {
            let (proxy, url) = Severed::at_commits(direct, 2);
            purge.job.set(variable, &url);
            severed.push(proxy);
        }
        purge.job.run_to_the_end();
        for (variable, direct) in &places {
            purge.job.set(variable, direct);
        }
        for proxy in &severed {
            let cuts = proxy.count();
            assert_eq!((cuts.commits_lost, cuts.commits_unanswered), (1, 1), "{kind:?} to {target:?}: {cuts:?}");
        }
        purge.assert_done(0);
    }
}
