//! Files that rows point at: three databases, two S3 servers, and a file server that says what a test wants.

mod beside;
mod cut;
mod following;
mod found;
mod hostile;
mod killed;
mod larger;
mod left_open;
mod memory;
mod moving;
mod names;
mod passing;
mod problems;
mod rates;
mod sample;
mod stamps;
mod told;
mod untaken;

use crate::support::file_server::{FileServer, answer};
use crate::support::http_exchange::Request;
use crate::support::job::Job;
use crate::support::s3::{Make, bucket};
use crate::support::servers::Kind;
use milkrun::s3::{Bucket, Checksum, Object, OpenUpload, S3, Upload};
use serde_json::Value;
use std::net::TcpStream;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
/// What the rows get.
const NEW: &str = "https://files.example.com/";

/// A table of profiles, the server that their photos are on, and a bucket.
struct Stage {
    job: Job,
    server: FileServer,
    s3: S3,
    client: aws_sdk_s3::Client,
    bucket: String,
    endpoint: String,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn new(
        kind: Kind,
        make: Make,
        handler: impl Fn(&Request, &mut TcpStream) -> std::io::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (s3, config, bucket) = runtime.block_on(bucket(make));
        let endpoint = config.endpoint_url().unwrap().to_owned();
        let client = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let client = aws_sdk_s3::Client::from_conf(client);
        let mut job = Job::new(kind);
        job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
        let json = match kind {
            Kind::MariaDb => "JSON",
            Kind::Postgres => "JSONB",
            Kind::Sqlite => "TEXT",
        };
        let text = if kind == Kind::MariaDb { "VARCHAR(1000) CHARACTER SET utf8mb4" } else { "TEXT" };
        let id = if kind == Kind::Sqlite { "INTEGER PRIMARY KEY" } else { "BIGINT PRIMARY KEY" };
        let moment = match kind {
            Kind::MariaDb => "DATETIME(6)",
            Kind::Postgres => "TIMESTAMPTZ",
            Kind::Sqlite => "TEXT",
        };
        job.database.execute(&format!(
            "CREATE TABLE profiles (id {id}, document {text}, sha256 {text}, photos {json}, moved_at {moment}, state {text},
                deleted INTEGER NOT NULL DEFAULT 0)"
        ));
        Self { job, server: FileServer::start(handler), s3, client, bucket, endpoint, runtime }
    }

    /// The migration; parts of it may be said otherwise.
    fn define(&mut self, key: &str, source: &str, http: &str, target: &str, limits: &str) {
        let (address, bucket, endpoint) = (self.server.address, &self.bucket, &self.endpoint);
        self.job.define(&format!(
            r#"
            name = "photos"
            kind = "files"
            [source]
            database = "$SHOP_DATABASE_URL"
            table = "profiles"
            key = ["id"]
            {source}
            [source.http]
            allow_hosts = ["127.0.0.1"]
            allow_addresses = ["{address}"]
            {http}
            [target]
            bucket = "{bucket}"
            endpoint = "{endpoint}"
            key = "{key}"
            url = "{NEW}{{key}}"
            {target}
            [limits]
            settle = "0s"
            {limits}
            "#
        ));
    }

    /// The usual one: a text, and JSON.
    fn define_usual(&mut self, limits: &str) {
        self.define(
            "photos/{id}/{n}-{name}",
            USUAL,
            "",
            "[target.columns]\nmoved_at = \"$now\"\nstate = \"$state\"",
            limits,
        );
    }

    /// Profiles with a document and some photos each.
    fn fill(&self, rows: u32) {
        for id in 1..=rows {
            let photos: Vec<Value> = (0..id % 4)
                .map(|n| serde_json::json!({"original": self.server.url(&format!("/{id}/photo{n}.png")), "n": 1.5}))
                .collect();
            let document = if id % 5 == 0 {
                "NULL".to_owned()
            } else {
                format!("'{}'", self.server.url(&format!("/{id}/paper.png")))
            };
            self.job.database.execute(&format!(
                "INSERT INTO profiles (id, document, photos, deleted) VALUES ({id}, {document}, '{}', {})",
                Value::from(photos),
                u32::from(id % 7 == 0)
            ));
        }
    }

    /// What the rows say, in their order.
    fn rows(&self) -> Vec<Vec<Option<String>>> {
        let photos = if self.job.database.is_postgres() { "photos::text" } else { "photos" };
        self.job.database.rows(&format!("SELECT id, document, {photos}, deleted FROM profiles ORDER BY id"))
    }

    fn run(&self) -> Value {
        self.job.call(&["run", "photos", "--until-done"]).reply()
    }

    fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.runtime.block_on(self.s3.get(&self.bucket, key, 64 << 20, LIMIT)).ok()
    }

    /// Somebody writes over an object, marks and all.
    fn replace(&self, key: &str, bytes: &[u8]) {
        let head = self.runtime.block_on(self.s3.head(&self.bucket, key, LIMIT)).unwrap().unwrap();
        self.delete(key);
        let object =
            Object { bucket: self.bucket.clone(), key: key.to_owned(), metadata: head.metadata, ..Object::default() };
        let body = bytes::Bytes::copy_from_slice(bytes);
        let checksum = Checksum::of(&body);
        self.runtime.block_on(self.s3.put(&object, body, checksum, LIMIT)).unwrap();
    }

    fn delete(&self, key: &str) {
        self.runtime.block_on(self.client.delete_object().bucket(&self.bucket).key(key).send()).unwrap();
    }

    /// The lines of what milkrun has noted in one of its folders, by their objects.
    fn listed(&self, folder: &str) -> Vec<Value> {
        let prefix = format!(".milkrun/photos/{folder}");
        let keys = self.runtime.block_on(self.s3.list(&self.bucket, &prefix, LIMIT)).unwrap();
        let body = |key: &String| String::from_utf8(self.object(key).unwrap()).unwrap();
        let lines = keys.iter().flat_map(|key| body(key).lines().map(str::to_owned).collect::<Vec<_>>());
        let mut lines: Vec<Value> = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
        lines.sort_by_key(|line: &Value| line["object"].to_string());
        lines
    }

    fn open_uploads(&self) -> Vec<OpenUpload> {
        let bucket = Bucket { name: self.bucket.clone(), owner: None };
        self.runtime.block_on(self.s3.open_uploads(&bucket, "", LIMIT)).unwrap()
    }

    /// Parts that have arrived of an open upload: of that which has the most.
    fn most_parts(&self) -> usize {
        let parts = |OpenUpload { key, id, .. }| {
            let object = Object { bucket: self.bucket.clone(), key, ..Object::default() };
            let listed = self.runtime.block_on(self.s3.parts(&Upload { object, id, streamed: false }, LIMIT));
            listed.map_or(0, |parts| parts.len())
        };
        self.open_uploads().into_iter().map(parts).max().unwrap_or(0)
    }

    /// Every URL is the old one or the new one, and the bytes behind a new one are right; how many of each.
    fn assert_sound(&self, before: &[Vec<Option<String>>]) -> (usize, usize) {
        let (mut old, mut new) = (0, 0);
        for (row, before) in self.rows().iter().zip(before) {
            let (urls, were) = (urls(row), urls(before));
            assert_eq!(urls.len(), were.len(), "{row:?}");
            let arrived = urls.iter().filter(|url| url.starts_with(NEW)).count();
            assert!(arrived == 0 || arrived == urls.len(), "all files of a row or none: {row:?}");
            for (url, was) in urls.iter().zip(&were) {
                let Some(key) = url.strip_prefix(NEW) else {
                    assert_eq!(url, was);
                    old += 1;
                    continue;
                };
                let key = urlencoding::decode(key).unwrap();
                let path = was.splitn(4, '/').nth(3).unwrap();
                assert_eq!(self.object(&key).as_deref(), Some(&*bytes_of(&format!("/{path}"))), "{url} {was}");
                new += 1;
            }
        }
        (old, new)
    }
}

/// The columns of the usual migration.
const USUAL: &str = "where = \"deleted = 0\"\n[[source.files]]\ncolumn = \"document\"\n[[source.files]]\ncolumn = \"photos\"\npath = \"$[*].original\"";

/// All URLs of a row.
fn urls(row: &[Option<String>]) -> Vec<String> {
    let photos: Value = row[2].as_deref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    let photos = photos.as_array().cloned().unwrap_or_default();
    let photos = photos.iter().map(|photo| photo["original"].as_str().unwrap().to_owned());
    row[1].iter().cloned().chain(photos).collect()
}

/// What a good server has at a path.
fn bytes_of(path: &str) -> Vec<u8> {
    let seed = path.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let length = 100 + usize::try_from(seed % 5000).unwrap();
    let mut bytes = b"\x89PNG".to_vec();
    bytes.extend(path.bytes().cycle().take(length));
    bytes
}

fn good(asked: &Request, stream: &mut TcpStream) -> std::io::Result<bool> {
    answer(stream, "200 OK", "Content-Type: image/png\r\n", &bytes_of(&asked.path))
}
