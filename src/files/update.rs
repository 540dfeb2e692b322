//! The row follows: compare-and-set on everything that its columns of URLs said, so that what the application wrote meanwhile is
//! never overwritten; all files of a row or none.

use super::Files;
use super::journal::{Line, Moved};
use super::row::{Link, Row};
use crate::rows::RowsError;
use crate::rows::link::{Deadline, execute};
use crate::rows::phrase;
use crate::spec::StampValue;
use crate::sql::statement::Statement;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What a row has become, for the column that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It points at the copies, which were read back.
    Active,
    /// It was left as it was, since a file did not arrive.
    Failed,
    /// It points at the old places again.
    RolledBack,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// A row whose files have all arrived.
pub(super) struct Arrived<'a> {
    pub(super) row: &'a Row,
    pub(super) line: Line,
    /// The place of each column that changes, and what it then holds.
    pub(super) changes: Vec<(usize, String)>,
}

/// What is written with the URLs.
pub(super) struct Stamps<'a> {
    pub(super) now: SystemTime,
    pub(super) run: &'a str,
}

impl Files {
    /// What a row says once its files are where they should be, and the line of the journal for it.
    pub(super) fn arrived<'a>(&self, row: &'a Row, files: Vec<(Link, Moved)>, run: &str) -> Arrived<'a> {
        let links: Vec<(Link, String)> =
            files.iter().map(|(link, moved)| (link.clone(), self.naming.url(&moved.key))).collect();
        let changes = row.rewritten(&self.definition.source, &self.columns, &links);
        let mut line = Line::new(&self.definition, run, &row.key);
        line.old = self.texts(row, self.definition.source.files.iter().map(|file| &file.column));
        line.stamps = self.texts(row, self.definition.target.columns.iter().map(|(name, _)| name));
        for (place, text) in &changes {
            if let Some(known) = self.columns.all.get(*place) {
                line.new.insert(known.name.clone(), text.clone());
            }
        }
        line.files = files.into_iter().map(|(_, moved)| moved).collect();
        Arrived { row, line, changes }
    }

    fn texts<'a>(&self, row: &Row, names: impl Iterator<Item = &'a String>) -> BTreeMap<String, Option<String>> {
        names.map(|name| (name.clone(), row.value(&self.columns, name).map(str::to_owned))).collect()
    }

    /// Changes rows in one transaction; which of them, by their places, had changed meanwhile and were left alone. Rows that failed
    /// are marked where a column is there for that.
    pub(super) async fn change(
        &self,
        arrived: &[Arrived<'_>],
        failed: &[&Row],
        stamps: &Stamps<'_>,
        limit: Duration,
    ) -> Result<Vec<usize>, RowsError> {
        let marked = if self.marks_states() { failed } else { &[] };
        if arrived.is_empty() && marked.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Deadline::after(limit);
        let mut link = self.walker.take().await;
        let session = link.session(deadline).await?;
        session.begin(deadline.left()).await?;
        let mut overtaken = Vec::new();
        if !self.change_together(session, arrived, stamps, deadline).await? {
            // Some row says something else by now: each is asked for itself.
            session.rollback(deadline.left()).await?;
            session.begin(deadline.left()).await?;
            for (place, one) in arrived.iter().enumerate() {
                if execute(session, &self.update(one, stamps)?, deadline).await? == 0 {
                    overtaken.push(place);
                }
            }
        }
        for row in marked {
            execute(session, &self.mark(row)?, deadline).await?;
        }
        session.commit(deadline.left()).await?;
        Ok(overtaken)
    }

    fn marks_states(&self) -> bool {
        self.definition.target.columns.iter().any(|(_, value)| *value == StampValue::State)
    }

    /// `UPDATE … SET new WHERE key AND old`.
    pub(super) fn update(&self, arrived: &Arrived<'_>, stamps: &Stamps<'_>) -> Result<Statement, RowsError> {
        let mut statement = self.begin_update();
        let mut comma = "";
        for (place, text) in &arrived.changes {
            let Some(known) = self.columns.all.get(*place) else { continue };
            statement.sql(comma);
            self.columns.assign(&mut statement, known, text);
            comma = ", ";
        }
        self.stamp(&mut statement, comma, stamps);
        statement.sql(" WHERE ");
        self.while_same(&mut statement, arrived.row)?;
        Ok(statement)
    }

    /// Appends what is written with the URLs.
    pub(super) fn stamp(&self, statement: &mut Statement, mut comma: &'static str, stamps: &Stamps<'_>) {
        for (name, value) in &self.definition.target.columns {
            statement.sql(comma);
            let text = match value {
                StampValue::Now => {
                    statement.name(name).sql(" = ");
                    phrase::moment(statement, stamps.now);
                    None
                }
                StampValue::State => Some(State::Active.word()),
                StampValue::Run => Some(stamps.run),
                StampValue::Definition => Some(self.pinned.as_str()),
            };
            if let Some(text) = text {
                self.give(statement, name, text);
            }
            comma = ", ";
        }
    }

    /// Appends `column = text` of a column of `[target.columns]`.
    pub(super) fn give(&self, statement: &mut Statement, name: &str, text: &str) {
        statement.name(name).sql(" = ");
        match self.columns.place(name).and_then(|place| self.columns.all.get(place)) {
            Some(known) => self.columns.word(statement, known, text),
            None => phrase::word(statement, text),
        }
    }

    fn mark(&self, row: &Row) -> Result<Statement, RowsError> {
        let mut statement = self.begin_update();
        let states = self.definition.target.columns.iter().filter(|(_, value)| *value == StampValue::State);
        for (place, (name, _)) in states.enumerate() {
            statement.sql(if place == 0 { "" } else { ", " });
            self.give(&mut statement, name, State::Failed.word());
        }
        statement.sql(" WHERE ");
        self.while_same(&mut statement, row)?;
        Ok(statement)
    }

    pub(super) fn begin_update(&self) -> Statement {
        let mut statement = Statement::new(self.walker.dialect());
        statement.sql("UPDATE ").sql(self.walker.quoted()).sql(" AS t SET ");
        statement
    }

    /// Appends that the key is a row's, and every column of URLs what it was.
    pub(super) fn while_same(&self, statement: &mut Statement, row: &Row) -> Result<(), RowsError> {
        self.walker.key().among(statement, "t", std::slice::from_ref(&row.key))?;
        for (place, known) in self.url_columns() {
            statement.sql(" AND ");
            self.columns.same(statement, known, row.values.get(place).and_then(Option::as_deref));
        }
        Ok(())
    }

    /// Columns of URLs, each once, with their places.
    pub(super) fn url_columns(&self) -> impl Iterator<Item = (usize, &super::columns::Known)> {
        let is_url = |name: &str| self.definition.source.files.iter().any(|file| file.column == name);
        self.columns.all.iter().enumerate().filter(move |(_, known)| is_url(&known.name))
    }
}
