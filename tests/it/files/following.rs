//! Second stores that have to follow once a row has: each hears of every row, whatever happens, and with the same key each time.

use super::{NEW, Stage, USUAL, good, urls};
use crate::support::file_server::{FileServer, answer};
use crate::support::http_exchange::Request;
use crate::support::s3::Make;
use crate::support::servers::Kind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const HOOKS: &str = "[[after_row]]\nwebhook = \"$HOOK\"\nheaders = { X-Token = \"$TOKEN\" }";

fn stage(kind: Kind, hook: &FileServer, limits: &str) -> Stage {
    let mut stage = Stage::new(kind, Make::Ministack, good);
    stage.job.set("HOOK", &hook.url("/follow?me"));
    stage.job.set("TOKEN", "t0ken");
    stage.define("photos/{id}/{n}-{name}", USUAL, "", "", &format!("{limits}\n{HOOKS}"));
    stage
}

fn said_of(asked: &Request) -> Value {
    serde_json::from_slice(&asked.body).unwrap_or_else(|_| panic!("{:?}", asked.body))
}

/// For each row the last that was said of it, and all keys under which it was said.
fn told(hook: &FileServer) -> BTreeMap<u64, (Value, BTreeSet<String>)> {
    let mut told: BTreeMap<u64, (Value, BTreeSet<String>)> = BTreeMap::new();
    for asked in hook.asked() {
        let said = said_of(&asked);
        let id = said["key"][0].as_str().unwrap().parse().unwrap();
        let entry = told.entry(id).or_default();
        entry.0 = said;
        entry.1.insert(asked.header("idempotency-key").unwrap().to_owned());
    }
    told
}

/// Rows that match and have a file.
fn expected(before: &[Vec<Option<String>>]) -> Vec<u64> {
    let has_files = |row: &&Vec<Option<String>>| row[3].as_deref() == Some("0") && !urls(row).is_empty();
    before.iter().filter(has_files).map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect()
}

#[test]
fn who_follows_hears_of_every_row_and_of_every_row_that_is_put_back() {
    for kind in [Kind::Sqlite, Kind::MariaDb, Kind::Postgres] {
        let hook = FileServer::start(|_, stream| answer(stream, "204 No Content", "", b""));
        let stage = stage(kind, &hook, "");
        stage.fill(30);
        let before = stage.rows();
        let reply = stage.run();
        assert_eq!(reply["outcome"], "complete", "{kind:?}: {reply}");
        let rows = stage.rows();
        let told = told(&hook);
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), expected(&before), "{kind:?}");
        for (id, (said, keys)) in &told {
            let (row, was) = (&rows[usize::try_from(id - 1).unwrap()], &before[usize::try_from(id - 1).unwrap()]);
            assert_eq!((said["migration"].as_str(), keys.len()), (Some("photos"), 1), "{said}");
            for (place, column) in [(1, "document"), (2, "photos")] {
                let text = |row: &[Option<String>]| row[place].clone().map_or(Value::Null, Value::from);
                if text(row) == text(was) {
                    assert_eq!(said["new"].get(column), None, "it did not change: {said}");
                } else {
                    assert_eq!((&said["old"][column], &said["new"][column]), (&text(was), &text(row)), "{kind:?}");
                }
            }
        }
        let first = hook.asked();
        assert!(first.iter().all(|asked| asked.path == "/follow?me" && asked.header("x-token") == Some("t0ken")));
        assert_eq!(first.len(), told.len(), "nobody was told twice");

        let rolled = stage.job.reply(&["rollback", "photos"]);
        assert_eq!(rolled["outcome"], "complete", "{rolled}");
        let again: Vec<Value> = hook.asked()[first.len()..].iter().map(said_of).collect();
        assert_eq!(again.len(), first.len());
        for back in &again {
            let id = back["key"][0].as_str().unwrap().parse::<u64>().unwrap();
            let (there, _) = &told[&id];
            assert_eq!((&back["old"], &back["new"]), (&there["new"], &there["old"]), "{kind:?}");
        }
    }
}

#[test]
fn who_refuses_is_asked_again_by_retry_for_the_same_change() {
    let refuses = Arc::new(AtomicBool::new(true));
    let now = refuses.clone();
    let hook = FileServer::start(move |asked, stream| {
        let status = if said_of(asked)["key"][0] != "3" || !now.load(Ordering::SeqCst) { "200 OK" } else { "410 Gone" };
        answer(stream, status, "", b"{}")
    });
    let stage = stage(Kind::Postgres, &hook, "");
    stage.fill(6);
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["failed"]), (&"complete".into(), &1.into()), "{reply}");
    let failed = stage.job.reply(&["failed", "photos"]);
    let letter = &failed["items"][0];
    assert_eq!((&letter["key"], &letter["class"]), (&serde_json::json!(["3"]), &"server".into()), "{failed}");
    assert_eq!(
        letter["message"], "the row points at its copies, but after_row does not follow: the server answered 410",
        "{failed}"
    );
    assert!(stage.rows()[2][1].as_deref().unwrap().starts_with(NEW), "the row itself has followed");
    let verified = stage.job.reply(&["verify", "photos"]);
    assert_eq!(verified["equal"], 6, "{verified}");
    // It refuses once more, and then no more.
    for (refuse, left) in [(true, 1), (false, 0)] {
        refuses.store(refuse, Ordering::SeqCst);
        stage.job.reply(&["retry", "photos"]);
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["failed"]), (&"complete".into(), &left.into()), "{reply}");
    }
    let status = stage.job.status();
    assert_eq!(status["progress"]["moved"], 6, "{status}");
    let (last, keys) = &told(&hook)[&3];
    assert_eq!(keys.len(), 1, "one change, one key");
    assert!(last["new"]["document"].as_str().unwrap().starts_with(NEW), "{last}");
}

#[test]
fn a_run_that_is_killed_tells_of_every_row_in_the_end() {
    let hook = FileServer::start(|_, stream| {
        std::thread::sleep(Duration::from_millis(25));
        answer(stream, "200 OK", "", b"")
    });
    let mut stage = stage(Kind::MariaDb, &hook, "lease = \"1s\"\nmax_attempts = 1000\nmax_batch = 20");
    stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
    stage.fill(160);
    let before = stage.rows();
    let mut untold = 0;
    for kill in 0..14_u64 {
        let calls = hook.asked().len();
        let mut running = stage.job.cli().spawn(&["--json", "run", "photos"]);
        // Every other time once the first of a batch is told of: the others of it have followed, and are not.
        let longest = Instant::now() + Duration::from_millis(if kill % 2 == 0 { 2000 } else { 250 + 61 * kill });
        while Instant::now() < longest && (kill % 2 == 1 || hook.asked().len() == calls) {
            std::thread::sleep(Duration::from_millis(2));
        }
        running.signal("KILL");
        running.wait();
        // Rows that have followed, and of which nobody has heard yet.
        let heard = told(&hook);
        let ours = |row: &&Vec<Option<String>>| urls(row).iter().any(|url| url.starts_with(NEW));
        let rows = stage.rows();
        let moved = rows.iter().filter(ours).map(|row| row[0].as_deref().unwrap().parse::<u64>().unwrap());
        untold += moved.filter(|id| !heard.contains_key(id)).count();
    }
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let told = told(&hook);
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), expected(&before));
    assert!(told.values().all(|(_, keys)| keys.len() == 1), "one change, one key");
    assert!(untold > 0, "no kill came between a row and who follows it");
    let status = stage.job.status();
    assert_eq!((&status["progress"]["failed"], &status["progress"]["conflicts"]), (&0.into(), &0.into()), "{status}");
}

#[test]
fn who_does_not_answer_is_no_rows_fault_and_hears_of_all_later() {
    let silent = Arc::new(AtomicBool::new(true));
    let now = silent.clone();
    let hook = FileServer::start(move |_, stream| {
        while now.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        answer(stream, "200 OK", "", b"")
    });
    let stage = stage(Kind::Postgres, &hook, "");
    stage.fill(12);
    let before = stage.rows();
    let reply = stage.job.call(&["run", "photos", "--time-limit", "8s"]).expect(1).reply();
    assert_eq!(reply["errorType"], "Storage", "{reply}");
    let said = reply["errorMessage"].as_str().unwrap();
    assert!(said.contains("`after_row` does not answer: no answer within"), "{said}");
    assert_eq!(stage.job.status()["progress"]["failed"], 0, "no row is set aside for it");
    silent.store(false, Ordering::SeqCst);
    let heard = hook.asked().len();
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let later: BTreeSet<u64> =
        hook.asked()[heard..].iter().map(|asked| said_of(asked)["key"][0].as_str().unwrap().parse().unwrap()).collect();
    let expected = expected(&before);
    assert_eq!(later.into_iter().collect::<Vec<_>>(), expected, "whoever was silent has heard nothing before");
    let status = stage.job.status();
    assert_eq!(status["progress"]["moved"], expected.len(), "{status}");
}

#[test]
fn who_answers_others_has_something_against_the_row() {
    let over = Arc::new(AtomicBool::new(false));
    let now = over.clone();
    let hook = FileServer::start(move |asked, stream| {
        while said_of(asked)["key"][0] == "2" && !now.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        answer(stream, "200 OK", "", b"")
    });
    let stage = stage(Kind::Sqlite, &hook, "");
    stage.fill(4);
    let reply = stage.job.call(&["run", "photos", "--until-done", "--time-limit", "8s"]).expect(3).reply();
    assert_eq!((&reply["outcome"], &reply["progress"]["failed"]), (&"complete".into(), &1.into()), "{reply}");
    let failed = stage.job.reply(&["failed", "photos"]);
    assert_eq!(failed["items"][0]["key"], serde_json::json!(["2"]), "{failed}");
    let message = failed["items"][0]["message"].as_str().unwrap();
    assert!(message.contains("after_row does not follow: no answer within"), "{message}");
    over.store(true, Ordering::SeqCst);
    stage.job.reply(&["retry", "photos"]);
    assert_eq!(stage.run()["progress"]["failed"], 0);
}

#[test]
fn the_same_change_a_second_time_is_another_change() {
    let hook = FileServer::start(|_, stream| answer(stream, "200 OK", "", b""));
    let stage = stage(Kind::Sqlite, &hook, "");
    stage.fill(1);
    assert_eq!(stage.run()["outcome"], "complete");
    stage.job.reply(&["rollback", "photos"]);
    stage.job.reply(&["reset", "photos", "--confirm", "photos"]);
    assert_eq!(stage.run()["outcome"], "complete");
    let asked = hook.asked();
    let keys: BTreeSet<&str> = asked.iter().map(|asked| asked.header("idempotency-key").unwrap()).collect();
    assert_eq!((asked.len(), keys.len()), (3, 3), "there, back, and there again");
    assert_eq!(said_of(&asked[0]), said_of(&asked[2]));
}

#[test]
fn an_address_that_cannot_be_told_anything_is_refused_before_anything_moves() {
    let hook = FileServer::start(|_, stream| answer(stream, "200 OK", "", b""));
    let mut stage = stage(Kind::Sqlite, &hook, "");
    stage.fill(3);
    let before = stage.rows();
    for (url, message) in [
        ("http://hooks.example.com/", "beyond this machine it has to be https"),
        ("nonsense", "it cannot be read as one"),
    ] {
        stage.job.set("HOOK", url);
        let reply = stage.job.call(&["run", "photos"]).expect(2).reply();
        let said = reply["errorMessage"].as_str().unwrap();
        assert!(said.contains("after_row[0].webhook: it is no URL: ") && said.contains(message), "{reply}");
        assert!(!said.contains("hooks.example.com"), "the address may be a secret: {said}");
    }
    assert_eq!(stage.rows(), before);
}
