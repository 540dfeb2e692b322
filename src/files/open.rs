//! Opening: the table, the bucket and the client become a migration that can run, or every reason why it cannot.

use super::columns::{self, Columns};
use super::hosts::Hosts;
use super::naming::Naming;
use super::{Files, MEMORY, Outside, check, storing};
use crate::engine::shelves::Nowhere;
use crate::rows::RowsError;
use crate::rows::walker::{Walked, Walker};
use crate::spec::{FileColumn, FilesDefinition};
use crate::sql::{ConnectOptions, Session};
use regex_lite::Regex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

impl Files {
    /// Connects, and holds the definition against the catalog. Changes nothing.
    pub async fn open(
        definition: &FilesDefinition,
        options: &ConnectOptions,
        outside: Outside,
        limit: Duration,
    ) -> Result<Self, RowsError> {
        Self::over(definition, options, Vec::new(), outside, limit).await
    }

    /// The same over the sessions of an earlier invocation. What was learned of hosts stays.
    pub async fn again(
        self,
        definition: &FilesDefinition,
        outside: Outside,
        limit: Duration,
    ) -> Result<Self, RowsError> {
        let Self { walker, s3, hosts, measured, .. } = self;
        // Its connections are open.
        let outside = Outside { s3, ..outside };
        let (options, sessions) = walker.into_sessions(limit).await;
        let mut files = Self::over(definition, &options, sessions, outside, limit).await?;
        files.measured = measured;
        if hosts.per_host() == files.hosts.per_host() {
            files.hosts = hosts;
        }
        Ok(files)
    }

    async fn over(
        definition: &FilesDefinition,
        options: &ConnectOptions,
        sessions: Vec<Session>,
        Outside { s3, fetcher, hooks }: Outside,
        limit: Duration,
    ) -> Result<Self, RowsError> {
        let table = Walked {
            source: &definition.source.table,
            columns: walked_columns(definition),
            digest: &definition.digest,
            lanes: definition.limits.lanes.min(definition.limits.shards),
        };
        let check = |table: &_, dialect| check::check(definition, table, dialect);
        let walker = Walker::open(table, options, sessions, check, limit).await?;
        let table = walker.table().ok_or(RowsError::Shape("the catalog"))?;
        let columns = Columns::of(definition, walker.dialect(), table).ok_or(RowsError::Shape("the catalog"))?;
        let http = &definition.source.http;
        Ok(Self {
            pinned: definition.digest.clone(),
            columns,
            rewrites: rewrites(definition),
            naming: Naming::of(&definition.target),
            fetcher,
            s3,
            hooks,
            hosts: Hosts::new(http.per_host),
            transfers: Semaphore::new(usize::try_from(http.concurrency).unwrap_or(1)),
            max_item: definition.limits.max_item.min(walker.max_packet() / 2),
            memory: Semaphore::new(usize::try_from(MEMORY / 1024).unwrap_or(usize::MAX)),
            most_memory: MEMORY / 1024,
            // With a key of one's own S3's tags are no digests.
            passes: AtomicBool::new(definition.target.kms_key.is_none()),
            part: storing::PART,
            shelves: Arc::new(Nowhere),
            first_upload: OnceCell::new(),
            carried: AtomicU64::new(0),
            left_alone: AtomicBool::new(false),
            measured: AtomicBool::new(false),
            journal: OnceCell::new(),
            definition: definition.clone(),
            walker,
        })
    }

    /// Where it is connected to.
    pub fn options(&self) -> &ConnectOptions {
        self.walker.options()
    }

    /// Says goodbye to the database.
    pub async fn close(self) {
        self.walker.close().await;
    }
}

/// What each `rewrite` looks for, compiled once and not for each file.
fn rewrites(definition: &FilesDefinition) -> Vec<Option<Regex>> {
    let compiled = |file: &FileColumn| file.rewrite.as_ref().and_then(|rewrite| Regex::new(&rewrite.from).ok());
    definition.source.files.iter().map(compiled).collect()
}

/// The key's columns and those that are read.
fn walked_columns(definition: &FilesDefinition) -> Vec<String> {
    let mut names = definition.source.table.key.clone();
    for name in
        columns::names(definition).into_iter().chain(definition.source.table.changed.iter().map(|it| it.column.clone()))
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
