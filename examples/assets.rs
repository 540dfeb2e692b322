//! What `make demo-objects` copies: objects made of this machine's own files, each with metadata and tags.
//!
//!     assets fill http://127.0.0.1:8080 assets-us 20000      both buckets, and objects in the first one
//!     assets change http://127.0.0.1:8080 assets-us          100 of them changed, 50 more, 20 fewer
//!     assets compare http://127.0.0.1:8080 assets-us assets-eu    exactly the same, with metadata and tags of every fiftieth

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Requests side by side.
const AT_ONCE: usize = 32;
/// Larger files are left out.
const LARGEST: u64 = 64 << 10;
/// What is compared beyond the listing: every so many.
const EVERY: usize = 50;

type Done<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["fill", endpoint, bucket, count] => fill(endpoint, bucket, count).await,
        ["change", endpoint, bucket] => change(&client(endpoint).await, bucket).await,
        ["compare", endpoint, one, other] => compare(&client(endpoint).await, one, other).await,
        _ => Err("assets fill ENDPOINT BUCKET COUNT | change ENDPOINT BUCKET | compare ENDPOINT BUCKET BUCKET".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assets: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn client(endpoint: &str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("demo", "demo", None, None, "demo"))
        .endpoint_url(endpoint)
        .load()
        .await;
    Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
}

async fn fill(endpoint: &str, bucket: &str, count: &str) -> Done<()> {
    let (client, count) = (client(endpoint).await, count.parse::<usize>()?);
    for name in [bucket, "assets-eu"] {
        client.create_bucket().bucket(name).send().await?;
    }
    let mut files = Vec::new();
    for root in ["/usr/share", "/usr/lib"] {
        gather(Path::new(root), count, &mut files);
    }
    if files.is_empty() {
        return Err("this machine has no documentation".into());
    }
    let (client, files) = (&client, &files);
    let puts = (0..count).map(|n| async move {
        let path = &files[n % files.len()];
        // A machine with fewer files has some of them twice.
        let round = n / files.len();
        let key = path.display().to_string().trim_start_matches('/').to_owned();
        let key = if round == 0 { key } else { format!("round {round}/{key}") };
        put(client, bucket, &key, std::fs::read(path)?, n).await
    });
    iter(puts).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    println!("{count} objects in {bucket}");
    Ok(())
}

async fn put(client: &Client, bucket: &str, key: &str, body: Vec<u8>, n: usize) -> Done<()> {
    let is_page = Path::new(key).extension().is_some_and(|ending| ending == "html");
    let kind = if is_page { "text/html" } else { "text/plain" };
    let put = client.put_object().bucket(bucket).key(key).content_type(kind).metadata("number", n.to_string());
    let put = if n.is_multiple_of(3) { put.tagging(format!("number={n}&kind=every%20third")) } else { put };
    put.body(ByteStream::from(body)).send().await?;
    Ok(())
}

/// Files below a folder, in the order of their names, until there are so many.
fn gather(folder: &Path, count: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        if files.len() >= count {
            return;
        }
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        if about.is_dir() {
            gather(&path, count, files);
        } else if about.is_file() && about.len() <= LARGEST && path.to_str().is_some() {
            files.push(path);
        }
    }
}

async fn change(client: &Client, bucket: &str) -> Done<()> {
    let keys: Vec<String> = all(client, bucket).await?.into_keys().collect();
    let step = keys.len() / 130;
    for (n, key) in keys.iter().step_by(step.max(1)).take(120).enumerate() {
        if n % 6 == 5 {
            client.delete_object().bucket(bucket).key(key).send().await?;
        } else {
            put(client, bucket, key, format!("changed, for the {n}th time").into_bytes(), n).await?;
        }
    }
    for n in 0..50 {
        put(client, bucket, &format!("added/{n}"), format!("added {n}").into_bytes(), n).await?;
    }
    println!("100 changed, 50 added, 20 deleted");
    Ok(())
}

async fn compare(client: &Client, one: &str, other: &str) -> Done<()> {
    let (ours, theirs) = (all(client, one).await?, all(client, other).await?);
    if ours != theirs {
        let differ = ours.iter().find(|(key, tag)| theirs.get(*key) != Some(*tag));
        return Err(format!(
            "{} objects here and {} there; the first that differs: {differ:?}",
            ours.len(),
            theirs.len()
        )
        .into());
    }
    for key in ours.keys().step_by(EVERY) {
        if about(client, one, key).await? != about(client, other, key).await? {
            return Err(format!("{key} has other metadata or tags").into());
        }
    }
    println!("{} objects on both sides, the same", ours.len());
    Ok(())
}

/// All keys with their tags of version, but milkrun's own.
async fn all(client: &Client, bucket: &str) -> Done<BTreeMap<String, Option<String>>> {
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    let mut all = BTreeMap::new();
    while let Some(page) = pages.try_next().await? {
        for object in page.contents.unwrap_or_default() {
            let key = object.key.unwrap_or_default();
            if !key.starts_with(".milkrun/") {
                all.insert(key, object.e_tag);
            }
        }
    }
    Ok(all)
}

/// What belongs to an object besides its bytes.
async fn about(client: &Client, bucket: &str, key: &str) -> Done<(Option<String>, BTreeMap<String, String>)> {
    let head = client.head_object().bucket(bucket).key(key).send().await?;
    let tags = client.get_object_tagging().bucket(bucket).key(key).send().await?;
    let tags = tags.tag_set.into_iter().map(|tag| (format!("tag {}", tag.key), tag.value));
    Ok((head.content_type, head.metadata.unwrap_or_default().into_iter().chain(tags).collect()))
}
