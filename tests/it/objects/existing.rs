//! Targets that are there already: the same are passed over, others are nobody's to replace unless somebody said so.

use super::Stage;
use crate::support::s3::{ALL, MAKES};
use std::time::Duration;

/// Each server shows it: Moto too, where milkrun looks before it copies.
#[test]
fn what_is_there_and_the_same_is_skipped_and_what_is_not_is_a_conflict() {
    for make in ALL {
        let mut stage = Stage::new(make, make);
        stage.define("", "", "", "", "");
        stage.put("same", b"same");
        stage.put("other", b"ours");
        stage.put("new", b"new");
        stage.to.put(&stage.runtime, "same", b"same");
        stage.to.put(&stage.runtime, "other", b"theirs");
        let reply = stage.run();
        let progress = &reply["progress"];
        assert_eq!(
            (&progress["moved"], &progress["skipped"], &progress["conflicts"]),
            (&1.into(), &1.into(), &1.into()),
            "{make:?}: {reply}"
        );
        assert_eq!(stage.to.get(&stage.runtime, "other").as_deref(), Some(&b"theirs"[..]));
        let verified = stage.verify();
        assert_eq!((&verified["equal"], &verified["different"]), (&2.into(), &1.into()), "{verified}");
        let repaired = stage.job.call(&["verify", "assets", "--overwrite"]).reply();
        assert_eq!(repaired["repaired"], 1, "{repaired}");
        assert_eq!(stage.to.get(&stage.runtime, "other").as_deref(), Some(&b"ours"[..]));
    }
}

#[test]
fn what_is_older_is_replaced_where_that_is_asked() {
    for make in MAKES {
        let mut stage = Stage::new(make, make);
        stage.define("", "", "", "existing = \"replace-older\"", "");
        stage.to.put(&stage.runtime, "older", b"theirs");
        stage.put("newer", b"ours");
        std::thread::sleep(Duration::from_millis(1100));
        stage.put("older", b"ours");
        stage.to.put(&stage.runtime, "newer", b"theirs");
        let progress = stage.run()["progress"].clone();
        assert_eq!((&progress["moved"], &progress["conflicts"]), (&1.into(), &1.into()), "{make:?}: {progress}");
        assert_eq!(stage.to.get(&stage.runtime, "older").as_deref(), Some(&b"ours"[..]));
        assert_eq!(stage.to.get(&stage.runtime, "newer").as_deref(), Some(&b"theirs"[..]));
    }
}

#[test]
fn what_is_missing_afterwards_is_put_back_by_verify() {
    let mut stage = Stage::new(MAKES[0], MAKES[0]);
    stage.define("", "", "", "", "");
    stage.fill(30);
    assert_eq!(stage.run()["outcome"], "complete");
    stage.to.delete(&stage.runtime, "a/03/3.txt");
    let verified = stage.verify();
    assert_eq!((&verified["missing"], &verified["equal"]), (&1.into(), &29.into()), "{verified}");
    let repaired = stage.job.call(&["verify", "assets", "--repair"]).reply();
    assert_eq!(repaired["repaired"], 1, "{repaired}");
    stage.assert_same("");
}
