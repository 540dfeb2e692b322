//! How DynamoDB keeps it: attributes for people, a reply that is lost, a server that is silent, connections that are shared.

use super::{LIMIT, record};
use crate::support::dynamodb::{config, dynamodb};
use crate::support::fault_proxy::is_put;
use crate::support::http_exchange::{Upstream, proxy};
use crate::support::loopback::Loopback;
use crate::support::slow::Slow;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use milkrun::ledger::{DynamoDb, Ledger, LedgerError, Record, Swap};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

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

/// Stands before `upstream` and loses the reply to the first write: it is carried out, but nobody hears of it.
fn lose_the_first_reply(upstream: &str, writes: Arc<AtomicUsize>) -> Loopback {
    let server = Upstream::at(upstream);
    proxy(move |request| {
        let reply = server.forward(&request)?;
        let is_lost = is_put(&request) && writes.fetch_add(1, Ordering::SeqCst) == 0;
        (!is_lost).then_some(reply)
    })
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_done() {
    let server = dynamodb().await;
    let table = server.new_table().await;
    let direct = DynamoDb::new(&config(&server.url).await, table.clone());
    let first = record("state");
    direct.swap(&first, None, LIMIT).await.unwrap();

    let writes = Arc::new(AtomicUsize::new(0));
    let proxy = lose_the_first_reply(&server.url, Arc::clone(&writes));
    let second = Record { seq: 2, stamp: "second".into(), ..first.clone() };
    let swap = DynamoDb::new(&config(&proxy.url()).await, table).swap(&second, Some(&first), LIMIT).await.unwrap();
    assert_eq!(swap, Swap::Done);
    assert_eq!(writes.load(Ordering::SeqCst), 2, "the SDK tried again");
    assert_eq!(direct.get("orders", "state", LIMIT).await.unwrap(), Some(second), "and it was written once");
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
async fn calls_of_any_limit_share_their_connections() {
    // A run calls with less and less time: a pool of its own for each would cost a TLS handshake a call, and stay forever.
    let endpoint = dynamodb().await;
    let table = endpoint.new_table().await;
    let port: u16 = endpoint.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let proxy = Slow::start(([127, 0, 0, 1], port).into(), Duration::ZERO);
    let through = config(&proxy.url()).await;
    let ledger = DynamoDb::new(&through, table);
    for milliseconds in 2000..2030 {
        ledger.get("orders", "state", Duration::from_millis(milliseconds)).await.unwrap();
    }
    let open = tokio::task::spawn_blocking(move || proxy.drop_connections()).await.unwrap();
    assert!((1..=2).contains(&open), "{open} connections for calls one after another");
}
