//! The sections of a migration file that belong to files or to objects alone, as they are written.

use super::file::Ordered;
use schemars::JsonSchema;
use serde::de::Visitor;
use serde::de::value::SeqAccessDeserializer;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// A column that holds URLs of files.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "FileColumn", extend("required" = ["column"]))]
pub(super) struct FileColumnSection {
    /// The column: a text that is one URL or, with `path`, JSON.
    #[schemars(example = &"photos")]
    pub(super) column: Option<String>,
    /// A column that holds the file's digest: MD5 or SHA-256, in hex or base64. Not together with a `path` to many.
    #[schemars(example = &"photo_sha256")]
    pub(super) digest_column: Option<String>,
    /// Where the URLs are in a JSON column: `$`, `.name`, `["name"]`, `[n]` and `[*]`.
    #[schemars(example = &"$[*].original")]
    pub(super) path: Option<String>,
    /// What is asked for instead of what the row says: the original rather than what a service makes of it.
    pub(super) rewrite: Option<RewriteSection>,
}

/// A regular expression, and what its first match in a URL becomes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Rewrite", extend("required" = ["from", "to"]))]
pub(super) struct RewriteSection {
    /// The regular expression.
    #[schemars(example = &"(/upload/)(?:[^/]+/)*?(v[0-9]+/)")]
    pub(super) from: Option<String>,
    /// With `$1`, `$2` … for what its groups matched.
    #[schemars(example = &"$1$2")]
    pub(super) to: Option<String>,
}

/// How files are fetched: what may be contacted, and how much at once. Changes apply from the next run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Http", extend("required" = ["allow_hosts"]))]
pub(super) struct HttpSection {
    /// Hosts that may be contacted, `*.` for all below a name. Nothing else ever is.
    #[schemars(example = ["acct.blob.core.windows.net", "*.cloudinary.com"])]
    pub(super) allow_hosts: Option<Vec<String>>,
    /// Hosts with their ports that may have a private address, or another port than 80 and 443.
    #[schemars(example = ["127.0.0.1:8081"])]
    pub(super) allow_addresses: Option<Vec<String>>,
    /// What goes along with each request to the host that a row names: `secret:NAME-OR-ARN`, `$NAME`, or a text.
    #[schemars(
        with = "Option<BTreeMap<String, String>>",
        example = BTreeMap::from([("Authorization", "secret:photos-token")])
    )]
    pub(super) headers: Option<Ordered>,
    /// Transfers side by side.
    #[schemars(example = 16, extend("default" = 16, "minimum" = 1, "maximum" = 256))]
    pub(super) concurrency: Option<i64>,
    /// Of these to one host.
    #[schemars(example = 8, extend("default" = 8, "minimum" = 1, "maximum" = 256))]
    pub(super) per_host: Option<i64>,
    /// The largest file. 1 GB is 2^30 bytes.
    #[schemars(example = &"5 GB", extend("default" = "5 GB"))]
    pub(super) max_bytes: Option<String>,
}

/// A second store that has to follow once a row has, and again when it is rolled back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "AfterRow", extend("required" = ["webhook"]))]
pub(super) struct AfterRowSection {
    /// Where to POST `{migration, key, old, new}`: `$NAME`, `secret:NAME-OR-ARN`, or a URL without a password. It has to be idempotent: the
    /// header `Idempotency-Key` is the same for the same change.
    #[schemars(example = &"$PROFILE_HOOK_URL")]
    pub(super) webhook: Option<String>,
    /// What goes along with each request: `secret:NAME-OR-ARN`, `$NAME`, or a text.
    #[schemars(
        with = "Option<BTreeMap<String, String>>",
        example = BTreeMap::from([("Authorization", "secret:hook-token")])
    )]
    pub(super) headers: Option<Ordered>,
}

/// What goes along with an object, and what becomes of one that is there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Copy")]
pub(super) struct CopySection {
    /// Headers and what a user has written beside an object: `keep`, `drop`, or `fail` to set aside objects that have any.
    #[schemars(example = &"keep", extend("enum" = ["keep", "drop", "fail"], "default" = "keep"))]
    pub(super) metadata: Option<String>,
    /// Tags: `keep`, `drop`, or `fail` to set aside objects that have any.
    #[schemars(example = &"keep", extend("enum" = ["keep", "drop", "fail"], "default" = "keep"))]
    pub(super) tags: Option<String>,
    /// ACLs: `drop`, `keep` where the target's bucket keeps any, or `fail` to set aside objects that anybody but their owner may do anything
    /// with; otherwise the canned ACL that each copy gets.
    #[schemars(
        example = &"drop",
        extend("enum" = ["drop", "keep", "fail", "bucket-owner-full-control"], "default" = "drop")
    )]
    pub(super) acl: Option<String>,
    /// The storage class: `keep`, `drop` for the bucket's default, or its name.
    #[schemars(example = &"keep", extend("default" = "keep"))]
    pub(super) storage_class: Option<String>,
    /// What becomes of a target that is there and differs. `skip-same`: what this migration has copied is copied again once its
    /// source is newer, anything else is a conflict; `fail`: it is a conflict; `replace-older`: it is replaced if it is older.
    #[schemars(
        example = &"skip-same",
        extend("enum" = ["skip-same", "fail", "replace-older"], "default" = "skip-same")
    )]
    pub(super) existing: Option<String>,
    /// `false`, or how many of the target's objects a sweep may delete because they have no source: if there are more, it deletes
    /// none and pauses the migration.
    #[schemars(example = &"1%", extend("default" = false))]
    pub(super) delete_extra: Option<Cap>,
    /// Objects side by side.
    #[schemars(example = 64, extend("default" = 64, "minimum" = 1, "maximum" = 256))]
    pub(super) concurrency: Option<i64>,
}

/// No, or a share such as `1%`.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Cap {
    /// `false`; `true` says no share.
    Flag(bool),
    /// A share.
    Share(String),
}

impl<'de> Deserialize<'de> for Cap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Cap;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`false` or a string")
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Cap, E> {
                Ok(Cap::Flag(flag))
            }
            fn visit_str<E>(self, text: &str) -> Result<Cap, E> {
                Ok(Cap::Share(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Columns of a unique index for `rows`, the template of an object's key for `files`.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum TargetKey {
    /// Of `rows`: the columns of a unique index of the target.
    Columns(Vec<String>),
    /// Of `files`: a template with `{name}`, `{ext}`, `{digest}`, `{n}`, `{source}` and columns of the source.
    Template(String),
}

impl<'de> Deserialize<'de> for TargetKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TargetKey;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list or a string")
            }
            fn visit_str<E>(self, text: &str) -> Result<TargetKey, E> {
                Ok(TargetKey::Template(text.to_owned()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<TargetKey, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(TargetKey::Columns)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
