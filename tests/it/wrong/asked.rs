//! What is wrong with what is asked: arguments and events.

use super::{SHOP, fails};
use crate::support::job::Job;
use crate::support::servers::Kind;
use serde_json::{Value, json};

#[test]
fn arguments() {
    let job = Job::shop(Kind::Sqlite, SHOP, "");
    let folder = job.folder().join("migrations").display().to_string();
    for (arguments, message) in [
        (
            &["run", "order-history"][..],
            "there is no migration `order-history` in `{folder}`: did you mean `orders-history`?",
        ),
        (
            &["run", "orders-history", "--max-items", "0"],
            "`max_items` is 0, so nothing could move: leave it out, or write at least 1",
        ),
        (&["run", "--shard", "0000"], "`shard` belongs to one migration: name it in `migration`"),
        (
            &["run", "orders-history", "--shard", "0001"],
            "there is no shard `0001`: `orders-history` has 1, up to `0000`; `shards` in `[limits]` says into how many the first pass is cut",
        ),
        (
            &["--ledger", "foo", "status"],
            "`--ledger`: the ledger's setting has no `://`: write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)",
        ),
        (
            &["retry", "orders-history", "--class", "conflicts"],
            "there is no class `conflicts` of dead letters: use one of `conflict`, `poison`, `too_large`, `killed`, `gone`, `forbidden`, `blocked`, `wrong_type`, `mismatch`, `unstable`, `timeout`, `server`, `archived`; did you mean `conflict`?",
        ),
        (
            &["retry", "orders-history", "--key", "[\"17\"]"],
            "there is no dead letter with the key [\"17\"]: write it as `failed` shows it, in full where `log_keys` is false",
        ),
        (
            &["retry", "orders-history", "--key", "[17]", "--class", "poison"],
            "`class` and `key` cannot stand together: a key names one dead letter whatever its class",
        ),
        (
            &["rollback", "orders-history"],
            "`rollback` is for migrations of kind `files`, and `orders-history` is of kind `rows`: what it copied is in its target",
        ),
        (
            &["verify", "orders-history", "--sample", "1%"],
            "`sample` is for migrations of kind `files`, and `orders-history` is of kind `rows`: leave it out, and all of it is compared, chunk by chunk",
        ),
        (
            &["verify", "orders-history", "--sample", "0%"],
            "verify: `sample`: `0%` is no share: write one above 0% and up to 100%, such as `1%` or `0.25%`",
        ),
        (
            &["verify", "orders-history", "--full"],
            "`full` reads the objects of two buckets, so it is for migrations of kind `objects`, and `orders-history` is of kind `rows`, which are always compared whole: leave it out",
        ),
        (&["failed", "orders-history", "--limit", "0"], "`limit` is 0, but has to be between 1 and 1000"),
        (
            &["failed", "orders-history", "--next", "move#0000"],
            "`next` is none that `failed` gave for this migration as it is now: pass on the `next` of the page before, whole, or leave it out to begin anew",
        ),
    ] {
        let kind = if arguments.get(1) == Some(&"order-history") { "Definition" } else { "Usage" };
        fails(&job, arguments, 2, kind, &message.replace("{folder}", &folder));
    }
    // What is no command line at all: the parser's words, and with --json a reply all the same.
    for (arguments, message) in [
        (&["runn"][..], "unrecognized subcommand 'runn'; tip: a similar subcommand exists: 'run'"),
        (
            &["run", "--max-item", "3"],
            "unexpected argument '--max-item' found; tip: a similar argument exists: '--max-items'",
        ),
        (&["run", "--max-items", "many"], "invalid value 'many' for '--max-items <N>': invalid digit found in string"),
        (&["plan"], "the following required arguments were not provided:; <MIGRATION>"),
        (
            &["run", "--time-limit", "soon"],
            "invalid value 'soon' for '--time-limit <TIME>': write a time of at least 1ms, such as 30s, 500ms or 15m",
        ),
        (
            &["run", "--time-limit", "0s"],
            "invalid value '0s' for '--time-limit <TIME>': write a time of at least 1ms, such as 30s, 500ms or 15m",
        ),
        (
            &["run", "--memory-limit", "0"],
            "invalid value '0' for '--memory-limit <SIZE>': write a size of at least 1MB, such as 1024MB or 1GB",
        ),
        (
            &["run", "--memory-limit", "1KB"],
            "invalid value '1KB' for '--memory-limit <SIZE>': write a size of at least 1MB, such as 1024MB or 1GB",
        ),
    ] {
        let refused = job.call(arguments).expect(2);
        assert_eq!(refused.reply(), json!({"errorType": "Usage", "errorMessage": message}));
        assert!(refused.stderr.starts_with("error: "), "{refused:?}");
    }
}

#[test]
fn events() {
    let job = Job::shop(Kind::Sqlite, SHOP, "");
    let emulator = job.lambda(10, 256);
    for (event, message) in [
        (
            json!(null),
            r#"the event is null, but has to be an object such as {"command": "run", "migration": "orders-history"}"#,
        ),
        (
            json!("run"),
            r#"the event is a string, but has to be an object such as {"command": "run", "migration": "orders-history"}"#,
        ),
        (
            json!([{"command": "run"}]),
            r#"the event is an array, but has to be an object such as {"command": "run", "migration": "orders-history"}"#,
        ),
        (
            json!({}),
            r#"the event has no `command`: write {"command": "run", "migration": "orders-history"}, with one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`"#,
        ),
        (
            json!({"command": 7}),
            "`command` is a number, but has to be one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`",
        ),
        (
            json!({"command": "stats"}),
            "there is no command `stats`: use one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`; did you mean `status`?",
        ),
        (
            json!({"command": "everything"}),
            "there is no command `everything`: use one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`",
        ),
        (
            json!({"command": "run", "migraton": "orders-history"}),
            "run: there is no field `migraton`: it takes `migration`, `max_items`, `shard`; did you mean `migration`?",
        ),
        (
            json!({"command": "run", "migration": ["orders-history"]}),
            "run: `migration`: invalid type: list, expected a string",
        ),
        (
            json!({"command": "run", "max_items": 0}),
            "`max_items` is 0, so nothing could move: leave it out, or write at least 1",
        ),
        (
            json!({"command": "run", "max_items": -1}),
            "run: `max_items`: invalid value: integer `-1`, expected a whole number, not below 0",
        ),
        (
            json!({"command": "run", "max_items": "10"}),
            r#"run: `max_items`: invalid type: string "10", expected a whole number, not below 0"#,
        ),
        (json!({"command": "status", "max_items": 10}), "status: there is no field `max_items`: it takes `migration`"),
        (json!({"command": "plan"}), "plan: missing field `migration`"),
        (
            json!({"command": "resume", "migration": "orders-history", "accept": true}),
            "resume: `accept`: invalid type: boolean `true`, expected a string",
        ),
        (
            json!({"command": "reset", "migration": "orders-history", "confirm": "orders"}),
            r#"`reset` forgets all progress of `orders-history`: repeat its name as `"confirm": "orders-history"`, on the command line `--confirm orders-history`"#,
        ),
        (
            json!({"command": "retry", "migration": "orders-history", "key": "17"}),
            r#"retry: `key`: invalid type: string "17", expected a list"#,
        ),
        (
            json!({"command": "rollback", "migration": "orders-history"}),
            "`rollback` is for migrations of kind `files`, and `orders-history` is of kind `rows`: what it copied is in its target",
        ),
        (
            json!({"command": "verify", "migration": "orders-history", "repair": "yes"}),
            "verify: `repair`: invalid type: string \"yes\", expected a boolean",
        ),
        (
            json!({"command": "failed", "migration": "orders-history", "limit": 5000}),
            "`limit` is 5000, but has to be between 1 and 1000",
        ),
        (
            json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {}}),
            r#"an EventBridge event of the source `aws.s3` (`Object Created`) says nothing to milkrun: send a scheduled event, or {"command": "run", "migration": "orders-history"}"#,
        ),
    ] {
        let answer: Value = serde_json::from_str(&emulator.invoke(&event).body).unwrap();
        assert_eq!(answer["errorType"], "Usage", "{event}: {answer}");
        assert_eq!(answer["errorMessage"], message, "{event}");
    }
    // After all that it still works.
    assert_eq!(emulator.invoke(&job.event()).reply()["moved"], 10);
}
