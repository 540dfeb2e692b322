//! What `plan` shows of files: the statements, and a sample of what is behind the URLs.

use super::failure::{Failure, fault};
use super::transfer::Job;
use super::update::Stamps;
use super::{Files, content, journal};
use crate::http::Guard;
use crate::rows::RowsError;
use crate::rows::link::Deadline;
use crate::rows::mapping::Stretch;
use crate::spec::Problem;
use crate::sql::catalog;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Rows that are looked at.
const ROWS: u64 = 20;
/// Files whose servers are asked.
const FILES: usize = 20;
/// Keys among which they are looked for.
const KEYS: u64 = 1000;
/// Parameters of URLs that a time makes worthless.
const SIGNED: [&str; 8] =
    ["x-amz-expires", "x-amz-signature", "x-goog-expires", "x-goog-signature", "se", "sig", "expires", "signature"];

/// What a few rows point at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Rows that were looked at.
    pub rows: u64,
    /// URLs in them that are not at the target yet.
    pub urls: u64,
    /// URLs in them that are.
    pub arrived: u64,
    /// Files whose servers were asked.
    pub asked: u64,
    /// Of these, how many of each host.
    pub hosts: BTreeMap<String, u64>,
    /// Of these, how many of each content type.
    pub types: BTreeMap<String, u64>,
    /// Of these, how many would be set aside, by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// Bytes of those whose servers said how many.
    pub bytes: u64,
    /// How many said so.
    pub measured: u64,
    /// How long was waited for their answers, in all.
    pub waited: Duration,
    /// URLs that bear a signature, which a time makes worthless.
    pub signed: u64,
}

impl Files {
    /// The statements of a batch, as they are sent.
    pub async fn statements(&self, limit: Duration) -> Result<Vec<(&'static str, String)>, RowsError> {
        let Some(end) = self.walker.bound(None, limit).await? else { return Ok(Vec::new()) };
        let now = SystemTime::now();
        let stretch = Stretch::Range { after: None, end: &end };
        let mut statements = vec![("read", self.select(&stretch, now, KEYS)?.text().to_owned())];
        let rows = self.rows_of(&stretch, now, 1, limit).await?;
        if let Some(row) = rows.first() {
            let mut arrived = self.arrived(row, Vec::new(), "");
            arrived.changes = self.url_columns().map(|(place, _)| (place, String::new())).collect();
            let update = self.update(&arrived, &Stamps { now, run: "" })?;
            statements.push(("update", update.text().to_owned()));
        }
        Ok(statements)
    }

    /// What the database user would need and may not do, as problems.
    pub async fn missing_privileges(&self, limit: Duration) -> Result<Vec<Problem>, RowsError> {
        let deadline = Deadline::after(limit);
        let Some(table) = self.walker.table() else { return Ok(Vec::new()) };
        let mut link = self.walker.take().await;
        let session = link.session(deadline).await?;
        let held = catalog::privileges(session, Some(&table.schema), &table.name, deadline.left()).await?;
        let lacks = |privilege: &str| Problem {
            field: "source.table".to_owned(),
            message: format!("the database user lacks {privilege} on `{}.{}`", table.schema, table.name),
            hint: format!("as an administrator grant it {privilege} on the table, or on the columns that are written"),
        };
        let missing = [(!held.select).then(|| lacks("SELECT")), (!held.update).then(|| lacks("UPDATE"))];
        Ok(missing.into_iter().flatten().collect())
    }

    /// Whether the bucket is there and may be listed, which `rollback` needs: as a problem, if not.
    pub async fn try_bucket(&self, limit: Duration) -> Option<Problem> {
        let folder = journal::folder(&self.definition);
        let error = self.s3.list(&self.definition.target.bucket, &folder, limit).await.err()?;
        Some(Problem {
            field: "target.bucket".to_owned(),
            message: format!("`{}` cannot be listed", self.definition.target.bucket),
            hint: fault(&error).message,
        })
    }

    /// What may turn out badly beside what the catalog says.
    pub fn risks(&self) -> Vec<String> {
        let http = &self.definition.source.http;
        let mut risks = Vec::new();
        if !http.allow_addresses.is_empty() {
            risks.push(format!(
                "`allow_addresses` lets whoever writes a row reach {} inside your network",
                http.allow_addresses.join(", ")
            ));
        }
        let target = url::Url::parse(&self.naming.url("x")).ok();
        let guard = Guard::new(&http.allow_hosts, &http.allow_addresses).ok();
        if let (Some(url), Some(guard)) = (target, guard)
            && guard.admit(&url).is_ok()
        {
            risks.push(
                "`target.url` is of a host that `allow_hosts` names: a URL of the old place that looks like one of the new would be \
                 taken for one that has arrived"
                    .to_owned(),
            );
        }
        risks
    }

    /// Transfers that run side by side where files are on so many hosts.
    pub fn side_by_side(&self, hosts: usize) -> u32 {
        let http = &self.definition.source.http;
        http.concurrency.min(http.per_host.saturating_mul(u32::try_from(hosts.max(1)).unwrap_or(u32::MAX)))
    }

    /// Bytes of one part of an upload.
    pub fn part_bytes(&self) -> u64 {
        self.part
    }

    /// Asks for the head of some files, and reads none of them.
    pub async fn sample(&self, limit: Duration) -> Result<Sampled, RowsError> {
        let (deadline, until) = (Deadline::after(limit), Instant::now() + limit);
        let mut sampled = Sampled::default();
        let Some(end) = self.walker.bound(None, limit).await? else { return Ok(sampled) };
        let now = SystemTime::now();
        let rows = self.rows_of(&Stretch::Range { after: None, end: &end }, now, ROWS, deadline.left()).await?;
        sampled.rows = rows.len() as u64;
        for row in &rows {
            let Ok(links) = row.links(&self.definition.source, &self.columns, &self.naming) else {
                *sampled.failures.entry("poison").or_default() += 1;
                continue;
            };
            for link in &links {
                if link.arrived {
                    sampled.arrived += 1;
                    continue;
                }
                sampled.urls += 1;
                sampled.signed += u64::from(is_signed(&link.url));
                if sampled.asked < FILES as u64 && Instant::now() < until {
                    sampled.asked += 1;
                    let job = Job { row, link, links: &links, run: "", recovered: false };
                    self.look(job, until, &mut sampled).await;
                }
            }
        }
        Ok(sampled)
    }

    async fn look(&self, job: Job<'_>, until: Instant, sampled: &mut Sampled) {
        let looked = async {
            let asked = self.asked(job.link)?;
            let host = url::Url::parse(&asked).ok().and_then(|url| url.host_str().map(str::to_owned));
            let since = Instant::now();
            let answer = self.answer(&asked, None, until).await;
            sampled.waited += since.elapsed();
            *sampled.hosts.entry(host.unwrap_or_else(|| "?".to_owned())).or_default() += 1;
            let answer = answer?;
            let said = content::said(&answer.headers).unwrap_or_else(|| "none".to_owned());
            *sampled.types.entry(said).or_default() += 1;
            if let Some(length) = answer.length {
                sampled.bytes += length;
                sampled.measured += 1;
            }
            content::check_head(&answer.headers, &self.definition.target.content_types)?;
            Ok::<(), Failure>(())
        };
        if let Err(Failure::File { class, .. }) = looked.await {
            *sampled.failures.entry(class).or_default() += 1;
        }
    }
}

fn is_signed(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    url.query_pairs().any(|(name, _)| SIGNED.contains(&name.to_ascii_lowercase().as_str()))
}
