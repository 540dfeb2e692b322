//! Both ledgers keep what a ledger promises, and say clearly what is wrong when they cannot.

use crate::ledger_conformance::{Subject, exercise};
use crate::support::dynamodb::{config, dynamodb};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use milkrun::ledger::{DynamoDb, Ledger, LedgerError, Record, Sqlite, Swap, open};
use serde_json::{Map, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(10);

fn record(item: &str) -> Record {
    Record {
        migration: "orders".into(),
        item: item.into(),
        seq: 1,
        epoch: 1,
        owner: None,
        stamp: format!("stamp of {item}"),
        expires: None,
        body: Map::new(),
    }
}

struct InSqlite(PathBuf);

#[async_trait]
impl Subject for InSqlite {
    fn handle(&self) -> Arc<dyn Ledger> {
        Arc::new(Sqlite::open(&self.0).unwrap())
    }

    async fn set_version(&self, migration: &str, item: &str, v: u64) {
        let connection = rusqlite::Connection::open(&self.0).unwrap();
        let sql = "UPDATE ledger SET v = ?1 WHERE migration = ?2 AND item = ?3";
        let changed = connection.execute(sql, (i64::try_from(v).unwrap(), migration, item)).unwrap();
        assert_eq!(changed, 1);
    }
}

struct InDynamoDb {
    config: SdkConfig,
    table: String,
}

#[async_trait]
impl Subject for InDynamoDb {
    fn handle(&self) -> Arc<dyn Ledger> {
        Arc::new(DynamoDb::new(&self.config, self.table.clone()))
    }

    async fn set_version(&self, migration: &str, item: &str, v: u64) {
        Client::new(&self.config)
            .update_item()
            .table_name(&self.table)
            .key("migration", AttributeValue::S(migration.into()))
            .key("item", AttributeValue::S(item.into()))
            .update_expression("SET v = :v")
            .expression_attribute_values(":v", AttributeValue::N(v.to_string()))
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise() {
    let home = tempfile::tempdir().unwrap();
    exercise(&InSqlite(home.path().join("ledger.db"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_keeps_every_promise() {
    let server = dynamodb().await;
    let (config, table) = (config(&server.url).await, server.new_table().await);
    exercise(&InDynamoDb { config, table }).await;
}

/// Each record has to be readable in the console: fields are attributes, `owner` and `expires` are there only when set.
#[tokio::test]
async fn dynamodb_shows_each_field_as_an_attribute() {
    let server = dynamodb().await;
    let (config, table) = (config(&server.url).await, server.new_table().await);
    let mut state = record("state");
    state.body.insert("cursor".into(), json!(["17", null]));
    DynamoDb::new(&config, table.clone()).put(&state, LIMIT).await.unwrap();
    let items = Client::new(&config).scan().table_name(table).send().await.unwrap().items.unwrap();
    let mut names: Vec<_> = items[0].keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cursor", "epoch", "item", "migration", "seq", "stamp", "v"]);
    assert_eq!(items[0]["v"], AttributeValue::N("1".into()));
    assert_eq!(items[0]["cursor"], AttributeValue::L(vec![AttributeValue::S("17".into()), AttributeValue::Null(true)]));
}

/// Reads one HTTP request to its end.
async fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
            if bytes.len() >= end + length.trim().parse::<usize>().unwrap() {
                return bytes;
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request broke off");
    }
}

/// Stands before `upstream` and loses the reply to the first request: it is carried out, but nobody hears of it.
async fn lose_the_first_reply(upstream: String, requests: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&upstream).await.unwrap();
            let request = request(&mut client).await;
            server.write_all(&request).await.unwrap();
            if requests.fetch_add(1, Ordering::SeqCst) == 0 {
                assert!(String::from_utf8_lossy(&request).contains("DynamoDB_20120810.PutItem"));
                // The first byte of the reply: the write is done.
                server.read_u8().await.unwrap();
                continue;
            }
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    url
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_done() {
    let server = dynamodb().await;
    let table = server.new_table().await;
    let direct = DynamoDb::new(&config(&server.url).await, table.clone());
    let first = record("state");
    direct.swap(&first, None, LIMIT).await.unwrap();

    let requests = Arc::new(AtomicUsize::new(0));
    let upstream = server.url.trim_start_matches("http://").to_owned();
    let url = lose_the_first_reply(upstream, Arc::clone(&requests)).await;
    let second = Record { seq: 2, stamp: "second".into(), ..first.clone() };
    let swap = DynamoDb::new(&config(&url).await, table).swap(&second, Some(&first), LIMIT).await.unwrap();
    assert_eq!(swap, Swap::Done);
    assert_eq!(requests.load(Ordering::SeqCst), 2, "the SDK tried again");
    assert_eq!(direct.get("orders", "state", LIMIT).await.unwrap(), Some(second), "and it was written once");
}

/// A server that gives every request the same answer.
async fn answering(status: &'static str, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            request(&mut client).await;
            let reply = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            client.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    url
}

async fn error_of(url: &str, table: &str) -> LedgerError {
    let ledger = DynamoDb::new(&config(url).await, table.to_owned());
    ledger.put(&record("state"), LIMIT).await.unwrap_err()
}

#[tokio::test]
async fn a_missing_table_says_what_to_do() {
    let error = error_of(&dynamodb().await.url, "nowhere").await;
    assert!(matches!(error, LedgerError::Refused { operation: "PutItem", .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.starts_with("the ledger dynamodb://nowhere refused PutItem: ResourceNotFoundException: "),
        "{message}"
    );
    assert!(message.ends_with("; create the table, or set MILKRUN_LEDGER; the region counts too"), "{message}");
}

#[tokio::test]
async fn what_dynamodb_refuses_says_what_to_do() {
    for (code, said, expected) in [
        (
            "AccessDeniedException",
            "User: arn:aws:sts::1:assumed-role/r/s is not authorized",
            "AccessDeniedException: User: arn:aws:sts::1:assumed-role/r/s is not authorized; \
             allow dynamodb:PutItem on table/runs in the function's role",
        ),
        (
            "InvalidSignatureException",
            "The signature does not match.\\n\\nThe Canonical String was\\nx-amz-security-token:TOKEN",
            "InvalidSignatureException: The signature does not match.; renew the AWS credentials, and look at the clock",
        ),
        (
            "ValidationException",
            "One of the required keys was not given a value",
            "ValidationException: One of the required keys was not given a value; \
             its partition key has to be `migration` and its sort key `item`, both strings",
        ),
    ] {
        let body = format!(r#"{{"__type":"com.amazon.coral.service#{code}","message":"{said}"}}"#);
        let error = error_of(&answering("400 Bad Request", body).await, "runs").await;
        assert_eq!(error.to_string(), format!("the ledger dynamodb://runs refused PutItem: {expected}"));
    }
}

#[tokio::test]
async fn a_dynamodb_that_fails_or_is_not_there_is_unreachable() {
    let failing = answering("500 Internal Server Error", r#"{"__type":"InternalServerError"}"#.into()).await;
    let error = error_of(&failing, "runs").await;
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("InternalServerError: no message (HTTP 500)"), "{error}");

    // What passes by itself is waited for, and pauses no migration.
    let body = r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"Rate exceeded"}"#;
    let error = error_of(&answering("400 Bad Request", body.into()).await, "runs").await;
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    let hint = "ThrottlingException: Rate exceeded; it throttles: make the table on demand, or raise its capacity";
    assert!(error.to_string().contains(hint), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = error_of(&nobody, "runs").await;
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    let message = error.to_string().to_lowercase();
    assert!(message.contains("connection refused"), "the whole cause chain: {message}");
    assert!(message.contains("look at the network and aws_endpoint_url_dynamodb"), "{message}");
}

#[tokio::test]
async fn missing_credentials_or_region_say_what_to_set() {
    let url = dynamodb().await.url;
    let without =
        |region: Option<Region>| SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).region(region);
    let ledger = DynamoDb::new(&without(Some(Region::new("eu-central-1"))).endpoint_url(url).build(), "runs".into());
    let message = ledger.get("orders", "state", LIMIT).await.unwrap_err().to_string();
    assert!(message.starts_with("the ledger dynamodb://runs refused GetItem: "), "{message}");
    assert!(
        message.ends_with("; no AWS credentials were found: set AWS_PROFILE, or give the function a role"),
        "{message}"
    );

    let known = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "tests"));
    let ledger = DynamoDb::new(&without(None).credentials_provider(known).build(), "runs".into());
    let message = ledger.get("orders", "state", LIMIT).await.unwrap_err().to_string();
    assert!(message.starts_with("the ledger dynamodb://runs refused GetItem: "), "{message}");
    assert!(message.ends_with("; set AWS_REGION"), "{message}");
}

#[tokio::test]
async fn a_silent_dynamodb_costs_no_more_than_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ledger = DynamoDb::new(&config(&url).await, "runs".into());
    let limit = Duration::from_millis(700);
    let begun = Instant::now();
    let one = record("state");
    let (swap, put, get, list, delete) = tokio::join!(
        ledger.swap(&one, None, limit),
        ledger.put(&one, limit),
        ledger.get("orders", "state", limit),
        ledger.list("orders", "", None, 9, false, limit),
        ledger.delete("orders", "state", limit),
    );
    let took = begun.elapsed();
    for error in [swap.err(), put.err(), get.err(), list.err(), delete.err()] {
        assert!(matches!(error, Some(LedgerError::Unreachable { .. })), "{error:?}");
    }
    assert!(took < limit * 3, "{took:?}");
}

#[tokio::test]
async fn a_locked_sqlite_file_costs_no_more_than_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ledger.db");
    let ledger = Sqlite::open(&path).unwrap();
    ledger.put(&record("state"), LIMIT).await.unwrap();
    let holder = rusqlite::Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();

    let limit = Duration::from_millis(300);
    let begun = Instant::now();
    let (one, other) = (record("one"), record("other"));
    let (one, other) = tokio::join!(ledger.put(&one, limit), ledger.put(&other, limit));
    assert!(begun.elapsed() < limit * 5, "{:?}", begun.elapsed());
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().ends_with("another process kept it locked for 300 ms; try again"), "{error}");
    }
    assert!(ledger.get("orders", "state", limit).await.unwrap().is_some(), "readers pass");
    holder.execute_batch("ROLLBACK").unwrap();
    ledger.put(&record("one"), limit).await.unwrap();
}

/// Counts up 25 times by swaps. Not a test by itself: the one below runs it in many processes.
#[tokio::test]
#[ignore = "run in processes of its own by many_processes_share_one_sqlite_file"]
async fn count_up() {
    let ledger = Sqlite::open(Path::new(&std::env::var("LEDGER").unwrap())).unwrap();
    let mut seen = ledger.get("orders", "state", LIMIT).await.unwrap();
    for number in 0..25 {
        loop {
            let seq = seen.as_ref().map_or(1, |seen| seen.seq + 1);
            let next = Record { seq, stamp: format!("{} {number}", std::process::id()), ..record("state") };
            match ledger.swap(&next, seen.as_ref(), LIMIT).await.unwrap() {
                Swap::Done => break seen = Some(next),
                Swap::Lost(stored) => seen = stored,
            }
        }
    }
}

#[tokio::test]
async fn many_processes_share_one_sqlite_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ledger.db");
    let counters: Vec<_> = (0..8)
        .map(|_| {
            tokio::process::Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "ledger::count_up"])
                .env("LEDGER", &path)
                .kill_on_drop(true)
                .output()
        })
        .map(tokio::spawn)
        .collect();
    for counter in counters {
        let output = counter.await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let state = Sqlite::open(&path).unwrap().get("orders", "state", LIMIT).await.unwrap().unwrap();
    assert_eq!(state.seq, 8 * 25, "no count is lost and none counts twice");
}

fn items_of(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT item FROM ledger ORDER BY item").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn sqlite_removes_what_has_expired_when_a_run_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ledger.db");
    let ledger = Sqlite::open(&path).unwrap();
    for (item, expires) in [("run#2", Some(4_102_444_800)), ("run#1", Some(1)), ("state", None)] {
        ledger.put(&Record { expires, ..record(item) }, LIMIT).await.unwrap();
    }
    assert_eq!(items_of(&path), ["run#1", "run#2", "state"], "what does not expire sweeps nothing");
    ledger.put(&Record { expires: Some(4_102_444_800), ..record("run#3") }, LIMIT).await.unwrap();
    assert_eq!(items_of(&path), ["run#2", "run#3", "state"]);
}

#[tokio::test]
async fn a_setting_opens_the_ledger_it_names() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ledger.db");
    let unasked = || async { panic!("SQLite needs no AWS") };
    let ledger = open(&format!("sqlite://{}", path.display()), unasked).await.unwrap();
    ledger.put(&record("state"), LIMIT).await.unwrap();
    assert_eq!(items_of(&path), ["state"]);

    let server = dynamodb().await;
    let setting = format!("dynamodb://{}", server.new_table().await);
    let ledger = open(&setting, || config(&server.url)).await.unwrap();
    ledger.put(&record("state"), LIMIT).await.unwrap();
    assert!(ledger.get("orders", "state", LIMIT).await.unwrap().is_some());

    let error = open("redis://:hunter2@host", || config(&server.url)).await.err().unwrap();
    assert!(matches!(&error, LedgerError::Setting(message) if !message.contains("hunter2")), "{error}");
}

#[tokio::test]
async fn calls_of_any_limit_share_their_connections() {
    // A run calls with less and less time: a pool of its own for each would cost a TLS handshake a call, and stay forever.
    let endpoint = dynamodb().await;
    let table = endpoint.new_table().await;
    let port: u16 = endpoint.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let proxy = crate::support::slow::Slow::start(([127, 0, 0, 1], port).into(), Duration::ZERO);
    let through = config(&proxy.url()).await;
    let ledger = DynamoDb::new(&through, table);
    for milliseconds in 2000..2030 {
        ledger.get("orders", "state", Duration::from_millis(milliseconds)).await.unwrap();
    }
    let open = tokio::task::spawn_blocking(move || proxy.drop_connections()).await.unwrap();
    assert!((1..=2).contains(&open), "{open} connections for calls one after another");
}
