//! The migration files of a folder or of an S3 prefix, read anew whenever they are asked for.

use super::definition::Definition;
use super::problem::FileError;
use crate::debug::debug_is_display;
use crate::hint::nearest;
use crate::s3::{S3, S3Error};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No migration file is larger than this.
const MAX_FILE_BYTES: usize = 1 << 20;
const SETTING: &str = "correct the setting `MILKRUN_MIGRATIONS` (on the command line also `--migrations`)";

/// Why migration files could not be read at all. A file with problems is not among this: it fails only itself.
#[derive(thiserror::Error)]
pub enum LoadError {
    /// The setting names nothing that can hold files.
    #[error("`{setting}` is neither a folder nor `s3://BUCKET/PREFIX`: {SETTING}")]
    Setting {
        /// As it was given.
        setting: String,
    },
    /// The folder cannot be read.
    #[error("the folder of migrations `{}` cannot be read: {SETTING}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The prefix cannot be read.
    #[error("the migrations at `{place}` cannot be read: {SETTING}")]
    Bucket {
        /// `s3://bucket/prefix`.
        place: String,
        /// What S3 said.
        #[source]
        source: S3Error,
    },
    /// No such file.
    #[error("there is no migration `{name}` in `{place}`{}", meant.as_ref().map_or(String::new(), |meant| format!(": did you mean `{meant}`?")))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        place: String,
        /// The nearest name that exists.
        meant: Option<String>,
    },
}

debug_is_display!(LoadError);

/// Where migration files are: every `*.toml` directly in a folder or under an S3 prefix. Files whose name begins with a
/// dot are what editors leave behind, and no migrations.
#[derive(Clone, Debug)]
pub struct Migrations {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    Bucket { s3: S3, bucket: String, prefix: String },
}

impl Migrations {
    /// The migrations of a setting: a folder, or `s3://BUCKET/PREFIX`, for which `s3` is then called, once.
    pub async fn at(setting: &str, s3: impl AsyncFnOnce() -> S3) -> Result<Self, LoadError> {
        let wrong = || LoadError::Setting { setting: setting.to_owned() };
        let place = match setting.split_once("://") {
            None if setting.is_empty() => return Err(wrong()),
            None => Place::Folder(PathBuf::from(setting)),
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(wrong());
                }
                let prefix = prefix.trim_matches('/');
                let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                Place::Bucket { s3: s3().await, bucket: bucket.to_owned(), prefix }
            }
            Some(_) => return Err(wrong()),
        };
        Ok(Self { place })
    }

    /// All migrations by name, within `limit`; each of them understood, or everything that is wrong with it.
    pub async fn all(&self, limit: Duration) -> Result<BTreeMap<String, Result<Definition, FileError>>, LoadError> {
        let until = Instant::now() + limit;
        let mut all = BTreeMap::new();
        for stem in self.stems(limit).await? {
            let definition = self.file(&stem, until.saturating_duration_since(Instant::now())).await?;
            all.insert(stem, definition);
        }
        Ok(all)
    }

    /// One migration, within `limit`; the other files are not read.
    pub async fn one(&self, name: &str, limit: Duration) -> Result<Result<Definition, FileError>, LoadError> {
        let until = Instant::now() + limit;
        let stems = self.stems(limit).await?;
        if !stems.iter().any(|stem| stem == name) {
            let meant = nearest(name, stems.iter().map(String::as_str)).map(str::to_owned);
            return Err(LoadError::Unknown { name: name.to_owned(), place: self.place(), meant });
        }
        self.file(name, until.saturating_duration_since(Instant::now())).await
    }

    /// Where they are, as the setting would say it.
    pub fn place(&self) -> String {
        match &self.place {
            Place::Folder(path) => path.display().to_string(),
            Place::Bucket { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}"),
        }
    }

    async fn stems(&self, limit: Duration) -> Result<Vec<String>, LoadError> {
        let names = match &self.place {
            Place::Folder(path) => files_of(path).map_err(|source| LoadError::Folder { path: path.clone(), source })?,
            Place::Bucket { s3, bucket, prefix } => {
                let keys = s3.list(bucket, prefix, limit).await.map_err(|source| self.unread(source))?;
                keys.iter().filter_map(|key| key.strip_prefix(prefix.as_str())).map(str::to_owned).collect()
            }
        };
        let stem = |name: String| name.strip_suffix(".toml").map(str::to_owned);
        Ok(names.into_iter().filter(|name| !name.starts_with('.')).filter_map(stem).collect())
    }

    async fn file(&self, stem: &str, limit: Duration) -> Result<Result<Definition, FileError>, LoadError> {
        let file = format!("{stem}.toml");
        let large = || FileError::whole(&file, "is larger than 1 MB", "a migration file has no need of that");
        let bytes = match &self.place {
            // A local disk answers at once or not at all, so there is nothing to wait for.
            Place::Folder(path) => match bytes_of(&path.join(&file)) {
                Ok(bytes) => bytes,
                Err(error) => {
                    return Ok(Err(FileError::whole(
                        &file,
                        format!("cannot be read: {error}"),
                        "check its permissions",
                    )));
                }
            },
            Place::Bucket { s3, bucket, prefix } => {
                match s3.get(bucket, &format!("{prefix}{file}"), MAX_FILE_BYTES, limit).await {
                    Ok(bytes) => bytes,
                    Err(S3Error::TooLarge { .. }) => return Ok(Err(large())),
                    Err(source) => return Err(self.unread(source)),
                }
            }
        };
        if bytes.len() > MAX_FILE_BYTES {
            return Ok(Err(large()));
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(Err(FileError::whole(&file, "is not UTF-8 text", "save it as UTF-8")));
        };
        Ok(super::parse(stem, text))
    }

    fn unread(&self, source: S3Error) -> LoadError {
        LoadError::Bucket { place: self.place(), source }
    }
}

fn files_of(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.path().is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
