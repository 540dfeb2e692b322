//! The pinned definition: what changes pause the migration, which can be accepted, and which mean nothing.

mod logins;
mod verified;

use super::SMALL;
use super::replies::assert_run;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop;
use serde_json::{Value, json};

const LIMITS: &str = "settle = \"0s\"";

fn begun() -> Job {
    let job = Job::shop(Kind::Sqlite, SMALL, LIMITS);
    job.reply(&["run", &job.name, "--max-items", "5"]);
    job
}

/// The file as `change` makes it.
fn change(job: &mut Job, from: &str, to: &str) {
    let before = shop::migration(LIMITS);
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after);
    job.define(&after);
}

#[track_caller]
fn paused(job: &Job) -> Value {
    let paused = job.call(&["run", &job.name]).expect(4).reply();
    assert_run(&paused);
    assert_eq!((&paused["outcome"], &paused["moved"]), (&json!("paused"), &json!(0)), "{paused}");
    assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), 5);
    assert_eq!(job.status()["state"], "paused");
    paused
}

#[test]
fn a_change_of_meaning_waits_until_it_is_accepted_by_digest() {
    let mut job = begun();
    let pinned = job.status()["pinned"].clone();
    change(&mut job, "exclude = [\"card_number\"]", "exclude = [\"card_number\", \"remark\"]");
    let said = paused(&job);
    let status = job.status();
    let digest = status["definition"].as_str().unwrap();
    assert_eq!(status["pinned"], pinned);
    assert_ne!(status["definition"], pinned);
    assert_eq!(
        said["reason"],
        format!(
            "the definition has changed since it was pinned, in `source.exclude`: undo the change and `resume`, or `resume` with \"accept\": \"{digest}\" \
             (`milkrun resume orders-history --accept {digest}`)"
        )
    );
    // Not by a wrong digest, not by the old one, and not by `resume` alone.
    for wrong in ["0000", pinned.as_str().unwrap()] {
        let refused = job.call(&["resume", &job.name, "--accept", wrong]).expect(2).reply();
        assert_eq!(refused["errorType"], "Usage");
        assert_eq!(
            refused["errorMessage"],
            format!(
                "`accept` is not the digest of the definition as it is now: look at what changed, then accept `{digest}`"
            )
        );
        assert_eq!(job.status()["state"], "paused");
    }
    let alone = job.reply(&["resume", &job.name]);
    // What the run had seen of the columns is forgotten with its pause.
    let unseen = alone["definition"].as_str().unwrap();
    assert_eq!(
        alone["hint"],
        format!(
            "the next run pauses the migration again: the definition still is not the pinned one; undo the change, or accept it by \
             `resume` with \"accept\": \"{unseen}\" (`milkrun resume orders-history --accept {unseen}`)"
        )
    );
    paused(&job);
    let resumed = job.reply(&["resume", &job.name, "--accept", digest]);
    assert!(resumed["hint"].as_str().unwrap().starts_with("what was moved before stays as it was moved;"), "{resumed}");
    assert_eq!((&resumed["state"], &resumed["pinned"]), (&json!("moving"), &status["definition"]));
    assert_eq!(job.run_to_the_end()["progress"]["moved"], 30);
    // What had moved keeps its old form; what moved since has the new one.
    assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history WHERE document LIKE '%\"remark\":%'"), 5);
    assert_eq!(job.database.number("SELECT COUNT(DISTINCT definition) FROM order_history"), 2);
}

#[test]
fn a_change_that_is_undone_is_none() {
    let mut job = begun();
    change(&mut job, "exclude = [\"card_number\"]", "exclude = []");
    paused(&job);
    job.define(&shop::migration(LIMITS));
    assert!(job.reply(&["resume", &job.name]).get("hint").is_none());
    job.run_to_the_end();
    job.assert_complete();
}

#[test]
fn key_table_and_target_can_only_be_reset() {
    let mut job = begun();
    change(&mut job, "table = \"order_history\"", "table = \"other_history\"");
    let said = paused(&job);
    assert_eq!(
        said["reason"],
        "the definition has changed in its kind, database, key, table or target, which cannot be accepted (changed: \
         `target.table`): undo the change and `resume`, or `reset` the migration"
    );
    let hint = job.reply(&["resume", &job.name])["hint"].clone();
    assert!(hint.as_str().unwrap().ends_with("or `milkrun reset orders-history --confirm orders-history`"), "{hint}");
    paused(&job);
    let digest = job.status()["definition"].as_str().unwrap().to_owned();
    let refused = job.call(&["resume", &job.name, "--accept", &digest]).expect(2).reply();
    assert_eq!(
        refused["errorMessage"],
        "the change of `orders-history` cannot be accepted, since its kind, database, key, table or target is another: undo \
         the change, or `reset` the migration"
    );
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    assert_eq!(job.run_to_the_end()["progress"]["moved"], 30);
    assert_eq!(job.database.number("SELECT COUNT(*) FROM other_history"), 30);
}

#[test]
fn comments_order_and_limits_mean_nothing() {
    let mut job = begun();
    let pinned = job.status()["pinned"].clone();
    let text = shop::migration("settle = \"0s\"\nmax_batch = 3\nlog_keys = false");
    // The columns in another order, the fields of [source] too, and words for people.
    let text = text.replacen("status = \"status\"\n", "", 1).replacen(
        "document = \"$document\"",
        "document = \"$document\" # the row\nstatus = \"status\"",
        1,
    );
    let text = text.replacen("key = [\"id\"]\nwhere", "# by id\n  key = [ \"id\" ]\nwhere", 1);
    job.define(&text);
    assert_eq!(job.status()["definition"], pinned);
    job.run_to_the_end();
    assert_eq!(job.status()["pinned"], pinned);
    job.assert_complete();
}

#[test]
fn a_new_column_of_the_source_waits_for_a_person() {
    for kind in [Kind::Sqlite, Kind::MariaDb, Kind::Postgres] {
        let job = Job::shop(kind, SMALL, LIMITS);
        job.reply(&["run", &job.name, "--max-items", "5"]);
        let pinned = job.status()["pinned"].clone();
        job.database.execute("ALTER TABLE orders ADD COLUMN gift VARCHAR(9)");
        let said = paused(&job);
        let status = job.status();
        assert_eq!(status["pinned"], pinned);
        let digest = status["definition"].as_str().unwrap();
        assert_ne!(json!(digest), pinned, "{status}");
        assert_eq!(
            said["reason"],
            format!(
                "the columns of the source have changed since the definition was pinned: look at what changed, then `resume` \
                 with \"accept\": \"{digest}\" (`milkrun resume orders-history --accept {digest}`)"
            )
        );
        job.call(&["resume", &job.name, "--accept", pinned.as_str().unwrap()]).expect(2);
        let hint = job.reply(&["resume", &job.name])["hint"].clone();
        assert!(hint.as_str().unwrap().starts_with("the columns of the source had changed"), "{hint}");
        assert_eq!(paused(&job)["reason"], said["reason"]);
        job.reply(&["resume", &job.name, "--accept", digest]);
        assert_eq!(job.run_to_the_end()["progress"]["moved"], 30);
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history WHERE document LIKE '%\"gift\"%'"), 25);
        assert_eq!(job.status()["pinned"], digest);
    }
}

#[test]
fn one_digest_accepts_the_file_and_the_columns_that_go_with_it() {
    // With a run between the change and `resume`, and without one.
    for met in [true, false] {
        let mut job = begun();
        let related = "[[source.related.related]]\nname = \"discounts\"\ntable = \"item_discounts\"\nkey = [\"id\"]\non = { item_id = \"id\" }\n";
        change(&mut job, related, "");
        if met {
            paused(&job);
        }
        let digest = job.status()["definition"].as_str().unwrap().to_owned();
        assert_eq!(job.reply(&["resume", &job.name, "--accept", &digest])["pinned"], digest);
        assert_eq!(job.run_to_the_end()["progress"]["moved"], 30, "{met}");
        let status = job.status();
        assert_eq!(status["pinned"], status["definition"]);
    }
}

#[test]
fn a_change_pauses_also_while_the_database_is_away() {
    let mut job = begun();
    change(&mut job, "exclude = [\"card_number\"]", "exclude = []");
    let url = job.database.url().to_owned();
    job.set("SHOP_DATABASE_URL", "sqlite:///nowhere/shop.db");
    paused(&job);
    job.set("SHOP_DATABASE_URL", &url);
    let digest = job.status()["definition"].as_str().unwrap().to_owned();
    job.reply(&["resume", &job.name, "--accept", &digest]);
    assert_eq!(job.run_to_the_end()["progress"]["moved"], 30);
}

#[test]
fn one_digest_stands_in_status_and_in_the_rows_whatever_the_columns() {
    let mut job = Job::shop(Kind::Sqlite, SMALL, LIMITS);
    let written = |job: &Job| {
        job.database
            .rows("SELECT DISTINCT definition FROM order_history ORDER BY 1")
            .concat()
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    let before = job.status();
    job.reply(&["run", &job.name, "--max-items", "5"]);
    let first = job.status()["pinned"].as_str().unwrap().to_owned();
    // Nothing has changed by the first run but that it is pinned.
    assert_eq!((&before["pinned"], &before["definition"]), (&Value::Null, &json!(first)));
    assert_eq!(written(&job), std::slice::from_ref(&first));
    // The columns alone, then file and columns without a run between the change and its acceptance.
    job.database.execute("ALTER TABLE orders ADD COLUMN gift VARCHAR(9)");
    paused(&job);
    let second = job.status()["definition"].as_str().unwrap().to_owned();
    job.reply(&["resume", &job.name, "--accept", &second]);
    job.reply(&["run", &job.name, "--max-items", "5"]);
    let mut seen = vec![first, second];
    seen.sort();
    assert_eq!(written(&job), seen);
    let related = "[[source.related.related]]\nname = \"discounts\"\ntable = \"item_discounts\"\nkey = [\"id\"]\non = { item_id = \"id\" }\n";
    change(&mut job, related, "");
    let third = job.status()["definition"].as_str().unwrap().to_owned();
    job.reply(&["resume", &job.name, "--accept", &third]);
    job.run_to_the_end();
    seen.push(job.status()["pinned"].as_str().unwrap().to_owned());
    seen.sort();
    assert_eq!(written(&job), seen);
}

#[test]
fn nothing_can_be_accepted_before_anything_was_pinned() {
    let job = Job::shop(Kind::Sqlite, SMALL, LIMITS);
    let digest = job.status()["definition"].as_str().unwrap().to_owned();
    for accept in ["whatever", &digest] {
        let refused = job.call(&["resume", &job.name, "--accept", accept]).expect(2).reply();
        assert_eq!(
            refused["errorMessage"],
            "`accept` is for a definition that has changed since it was pinned, but `orders-history` has not run yet: leave it out"
        );
    }
    assert_eq!(job.reply(&["resume", &job.name])["state"], "new");
}

#[test]
fn plan_tells_of_a_change_before_a_run_pauses_for_it() {
    let warned = |job: &Job| {
        let plan = job.reply(&["plan", &job.name]);
        let warnings = plan["warnings"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned());
        warnings.filter(|one| one.contains("--accept")).collect::<Vec<_>>()
    };
    let mut job = begun();
    assert_eq!(warned(&job), [""; 0]);
    change(&mut job, "exclude = [\"card_number\"]", "exclude = []");
    let digest = job.status()["definition"].as_str().unwrap().to_owned();
    assert!(warned(&job)[0].ends_with(&format!("(`milkrun resume orders-history --accept {digest}`)")));
    job.reply(&["resume", &job.name, "--accept", &digest]);
    assert_eq!(warned(&job), [""; 0]);
    job.reply(&["run", &job.name, "--max-items", "1"]);
    assert_eq!(warned(&job), [""; 0]);

    let mut job = begun();
    job.database.execute("ALTER TABLE orders ADD COLUMN gift VARCHAR(9)");
    let said = warned(&job);
    paused(&job);
    let digest = job.status()["definition"].as_str().unwrap().to_owned();
    assert!(said[0].contains("columns") && said[0].contains(&format!("--accept {digest}`")), "{said:?}");
    assert_eq!(warned(&job), said);
    // Whatever else is wrong with it, or nothing.
    job.database.execute("CREATE TABLE taken (id INTEGER)");
    for table in ["other_history", "taken"] {
        change(&mut job, "table = \"order_history\"", &format!("table = \"{table}\""));
        let plan = job.call(&["plan", &job.name]).expect(2).reply();
        let last = plan["problems"].as_array().unwrap().last().unwrap().clone();
        assert!(last["message"].as_str().unwrap().contains("cannot be accepted (changed: `target.table`)"), "{plan}");
        assert_eq!(
            last["hint"],
            "undo the change, or forget the progress: `milkrun reset orders-history --confirm orders-history`"
        );
    }
}
