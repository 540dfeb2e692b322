//! What `plan` shows: statements, their query plans, a sample, and what the user may not do.

use super::destination::{self, Destination};
use super::faults::RowsError;
use super::landing::Stamp;
use super::link::{Deadline, rows};
use super::mapping::{Mapping, Stretch};
use super::{Rows, create};
use crate::cursor::Cursor;
use crate::fault::Class;
use crate::spec::{ColumnValue, Problem, Related};
use crate::sql::catalog::{self, Table};
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session};
use std::time::{Duration, SystemTime};

/// A statement and how the database goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPlan {
    /// What the statement is for.
    pub purpose: &'static str,
    /// Its text.
    pub statement: String,
    /// The database's own words.
    pub plan: String,
}

impl Rows {
    /// The statements of one batch, in their order, as they are sent.
    pub async fn statements(&self, limit: Duration) -> Result<Vec<(&'static str, String)>, RowsError> {
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        let sample = self.mapping.sample(link.session(deadline).await?, deadline).await?;
        let mut statements = Vec::new();
        for statement in create::statements(&self.definition, &self.tables)? {
            statements.push(("create", statement.text().to_owned()));
        }
        let Some(sample) = sample else { return Ok(statements) };
        let batch = match &self.across {
            Some(across) => across.batch(&self.mapping, &sample, self.max_item)?,
            None => self.mapping.batch(&sample, self.max_item)?,
        };
        // In one database these stand in the batch.
        let (lock, delete) = match self.across {
            Some(_) => self.mapping.purging(&sample)?,
            None => (Vec::new(), Vec::new()),
        };
        for (purpose, statement) in lock.into_iter().chain(batch).chain(delete) {
            statements.push((purpose, statement.text().to_owned()));
        }
        Ok(statements)
    }

    /// How the database walks to the end of a batch and how it selects the items of one, explained for the first keys of
    /// the source. A user who may only read can have this explained.
    pub async fn query_plans(&self, limit: Duration) -> Result<Vec<QueryPlan>, RowsError> {
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await?;
        let Some(sample) = self.mapping.sample(session, deadline).await? else { return Ok(Vec::new()) };
        let mut plans = Vec::new();
        if let Some(across) = &self.across {
            plans = across.query_plans(&self.mapping, &mut link, (&sample, self.max_item), deadline).await?;
        } else {
            for (purpose, statement) in self.mapping.explained(&sample)? {
                let plan = explain(session, &statement, deadline).await?;
                plans.push(QueryPlan { purpose, statement: statement.text().to_owned(), plan });
            }
        }
        let session = link.session(deadline).await?;
        if let Some(recent) = &self.mapping.recent
            && let Some(last) = self.mapping.last_change(recent, session, SystemTime::UNIX_EPOCH, deadline).await?
        {
            for (purpose, statement) in
                self.mapping.explained_changes(recent, &last, SystemTime::now(), self.across.is_some())?
            {
                // There is no target yet, maybe: what is read of the source is what this is about.
                if purpose == "changes without a target" && self.lacks_target() {
                    continue;
                }
                let plan = explain(session, &statement, deadline).await?;
                plans.push(QueryPlan { purpose, statement: statement.text().to_owned(), plan });
            }
        }
        Ok(plans)
    }

    /// The document of the first item, as the database builds it, whether or not it is mapped: it shows what travels. `None`: no row matches, as far as was looked; the first
    /// thousand keys are looked at in any case, the others for as long as `search`.
    pub async fn sample_document(&self, limit: Duration, search: Duration) -> Result<Option<String>, RowsError> {
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await?;
        let Some(sample) = self.mapping.sample(session, deadline).await? else { return Ok(None) };
        let near = Stretch::Range { after: None, end: &sample.last };
        let found = rows(session, &self.mapping.first_document(&near)?, deadline).await;
        let mut found = found.map_err(|error| self.mapping.of_query(error.into()))?;
        if found.is_empty() && sample.last != sample.bound {
            let far = Stretch::Range { after: Some(&sample.last), end: &sample.bound };
            found = match rows(session, &self.mapping.first_document(&far)?, Deadline::after(search.min(limit))).await {
                Err(error) if matches!(error.class(), Class::Capacity | Class::Locked) => Vec::new(),
                found => found?,
            };
        }
        Ok(found.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    /// What the database user would need and may not do, as problems.
    pub async fn missing_privileges(&self, limit: Duration) -> Result<Vec<Problem>, RowsError> {
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await?;
        let (user, dialect) = (self.options.user.as_str(), session.make().dialect());
        let mut problems = Vec::new();
        let mut sources = vec![("source.table".to_owned(), self.tables.source.as_ref())];
        gather(&mut sources, "source", &self.definition.source.related, &self.tables.related);
        for (field, table) in sources {
            let Some(table) = table else { continue };
            let held = catalog::privileges(session, Some(&table.schema), &table.name, deadline.left()).await?;
            if !held.select {
                problems.push(missing(&field, "SELECT", table, user, dialect));
            }
            if self.mapping.purge.is_none() {
                continue;
            }
            if !held.delete {
                problems.push(missing(&field, "DELETE", table, user, dialect));
            }
            // Without it PostgreSQL locks no row.
            if !held.update && dialect == Dialect::Postgres {
                problems.push(missing(&field, "UPDATE", table, user, dialect));
            }
        }
        let mut other = match &self.across {
            Some(across) => Some(across.sessions.take().await),
            None => None,
        };
        let session = match &mut other {
            Some(link) => link.session(deadline).await?,
            None => session,
        };
        for destination in destination::all(&self.definition, &self.tables) {
            self.privileges_on(session, &destination, &mut problems, deadline).await?;
        }
        Ok(problems)
    }

    async fn privileges_on(
        &self,
        session: &mut Session,
        destination: &Destination<'_>,
        problems: &mut Vec<Problem>,
        deadline: Deadline,
    ) -> Result<(), RowsError> {
        let options = self.target_options().unwrap_or(&self.options);
        let (user, dialect) = (options.user.as_str(), session.make().dialect());
        let schema = destination.schema;
        let held = catalog::privileges(session, schema, destination.table, deadline.left()).await?;
        let described = Table {
            schema: schema.unwrap_or(&self.tables.target_default_schema).to_owned(),
            name: destination.table.to_owned(),
            ..Table::default()
        };
        if held.schema_is_missing {
            let mut create = Statement::new(dialect);
            create.sql("CREATE SCHEMA ").name(&described.schema);
            problems.push(Problem {
                field: format!("{}.schema", destination.field),
                message: format!("there is no schema `{}`", described.schema),
                hint: format!("run: {}, or name one that is there", create.text()),
            });
            return Ok(());
        }
        let mut lacks = |field: &str, privilege: &str| {
            let field = format!("{}.{field}", destination.field);
            problems.push(missing(&field, privilege, &described, user, dialect));
        };
        if destination.found.is_none() && !held.create {
            lacks("create", "CREATE");
        }
        let columns = &held.insert_columns;
        let all = || destination.columns.iter().all(|(name, _)| columns.contains(name));
        if !held.insert && (columns.is_empty() || !all()) {
            lacks("table", "INSERT");
        }
        if !held.select {
            lacks("table", "SELECT");
        }
        // A stale copy is replaced where its digest says that it is one.
        let digest = destination.columns.iter().any(|(_, value)| *value == ColumnValue::Digest);
        if self.mapping.purge.is_some() && digest && !held.update {
            lacks("table", "UPDATE");
        }
        Ok(())
    }
}

fn gather<'a>(
    sources: &mut Vec<(String, Option<&'a Table>)>,
    path: &str,
    related: &[Related],
    found: &'a [super::tables::RelatedTable],
) {
    for (place, (one, found)) in related.iter().zip(found).enumerate() {
        let path = format!("{path}.related[{place}]");
        sources.push((format!("{path}.table"), found.table.as_ref()));
        gather(sources, &path, &one.related, &found.related);
    }
}

fn missing(field: &str, privilege: &str, table: &Table, user: &str, dialect: Dialect) -> Problem {
    let mut grant = Statement::new(dialect);
    grant.sql("GRANT ").sql(privilege).sql(" ON ");
    match (dialect, privilege) {
        (Dialect::Postgres, "CREATE") => grant.sql("SCHEMA ").name(&table.schema),
        (_, "CREATE") => grant.name(&table.schema).sql(".*"),
        _ => grant.name(&table.schema).sql(".").name(&table.name),
    };
    grant.sql(" TO ").name(user);
    // Whose hosts are the administrator's to know.
    grant.sql(if dialect == Dialect::MySql { "@…" } else { "" });
    Problem {
        field: field.to_owned(),
        message: format!("the database user lacks {privilege} on `{}.{}`", table.schema, table.name),
        hint: match dialect {
            Dialect::Sqlite => "make the file and its folder writable for it".to_owned(),
            _ => format!("as an administrator run: {}", grant.text()),
        },
    }
}

pub(super) async fn explain(
    session: &mut Session,
    statement: &Statement,
    deadline: Deadline,
) -> Result<String, RowsError> {
    let dialect = statement.dialect();
    let mut explained = Statement::new(dialect);
    explained.sql(match dialect {
        Dialect::MySql => "EXPLAIN FORMAT=JSON ",
        Dialect::Postgres => "EXPLAIN ",
        Dialect::Sqlite => "EXPLAIN QUERY PLAN ",
    });
    explained.append(statement);
    // MySQL leaves a note with the rewritten statement: no harm here.
    let found = session.rows(&explained, deadline.left()).await?;
    let line = |row: Vec<Option<String>>| row.into_iter().next_back().flatten().unwrap_or_default();
    Ok(found.into_iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// Statements, and what each is for.
type Purposes = Vec<(&'static str, Statement)>;

/// The first keys of a source.
pub(super) struct Sample {
    pub(super) first: Cursor,
    pub(super) last: Cursor,
    pub(super) bound: Cursor,
}

/// Keys that a sample spans.
pub(super) const SAMPLED: u64 = 1000;

impl Mapping {
    async fn sample(&self, session: &mut Session, deadline: Deadline) -> Result<Option<Sample>, RowsError> {
        let bound = rows(session, &self.last_key(None)?, deadline).await?;
        let Some(row) = bound.first() else { return Ok(None) };
        let bound = self.key().read(row, 0)?;
        let mut ends = Vec::new();
        for size in [1, SAMPLED] {
            let found = rows(session, &self.boundary(None, &bound, size)?, deadline).await?;
            ends.push(match found.first() {
                Some(row) => self.key().read(row, 0)?,
                None => bound.clone(),
            });
        }
        let last = ends.pop().unwrap_or_else(|| bound.clone());
        let first = ends.pop().unwrap_or_else(|| bound.clone());
        Ok(Some(Sample { first, last, bound }))
    }

    fn batch(&self, sample: &Sample, max_item: u64) -> Result<Vec<(&'static str, Statement)>, RowsError> {
        let stretch = Stretch::Range { after: Some(&sample.first), end: &sample.last };
        let now = SystemTime::now();
        let stamp = Stamp { now, run: String::new() };
        let mut statements = vec![("boundary", self.boundary(Some(&sample.first), &sample.bound, SAMPLED)?)];
        let (lock, delete) = self.purging(sample)?;
        statements.extend(lock);
        statements.push(("compare", self.compare(&stretch, now, max_item)?));
        if self.dialect == Dialect::Postgres {
            statements.push(("insert", self.insert_accounted(&stretch, now, &stamp, false, max_item)?));
        } else {
            statements.push(("insert", self.insert(&stretch, now, &stamp, false)?));
            statements.push(("account", self.account(&stretch, now, max_item)?));
        }
        for copy in &self.copies {
            statements.push(("survey", self.survey(copy, &stretch, now, false)?));
            statements.push(("copy", self.insert_copy(copy, &stretch, now, &stamp, false)?));
        }
        statements.extend(delete);
        Ok(statements)
    }

    /// What locks the rows of a batch, and what deletes them.
    fn purging(&self, sample: &Sample) -> Result<(Purposes, Purposes), RowsError> {
        let (mut lock, mut delete) = (Vec::new(), Vec::new());
        let Some(purge) = &self.purge else { return Ok((lock, delete)) };
        let stretch = Stretch::Range { after: Some(&sample.first), end: &sample.last };
        let now = SystemTime::now();
        lock.push(("lock", self.lock(&stretch, now)?));
        for limb in &purge.limbs {
            lock.push(("lock", self.lock_limb(limb, &stretch, now)?));
            delete.push(("delete", self.delete_limb(limb, &stretch, now)?));
        }
        // Those above before those beneath, and the other way round.
        lock[1..].reverse();
        delete.push(("delete", self.delete(&stretch, now)?));
        Ok((lock, delete))
    }

    fn explained(&self, sample: &Sample) -> Result<Vec<(&'static str, Statement)>, RowsError> {
        let stretch = Stretch::Range { after: Some(&sample.first), end: &sample.last };
        let now = SystemTime::now();
        let stamp = Stamp { now, run: String::new() };
        let mut explained = vec![
            ("boundary", self.boundary(Some(&sample.first), &sample.bound, SAMPLED)?),
            ("insert", self.select(&stretch, now, &stamp)?),
        ];
        for copy in &self.copies {
            explained.push(("copy", self.select_copy(copy, &stretch, now, &stamp)?));
        }
        Ok(explained)
    }

    fn first_document(&self, stretch: &Stretch<'_>) -> Result<Statement, RowsError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.landing.document);
        self.items(&mut statement, stretch, SystemTime::now())?;
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        statement.sql(" LIMIT 1");
        Ok(statement)
    }
}
