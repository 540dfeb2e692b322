//! Both ledgers keep what a ledger promises, and say clearly what is wrong when they cannot.

mod in_dynamodb;
mod in_sqlite;
mod refused;

use crate::ledger_conformance::{Subject, exercise};
use crate::support::dynamodb::{config, dynamodb};
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use in_sqlite::items_of;
use milkrun::ledger::{DynamoDb, Ledger, LedgerError, Record, Sqlite, open};
use serde_json::Map;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
