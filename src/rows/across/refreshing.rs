//! Stale copies: targets that differ from what would be written now, and are sure to be as milkrun left them. The source alone
//! has changed since.

use super::super::faults::RowsError;
use super::super::landing::FillKind;
use super::super::link::{Deadline, rows};
use super::super::phrase::{digest, word};
use super::comparing::Print;
use super::lookup::Held;
use super::route::{Origin, Route};
use super::writing::Writing;
use crate::cursor::Cursor;
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session};
use std::collections::HashSet;

/// What has to be true of a target for it to be rewritten: what was read may have been changed since.
pub(super) enum Only {
    /// This SQL over `h`.
    Vouched(String),
    /// That this SQL over `h` is what was read.
    Still { digest: String, read: Option<String> },
}

impl Only {
    pub(super) fn append(&self, statement: &mut Statement) {
        match self {
            Self::Vouched(vouched) => {
                statement.sql(vouched);
            }
            Self::Still { digest, read: None } => {
                statement.sql(digest).sql(" IS NULL");
            }
            Self::Still { digest, read: Some(read) } => {
                let (before, between, behind) = match statement.dialect() {
                    Dialect::MySql => ("CAST(", " AS BINARY) = CAST(", " AS BINARY)"),
                    Dialect::Postgres => ("(", ") COLLATE \"C\" = ", ""),
                    Dialect::Sqlite => ("", " = ", " COLLATE BINARY"),
                };
                statement.sql(before).sql(digest).sql(between);
                word(statement, read);
                statement.sql(behind);
            }
        }
    }
}

impl Route {
    /// The columns that vouch for a target's row: a text that the document is kept as, and the digest beside it.
    fn vouchers(&self) -> Option<(&str, &str)> {
        let of = |origin: Origin| self.fills.iter().find(move |fill| fill.origin == origin);
        // A JSON type has rewritten its text.
        let document = of(Origin::Document).filter(|fill| fill.kind != FillKind::Json)?;
        Some((&document.held, &of(Origin::Digest)?.held))
    }

    /// A target's row may say of itself that nobody has touched it.
    pub(super) fn has_vouchers(&self) -> bool {
        self.vouchers().is_some()
    }

    /// SQL that is true if a target's document, over `h`, still has the digest beside it; `None`: nothing in it would tell.
    pub(super) fn vouched(&self) -> Option<String> {
        let (document, written) = self.vouchers()?;
        let digest = digest(self.dialect(), document);
        Some(match self.dialect() {
            Dialect::MySql => format!("CAST({written} AS BINARY) = CAST({digest} AS BINARY)"),
            Dialect::Postgres => format!("({written}) COLLATE \"C\" = ({digest}) COLLATE \"C\""),
            Dialect::Sqlite => format!("{written} = {digest} COLLATE BINARY"),
        })
    }

    /// The digest alone differs, of a row of which no document is kept: the source has changed in what is not copied.
    pub(super) fn differs_in_digest_alone(&self, ours: &Print, theirs: &Print) -> bool {
        let mut differing = self.compared().zip(ours.iter().zip(theirs)).filter(|(_, (ours, theirs))| ours != theirs);
        differing.all(|((_, fill), _)| fill.origin == Origin::Digest)
    }

    /// What is to be true of a stale target, of which this was read, when it is rewritten.
    pub(super) fn only(&self, theirs: &Print) -> Option<Only> {
        if let Some(vouched) = self.vouched() {
            return Some(Only::Vouched(vouched));
        }
        let mut compared = self.compared().enumerate();
        let (place, (_, fill)) = compared.find(|(_, (_, fill))| fill.origin == Origin::Digest)?;
        let digest = digest(self.dialect(), &fill.held);
        Some(Only::Still { digest, read: theirs.get(place).cloned().flatten() })
    }

    /// Of these keys the places of those whose target's document still has the digest beside it.
    async fn untouched(
        &self,
        session: &mut Session,
        keys: &[Cursor],
        deadline: Deadline,
    ) -> Result<HashSet<usize>, RowsError> {
        let mut untouched = HashSet::new();
        let Some(vouched) = self.vouched() else { return Ok(untouched) };
        let same = match self.dialect() {
            Dialect::MySql => format!("CAST(({vouched}) AS CHAR)"),
            Dialect::Postgres => format!("({vouched})::int::text"),
            Dialect::Sqlite => format!("CAST(({vouched}) AS TEXT)"),
        };
        for part in Held::of(self, keys) {
            for row in &rows(session, &self.lookup(&part.keys, std::slice::from_ref(&same)), deadline).await? {
                if row.get(1).and_then(Option::as_deref) == Some("1") {
                    untouched.insert(part.place(row.first().and_then(Option::as_deref))?);
                }
            }
        }
        Ok(untouched)
    }
}

impl Writing<'_> {
    /// Of items whose targets may be stale those whose targets are.
    pub(super) async fn stale(
        &self,
        session: &mut Session,
        doubtful: Vec<usize>,
        keys: &[Cursor],
        deadline: Deadline,
    ) -> Result<HashSet<usize>, RowsError> {
        let route = &self.across.route;
        if !route.has_vouchers() {
            return Ok(doubtful.into_iter().collect());
        }
        let asked: Vec<Cursor> = doubtful.iter().filter_map(|row| keys.get(*row).cloned()).collect();
        let untouched = route.untouched(session, &asked, deadline).await?;
        Ok(untouched.into_iter().filter_map(|place| doubtful.get(place).copied()).collect())
    }
}
