//! What ships obeys no failpoint.

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;
use milkrun::engine::failpoint::ALL;

#[test]
fn what_ships_has_no_failpoints() {
    let mut job = Job::shop(Kind::Sqlite, Size { orders: 120, closed: 60, items: 2, discounts: 1 }, "settle = \"0s\"");
    let orders: Vec<String> = ALL.iter().map(|point| format!("{point:?}=return(abort)")).collect();
    job.set("FAILPOINTS", &orders.join(";"));
    job.run_to_the_end();
    job.assert_complete();
}
