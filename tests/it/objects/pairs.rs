//! Which version is a copy of which, where tags do not tell: known for as long as it is needed, and no longer.

use super::Stage;
use crate::support::database::Database;
use crate::support::s3::Make;
use std::time::Duration;

/// Two objects between servers, of two parts each: the tags of such copies are not those of their sources.
fn stage(head: &str, copy: &str, limits: &str) -> Stage {
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    stage.define(head, "", "", copy, limits);
    for key in ["gone", "kept"] {
        stage.put(key, &vec![7; 9 << 20]);
    }
    let reply = stage.run();
    assert_eq!(reply["progress"]["moved"], 2, "{reply}");
    assert_eq!(pairs(&stage), [("gone", false), ("kept", false)].map(named));
    stage
}

fn named((key, ends): (&str, bool)) -> (String, bool) {
    (format!("pair#[\"{key}\"]"), ends)
}

/// The pairs in the ledger, and whether they have a term.
fn pairs(stage: &Stage) -> Vec<(String, bool)> {
    let ledger = Database::connect(&format!("sqlite://{}/ledger.db", stage.job.folder().display()));
    let rows = ledger.rows("SELECT item, expires FROM ledger WHERE item LIKE 'pair#%' ORDER BY item");
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].is_some())).collect()
}

#[test]
fn after_a_reset_pairs_go_that_are_not_looked_for_and_the_others_stay() {
    let stage = stage("", "", "");
    stage.job.reply(&["reset", "assets", "--confirm", "assets"]);
    assert_eq!(pairs(&stage), [("gone", true), ("kept", true)].map(named));
    stage.from.delete(&stage.runtime, "gone");
    let reply = stage.run();
    let progress = &reply["progress"];
    // By its pair a copy is known as one.
    assert_eq!(
        (&reply["outcome"], &progress["skipped"], &progress["conflicts"], &progress["moved"]),
        (&"complete".into(), &1.into(), &0.into(), &0.into()),
        "{reply}"
    );
    assert_eq!(pairs(&stage), [("gone", true), ("kept", false)].map(named));
    // Once more: those that have a term keep it.
    stage.job.reply(&["reset", "assets", "--confirm", "assets"]);
    assert_eq!(pairs(&stage), [("gone", true), ("kept", true)].map(named));
}

#[test]
fn a_pair_goes_with_the_copy_that_it_tells_of() {
    let stage = stage("mode = \"continuous\"", "delete_extra = \"50%\"", "sweep_every = \"1s\"");
    stage.from.delete(&stage.runtime, "gone");
    std::thread::sleep(Duration::from_millis(1100));
    let reply = stage.run();
    assert_eq!(reply["progress"]["moved"], 3, "{reply}");
    assert_eq!(stage.runtime.block_on(stage.to.keys()), ["kept"]);
    assert_eq!(pairs(&stage), [("kept", false)].map(named));
}
