//! The target under another name or another login.

use super::LIMITS;
use crate::commands::SMALL;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop;

#[test]
fn another_login_at_the_target_reads_as_one_user_and_writes_as_the_other() {
    let mut job = Job::shop(Kind::MariaDb, SMALL, LIMITS);
    let url = job.database.url().to_owned();
    let name = url.rsplit('/').next().unwrap().to_owned();
    let place = url.split_once('@').unwrap().1.to_owned();
    job.database.execute(&format!(
        "CREATE USER 'w_{name}'@'%' IDENTIFIED BY 'hunter2';
         GRANT SELECT, INSERT, CREATE ON {name}.order_history TO 'w_{name}'@'%'"
    ));
    job.set("HISTORY_DATABASE_URL", &format!("mysql://w_{name}:hunter2@{place}"));
    let text = shop::migration(LIMITS);
    let (source, target) = text.split_once("[target]").unwrap();
    job.define(&format!("{source}[target]{}", target.replacen("SHOP", "HISTORY", 1)));
    job.run_to_the_end();
    job.assert_complete();
    // A table of the source is none to write to, whoever writes.
    let itself = target.replacen("SHOP", "HISTORY", 1).replacen("order_history", "order_items", 1);
    job.database.execute(&format!("GRANT SELECT ON {name}.order_items TO 'w_{name}'@'%'"));
    job.define(&format!("{source}[target]{itself}"));
    let plan = job.call(&["plan", &job.name]).expect(2).reply();
    assert!(plan["problems"].to_string().contains("is one of the related tables"), "{plan}");
}

#[test]
fn two_names_for_one_login_are_one_login() {
    let mut job = Job::shop(Kind::Sqlite, SMALL, LIMITS);
    let url = job.database.url().to_owned();
    job.set("HISTORY_DATABASE_URL", &url);
    let text = shop::migration(LIMITS);
    job.define(&text.replacen("$SHOP_DATABASE_URL", "$HISTORY_DATABASE_URL", 1));
    job.run_to_the_end();
    job.assert_complete();
}
