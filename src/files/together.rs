//! Many rows follow in one statement, which asks of each whether it is what it was, as a statement for it alone would: a batch costs
//! few round trips instead of one per row.

use super::Files;
use super::update::{Arrived, Stamps};
use crate::rows::RowsError;
use crate::rows::link::{Deadline, execute};
use crate::sql::Session;
use crate::sql::statement::Statement;
use std::collections::BTreeMap;

/// Rows of one statement, at most.
const ROWS: usize = 64;
/// Bytes of what is compared and written by one, at most, unless a single row has more: far below any packet.
const BYTES: usize = 256 << 10;
/// Values of one, at most: below what SQLite takes.
const VALUES: usize = 16_000;

impl Files {
    /// Changes all rows; false if one of them has changed meanwhile, and then the transaction has to be rolled back.
    pub(super) async fn change_together(
        &self,
        session: &mut Session,
        arrived: &[Arrived<'_>],
        stamps: &Stamps<'_>,
        deadline: Deadline,
    ) -> Result<bool, RowsError> {
        for alike in Self::alike(arrived) {
            let mut rest = alike.as_slice();
            while !rest.is_empty() {
                let (some, behind) = rest.split_at(self.fitting(rest));
                let statement = match some {
                    [one] => self.update(one, stamps)?,
                    some => self.update_together(some, stamps)?,
                };
                if execute(session, &statement, deadline).await? != some.len() as u64 {
                    return Ok(false);
                }
                rest = behind;
            }
        }
        Ok(true)
    }

    /// Rows of which the same columns change, together: a column that does not change is not written.
    fn alike<'a, 'b>(arrived: &'b [Arrived<'a>]) -> Vec<Vec<&'b Arrived<'a>>> {
        let mut alike: BTreeMap<Vec<usize>, Vec<&Arrived<'_>>> = BTreeMap::new();
        for one in arrived {
            let mut places: Vec<usize> = one.changes.iter().map(|(place, _)| *place).collect();
            places.sort_unstable();
            alike.entry(places).or_default().push(one);
        }
        alike.into_values().collect()
    }

    /// `UPDATE … SET column = CASE WHEN key THEN new … END WHERE key AND old OR …`.
    fn update_together(&self, some: &[&Arrived<'_>], stamps: &Stamps<'_>) -> Result<Statement, RowsError> {
        let mut statement = self.begin_update();
        let mut comma = "";
        for (place, known) in self.url_columns() {
            let text =
                |one: &&Arrived<'_>| one.changes.iter().find(|(at, _)| *at == place).map(|(_, text)| text.clone());
            if some.first().and_then(text).is_none() {
                continue;
            }
            statement.sql(comma).name(&known.name).sql(" = CASE");
            for one in some {
                statement.sql(" WHEN ");
                self.walker.key().among(&mut statement, "t", std::slice::from_ref(&one.row.key))?;
                statement.sql(" THEN ");
                self.columns.value(&mut statement, known, &text(one).unwrap_or_default());
            }
            // No row comes here: each of them is named above.
            statement.sql(" ELSE ").sql(&self.columns.bare(known)).sql(" END");
            comma = ", ";
        }
        self.stamp(&mut statement, comma, stamps);
        for (place, one) in some.iter().enumerate() {
            statement.sql(if place == 0 { " WHERE (" } else { " OR (" });
            self.while_same(&mut statement, one.row)?;
            statement.sql(")");
        }
        Ok(statement)
    }

    /// How many of the rows go into one statement: a power of two, so that few texts serve all.
    fn fitting(&self, rows: &[&Arrived<'_>]) -> usize {
        let keys = self.walker.key().columns.len();
        let values = |one: &Arrived<'_>| keys * (1 + one.changes.len()) + one.changes.len() + one.row.values.len();
        let most = rows.first().map_or(1, |one| VALUES / values(one).max(1)).min(ROWS);
        let mut bytes = 0;
        let fits = |one: &&&Arrived<'_>| {
            let old = one.row.values.iter().flatten().map(String::len);
            bytes += old.chain(one.changes.iter().map(|(_, text)| text.len())).sum::<usize>();
            bytes <= BYTES
        };
        1 << rows.iter().take(most).take_while(fits).count().max(1).ilog2()
    }
}
