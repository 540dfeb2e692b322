//! Amazon's own DynamoDB Local: one server for the whole test process, in memory, on loopback.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running DynamoDB.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// `http://127.0.0.1:PORT`, as `AWS_ENDPOINT_URL_DYNAMODB` takes it.
    pub(crate) url: String,
}

/// The server, started by the first test that asks. `scripts/setup-dynamodb.sh` has to have run.
pub(crate) async fn dynamodb() -> Endpoint {
    tokio::task::spawn_blocking(|| {
        static SERVER: OnceLock<Server> = OnceLock::new();
        Endpoint { url: SERVER.get_or_init(Server::start).url.clone() }
    })
    .await
    .unwrap()
}

impl Endpoint {
    /// An empty ledger table that no other test knows.
    pub(crate) async fn new_table(&self) -> String {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let name = format!("ledger-{}-{}", std::process::id(), TABLES.fetch_add(1, Ordering::Relaxed));
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
        };
        let key = |name: &str, kind: KeyType| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
        };
        Client::new(&config(&self.url).await)
            .create_table()
            .table_name(&name)
            .attribute_definitions(attribute("migration"))
            .attribute_definitions(attribute("item"))
            .key_schema(key("migration", KeyType::Hash))
            .key_schema(key("item", KeyType::Range))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        name
    }
}

/// What the SDK needs to talk to `url`. The credentials are made up; nothing is read from the environment.
pub(crate) async fn config(url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(url)
        .load()
        .await
}

struct Server {
    url: String,
    /// Its standard input closes when this process ends, in whatever way, and that ends the server.
    _child: Child,
}

impl Server {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/dynamodb-local.sh");
        let mut child = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let port = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.parse::<u16>().ok())
            .expect("DynamoDB Local says its port: run scripts/setup-dynamodb.sh");
        Self { url: format!("http://127.0.0.1:{port}"), _child: child }
    }
}
