//! What a migration of kind `files` means, beside the table that it walks.

use super::definition::{SecretRef, Source};
use super::json_path::JsonPath;
use super::template::Template;

/// `[source]` of a migration of kind `files`.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesSource {
    /// The table that is walked: without related tables, and nothing of it is excluded.
    pub table: Source,
    /// Which of its columns hold URLs.
    pub files: Vec<FileColumn>,
    /// How files are fetched.
    pub http: HttpSource,
}

/// `[[source.files]]`: a column that holds URLs.
#[derive(Clone, Debug, PartialEq)]
pub struct FileColumn {
    /// The column.
    pub column: String,
    /// The column that holds the file's digest: hex or base64, MD5 or SHA-256 by its length.
    pub digest_column: Option<String>,
    /// Where the URLs are in a JSON column; `None`: the column is one URL.
    pub path: Option<JsonPath>,
    /// What is asked for instead of what the row says.
    pub rewrite: Option<Rewrite>,
}

/// `rewrite`: a regular expression and what its match becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The regular expression, checked.
    pub from: String,
    /// With `$1`, `$2` … for its groups.
    pub to: String,
}

/// `[source.http]`.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSource {
    /// Nothing else is ever contacted.
    pub allow_hosts: Vec<String>,
    /// `host:port` that may be private.
    pub allow_addresses: Vec<String>,
    /// What goes along with each request to the host that a row names.
    pub headers: Vec<(String, TextRef)>,
    /// Transfers side by side.
    pub concurrency: u32,
    /// Of these to one host.
    pub per_host: u32,
    /// Bytes of a file, at most.
    pub max_bytes: u64,
}

/// Where a text is: the value of a header, or the URL of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextRef {
    /// Written down.
    Literal(String),
    /// `"$NAME"`.
    Env(String),
    /// `"secret:…"`.
    Secret(SecretRef),
}

/// `[target]` of a migration of kind `files`.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesTarget {
    /// The bucket.
    pub bucket: String,
    /// What every key begins with, the journal's too.
    pub prefix: String,
    /// The bucket's region; `None`: the function's.
    pub region: Option<String>,
    /// The role that writes; `None`: the function's.
    pub role: Option<String>,
    /// Where S3 is; `None`: where the SDK finds it.
    pub endpoint: Option<String>,
    /// The key that objects are encrypted with; `None`: the bucket's own default.
    pub kms_key: Option<String>,
    /// `None`: the bucket's own default.
    pub storage_class: Option<String>,
    /// How long others may keep an object.
    pub cache_control: Option<String>,
    /// An object's key behind the prefix.
    pub key: Template,
    /// What the row gets: the text before and after the encoded key.
    pub url: (String, String),
    /// Types that a file may have, as `image/*`; none: any.
    pub content_types: Vec<String>,
    /// Columns of the table that are written together with the URLs.
    pub columns: Vec<(String, StampValue)>,
    /// Second stores that follow, once a row has.
    pub hooks: Vec<HookRef>,
}

/// `[[after_row]]`: who is told of a row that follows its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRef {
    /// Its URL.
    pub url: TextRef,
    /// What goes along with each request.
    pub headers: Vec<(String, TextRef)>,
}

/// What fills a column of `[target.columns]` of a migration of kind `files`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampValue {
    /// `$now`: the batch's time.
    Now,
    /// `$state`: what became of the row.
    State,
    /// `$run`: the invocation's id.
    Run,
    /// `$definition`: the definition's digest.
    Definition,
}
