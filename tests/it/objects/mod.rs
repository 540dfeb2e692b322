//! Buckets that are copied: S3 servers of three makes, on one of them and from one to another. What one of them cannot show stands with each
//! test, and as a question in `support::s3::Make`.

mod acl;
mod aftermath;
mod at_once;
mod belongings;
mod copying;
mod denied;
mod direct;
mod existing;
mod full_reads;
mod inventory;
mod keys;
mod killed;
mod large;
mod left_open;
mod overtaken;
mod pairs;
mod problems;
mod resumed;
mod rewritten;
mod roles;
mod shards;

use crate::support::job::Job;
use crate::support::s3::{Make, bucket};
use crate::support::servers::Kind;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{IndexDocument, WebsiteConfiguration};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::Value;
use std::collections::BTreeMap;

/// One bucket, and how a test gets there.
struct Side {
    client: Client,
    bucket: String,
    endpoint: String,
}

/// Two buckets, and the migration between them.
struct Stage {
    job: Job,
    from: Side,
    to: Side,
    runtime: tokio::runtime::Runtime,
}

/// What an object is: its bytes and all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Whole {
    bytes: Vec<u8>,
    metadata: BTreeMap<String, String>,
    content_type: Option<String>,
    cache_control: Option<String>,
    tags: BTreeMap<String, String>,
}

impl Stage {
    fn new(from: Make, to: Make) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let side = |make| {
            let (_, config, bucket) = runtime.block_on(bucket(make));
            let endpoint = config.endpoint_url().unwrap().to_owned();
            let client = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
            Side { client: Client::from_conf(client), bucket, endpoint }
        };
        let (from, to) = (side(from), side(to));
        let mut job = Job::new(Kind::Sqlite);
        job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
        Self { job, from, to, runtime }
    }

    /// The migration; parts of it may be said otherwise.
    fn define(&mut self, head: &str, source: &str, target: &str, copy: &str, limits: &str) {
        let (from, to) = (&self.from, &self.to);
        self.job.define(&format!(
            "name = \"assets\"\nkind = \"objects\"\n{head}\n[source]\nbucket = \"{}\"\nendpoint = \"{}\"\n{source}\n\
             [target]\nbucket = \"{}\"\nendpoint = \"{}\"\n{target}\n[copy]\n{copy}\n[limits]\nsettle = \"0s\"\n{limits}",
            from.bucket, from.endpoint, to.bucket, to.endpoint
        ));
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        self.from.put(&self.runtime, key, bytes);
    }

    /// Objects of a few KB, each with something that belongs to it.
    fn fill(&self, count: usize) {
        self.runtime.block_on(async {
            let puts = (0..count).map(|n| async move {
                let body = format!("object {n} {}", "x".repeat(n * 7 % 4000));
                let put =
                    self.from.client.put_object().bucket(&self.from.bucket).key(format!("a/{:02}/{n}.txt", n % 17));
                let put = put.content_type("text/x-number").cache_control(format!("max-age={n}"));
                let put = put.metadata("n", n.to_string()).body(ByteStream::from(body.into_bytes()));
                let put = if n % 3 == 0 { put.tagging(format!("n={n}&kind=a%20b")) } else { put };
                put.send().await.unwrap();
            });
            iter(puts).buffer_unordered(16).collect::<Vec<()>>().await;
        });
    }

    /// Small objects, each of which holds its key.
    fn put_all(&self, keys: Vec<String>) {
        self.runtime.block_on(async {
            let puts = keys.into_iter().map(|key| async move {
                let body = ByteStream::from(key.clone().into_bytes());
                self.from.client.put_object().bucket(&self.from.bucket).key(key).body(body).send().await.unwrap();
            });
            iter(puts).buffer_unordered(16).collect::<Vec<()>>().await;
        });
    }

    fn run(&self) -> Value {
        self.job.call(&["run", "assets", "--until-done"]).reply()
    }

    fn verify(&self) -> Value {
        self.job.call(&["verify", "assets"]).reply()
    }

    /// The lines of what was lost.
    fn losses(&self) -> Vec<Value> {
        self.noted("loss")
    }

    /// The lines that milkrun has written into a folder of its own, the oldest first.
    fn noted(&self, folder: &str) -> Vec<Value> {
        let place = format!(".milkrun/assets/{folder}/");
        let list = self.to.client.list_objects_v2().bucket(&self.to.bucket).prefix(place).send();
        let listed = self.runtime.block_on(list).unwrap().contents.unwrap_or_default();
        let body = |key: &str| String::from_utf8(self.to.get(&self.runtime, key).unwrap()).unwrap();
        let bodies: String = listed.iter().map(|object| body(object.key().unwrap())).collect();
        bodies.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Both sides hold the same, the target under another prefix.
    fn assert_same(&self, prefix: &str) {
        let (ours, theirs) = (self.from.all(&self.runtime), self.to.all(&self.runtime));
        let renamed: BTreeMap<String, Whole> =
            ours.into_iter().map(|(key, whole)| (format!("{prefix}{key}"), whole)).collect();
        let (keys, others): (Vec<_>, Vec<_>) = (renamed.keys().collect(), theirs.keys().collect());
        assert_eq!(keys, others);
        for (key, whole) in &renamed {
            assert_eq!(theirs[key], *whole, "{key}");
        }
    }
}

impl Side {
    fn put(&self, runtime: &tokio::runtime::Runtime, key: &str, bytes: &[u8]) {
        let put = self.client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(bytes.to_vec()));
        runtime.block_on(put.send()).unwrap();
    }

    fn delete(&self, runtime: &tokio::runtime::Runtime, key: &str) {
        runtime.block_on(self.client.delete_object().bucket(&self.bucket).key(key).send()).unwrap();
    }

    fn get(&self, runtime: &tokio::runtime::Runtime, key: &str) -> Option<Vec<u8>> {
        runtime.block_on(async {
            let got = self.client.get_object().bucket(&self.bucket).key(key).send().await.ok()?;
            Some(got.body.collect().await.unwrap().to_vec())
        })
    }

    /// All keys but milkrun's own.
    async fn keys(&self) -> Vec<String> {
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let contents = page.unwrap().contents.unwrap_or_default();
            keys.extend(contents.into_iter().filter_map(|one| one.key).filter(|key| !key.starts_with(".milkrun/")));
        }
        keys
    }

    fn all(&self, runtime: &tokio::runtime::Runtime) -> BTreeMap<String, Whole> {
        runtime.block_on(async {
            let whole = |key: String| async move {
                let got = self.client.get_object().bucket(&self.bucket).key(&key).send().await.unwrap();
                let tags = self.client.get_object_tagging().bucket(&self.bucket).key(&key).send().await.unwrap();
                let whole = Whole {
                    metadata: got.metadata.clone().unwrap_or_default().into_iter().collect(),
                    content_type: got.content_type.clone(),
                    cache_control: got.cache_control.clone(),
                    tags: tags.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect(),
                    bytes: got.body.collect().await.unwrap().to_vec(),
                };
                (key, whole)
            };
            iter(self.keys().await).map(whole).buffer_unordered(16).collect().await
        })
    }

    fn make_website(&self, runtime: &tokio::runtime::Runtime) {
        let index = IndexDocument::builder().suffix("index.html").build().unwrap();
        let website = WebsiteConfiguration::builder().index_document(index).build();
        let put = self.client.put_bucket_website().bucket(&self.bucket).website_configuration(website);
        runtime.block_on(put.send()).unwrap();
    }

    fn open_uploads(&self, runtime: &tokio::runtime::Runtime) -> usize {
        let open = self.client.list_multipart_uploads().bucket(&self.bucket).send();
        runtime.block_on(open).unwrap().uploads.unwrap_or_default().len()
    }
}
