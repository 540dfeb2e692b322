//! Finding migration files: in a folder, and in S3 as it answers on the wire.

use crate::stub::Stub;
use milkrun::s3::S3;
use milkrun::spec::{LoadError, Migrations};
use std::error::Error;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const EXAMPLE: &str = include_str!("../../migrations/orders-history.toml");

fn no_s3() -> impl AsyncFnOnce() -> S3 {
    async || panic!("no S3 is needed for a folder")
}

#[tokio::test]
async fn the_example_that_ships_is_good() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let all = Migrations::at(folder, no_s3()).await.unwrap().all(LIMIT).await.unwrap();
    for (name, definition) in &all {
        assert_eq!(definition.as_ref().unwrap().name(), name);
    }
    let orders = all["orders-history"].as_ref().unwrap().clone().into_rows().unwrap();
    assert_eq!(orders.source.related[0].related[0].name, "discounts");
    let columns: Vec<_> = orders.target.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(columns, ["order_id", "status", "document", "digest", "migrated_at", "migrated_by"], "the file's order");
}

#[tokio::test]
async fn a_bad_file_in_a_folder_fails_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("orders-history.toml", EXAMPLE.as_bytes());
    write("bad.toml", b"name = 1");
    write("latin.toml", b"name = \"\xe9\"");
    write("large.toml", &vec![b'#'; (1 << 20) + 1]);
    write("full.toml", &vec![b'#'; 1 << 20]);
    write("notes.md", b"not a migration");
    write(".#orders-history.toml", b"an editor's");
    std::fs::create_dir(folder.path().join("old.toml")).unwrap();
    let migrations = Migrations::at(folder.path().to_str().unwrap(), no_s3()).await.unwrap();
    let all = migrations.all(LIMIT).await.unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["bad", "full", "large", "latin", "orders-history"]);
    assert!(all["orders-history"].is_ok());
    let message = |name: &str| all[name].as_ref().unwrap_err().to_string();
    assert!(
        message("bad").starts_with("bad.toml: name: must be a string, not a whole number; write"),
        "{}",
        message("bad")
    );
    assert_eq!(message("large"), "large.toml: is larger than 1 MB; a migration file has no need of that");
    assert!(message("full").starts_with("full.toml: name: is missing;"), "{}", message("full"));
    assert_eq!(message("latin"), "latin.toml: is not UTF-8 text; save it as UTF-8");
    assert!(migrations.one("orders-history", LIMIT).await.unwrap().is_ok());
    let error = migrations.one("order-history", LIMIT).await.unwrap_err().to_string();
    let place = folder.path().display();
    assert_eq!(error, format!("there is no migration `order-history` in `{place}`: did you mean `orders-history`?"));
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named_with_its_setting() {
    let error = Migrations::at("no/such/folder", no_s3()).await.unwrap().all(LIMIT).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the folder of migrations `no/such/folder` cannot be read: correct the setting `MILKRUN_MIGRATIONS` \
         (on the command line also `--migrations`)"
    );
    assert!(error.source().unwrap().to_string().contains("No such file"));
    for wrong in ["", "http://x/y", "s3://", "s3:///prefix"] {
        let error = Migrations::at(wrong, no_s3()).await.unwrap_err();
        assert!(matches!(error, LoadError::Setting { .. }), "{wrong}");
    }
}

fn listing(keys: &[&str], next: Option<&str>) -> (u16, Vec<u8>) {
    let of = |key: &&str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
    let contents = keys.iter().map(of).collect::<String>();
    let next = next.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |token| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
    });
    (200, format!("<ListBucketResult>{contents}{next}</ListBucketResult>").into_bytes())
}

fn refusal(status: u16, code: &str) -> (u16, Vec<u8>) {
    (status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>").into_bytes())
}

#[tokio::test]
async fn s3_is_read_page_by_page_and_only_directly_under_the_prefix() {
    let s3 = Stub::start(|request| {
        let path = &request.path;
        if path.contains("list-type=2") {
            assert!(path.starts_with("/shop?") || path.starts_with("/shop/?"), "{path}");
            assert!(path.contains("prefix=migrations%2F") && path.contains("delimiter=%2F"), "{path}");
            if path.contains("continuation-token=more") {
                return listing(
                    &["migrations/large.toml", "migrations/notes.md", "migrations/orders-history.toml"],
                    None,
                );
            }
            return listing(&["migrations/", "migrations/.hidden.toml", "migrations/bad.toml"], Some("more"));
        }
        match path.split('?').next().unwrap() {
            "/shop/migrations/orders-history.toml" => (200, EXAMPLE.into()),
            "/shop/migrations/bad.toml" => (200, b"kind = \"files\"".to_vec()),
            "/shop/migrations/large.toml" => (200, vec![b'#'; (1 << 20) + 1]),
            _ => refusal(404, "NoSuchKey"),
        }
    });
    for setting in ["s3://shop/migrations", "s3://shop/migrations/"] {
        let migrations = Migrations::at(setting, async || S3::new(&s3.config())).await.unwrap();
        assert_eq!(migrations.place(), "s3://shop/migrations/");
        let all = migrations.all(LIMIT).await.unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["bad", "large", "orders-history"]);
        assert!(all["orders-history"].is_ok() && all["bad"].is_err());
        assert!(all["large"].as_ref().unwrap_err().to_string().contains("larger than 1 MB"));
    }
    let before = s3.requests().len();
    let migrations = Migrations::at("s3://shop/migrations", async || S3::new(&s3.config())).await.unwrap();
    assert!(migrations.one("orders-history", LIMIT).await.unwrap().is_ok());
    assert_eq!(s3.requests().len() - before, 3, "two pages and one file");
}

#[tokio::test]
async fn s3_that_refuses_is_explained() {
    for (code, status, expected) in [
        ("NoSuchBucket", 404, "s3://shop/ does not exist: correct the name, and check the region"),
        ("AccessDenied", 403, "s3://shop/ may not be read: allow `s3:ListBucket` on it"),
    ] {
        let s3 = Stub::start(move |_| refusal(status, code));
        let migrations = Migrations::at("s3://shop", async || S3::new(&s3.config())).await.unwrap();
        let error = migrations.all(LIMIT).await.unwrap_err();
        assert!(error.to_string().starts_with("the migrations at `s3://shop/` cannot be read: correct the setting"));
        assert_eq!(error.source().unwrap().to_string(), expected);
    }
}

#[tokio::test]
async fn s3_that_does_not_answer_costs_no_more_than_its_limit() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let s3 = Stub::start(|_| listing(&[], None));
    let silent = s3.config().into_builder().endpoint_url(format!("http://{}", listener.local_addr().unwrap())).build();
    let migrations = Migrations::at("s3://shop", async || S3::new(&silent)).await.unwrap();
    let error = migrations.all(Duration::from_millis(200)).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("could not be read within 200ms"));
}
