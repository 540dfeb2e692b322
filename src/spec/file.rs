//! A migration file as it is written. These structs are read by serde, and they are what `milkrun schema` prints: their
//! comments become the schema's descriptions, their examples the hints of error messages.

use super::transfer::{AfterRowSection, CopySection, FileColumnSection, HttpSection, TargetKey};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// A milkrun migration: what moves, from where to where.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "kind", "source", "target"]))]
pub(super) struct File {
    /// Equals the file's name without `.toml`: letters, digits, `-`, `_` and `.`, up to 100 of them.
    #[schemars(example = &"orders-history", regex(pattern = r"^[A-Za-z0-9_.-]{1,100}$"))]
    pub(super) name: Option<String>,
    /// What moves: `rows` turns database rows, each with its related rows, into history records, or copies them; `files` moves the
    /// files that rows point at into S3, and has the rows follow; `objects` copies a bucket.
    #[schemars(example = &"rows", extend("enum" = ["rows", "files", "objects"]))]
    pub(super) kind: Option<String>,
    /// `once` is complete when a sweep finds nothing more; `continuous` keeps sweeping on the schedule.
    #[schemars(example = &"once", extend("enum" = ["once", "continuous"], "default" = "once"))]
    pub(super) mode: Option<String>,
    /// From where.
    pub(super) source: Option<SourceSection>,
    /// To where.
    pub(super) target: Option<TargetSection>,
    /// Of `files`: second stores that have to follow, once a row has.
    pub(super) after_row: Option<Vec<AfterRowSection>>,
    /// Of `objects`: what goes along with each, and what becomes of those that are there.
    pub(super) copy: Option<CopySection>,
    /// How much at once, and how carefully. Changes apply from the next run.
    pub(super) limits: Option<LimitsSection>,
    /// What has to be asked before more is moved. Changes apply from the next run.
    pub(super) throttle: Option<ThrottleSection>,
}

/// Nothing moves while a replica is too far behind, or while a query answers too great a number, or while neither can be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Throttle")]
pub(super) struct ThrottleSection {
    /// A replica, which is asked how far it is behind.
    #[schemars(example = &"$REPLICA_URL")]
    pub(super) replica: Option<Database>,
    /// How far the replica may be behind: 1s to 1d.
    #[schemars(example = &"5s")]
    pub(super) max_lag: Option<String>,
    /// One SELECT that answers one number.
    #[schemars(example = &"SELECT COUNT(*) FROM job_queue")]
    pub(super) query: Option<String>,
    /// Where the query is asked. Default: in the source's database.
    #[schemars(example = &"$QUEUE_DATABASE_URL")]
    pub(super) database: Option<Database>,
    /// Nothing moves while the query answers more than this.
    #[schemars(example = 100, extend("type" = "number"))]
    pub(super) above: Option<f64>,
}

/// From where rows or objects come.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Source")]
pub(super) struct SourceSection {
    /// Of `rows` and `files`: the database that rows are read from.
    pub(super) database: Option<Database>,
    /// The table's schema. Default: `public` on PostgreSQL, the URL's database elsewhere.
    #[schemars(example = &"sales")]
    pub(super) schema: Option<String>,
    /// The table. A dot is part of its name: `schema` is a field of its own.
    #[schemars(example = &"orders")]
    pub(super) table: Option<String>,
    /// The columns of a unique key without NULLs, in the order in which the table is walked.
    #[schemars(example = ["id"])]
    pub(super) key: Option<Vec<String>>,
    /// Which rows move: a condition over this table alone (as `t`). For the current time write `:pass_started`. Default: every row.
    #[schemars(example = &"status IN ('cancelled', 'dispensed')")]
    #[serde(rename = "where")]
    pub(super) filter: Option<String>,
    /// The column that says when a row changed last: a point in time, NOT NULL, with an index. Sweeps then read only what changed
    /// since the one before began. Default: sweeps look at the whole key.
    #[schemars(example = &"updated_at")]
    pub(super) changed: Option<String>,
    /// How much earlier than that a sweep begins to look: for clocks that disagree, and longer than any transaction. 0s to 365d.
    #[schemars(example = &"10m", extend("default" = "10m"))]
    pub(super) overlap: Option<String>,
    /// Of `rows`: columns that must not travel, neither of this table nor of related ones.
    #[schemars(example = ["card_number"])]
    pub(super) exclude: Option<Vec<String>>,
    /// Of `rows`: tables whose rows belong to a row of this one.
    pub(super) related: Option<Vec<RelatedSection>>,
    /// Of `files`: columns that hold URLs.
    pub(super) files: Option<Vec<FileColumnSection>>,
    /// Of `files`: how they are fetched.
    pub(super) http: Option<HttpSection>,
    /// Of `objects`: the bucket.
    #[schemars(example = &"assets-us")]
    pub(super) bucket: Option<String>,
    /// Of `objects`: what the keys begin with that are copied. Default: nothing.
    #[schemars(example = &"images/")]
    pub(super) prefix: Option<String>,
    /// Of `objects`: the bucket's region. Default: the function's.
    #[schemars(example = &"us-east-1")]
    pub(super) region: Option<String>,
    /// Of `objects`: the role that lists the bucket and, where both are on one server, only that. Default: the function's own.
    #[schemars(example = &"arn:aws:iam::123456789012:role/assets-reader")]
    pub(super) role: Option<String>,
    /// Of `objects`: another S3 than AWS's.
    #[schemars(example = &"http://127.0.0.1:9000")]
    pub(super) endpoint: Option<String>,
    /// Of `objects`: the account that the bucket has to belong to: twelve digits.
    #[schemars(example = &"123456789012")]
    pub(super) expected_owner: Option<String>,
    /// Of `objects`: the manifest of an S3 Inventory of the bucket, in CSV. The first pass goes by it. Default: the bucket is listed.
    #[schemars(example = &"s3://inventories/assets-us/daily/2026-01-31T01-00Z/manifest.json")]
    pub(super) inventory: Option<String>,
}

/// A table whose rows belong to a row of the table above it: an array in its document, or rows of a table of their own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Related", extend("required" = ["name", "table", "key", "on"]))]
pub(super) struct RelatedSection {
    /// The array's name in the document.
    #[schemars(example = &"items")]
    pub(super) name: Option<String>,
    /// The table's schema. Default: that of the table above.
    #[schemars(example = &"sales")]
    pub(super) schema: Option<String>,
    /// The table.
    #[schemars(example = &"order_items")]
    pub(super) table: Option<String>,
    /// The order inside the array.
    #[schemars(example = ["id"])]
    pub(super) key: Option<Vec<String>>,
    /// Column of this table = column of the table above. Needs an index that starts with these columns of this table.
    #[schemars(with = "Option<BTreeMap<String, String>>", example = BTreeMap::from([("order_id", "id")]))]
    pub(super) on: Option<Ordered>,
    /// Columns of this table that must not travel, besides those that the source excludes.
    #[schemars(example = ["note"])]
    pub(super) exclude: Option<Vec<String>>,
    /// Tables whose rows belong to a row of this one in turn.
    pub(super) related: Option<Vec<RelatedSection>>,
    /// A table that its rows are copied to, each as a row of its own.
    pub(super) target: Option<RelatedTargetSection>,
}

/// A table of the target's database that the rows of a related table are copied to, in the transaction of their parent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "RelatedTarget", extend("required" = ["table", "key", "columns"]))]
pub(super) struct RelatedTargetSection {
    /// The table's schema. Default: that of the target.
    #[schemars(example = &"archive")]
    pub(super) schema: Option<String>,
    /// The table.
    #[schemars(example = &"order_items_archive")]
    pub(super) table: Option<String>,
    /// The columns of a unique index of it, fed by exactly the related table's key.
    #[schemars(example = ["item_id"])]
    pub(super) key: Option<Vec<String>>,
    /// Create the table if it is missing.
    #[schemars(example = true, extend("default" = false))]
    pub(super) create: Option<bool>,
    /// Target column = what fills it: a column of the related table, or `$now`, `$run`, `$definition`. A column that is
    /// really named `$now` is written `$$now`.
    #[schemars(
        with = "Option<BTreeMap<String, String>>",
        example = BTreeMap::from([("item_id", "id"), ("sku", "sku")])
    )]
    pub(super) columns: Option<Ordered>,
}

/// Where records, files or objects go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Target")]
pub(super) struct TargetSection {
    /// Of `rows`: the database that records are written to, the source's or any other.
    pub(super) database: Option<Database>,
    /// Of `rows`: the table's schema. Default: `public` on PostgreSQL, the URL's database elsewhere.
    #[schemars(example = &"history")]
    pub(super) schema: Option<String>,
    /// Of `rows`: the table.
    #[schemars(example = &"order_history")]
    pub(super) table: Option<String>,
    /// Of `rows`: the columns of a unique index of the target, fed by exactly the source key. Of `files`: the template of an
    /// object's key, as `photos/{id}/{n}-{name}`.
    #[schemars(example = ["order_id"])]
    pub(super) key: Option<TargetKey>,
    /// Of `rows`: what becomes of a source row that was moved: `keep` leaves it where it is, `delete` deletes it with its related
    /// rows once its copy was read back equal.
    #[schemars(example = &"keep", extend("enum" = ["keep", "delete"], "default" = "keep"))]
    pub(super) after: Option<String>,
    /// Of `rows`: create the table if it is missing. Of `objects`: the bucket.
    #[schemars(example = true, extend("default" = false))]
    pub(super) create: Option<bool>,
    /// Target column = what fills it. Of `rows`: a source column's name, or `$document` (the row and its related rows as JSON),
    /// `$now` (the batch's time), `$run` (the run's id), `$digest` (SHA-256 of the document, also where that is not
    /// written), `$definition` (digest of this migration). Without `$document` rows are copied column by column. A source column that is really named `$now` is written `$$now`.
    /// Of `files`: columns of the source table that are written with the URLs: `$now`, `$state` (what became of the row), `$run`,
    /// `$definition`.
    #[schemars(
        with = "Option<BTreeMap<String, String>>",
        example = BTreeMap::from([("order_id", "id"), ("document", "$document")])
    )]
    pub(super) columns: Option<Ordered>,
    /// Of `files` and `objects`: the bucket.
    #[schemars(example = &"user-files")]
    pub(super) bucket: Option<String>,
    /// Of `files` and `objects`: what every key in the bucket begins with, instead of the source's prefix. Default: nothing.
    #[schemars(example = &"legacy/")]
    pub(super) prefix: Option<String>,
    /// Of `files` and `objects`: the bucket's region. Default: the function's.
    #[schemars(example = &"eu-central-1")]
    pub(super) region: Option<String>,
    /// Of `files` and `objects`: the role that writes into the bucket. Default: the function's own.
    #[schemars(example = &"arn:aws:iam::123456789012:role/files")]
    pub(super) role: Option<String>,
    /// Of `files` and `objects`: another S3 than AWS's.
    #[schemars(example = &"http://127.0.0.1:9000")]
    pub(super) endpoint: Option<String>,
    /// Of `files` and `objects`: the KMS key that objects are encrypted with. Default: as the bucket says.
    #[schemars(example = &"alias/files")]
    pub(super) kms_key: Option<String>,
    /// Of `files`: the storage class. Default: as the bucket says.
    #[schemars(example = &"STANDARD_IA")]
    pub(super) storage_class: Option<String>,
    /// Of `files`: the header that tells others how long they may keep an object.
    #[schemars(example = &"max-age=31536000, immutable")]
    pub(super) cache_control: Option<String>,
    /// Of `files`: what the row gets instead of the old URL; `{key}` is the object's key, URL-encoded.
    #[schemars(example = &"https://files.example.com/{key}")]
    pub(super) url: Option<String>,
    /// Of `files`: what a file may be. Default: anything but a page where its name says that it is a picture or a document.
    #[schemars(example = ["image/*", "application/pdf"])]
    pub(super) content_types: Option<Vec<String>>,
    /// Of `objects`: the account that the bucket has to belong to: twelve digits.
    #[schemars(example = &"123456789012")]
    pub(super) expected_owner: Option<String>,
}

/// How much at once, and how carefully.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Limits")]
pub(super) struct LimitsSection {
    /// What a batch should take, at most a tenth of the run's time.
    #[schemars(example = &"1s", extend("default" = "1s"))]
    pub(super) batch_time: Option<String>,
    /// Source keys that a batch looks at, at most: 1 to 1000000.
    #[schemars(example = 10_000, extend("default" = 10_000, "minimum" = 1, "maximum" = 1_000_000))]
    pub(super) max_batch: Option<i64>,
    /// The largest document, or the largest row where rows are copied. 1 MB is 2^20 bytes.
    #[schemars(example = &"8 MB", extend("default" = "8 MB"))]
    pub(super) max_item: Option<String>,
    /// Stretches of the key that runs can work on at the same time. The first pass is cut once, when it begins.
    #[schemars(example = 8, extend("default" = 1, "minimum" = 1, "maximum" = 1000))]
    pub(super) shards: Option<i64>,
    /// Shards that one run works on side by side.
    #[schemars(example = 2, extend("default" = 1, "minimum" = 1, "maximum" = 64))]
    pub(super) lanes: Option<i64>,
    /// Items moved in a second, at most, by all runs together. 0: unlimited.
    #[schemars(example = 50, extend("default" = 0, "minimum" = 0, "maximum" = 1_000_000_000))]
    pub(super) items_per_second: Option<i64>,
    /// Bytes moved in a second, at most, by all runs together: a size, or a number of bytes. 0: unlimited.
    #[schemars(example = &"1 MB", extend("default" = 0))]
    pub(super) bytes_per_second: Option<Bytes>,
    /// How often in a row a batch of one may be killed before its item is set aside.
    #[schemars(example = 3, extend("default" = 3, "minimum" = 1, "maximum" = 1000))]
    pub(super) max_attempts: Option<i64>,
    /// Once a run has passed 100 items: the share of conflicts and failures among them at which it pauses the migration. `0%`:
    /// at the first one; `100%`: never.
    #[schemars(
        example = &"10%",
        regex(pattern = r"^ *(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?) *% *$"),
        extend("default" = "10%")
    )]
    pub(super) stop_when_failed: Option<String>,
    /// Least time between the end of a pass and the sweep that may complete the migration.
    #[schemars(example = &"10s", extend("default" = "10s"))]
    pub(super) settle: Option<String>,
    /// Sweeps before the migration completes with something left.
    #[schemars(example = 3, extend("default" = 3, "minimum" = 1, "maximum" = 1000))]
    pub(super) max_sweeps: Option<i64>,
    /// How long an acquisition or a commit holds the migration: 1s to 15m.
    #[schemars(example = &"30s", extend("default" = "30s"))]
    pub(super) lease: Option<String>,
    /// How often a continuous migration looks at the whole table for rows without a target, at most: 1s to 365d.
    #[schemars(example = &"1d", extend("default" = "1d"))]
    pub(super) sweep_every: Option<String>,
    /// Whether keys appear in logs, messages and replies; hashed if not.
    #[schemars(example = true, extend("default" = true))]
    pub(super) log_keys: Option<bool>,
}

/// A size such as `1 MB`, or a number of bytes.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Bytes {
    /// A size with its unit.
    Size(String),
    /// Bytes.
    Number(i64),
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Bytes;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a whole number")
            }
            fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes::Size(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Bytes, E> {
                Ok(Bytes::Number(number))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Where a database is: `"$NAME"` takes a URL from the environment, `"secret:NAME-OR-ARN"` from Secrets Manager, or a
/// literal URL without a password (mysql, mariadb, postgres, postgresql, sqlite).
#[derive(Debug, JsonSchema)]
#[schemars(untagged, example = &"$SHOP_DATABASE_URL")]
pub(super) enum Database {
    /// A reference or a literal URL without a password.
    Short(String),
    /// A literal URL with its password elsewhere.
    Long(LongDatabase),
}

/// A literal URL with its password elsewhere.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = ["url"]))]
pub(super) struct LongDatabase {
    /// The URL, without a password.
    #[schemars(example = &"mysql://shop@host/shop")]
    pub(super) url: Option<String>,
    /// Where the password is: `$NAME` or `secret:NAME-OR-ARN#field`.
    #[schemars(example = &"$SHOP_PASSWORD")]
    pub(super) password: Option<String>,
    /// PEM file of a certificate authority to trust besides the system's and RDS's.
    #[schemars(example = &"certificates/shop.pem")]
    pub(super) ca: Option<String>,
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Database;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a table")
            }
            fn visit_str<E>(self, text: &str) -> Result<Database, E> {
                Ok(Database::Short(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Database, A::Error> {
                LongDatabase::deserialize(MapAccessDeserializer::new(map)).map(Database::Long)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A table of strings in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Ordered(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Ordered;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a table")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Ordered(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
