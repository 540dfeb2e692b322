//! `log_keys = false`: keys of rows appear nowhere, but stay recognisable.

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};

const KEY: &str = "4711081547110815";

/// The words of `milkrun` through a shell, as somebody types them who copies `next` from a page of text.
fn in_a_shell(job: &Job, words: &str) -> std::process::Output {
    std::process::Command::new("sh")
        .args(["-c", &format!("{} {words}", env!("CARGO_BIN_EXE_milkrun"))])
        .current_dir(job.folder())
        .env_clear()
        .envs(job.cli().environment)
        .output()
        .unwrap()
}

#[test]
fn pages_go_on_through_a_shell_and_show_no_hidden_key() {
    let keys: Vec<i64> = (1..=5).map(|n| 4_711_081_547_110_815 + n).collect();
    for hidden in [true, false] {
        let limits = format!("settle = \"0s\"\nlog_keys = {}", !hidden);
        let job = Job::shop(Kind::Sqlite, Size { orders: 0, closed: 0, items: 0, discounts: 0 }, &limits);
        for key in &keys {
            job.database.execute(&format!(
                "INSERT INTO orders VALUES ({key}, 'cancelled', 'Ann', 1.5, NULL, NULL, '2024-01-01')"
            ));
        }
        job.run_to_the_end();
        job.database.execute("UPDATE order_history SET document = '{}', digest = 'x'");
        job.reply(&["reset", &job.name, "--confirm", &job.name]);
        job.call(&["run", &job.name]).expect(3);
        let all = job.reply(&["failed", &job.name]);
        assert_eq!((all["items"].as_array().unwrap().len(), &all["next"]), (5, &serde_json::Value::Null));
        let (mut seen, mut next, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = in_a_shell(&job, &format!("failed {} --limit 2 {next}", job.name));
            let text = String::from_utf8(page.stdout).unwrap();
            assert!(page.status.success(), "{text} {}", String::from_utf8_lossy(&page.stderr));
            if hidden {
                assert!(keys.iter().all(|key| !text.contains(&key.to_string())), "{text}");
            }
            pages += 1;
            seen.extend(text.lines().filter_map(|line| Some(line.trim().strip_prefix("key: ")?.to_owned())));
            match text.lines().find_map(|line| line.strip_prefix("next: ")) {
                Some(token) => next = format!("--next {token}"),
                None => break,
            }
        }
        let mut expected: Vec<_> =
            all["items"].as_array().unwrap().iter().map(|one| one["key"][0].as_str().unwrap().to_owned()).collect();
        expected.sort();
        seen.sort();
        assert_eq!((seen, pages), (expected, 3));
        for wrong in ["dead#[\"1\"]", "abc", &next[7..20]] {
            let refused = job.call(&["failed", &job.name, "--next", wrong]).expect(2);
            assert_eq!(refused.reply()["errorType"], "Usage");
            assert!(!refused.stderr.contains("dead#"), "{refused:?}");
        }
        // Those that are settled leave no holes.
        job.database.execute(&format!("DELETE FROM order_history WHERE order_id < {}", keys[4]));
        job.reply(&["retry", &job.name]);
        job.call(&["run", &job.name]).expect(3);
        let page = job.reply(&["failed", &job.name, "--limit", "1"]);
        assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &serde_json::Value::Null), "{page}");
    }
}

/// An order whose key nobody may see: the only closed one of the shop.
fn secretive() -> Job {
    let job = Job::shop(
        Kind::Sqlite,
        Size { orders: 0, closed: 0, items: 0, discounts: 0 },
        "settle = \"0s\"\nlog_keys = false",
    );
    job.database
        .execute(&format!("INSERT INTO orders VALUES ({KEY}, 'cancelled', 'Ann', 1.5, NULL, NULL, '2024-01-01')"));
    job
}

/// Runs a command in both forms; neither may show the key.
#[track_caller]
fn silent(job: &Job, arguments: &[&str], code: i32) -> serde_json::Value {
    let people = job.cli().run(arguments).expect(code);
    let machines = job.call(arguments).expect(code);
    for text in [&people.stdout, &people.stderr, &machines.stdout, &machines.stderr] {
        assert!(!text.contains(KEY), "{arguments:?}: {text}");
    }
    machines.reply()
}

#[test]
fn keys_are_hashed_in_replies_and_dead_letters() {
    let job = secretive();
    // The target holds something else under the key.
    let run = silent(&job, &["run", &job.name], 0);
    assert_eq!(run["outcome"], "complete");
    job.database.execute("UPDATE order_history SET document = '{}', digest = 'x'");
    let found = silent(&job, &["verify", &job.name], 3);
    assert!(found["examples"][0]["key"][0].as_str().unwrap().starts_with("sha256:"), "{found}");
    silent(&job, &["reset", &job.name, "--confirm", &job.name], 0);
    let run = job.call(&["run", &job.name]).expect(3).reply();
    assert!(run["shards"][0]["cursor"][0].as_str().unwrap().starts_with("sha256:"), "{run}");
    let failed = silent(&job, &["failed", &job.name], 0);
    // One and the same key is one and the same digest.
    assert_eq!(failed["items"][0]["key"], found["examples"][0]["key"]);
    let status = silent(&job, &["status", &job.name], 0);
    assert!(status["shards"][0]["cursor"][0].as_str().unwrap().starts_with("sha256:"), "{status}");
    // A file that cannot be read does not say that keys may be shown.
    std::fs::write(job.folder().join(format!("migrations/{}.toml", job.name)), "name = 1").unwrap();
    assert!(silent(&job, &["status", &job.name], 0)["problem"].is_string());
}

#[test]
fn keys_are_hashed_where_the_breaker_and_status_name_an_item() {
    for shown in [false, true] {
        let mut job = Job::shop(Kind::Sqlite, Size { orders: 99, closed: 99, items: 0, discounts: 0 }, "");
        let limits = format!("settle = \"0s\"\nmax_item = \"1 KB\"\nstop_when_failed = \"0%\"\nlog_keys = {shown}");
        job.define(&shop::migration(&limits));
        job.database.execute(&format!(
            "INSERT INTO orders VALUES ({KEY}, 'cancelled', 'Ann', 1.5, NULL, '{}', '2024-01-01')",
            "long ".repeat(400)
        ));
        let finished = job.call(&["run", &job.name]).expect(4);
        let run = finished.reply();
        assert_eq!(run["stopped_by"], "breaker", "{run}");
        assert_eq!(run["reason"].as_str().unwrap().contains("sha256:"), !shown, "{run}");
        assert_eq!(finished.stderr.contains(KEY) || finished.stdout.contains(KEY), shown, "{finished:?}");
        let status = job.call(&["status", &job.name]).expect(0);
        assert_eq!(status.stdout.contains(KEY), shown, "{status:?}");
        assert_eq!(status.reply()["dead"], serde_json::json!({"too_large": 1}));
        // Whoever knows the key can name it.
        let key = format!("[\"{KEY}\"]");
        assert_eq!(job.reply(&["retry", &job.name, "--key", &key])["retried"], 1);
    }
}
