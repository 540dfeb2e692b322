//! Kills at any moment: afterwards every URL in the database is the old one or the new one, and its bytes are right.

use super::{Stage, good};
use crate::support::fault_proxy::FaultProxy;
use crate::support::job::full;
use crate::support::lossy_proxy::LossyProxy;
use crate::support::s3::{MAKES, Make};
use crate::support::servers::Kind;
use std::time::Duration;

#[test]
fn a_run_that_is_killed_again_and_again_arrives_all_the_same() {
    for (kind, make) in
        [(Kind::Sqlite, Make::Ministack), (Kind::MariaDb, Make::SeaweedFs), (Kind::Postgres, Make::Ministack)]
    {
        let mut stage = Stage::new(kind, make, |asked, stream| {
            std::thread::sleep(Duration::from_millis(3));
            good(asked, stream)
        });
        stage.define_usual("lease = \"1s\"\nmax_attempts = 1000\nmax_batch = 20");
        stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
        stage.fill(300);
        let before = stage.rows();
        let kills = if full() { 60 } else { 20 };
        for kill in 0..kills {
            let mut running = stage.job.cli().spawn(&["--json", "run", "photos"]);
            std::thread::sleep(Duration::from_millis(60 + 37 * (kill % 17)));
            running.signal("KILL");
            running.wait();
            if kill % 5 == 0 {
                stage.assert_sound(&before);
            }
        }
        let reply = stage.run();
        assert_eq!(reply["outcome"], "complete", "{kind:?}: {reply}");
        let (_, new) = stage.assert_sound(&before);
        assert!(new > 400, "{new}");
        let status = stage.job.status();
        let counted =
            ["moved", "skipped", "failed", "conflicts"].map(|name| status["progress"][name].as_u64().unwrap());
        let items = before.iter().filter(|row| row[3].as_deref() == Some("0")).count() as u64;
        assert_eq!(counted.iter().sum::<u64>(), items, "{status}");
        assert_eq!(counted[2..], [0, 0], "{status}");
        assert_eq!(stage.open_uploads(), []);
        let verified = stage.job.reply(&["verify", "photos"]);
        assert_eq!(verified["equal"], items, "{verified}");
        // What was noted twice, or noted and not done, is no harm to a rollback, nor is one that is killed.
        for _ in 0..3 {
            let mut running = stage.job.cli().spawn(&["--json", "rollback", "photos"]);
            std::thread::sleep(Duration::from_millis(120));
            running.signal("KILL");
            running.wait();
        }
        let rolled = stage.job.call(&["rollback", "photos"]).expect(0).reply();
        assert_eq!((&rolled["outcome"], &rolled["changed"]), (&"complete".into(), &0.into()), "{rolled}");
        assert_eq!(stage.rows(), before, "{kind:?}");
    }
}

#[test]
fn runs_that_overlap_do_the_same_once() {
    let mut stage = Stage::new(Kind::Postgres, Make::SeaweedFs, |asked, stream| {
        std::thread::sleep(Duration::from_millis(2));
        good(asked, stream)
    });
    stage.define_usual("lease = \"1s\"\nmax_attempts = 1000\nmax_batch = 15");
    // A lease that is over before it begins: whoever comes takes over.
    stage.job.set("MILKRUN_LEASE_MARGIN", "-60s");
    stage.fill(200);
    let before = stage.rows();
    let running: Vec<_> = (0..3).map(|_| stage.job.cli().spawn(&["--json", "run", "photos", "--until-done"])).collect();
    for one in running {
        one.wait();
    }
    stage.job.set("MILKRUN_LEASE_MARGIN", "0s");
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let (old, new) = stage.assert_sound(&before);
    assert!(new > 250 && old < 80, "{new} {old}");
    let status = stage.job.status();
    assert_eq!((&status["progress"]["failed"], &status["progress"]["conflicts"]), (&0.into(), &0.into()), "{status}");
    let rolled = stage.job.call(&["rollback", "photos"]).expect(0).reply();
    assert_eq!(rolled["changed"], 0, "{rolled}");
    assert_eq!(stage.rows(), before);
}

#[test]
fn connections_that_break_before_the_files_and_before_s3_cost_nothing() {
    for (seed, make) in (1..).zip(MAKES) {
        let mut stage = Stage::new(Kind::MariaDb, make, good);
        let files = LossyProxy::before(stage.server.address, seed, 60, 20_000);
        let s3 =
            LossyProxy::before(stage.endpoint.trim_start_matches("http://").parse().unwrap(), seed + 7, 40, 80_000);
        stage.fill(120);
        stage.job.database.execute(&format!(
            "UPDATE profiles SET document = REPLACE(document, '{0}', '{1}'), photos = REPLACE(photos, '{0}', '{1}')",
            stage.server.address, files.address
        ));
        stage.define_usual("stop_when_failed = \"100%\"");
        let path = stage.job.folder().join("migrations/photos.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace(&stage.endpoint, &format!("http://{}", s3.address));
        std::fs::write(&path, text.replace(&stage.server.address.to_string(), &files.address.to_string())).unwrap();
        let before = stage.rows();
        let mut reply = serde_json::Value::Null;
        for _ in 0..40 {
            reply = stage.job.call(&["run", "photos", "--time-limit", "10s"]).reply();
            if reply["outcome"] == "complete" {
                break;
            }
        }
        assert_eq!(reply["outcome"], "complete", "{make:?}: {reply}");
        let (_, new) = stage.assert_sound(&before);
        assert!(new > 100, "{new}");
        let dead = stage.job.status()["dead"].clone();
        assert!(dead.as_object().unwrap().keys().all(|class| class == "server"), "{dead}");
        assert!(files.cut() > 0 && s3.cut() > 0, "{} {}", files.cut(), s3.cut());
        assert_eq!(stage.open_uploads(), [], "{make:?}");
    }
}

#[test]
fn requests_and_replies_of_the_ledger_that_go_astray_cost_nothing() {
    let seed = std::env::var("MILKRUN_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("MILKRUN_SEED={seed}");
    let mut stage = Stage::new(Kind::Postgres, Make::Ministack, good);
    let (endpoint, table) = crate::support::servers::fresh_ledger();
    let proxy = FaultProxy::before(&endpoint, seed, 30);
    stage.job.set("MILKRUN_LEDGER", &format!("dynamodb://{table}"));
    stage.job.set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
    stage.job.set("MILKRUN_LEASE_MARGIN", "0s");
    stage.define_usual("lease = \"1s\"\nmax_batch = 4\nmax_attempts = 1000");
    stage.fill(120);
    let before = stage.rows();
    let mut outcomes = Vec::new();
    for _ in 0..60 {
        let finished = stage.job.call(&["run", "photos", "--time-limit", "5s"]);
        // A ledger that cannot be reached at all fails an invocation, and nothing else.
        let outcome = finished.replies().pop().map_or_else(String::new, |reply| reply["outcome"].to_string());
        outcomes.push(outcome);
        if outcomes.last().is_some_and(|last| last == "\"complete\"") {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    proxy.calm();
    let injected: u64 = proxy.injected().iter().map(|(_, count)| count).sum();
    println!("{injected} faults, {outcomes:?}");
    assert!(injected > 10, "{injected} faults");
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let (_, new) = stage.assert_sound(&before);
    assert!(new > 100, "{new}");
    let status = stage.job.status();
    let items = before.iter().filter(|row| row[3].as_deref() == Some("0")).count() as u64;
    let counted = ["moved", "skipped"].map(|name| status["progress"][name].as_u64().unwrap());
    assert_eq!((counted.iter().sum::<u64>(), &status["dead"]), (items, &serde_json::json!({})), "{status}");
    assert_eq!(stage.open_uploads(), []);
    let verified = stage.job.reply(&["verify", "photos"]);
    assert_eq!(verified["equal"], items, "{verified}");
}
